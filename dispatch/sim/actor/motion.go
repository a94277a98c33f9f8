package actor

import (
	"math"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// motion is a drive in a straight line on the map at an even pace: start <= end.
type motion struct {
	from, to   geo.LatLng
	start, end time.Time
}

// stay is a motion that has ended at p.
func stay(p geo.LatLng, now time.Time) motion {
	return motion{from: p, to: p, start: now, end: now}
}

// drive sets out from where m is now. The road is circuity times as long as the line; speedMps is that on
// the road.
func (m motion) drive(now time.Time, to geo.LatLng, speedMps, circuity float64) motion {
	from := m.at(now)
	road := float64(geo.Distance(from, to)) * circuity
	return motion{
		from: from, to: to, start: now,
		end: now.Add(time.Duration(road / speedMps * float64(time.Second))),
	}
}

func (m motion) at(now time.Time) geo.LatLng {
	if !now.Before(m.end) {
		return m.to
	}
	share := max(0, float64(now.Sub(m.start))/float64(m.end.Sub(m.start)))
	return geo.LatLng{
		Lat: m.from.Lat + share*(m.to.Lat-m.from.Lat),
		Lng: m.from.Lng + share*(m.to.Lng-m.from.Lng),
	}
}

// fix is the position at now with heading and the speed over ground; neither is known while standing.
func (m motion) fix(now time.Time) geo.Fix {
	f := geo.Fix{LatLng: m.at(now), At: now, HeadingDeg: math.NaN(), SpeedMps: 0, AccuracyM: math.NaN()}
	if !now.Before(m.end) {
		return f
	}
	f.SpeedMps = float64(geo.Distance(m.from, m.to)) / m.end.Sub(m.start).Seconds()
	f.HeadingDeg = bearing(m.from, m.to)
	return f
}

// bearing is the initial great-circle course, clockwise from true north, 0 <= bearing < 360.
func bearing(a, b geo.LatLng) float64 {
	const rad = math.Pi / 180
	dLng := (b.Lng - a.Lng) * rad
	y := math.Sin(dLng) * math.Cos(b.Lat*rad)
	x := math.Cos(a.Lat*rad)*math.Sin(b.Lat*rad) - math.Sin(a.Lat*rad)*math.Cos(b.Lat*rad)*math.Cos(dLng)
	deg := math.Atan2(y, x) / rad
	if deg < 0 {
		deg += 360
	}
	if deg >= 360 { // a tiny negative angle plus 360 rounds up
		return 0
	}
	return deg
}
