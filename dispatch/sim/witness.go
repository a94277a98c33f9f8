package sim

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// Witness takes down what happens in a market, for Past to tell what of it was the world's doing. It is told every step
// of the market's cores, one core after the other, and may be told of several terms of leadership. Owned by one goroutine.
//
// It keeps every event, and of what rounds were told only what shows where drivers stood that had just come on duty.
type Witness struct {
	// from and to are the first and last instants told, zero before the first.
	from, to time.Time
	policy   dispatch.Policy
	chapters []*chapter
	// missing counts events between two cores of which nothing was told.
	missing  int64
	evidence Evidence
	// offers counts those made.
	offers int
	gap    roundGap

	pickups map[dispatch.OrderID]geo.LatLng
	// sights are those of each spell of duty, looking those of the drivers who have not had an order in theirs yet.
	sights  map[spellKey]*sighting
	looking map[dispatch.DriverID]*sighting
}

var _ market.Recorder = (*Witness)(nil)

// chapter is the time of one core.
type chapter struct {
	// at is its first instant, zero when it had no step.
	at     time.Time
	begin  dispatch.Recovery
	events []dispatch.Event
}

// spellKey names a spell of duty by the version of the duty with which it began.
type spellKey struct {
	driver  dispatch.DriverID
	version int64
}

// NewWitness has seen nothing.
func NewWitness() *Witness {
	return &Witness{
		pickups: map[dispatch.OrderID]geo.LatLng{}, sights: map[spellKey]*sighting{},
		looking: map[dispatch.DriverID]*sighting{},
	}
}

// Began implements market.Recorder. What the core before it gave and never committed did not happen.
func (w *Witness) Began(_ int64, p dispatch.Policy, r dispatch.Recovery) {
	last := int64(-1)
	for _, c := range w.chapters {
		for len(c.events) > 0 && c.events[len(c.events)-1].Seq > r.Seq {
			c.events = c.events[:len(c.events)-1]
		}
		if n := len(c.events); n > 0 {
			last = c.events[n-1].Seq
		} else {
			last = max(last, c.begin.Seq)
		}
	}
	if last >= 0 {
		w.missing += max(0, r.Seq-last)
	}
	w.policy = p
	w.chapters = append(w.chapters, &chapter{begin: r})
	for i := range r.Orders {
		w.pickups[r.Orders[i].ID] = r.Orders[i].Pickup()
	}
	for i := range r.Duties {
		if d := &r.Duties[i]; d.Online && w.looking[d.Driver] == nil {
			w.look(d)
		}
	}
}

// look begins to note where a driver who came on duty is.
func (w *Witness) look(d *dispatch.Duty) {
	s := &sighting{}
	w.sights[spellKey{d.Driver, d.Version}], w.looking[d.Driver] = s, s
}

// Stepped implements market.Recorder.
func (w *Witness) Stepped(now time.Time, in market.Input, out market.Effects) {
	if w.from.IsZero() {
		w.from = now
	}
	w.to = later(now, w.to)
	c := w.chapters[len(w.chapters)-1]
	if c.at.IsZero() {
		c.at = now
	}
	switch in := in.(type) {
	case market.Reload:
		w.policy = in.Policy
	case market.Candidates:
		w.gap.round(&in, &out, &w.policy)
		for i := range in.Pairs {
			w.seen(now, &in.Pairs[i])
		}
	}
	c.events = append(c.events, out.Events...)
	for i := range out.Events {
		w.happened(&out.Events[i])
	}
	for i := range out.Offers {
		if out.Offers[i].State == dispatch.OfferLive {
			w.offers++
		}
		w.evidence.offer(&out.Offers[i])
	}
}

// seen takes what a round was told of a driver.
func (w *Witness) seen(now time.Time, c *market.Candidate) {
	s, looking := w.looking[c.Driver]
	pickup, known := w.pickups[c.Order]
	if looking && known && c.Wait == 0 {
		s.take(now, pickup, c)
	}
}

func (w *Witness) happened(e *dispatch.Event) {
	if d := e.Duty; d != nil {
		switch {
		case !d.Online:
			delete(w.looking, d.Driver)
		case w.looking[d.Driver] == nil:
			w.look(d)
		}
		return
	}
	if e.From == "" {
		w.pickups[e.Order.ID] = e.Order.Pickup()
	}
	if e.To.Closed() {
		delete(w.pickups, e.Order.ID)
	}
	if e.To == dispatch.StateEnRouteToPickup && w.looking[e.Driver] != nil {
		w.looking[e.Driver] = &sighting{full: true} // it goes where it is sent from here on
	}
}
