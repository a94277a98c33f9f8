package sim

import (
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Evidence counts how people behaved.
type Evidence struct {
	// Accepted, Declined and Ignored are what became of offers that drivers could answer; those withdrawn tell nothing.
	// Thought is how long the accepted ones took together.
	Accepted, Declined, Ignored int
	Thought                     time.Duration
	// Given orders had a driver; GivenBack were those who cancelled before the pickup, another was then searched for.
	Given, GivenBack int
	// Arrivals are those of drivers at pickups; NoShows are those to whom nobody came.
	Arrivals, NoShows int
	// Pickups and Stops are the times at pickups that were for now, and at the other stops, together.
	Pickups, Stops span
}

// span sums up spans.
type span struct {
	n   int
	sum time.Duration
}

func (s *span) add(d time.Duration) { s.n, s.sum = s.n+1, s.sum+d }

func (s *span) mean() time.Duration { return s.sum / time.Duration(max(1, s.n)) }

// EnoughEvidence is how many cases a share or a mean of conduct is taken from at least: with fewer the standard error of
// a share of one in ten is above half of it.
const EnoughEvidence = 30

// Assumption is what a simulation takes people to do.
type Assumption struct {
	// What it is, and how much.
	What, Value string
	// Cases is from how many it was measured; Default tells that they were too few, and that the value is another's.
	Cases   int
	Default bool
}

// Conduct replaces of a conduct what there is enough evidence of, and tells what is then assumed. A chance that is above
// 0 was asked for and stays.
func (e *Evidence) Conduct(c Conduct) (Conduct, []Assumption) {
	var told []Assumption
	share := func(what string, of *float64, n, all int) {
		a := Assumption{What: what, Cases: all, Default: true}
		if *of == 0 && all >= EnoughEvidence {
			*of, a.Default = float64(n)/float64(all), false
		}
		a.Value = fmt.Sprintf("%.1f %%", 100**of)
		told = append(told, a)
	}
	mean := func(what string, of *time.Duration, s span) {
		a := Assumption{What: what, Cases: s.n, Default: true}
		if s.n >= EnoughEvidence {
			*of, a.Default = s.mean(), false
		}
		a.Value = fmt.Sprintf("%.1f s", of.Seconds())
		told = append(told, a)
	}
	offers := e.Accepted + e.Declined + e.Ignored
	share("offers declined", &c.Decline, e.Declined, offers)
	share("offers ignored", &c.Ignore, e.Ignored, offers)
	mean("time to accept an offer", &c.Think, span{e.Accepted, e.Thought})
	share("orders given back before the pickup", &c.GiveBack, e.GivenBack, e.Given)
	share("pickups to which nobody comes", &c.NoShow, e.NoShows, e.Arrivals)
	mean("time at a pickup", &c.PickupService, e.Pickups)
	mean("time at a drop-off", &c.DropoffService, e.Stops)
	if c.Decline+c.Ignore > 1 { // one of them was asked for
		c.Ignore = 1 - c.Decline
	}
	return c, told
}

// offer takes an offer as it then stands.
func (e *Evidence) offer(f *dispatch.Offer) {
	switch f.State {
	case dispatch.OfferAccepted:
		e.Accepted++
		e.Thought += f.EndedAt.Sub(f.CreatedAt)
	case dispatch.OfferDeclined:
		e.Declined++
	case dispatch.OfferExpired:
		e.Ignored++
	}
}

// order takes an event of an order that was in its state before since an instant.
func (e *Evidence) order(ev *dispatch.Event, since time.Time) {
	switch {
	case ev.To == dispatch.StateEnRouteToPickup:
		e.Given++
	case ev.To == dispatch.StateArrivedAtPickup:
		e.Arrivals++
	case ev.To == dispatch.StateSearching && ev.By.Role == dispatch.RoleDriver:
		e.GivenBack++
	case ev.To == dispatch.StateCancelled && ev.By.Role == dispatch.RoleDriver:
		e.NoShows++
	}
	if since.IsZero() {
		return
	}
	switch ev.From {
	case dispatch.StateArrivedAtPickup:
		if ev.To.PickedUp() && ev.Order.PickupAt.IsZero() {
			e.Pickups.add(ev.At.Sub(since))
		}
	case dispatch.StateArrivedAtStop, dispatch.StateArrivedAtDropoff:
		if ev.To.PickedUp() || ev.To == dispatch.StateCompleted {
			e.Stops.add(ev.At.Sub(since))
		}
	}
}
