package eta_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

func TestSectorOf(t *testing.T) {
	t.Run("is_the_eighth_of_the_arctangent", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 200_000 {
			a := geo.LatLng{Lat: rng.Float64()*178 - 89, Lng: rng.Float64()*360 - 180}
			b := geo.LatLng{Lat: rng.Float64()*178 - 89, Lng: rng.Float64()*360 - 180}
			if rng.IntN(2) == 0 {
				b = geo.LatLng{Lat: min(90, a.Lat+rng.NormFloat64()*0.01), Lng: a.Lng}
				b.Lng = math.Remainder(a.Lng+rng.NormFloat64()*0.01, 360)
			}
			east := math.Remainder(b.Lng-a.Lng, 360) * math.Cos((a.Lat+b.Lat)*(math.Pi/360))
			turn := (math.Atan2(b.Lat-a.Lat, east) + math.Pi) / (2 * math.Pi) * 8
			if math.Abs(turn-math.Round(turn)) < 1e-9 {
				continue // on an edge
			}
			if got := eta.SectorOf(a, b); got != int(turn) {
				t.Fatalf("from %v to %v: sector %d, want %d", a, b, got, int(turn))
			}
		}
	})
	t.Run("edges_belong_to_the_next", func(t *testing.T) {
		for _, test := range []struct {
			north, east float64
			want        int
		}{
			{0, -1, 7}, {-1, -1, 1}, {-1, 0, 2}, {-1, 1, 3}, {0, 1, 4}, {1, 1, 5}, {1, 0, 6}, {1, -1, 7}, {0, 0, 4},
		} {
			// About the equator, in steps so small that the cosine is 1.
			to := geo.LatLng{Lat: test.north * 1e-9, Lng: test.east * 1e-9}
			if got := eta.SectorOf(geo.LatLng{}, to); got != test.want {
				t.Errorf("%v north, %v east: sector %d, want %d", test.north, test.east, got, test.want)
			}
		}
	})
}
