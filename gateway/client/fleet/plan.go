package fleet

import (
	"errors"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// Plan is what a fleet does. All spans are market time, counted from the start of the orders.
type Plan struct {
	Drivers []DriverPlan
	Riders  []RiderPlan
	// Haunts are the places to which free drivers cruise; none: they stay where they are.
	Haunts []geo.LatLng
	// Length is the time in which orders are placed; then the fleet plays on until each is picked up or over.
	Length time.Duration
}

// DriverPlan is one driver.
type DriverPlan struct {
	ID string
	// Shifts ascend. In one that began before the start the driver has been cruising since.
	Shifts []ShiftPlan
}

// ShiftPlan is one span of duty.
type ShiftPlan struct {
	On, Off time.Duration
	// Open tells that there is no Off.
	Open bool
	At   geo.LatLng
}

// RiderPlan is one rider and its order.
type RiderPlan struct {
	ID    string
	At    time.Duration
	Kind  string
	Stops []wire.Stop
	// Ready is when what it ordered can be taken along; 0 for at once.
	Ready time.Duration
	// Patience is how long the rider waits for a driver; 0 for ever.
	Patience time.Duration
}

// Conduct is how drivers behave; spans are market time.
type Conduct struct {
	// SpeedMps is the speed on the road, Circuity the road's length against the straight line.
	SpeedMps, Circuity float64
	// Ping is the time between two positions of a driver.
	Ping time.Duration
	// Think is the time from an offer to its answer.
	Think time.Duration
	// PickupService is the time at a pickup, DropoffService that at every other stop.
	PickupService, DropoffService time.Duration
	// NoShowAfter is how long a driver waits for a rider that does not come: the market's no_show_s at least.
	NoShowAfter time.Duration
	// Chances are what goes wrong with drivers.
	Chances actor.Chances
	// Seed makes the chances of a run its own.
	Seed uint64
}

func (c Conduct) validate() error {
	switch {
	case !(c.SpeedMps > 0):
		return errors.New("fleet: SpeedMps must be above 0")
	case !(c.Circuity >= 1):
		return errors.New("fleet: Circuity must be at least 1")
	case c.Ping <= 0:
		return errors.New("fleet: Ping must be above 0")
	case c.Think < 0 || c.PickupService < 0 || c.DropoffService < 0 || c.NoShowAfter < 0:
		return errors.New("fleet: Think, PickupService, DropoffService and NoShowAfter must not be negative")
	case !share(c.Chances.Decline) || !share(c.Chances.Ignore) || !share(c.Chances.Decline+c.Chances.Ignore):
		return errors.New("fleet: Decline and Ignore must be from 0 to 1, and together at most 1")
	case !share(c.Chances.GiveBack) || !share(c.Chances.NoShow):
		return errors.New("fleet: GiveBack and NoShow must be from 0 to 1")
	}
	return nil
}

func share(p float64) bool { return p >= 0 && p <= 1 }

// driver makes the i-th driver's automaton; start is the market instant of the start.
func (c Conduct) driver(p Plan, i int, market string, start time.Time, ready map[actor.RiderID]time.Time) *actor.Driver {
	cfg := actor.DriverConfig{
		ID: actor.DriverID(p.Drivers[i].ID), Market: actor.MarketID(market), SpeedMps: c.SpeedMps, Circuity: c.Circuity,
		Ping: c.Ping, Think: c.Think, PickupService: c.PickupService, DropoffService: c.DropoffService, Ready: ready,
		Chances: c.Chances, NoShowAfter: c.NoShowAfter, Seed: c.Seed + uint64(i), Haunts: p.Haunts,
	}
	for _, s := range p.Drivers[i].Shifts {
		shift := actor.Shift{On: start.Add(s.On), At: s.At}
		if !s.Open {
			shift.Off = start.Add(s.Off)
		}
		cfg.Shifts = append(cfg.Shifts, shift)
	}
	return actor.NewDriver(cfg)
}

// ready is when what riders ordered can be taken along, by rider; start is the market instant of the start.
func (p Plan) ready(start time.Time) map[actor.RiderID]time.Time {
	ready := map[actor.RiderID]time.Time{}
	for _, r := range p.Riders {
		if r.Ready > 0 {
			ready[actor.RiderID(r.ID)] = start.Add(r.Ready)
		}
	}
	return ready
}

func (p RiderPlan) rider(market string, start time.Time) *actor.Rider {
	stops := make([]actor.Stop, len(p.Stops))
	for i, s := range p.Stops {
		stops[i].Type, stops[i].Lat, stops[i].Lng = actor.StopType(s.Type), s.Lat, s.Lng
	}
	return actor.NewRider(actor.RiderConfig{
		ID: actor.RiderID(p.ID), Market: actor.MarketID(market), At: start.Add(p.At), Patience: p.Patience,
		New: actor.NewOrder{Kind: actor.Kind(p.Kind), Stops: stops},
	})
}

func (p Plan) validate() error {
	seen := map[string]bool{}
	for _, d := range p.Drivers {
		if seen[d.ID] {
			return fmt.Errorf("fleet: driver %s stands twice in the plan: it can have one socket", d.ID)
		}
		seen[d.ID] = true
	}
	return nil
}
