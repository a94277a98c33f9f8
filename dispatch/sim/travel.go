package sim

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// Travel is how long drives take: what the simulated drivers need, and what the engine estimates. Both are told the
// same, so that a simulated estimate errs only by the age and the noise of a position.
type Travel struct {
	// Drive is the time from one place to another for who sets out at an instant, 0 or more.
	Drive func(from, to geo.LatLng, begin time.Time) time.Duration
	// TopMps bounds the metres of straight line covered in a second.
	TopMps float64
	// Source is what offers tell of the estimates, one of eta's.
	Source string
}

// lineMps is more straight line in a second than learnt speeds of a city cover: 90 km/h.
const lineMps = 25

// StraightTravel is one speed on a road circuity times as long as the line; see eta.NewStraightLine.
func StraightTravel(speedMps, circuity float64) Travel {
	line := eta.NewStraightLine(speedMps, circuity)
	return Travel{
		Drive:  func(from, to geo.LatLng, _ time.Time) time.Duration { return line.Estimate(from, to).Duration },
		TopMps: speedMps / circuity, Source: eta.SourceStraightLine,
	}
}

// DefaultTravel has the values of eta.Default: those of San Francisco's cabs.
func DefaultTravel() Travel { return StraightTravel(DefaultSpeedMps, DefaultCircuity) }

// DefaultSpeedMps and DefaultCircuity are those of eta.Default, which says where they come from.
const (
	DefaultSpeedMps = 5.6
	DefaultCircuity = 1.2
)

// LearntTravel is geo/eta's learnt model of a city in zone, taught by those of the trips that ended before the instant
// until, and not taught any more: what a server of that day could have known in the morning.
func LearntTravel(zone *time.Location, trips []Trip, until time.Time) Travel {
	learnt := eta.NewLearnt(zone, func() time.Time { return until })
	var drives []eta.Observation
	for _, t := range trips { // ascending by their beginning, as Learn wants them
		if t.Duration > 0 && t.At.Add(t.Duration).Before(until) {
			drives = append(drives, eta.Observation{From: t.Pickup, To: t.Dropoff, Start: t.At, Duration: t.Duration})
		}
	}
	learnt.Learn(drives)
	source := eta.SourcePrior
	if learnt.Drives() > 0 {
		source = eta.SourceLearnt
	}
	return Travel{
		Drive: func(from, to geo.LatLng, begin time.Time) time.Duration {
			return learnt.Estimate(from, to, begin).Duration
		},
		TopMps: lineMps, Source: source,
	}
}

// TravelCheck compares a Travel with the recorded durations of trips.
type TravelCheck struct {
	// Trips tell their duration.
	Trips int
	// Recorded and Estimated are the mean durations; Error is the median of the absolute difference.
	Recorded, Estimated, Error time.Duration
}

// Check compares with the trips that tell how long they took.
func (t Travel) Check(trips []Trip) TravelCheck {
	var c TravelCheck
	var off []time.Duration
	for _, trip := range trips {
		if trip.Duration <= 0 {
			continue
		}
		estimate := t.Drive(trip.Pickup, trip.Dropoff, trip.At)
		c.Recorded += trip.Duration
		c.Estimated += estimate
		off = append(off, (estimate - trip.Duration).Abs())
	}
	if c.Trips = len(off); c.Trips == 0 {
		return c
	}
	slices.Sort(off)
	c.Error = off[len(off)/2]
	c.Recorded /= time.Duration(c.Trips)
	c.Estimated /= time.Duration(c.Trips)
	return c
}
