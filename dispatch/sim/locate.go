package sim

import (
	"math"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// What rounds were told of a driver is how far it was from pickups, as times. Who is near several pickups within two
// minutes can be found by them.
const (
	sightFor = 2 * time.Minute
	// sightMost is how many pickups are enough, sightApart how far apart they have to be.
	sightMost  = 8
	sightApart = geo.Meters(50)
)

// sighting is how far a driver was from pickups soon after it came on duty.
type sighting struct {
	all []sight
	// full: no more are taken.
	full bool
}

type sight struct {
	at     time.Time
	pickup geo.LatLng
	took   time.Duration
	source string
}

func (s *sighting) take(now time.Time, pickup geo.LatLng, c *market.Candidate) {
	if s.full || len(s.all) > 0 && now.Sub(s.all[0].at) > sightFor {
		s.full = true
		return
	}
	for i := range s.all {
		if geo.Distance(s.all[i].pickup, pickup) < sightApart {
			return
		}
	}
	s.all = append(s.all, sight{now, pickup, c.Pickup, c.Source})
	s.full = len(s.all) == sightMost
}

// locate gives the place from which the pickups seen are as far as they were told to be, by least squares; false when
// nothing was seen. Of several such places (one pickup leaves a circle, two leave two places) it is the one next to
// where the driver was before, if that is known, and else one in a direction by chance.
func (s *sighting) locate(drive func(*sight, geo.LatLng) time.Duration, before *geo.LatLng, chance uint64) (geo.LatLng, bool) {
	if s == nil || len(s.all) == 0 {
		return geo.LatLng{}, false
	}
	first := float64(chance>>11) / (1 << 53) * 2 * math.Pi
	plane := plane{origin: s.all[0].pickup}
	circles := make([]circle, len(s.all))
	for i := range s.all {
		x, y := plane.xy(s.all[i].pickup)
		circles[i] = circle{x, y, s.all[i].reach(drive, first)}
	}
	best, least := [2]float64{}, math.Inf(1)
	try := func(x, y, favour float64) {
		x, y, off := meet(circles, x, y)
		if off/favour < least {
			best, least = [2]float64{x, y}, off/favour
		}
	}
	if before != nil {
		x, y := plane.xy(*before)
		try(x, y, 4) // a place known counts for more than a slightly better fit elsewhere
	}
	const starts = 8
	for i := range starts {
		sin, cos := math.Sincos(first + 2*math.Pi*float64(i)/starts)
		try(circles[0].x+circles[0].r*cos, circles[0].y+circles[0].r*sin, 1)
	}
	return plane.place(best[0], best[1]), true
}

// reach is how far off a driver is who needs as long as was told, found by halving.
func (s *sight) reach(drive func(*sight, geo.LatLng) time.Duration, direction float64) float64 {
	low, high := 0.0, lineMps*max(s.took.Seconds(), 1)
	for range 24 {
		middle := (low + high) / 2
		if drive(s, move(s.pickup, geo.Meters(middle), direction)) < s.took {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// circle is where a driver can be by one sight, metres.
type circle struct{ x, y, r float64 }

// meet goes from a point to where the circles meet as well as they do, by Gauss and Newton's steps with Levenberg's
// damping, and gives the mean square of how far off it is there, and a square metre.
func meet(circles []circle, x, y float64) (atX, atY, off float64) {
	for range 20 {
		var xx, xy, yy, gx, gy float64
		for _, c := range circles {
			d := math.Hypot(x-c.x, y-c.y)
			if d < 1e-3 {
				continue // in the middle any direction is as good
			}
			ux, uy, miss := (x-c.x)/d, (y-c.y)/d, d-c.r
			xx, xy, yy = xx+ux*ux, xy+ux*uy, yy+uy*uy
			gx, gy = gx+ux*miss, gy+uy*miss
		}
		const damping = 1e-3
		xx, yy = xx+damping, yy+damping
		det := xx*yy - xy*xy
		x, y = x-(yy*gx-xy*gy)/det, y-(xx*gy-xy*gx)/det
	}
	for _, c := range circles {
		miss := math.Hypot(x-c.x, y-c.y) - c.r
		off += miss * miss / float64(len(circles))
	}
	return x, y, off + 1
}

// plane is a flat map around a place.
type plane struct{ origin geo.LatLng }

const metersPerDegree = float64(geo.EarthRadius) * math.Pi / 180

func (p plane) xy(at geo.LatLng) (x, y float64) {
	return (at.Lng - p.origin.Lng) * metersPerDegree * math.Cos(p.origin.Lat*math.Pi/180), (at.Lat - p.origin.Lat) * metersPerDegree
}

func (p plane) place(x, y float64) geo.LatLng {
	return geo.LatLng{
		Lat: p.origin.Lat + y/metersPerDegree, Lng: p.origin.Lng + x/(metersPerDegree*math.Cos(p.origin.Lat*math.Pi/180)),
	}
}
