package fleet

import (
	"slices"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Checker looks at everything that clients hear and send, and at the history read back in the end, and
// notes each promise that it sees broken. It trusts nothing that the server says but for what all of it
// must agree on: each version of an order is one event and one state, whoever is told of it.
type Checker struct {
	mu     sync.Mutex
	broken breaks
	orders map[wire.ID]*record
	// seqs are the events of a market by seq, from the histories.
	seqs map[seqKey]wire.ID
	// histories are what Replay goes through.
	histories []wire.Event
	// trails are the positions that each driver sent of late, by its sub.
	trails map[string]*trail
	wall   Clock // immutable
}

type seqKey struct {
	market wire.ID
	seq    int64
}

// record is what all parties together were told of one order.
type record struct {
	events map[int64]wire.Event
	states map[int64]snapshot
	// acked tells that some request about the order was acknowledged, with the highest version so told.
	acked int64
	// rider is the highest version that its rider was told by the socket, 0 for none.
	rider int64
	// history is the number of versions read back, -1 before.
	history int64
	// drivers are all that ever had it.
	drivers []string
	strays  []stray
}

// snapshot is what stands in an order at one version, as far as parties must agree on it.
type snapshot struct {
	state, driver string
	next          int
}

// NewChecker makes one that has seen nothing.
func NewChecker(wall Clock) *Checker {
	return &Checker{orders: map[wire.ID]*record{}, seqs: map[seqKey]wire.ID{}, trails: map[string]*trail{}, wall: wall}
}

// Broken are the promises seen broken so far.
func (c *Checker) Broken() []Broken {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken.sorted()
}

// record gives an order's record; mu is held.
func (c *Checker) record(id wire.ID) *record {
	r := c.orders[id]
	if r == nil {
		r = &record{events: map[int64]wire.Event{}, states: map[int64]snapshot{}, history: -1}
		c.orders[id] = r
	}
	return r
}

// state compares an order as told with what others were told of the same version; mu is held.
func (c *Checker) state(o *wire.Order) {
	if !shaped(o) {
		c.broken.add(Lawful, o.ID, "version %d: state %s does not fit next_stop %d of %d stops",
			o.Version, o.State, o.NextStop, len(o.Stops))
	}
	r := c.record(o.ID)
	if driver := deref(o.DriverID); driver != "" && !slices.Contains(r.drivers, driver) {
		r.drivers = append(r.drivers, driver)
	}
	now := snapshot{state: o.State, driver: deref(o.DriverID), next: o.NextStop}
	before, known := r.states[o.Version]
	r.states[o.Version] = now
	if !known || before == now {
		return
	}
	if before.driver != now.driver {
		c.broken.add(Single, o.ID, "version %d has drivers %q and %q", o.Version, before.driver, now.driver)
		return
	}
	c.broken.add(Lawful, o.ID, "version %d was told as %s at stop %d and as %s at stop %d",
		o.Version, before.state, before.next, now.state, now.next)
}

// event compares an event as told with what others were told of the same version, and with the law; mu is
// held.
func (c *Checker) event(e *wire.Event) {
	r := c.record(e.OrderID)
	if before, known := r.events[e.Version]; known {
		if !sameEvent(&before, e) {
			c.broken.add(Lawful, e.OrderID, "version %d was told in two ways: %s and %s",
				e.Version, eventText(&before), eventText(e))
		}
		return
	}
	r.events[e.Version] = *e
	c.law(e)
	if before, known := r.events[e.Version-1]; known && deref(e.From) != before.To {
		c.broken.add(Lawful, e.OrderID, "version %d leaves %q, but version %d entered %q",
			e.Version, deref(e.From), before.Version, before.To)
	}
	if after, known := r.events[e.Version+1]; known && deref(after.From) != e.To {
		c.broken.add(Lawful, e.OrderID, "version %d entered %q, but version %d leaves %q",
			e.Version, e.To, after.Version, deref(after.From))
	}
}

// law judges one event in itself; mu is held.
func (c *Checker) law(e *wire.Event) {
	if (e.Version == 1) != (e.From == nil) || e.Version < 1 {
		c.broken.add(Lawful, e.OrderID, "version %d comes from %q", e.Version, deref(e.From))
		return
	}
	from, to := actor.State(deref(e.From)), actor.State(e.To)
	if !actor.Legal(actor.Role(e.By.Role), from, to) {
		c.broken.add(Lawful, e.OrderID, "version %d: %s took it from %q to %q", e.Version, e.By.Role, from, to)
	}
	if from != to && e.Type != "order."+e.To {
		c.broken.add(Lawful, e.OrderID, "version %d entered %s, its type is %s", e.Version, e.To, e.Type)
	}
}

// deref is "" for nil.
func deref[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

// plainEvent is an event by value, for comparison.
type plainEvent struct {
	order, market, by, driver, offer     wire.ID
	version, seq, at                     int64
	kind, from, to, role, reason         string
	hasBy, hasDriver, hasOffer, hasCause bool
}

func plain(e *wire.Event) plainEvent {
	return plainEvent{
		order: e.OrderID, market: e.Market, version: e.Version, seq: e.Seq, at: e.At.UnixMilli(),
		kind: e.Type, from: deref(e.From), to: e.To, role: e.By.Role, reason: deref(e.Reason),
		by: wire.ID(deref(e.By.Sub)), driver: wire.ID(deref(e.DriverID)), offer: wire.ID(deref(e.OfferID)),
		hasBy: e.By.Sub != nil, hasDriver: e.DriverID != nil, hasOffer: e.OfferID != nil, hasCause: e.Reason != nil,
	}
}

func sameEvent(a, b *wire.Event) bool { return plain(a) == plain(b) }

// eventText writes an event for people.
func eventText(e *wire.Event) string {
	data, err := wire.Encode(e)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
