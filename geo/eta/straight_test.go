package eta_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

func TestStraightLine_Estimate(t *testing.T) {
	t.Run("distance_is_stretched_and_driven", func(t *testing.T) {
		a, b := geo.LatLng{Lat: 37.78, Lng: -122.41}, geo.LatLng{Lat: 37.75, Lng: -122.42}
		e := eta.NewStraightLine(10, 1.5).Estimate(a, b)
		want := 1.5 * float64(geo.Distance(a, b))
		if float64(e.Distance) != want || e.Source != "straight_line" {
			t.Errorf("got %+v, want %v m by straight_line", e, want)
		}
		if got := e.Duration.Seconds(); math.Abs(got-want/10) > 0.000501 || e.Duration%time.Millisecond != 0 {
			t.Errorf("got %v for %v m at 10 m/s", e.Duration, want)
		}
	})

	t.Run("no_way_takes_no_time", func(t *testing.T) {
		p := geo.LatLng{Lat: 1, Lng: 1}
		if e := eta.Default().Estimate(p, p); e.Duration != 0 || e.Distance != 0 {
			t.Errorf("got %+v", e)
		}
	})
}

func TestStraightLine_Matrix(t *testing.T) {
	from := []geo.LatLng{{Lat: 1, Lng: 1}, {Lat: 2, Lng: 2}}
	to := []geo.LatLng{{Lat: 1, Lng: 1.01}, {Lat: 1.02, Lng: 1}, {Lat: 2, Lng: 2}}

	t.Run("a_row_for_each_source", func(t *testing.T) {
		s := eta.Default()
		rows, err := s.Matrix(context.Background(), from, to)
		if err != nil || len(rows) != len(from) {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for i := range from {
			for j := range to {
				if rows[i][j] != s.Estimate(from[i], to[j]) {
					t.Errorf("entry %d, %d is %+v", i, j, rows[i][j])
				}
			}
		}
	})

	t.Run("a_cancelled_context_ends_it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if rows, err := eta.Default().Matrix(ctx, from, to); !errors.Is(err, context.Canceled) || rows != nil {
			t.Errorf("got %v, %v", rows, err)
		}
	})
}

func TestNewStraightLine(t *testing.T) {
	t.Run("values_that_make_no_sense_panic", func(t *testing.T) {
		for _, v := range [][2]float64{{0, 1.3}, {-1, 1.3}, {math.NaN(), 1.3}, {math.Inf(1), 1.3}, {5, 0.9}, {5, math.NaN()}, {5, math.Inf(1)}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("speed %v, circuity %v were taken", v[0], v[1])
					}
				}()
				eta.NewStraightLine(v[0], v[1])
			}()
		}
	})
}

func TestDefault(t *testing.T) {
	t.Run("its_numbers_are_those_of_the_trips_they_come_from", func(t *testing.T) {
		var circuities, speeds, misses []float64
		rides, err := sfRides()
		for i := range rides {
			o := &rides[i]
			straight := geo.Distance(o.From, o.To)
			if straight < 200 {
				continue
			}
			circuities = append(circuities, float64(o.Path/straight))
			speeds = append(speeds, float64(o.Path)/o.Duration.Seconds())
			misses = append(misses, math.Abs((eta.Default().Estimate(o.From, o.To).Duration - o.Duration).Seconds()))
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Log("no trips of San Francisco here: the default is checked against the numbers of its comment")
			circuities, speeds, misses = []float64{1.202}, []float64{5.613}, []float64{116}
		} else if err != nil {
			t.Fatal(err)
		}
		e := eta.Default().Estimate(geo.LatLng{}, geo.LatLng{Lng: 1})
		circuity := float64(e.Distance / geo.Distance(geo.LatLng{}, geo.LatLng{Lng: 1}))
		speed := float64(e.Distance) / e.Duration.Seconds()
		if c, s := median(circuities), median(speeds); math.Abs(circuity-c) > 0.01 || math.Abs(speed-s) > 0.05 {
			t.Errorf("default has circuity %.3f and %.3f m/s, the trips %.3f and %.3f", circuity, speed, c, s)
		}
		if m := median(misses); m > 120 {
			t.Errorf("the median error is %.0f s", m)
		}
	})
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}
