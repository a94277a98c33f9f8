package sim

import (
	"math"
	"math/rand/v2"

	"github.com/hexfleet/hexfleet/geo"
)

// The wide city's measures.
const (
	wideSide   geo.Meters = 30_000
	wideSpots             = 20
	spotSpread geo.Meters = 1500
	// anywhere is the share of trips' ends that are at none of the spots, loose that of the drivers.
	anywhere = 0.2
	loose    = 0.5
)

// spots are where a wide city's people are: hot spots of different size in a square.
type spots struct {
	center geo.LatLng
	half   geo.Meters
	at     []geo.LatLng
	// upTo are the shares of the spots, summed up to each.
	upTo []float64
}

// WideCity is another kind of city around center: a square of 30 km with 20 hot spots, between which trips go, so that they
// are long: 15 km in the mean, half an hour and more. A day in it is a test of who is sent where; in the dense city of
// CityFor it is one of how many drivers there are. Half of the drivers come on at the spots, half anywhere.
func WideCity(center geo.LatLng, seed uint64) City {
	r := rand.New(rand.NewPCG(seed, 3))
	s := &spots{center: center, half: wideSide / 2}
	var sum float64
	for range wideSpots {
		sum += r.ExpFloat64()
		s.at, s.upTo = append(s.at, s.uniform(r)), append(s.upTo, sum)
	}
	return City{Center: center, Radius: s.half * math.Sqrt2, Seed: seed, spots: s}
}

func (s *spots) uniform(r *rand.Rand) geo.LatLng {
	return s.shift(s.center, s.half*geo.Meters(2*r.Float64()-1), s.half*geo.Meters(2*r.Float64()-1))
}

// place is at one of the spots, or with a probability anywhere.
func (s *spots) place(r *rand.Rand, uniform float64) geo.LatLng {
	if r.Float64() < uniform {
		return s.uniform(r)
	}
	chance := r.Float64() * s.upTo[len(s.upTo)-1]
	i := 0
	for s.upTo[i] < chance {
		i++
	}
	return s.shift(s.at[i], spotSpread*geo.Meters(r.NormFloat64()), spotSpread*geo.Meters(r.NormFloat64()))
}

// shift is the place so far to the north and the east of p, or the nearest to that within the square.
func (s *spots) shift(p geo.LatLng, north, east geo.Meters) geo.LatLng {
	perMeter := 180 / math.Pi / float64(geo.EarthRadius)
	lat, lng := float64(s.half)*perMeter, float64(s.half)*perMeter/math.Cos(s.center.Lat*math.Pi/180)
	p.Lat += float64(north) * perMeter
	p.Lng += float64(east) * perMeter / math.Cos(s.center.Lat*math.Pi/180)
	return geo.LatLng{
		Lat: max(s.center.Lat-lat, min(p.Lat, s.center.Lat+lat)), Lng: max(s.center.Lng-lng, min(p.Lng, s.center.Lng+lng)),
	}
}
