package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// Scenario is a day to be simulated: one market, who drives and who asks, and how people and their networks behave.
// Immutable; runs share it.
type Scenario struct {
	// Market is where all happens; its policy does not count.
	Market dispatch.Market
	// Workers are the drivers with their shifts.
	Workers []Worker
	// Trips are the orders, ascending by time: rides, or with Meals deliveries.
	Trips []Trip
	// From and To bound the time in which orders are placed, From <= At < To. It is played on until the last is over.
	From, To time.Time
	// Cut breaks the run off at To, as the log of a server ends: what is not over then stays open.
	Cut bool
	// Haunts are the places to which free drivers cruise; none: they stay where they are.
	Haunts  []geo.LatLng
	Travel  Travel
	Conduct Conduct
	// Meals is the instance of which the trips are the orders; nil for rides.
	Meals *Meals
}

// Conduct is how people and networks behave. Spans are market time.
type Conduct struct {
	// Think is the time from an offer to its answer.
	Think time.Duration
	// PickupService is the time at a pickup, DropoffService that at the drop-off.
	PickupService, DropoffService time.Duration
	// Patience is how long a rider waits for a driver before it cancels; 0: for ever.
	Patience time.Duration
	// Chances are what goes wrong with drivers: each offer is declined or ignored, each way to a pickup given back at
	// some instant of it, each rider absent, independently of all else.
	actor.Chances
	// Ping is the time between two positions that a driver sends, above 0.
	Ping time.Duration
	// Noise is the standard deviation of a sent position, to the north and to the east each, normal and independent
	// from one to the next.
	Noise geo.Meters
	// Lost is the share of time for which a driver has no network, from 0 to below 1: it is heard and hears nothing, and
	// sends what it decided meanwhile when it is back. Losses and the times between are exponentially distributed, the
	// losses LostFor long in the mean.
	Lost    float64
	LostFor time.Duration
}

// Validate tells what is wrong with a scenario.
func (s *Scenario) Validate() error {
	c := &s.Conduct
	switch {
	case s.Travel.Drive == nil || !(s.Travel.TopMps > 0):
		return errors.New("scenario: Travel is not set")
	case !s.From.Before(s.To):
		return errors.New("scenario: From must be before To")
	case c.Ping <= 0:
		return errors.New("scenario: Ping must be above 0")
	case c.Think < 0 || c.PickupService < 0 || c.DropoffService < 0 || c.Patience < 0 || c.LostFor < 0:
		return errors.New("scenario: spans must not be negative")
	case !chance(c.Decline) || !chance(c.Ignore) || !chance(c.Decline+c.Ignore) || !chance(c.GiveBack) || !chance(c.NoShow):
		return errors.New("scenario: chances must be from 0 to 1, those of an offer's being declined or ignored also together")
	case !(c.Noise >= 0):
		return errors.New("scenario: Noise must be at least 0")
	case !(c.Lost >= 0 && c.Lost < 1) || c.Lost > 0 && c.LostFor <= 0:
		return errors.New("scenario: Lost must be from 0 to below 1, and LostFor above 0 with it")
	}
	seen := map[dispatch.DriverID]bool{}
	for _, w := range s.Workers {
		if seen[w.ID] {
			return fmt.Errorf("scenario: driver %s stands there twice", w.ID)
		}
		seen[w.ID] = true
	}
	return nil
}

func chance(p float64) bool { return p >= 0 && p <= 1 }

// kind is what an order carries.
func (s *Scenario) kind(t *Trip) dispatch.Kind {
	if t.Kind != "" {
		return t.Kind
	}
	if s.Meals != nil {
		return dispatch.KindDelivery
	}
	return dispatch.KindRide
}

// Worker is one driver with its shifts, which ascend and do not overlap.
type Worker struct {
	ID     dispatch.DriverID
	Shifts []actor.Shift
}

// Workers gathers the sessions, ascending by their beginning, of each driver that is on shift at any time from one
// instant to before another. A session that begins before the one before it has ended begins then.
func Workers(sessions []Session, from, to time.Time) []Worker {
	var workers []Worker
	place := map[string]int{}
	for _, s := range sessions {
		if !s.Overlaps(from, to) {
			continue
		}
		i, known := place[s.Driver]
		if !known {
			i = len(workers)
			place[s.Driver] = i
			workers = append(workers, Worker{ID: dispatch.DriverID(PartyID("driver", s.Driver, i))})
		}
		shift := actor.Shift{On: s.On, Off: s.Off, At: s.At}
		if n := len(workers[i].Shifts); n > 0 {
			before := workers[i].Shifts[n-1]
			if shift.On.Before(before.Off) {
				shift.On = before.Off
			}
			if before.Off.IsZero() || !shift.Off.IsZero() && !shift.On.Before(shift.Off) {
				continue
			}
		}
		workers[i].Shifts = append(workers[i].Shifts, shift)
	}
	return workers
}

// PartyID makes a name of a file the id of the i-th driver or rider: a driver's stays as it is when it can; a rider's is
// never that of a driver.
func PartyID(role, name string, i int) string {
	if id := role + ":" + name; role != "driver" && dispatch.ValidID(id) {
		return id
	}
	if role == "driver" && dispatch.ValidID(name) {
		return name
	}
	return fmt.Sprintf("%s:%06d", role, i+1)
}
