package geo

import (
	"math"
	"math/rand/v2"
)

// anywhere is a place drawn evenly from the sphere.
func anywhere(r *rand.Rand) LatLng {
	return LatLng{
		Lat: math.Asin(2*r.Float64()-1) * 180 / math.Pi,
		Lng: 360*r.Float64() - 180,
	}
}

// toward is the place at a distance from p in a direction (radians, clockwise from north).
func toward(p LatLng, d Meters, bearing float64) LatLng {
	a := float64(d / EarthRadius)
	lat, lng := p.Lat*math.Pi/180, p.Lng*math.Pi/180
	sin := math.Sin(lat)*math.Cos(a) + math.Cos(lat)*math.Sin(a)*math.Cos(bearing)
	out := math.Asin(max(-1, min(1, sin)))
	dLng := math.Atan2(math.Sin(bearing)*math.Sin(a)*math.Cos(lat), math.Cos(a)-math.Sin(lat)*sin)
	return LatLng{
		Lat: out * 180 / math.Pi,
		Lng: max(-180, min(180, math.Remainder((lng+dLng)*180/math.Pi, 360))),
	}
}

// pentagons are the places of the twelve pentagons.
func pentagons() []LatLng {
	var ps []LatLng
	for _, v := range icosahedronVertices() {
		ps = append(ps, v.place())
	}
	return ps
}

// hardPlaces are where an index goes wrong if anywhere: pentagons, the middle and the middles of the edges of a face, the
// antimeridian, the poles; and one where it has to be quick.
func hardPlaces() []LatLng {
	l := newLattice(0)
	f := &l.faces[7]
	ps := append(pentagons(), f.center.place(),
		LatLng{37.7749, -122.4194}, LatLng{0, 0},
		LatLng{0, 180}, LatLng{-16.5, -180}, LatLng{65, 179.9999},
		LatLng{90, 0}, LatLng{-90, 45}, LatLng{89.999, -120},
	)
	for i := range f.edges {
		ps = append(ps, f.center.plus(-f.center.dot(f.edges[i]), f.edges[i]).unit().place())
	}
	return ps
}
