package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// loadInput is what load plays: recorded trips and sessions from one instant to before another, or what is
// to be made up.
type loadInput struct {
	recorded
	// haunts are where a free driver cruises to: where riders are found.
	haunts []geo.LatLng
	// patience is how long each rider waits, market time; 0 for ever.
	patience time.Duration
	// What follows is for made-up demand; drivers is 0 for recorded.
	drivers  int
	rate     float64       // orders a wall second
	duration time.Duration // wall time
	seed     uint64
}

// check refuses flags that make no sense, alone or together.
func (c *loadCmd) check() error {
	if err := c.recordedFlags.check(); err != nil {
		return err
	}
	madeUp := c.Drivers != 0 || c.Rate != 0 || c.Duration != 0
	switch {
	case c.given() && madeUp:
		return usagef("--drivers, --rate and --duration make demand up: they do not go with --trips")
	case c.Drivers < 0:
		return usagef("--drivers must be at least 0, not %d", c.Drivers)
	case !(c.Rate >= 0 && c.Rate <= maxRate):
		return usagef("--rate must be from 0 to %d orders a second, not %v", maxRate, c.Rate)
	case c.Duration < 0:
		return usagef("--duration must not be negative, not %s", c.Duration)
	case c.Lag < 0 || c.Lag > fleet.MaxLag:
		return usagef("--lag must be from 0 to %s, not %s", fleet.MaxLag, c.Lag)
	case c.Market != "" && !dispatch.ValidID(c.Market):
		return usagef("--market: %q is no market id", c.Market)
	}
	for _, s := range []share{{"--cut", c.Cut}, {"--twins", c.Twins}} {
		if err := s.check(); err != nil {
			return err
		}
	}
	return c.conductFlags.check()
}

// maxRate is the most orders a second that may be asked for: far above what one machine of riders can send.
const maxRate = 100_000

// input reads the files, or notes what is to be made up.
func (c *loadCmd) input() (loadInput, error) {
	in := loadInput{patience: c.Patience}
	if c.Trips == "" {
		in.drivers, in.rate, in.duration = cmp.Or(c.Drivers, 100), cmp.Or(c.Rate, 1), cmp.Or(c.Duration, time.Minute)
		in.seed = c.Seed
		return in, nil
	}
	var err error
	if in.recorded, err = c.recordedFlags.read(); err == nil && in.meals == nil {
		in.haunts = haunts(in.all, in.from)
	}
	return in, err
}

// firstPickup is where the recorded demand begins; false for made-up demand, which goes where it is sent.
func (in *loadInput) firstPickup() (geo.LatLng, bool) {
	if in.drivers > 0 {
		return geo.LatLng{}, false
	}
	return in.trips[0].Pickup, true
}

// plan makes the plan of the fleet in market m.
func (in *loadInput) plan(m wire.Market) (fleet.Plan, error) {
	if in.drivers > 0 {
		if err := in.makeUp(m); err != nil {
			return fleet.Plan{}, err
		}
	}
	plan := fleet.Plan{Length: in.to.Sub(in.from), Drivers: in.shifts(), Haunts: in.haunts}
	kind := dispatch.KindRide
	if in.meals != nil {
		kind = dispatch.KindDelivery
	}
	for i, t := range in.trips {
		rider := fleet.RiderPlan{
			ID: sim.PartyID("rider", t.ID, i), At: t.At.Sub(in.from), Kind: string(kind), Patience: in.patience,
			Stops: []wire.Stop{
				{Type: string(dispatch.StopPickup), Lat: t.Pickup.Lat, Lng: t.Pickup.Lng},
				{Type: string(dispatch.StopDropoff), Lat: t.Dropoff.Lat, Lng: t.Dropoff.Lng},
			},
		}
		if !t.Ready.IsZero() {
			rider.Ready = t.Ready.Sub(in.from)
		}
		plan.Riders = append(plan.Riders, rider)
	}
	if len(plan.Drivers) == 0 {
		return plan, errors.New("--sessions: no driver is on shift between --from and --to")
	}
	return plan, nil
}

// makeUp fills in trips and sessions around the middle of the market. Its instants are not those of any
// clock: only their distance from the beginning counts.
func (in *loadInput) makeUp(m wire.Market) error {
	area, err := geo.ParseArea(json.RawMessage(m.Area))
	if err != nil {
		return fmt.Errorf("read the area of market %s: %w", m.ID, err)
	}
	sw, ne := area.Bounds()
	middle := geo.LatLng{Lat: (sw.Lat + ne.Lat) / 2, Lng: (sw.Lng + ne.Lng) / 2}
	if !area.Contains(middle) {
		return fmt.Errorf("the middle of market %s lies outside of it: use --trips and --sessions", m.ID)
	}
	city := sim.CityFor(middle, in.drivers, in.seed)
	in.from = time.Unix(0, 0).UTC()
	in.to = in.from.Add(time.Duration(float64(in.duration) * m.TimeScale))
	in.sessions = city.Sessions(in.drivers, in.from)
	in.trips = slices.DeleteFunc(city.Trips(in.rate/m.TimeScale, in.from, in.to), func(t sim.Trip) bool {
		return !area.Contains(t.Pickup)
	})
	return nil
}

// shifts are those of each driver that is on shift at any time of the span, counted from its beginning.
func (in *loadInput) shifts() []fleet.DriverPlan {
	var drivers []fleet.DriverPlan
	for _, w := range sim.Workers(in.sessions, in.from, in.to) {
		plan := fleet.DriverPlan{ID: string(w.ID)}
		for _, s := range w.Shifts {
			shift := fleet.ShiftPlan{On: s.On.Sub(in.from), Open: s.Off.IsZero(), At: s.At}
			if !shift.Open {
				shift.Off = s.Off.Sub(in.from)
			}
			plan.Shifts = append(plan.Shifts, shift)
		}
		drivers = append(drivers, plan)
	}
	return drivers
}
