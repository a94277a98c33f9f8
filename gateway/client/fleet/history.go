package fleet

import (
	"cmp"
	"slices"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Acked are the orders that the server has acknowledged, ascending: those whose history must be there.
func (c *Checker) Acked() []wire.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []wire.ID
	for id, r := range c.orders {
		if r.acked > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// RiderBehind tells whether the rider of an order has been told less than is committed up to version.
func (c *Checker) RiderBehind(id wire.ID, version int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record(id).rider < version
}

// History compares the events of an order, as read back, with what was told of it. following tells that its
// rider was listening to the end and has had time to hear everything.
func (c *Checker) History(id wire.ID, events []wire.Event, following bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record(id)
	r.history = int64(len(events))
	if len(events) == 0 {
		c.broken.add(Durable, id, "acknowledged, but the history does not know it")
		return
	}
	for i := range events {
		e := &events[i]
		if e.Version != int64(i)+1 || e.OrderID != id {
			c.broken.add(Lawful, id, "the history has version %d of %s in place %d", e.Version, e.OrderID, i+1)
			return
		}
		if told, known := r.events[e.Version]; known && !sameEvent(&told, e) {
			c.broken.add(Streamed, id, "version %d was told as %s, the history says %s", e.Version, eventText(&told), eventText(e))
		}
		if told, known := r.states[e.Version]; known && told.state != e.To {
			c.broken.add(Streamed, id, "version %d was told as %s, the history says %s", e.Version, told.state, e.To)
		}
		if _, told := r.events[e.Version]; !told {
			c.law(e)
			if i > 0 && deref(e.From) != events[i-1].To {
				c.broken.add(Lawful, id, "version %d leaves %q, but version %d entered %q",
					e.Version, deref(e.From), events[i-1].Version, events[i-1].To)
			}
		}
		if told, known := r.states[e.Version]; known && actor.State(e.To).Assigned() && told.driver != deref(e.DriverID) {
			c.broken.add(Single, id, "version %d was told with driver %q, the history says %q", e.Version, told.driver, deref(e.DriverID))
		}
		if i > 0 && (e.Seq <= events[i-1].Seq || e.At.Before(events[i-1].At.Time)) {
			c.broken.add(Lawful, id, "version %d has seq %d of %v, version %d before it %d of %v", e.Version, e.Seq, e.At.Time,
				events[i-1].Version, events[i-1].Seq, events[i-1].At.Time)
		}
		c.seq(e)
	}
	c.future(id, r)
	c.atWork(id, r, events)
	if following && r.rider < r.history {
		c.broken.add(Complete, id, "its rider was told up to version %d of %d", r.rider, r.history)
	}
	c.histories = append(c.histories, events...)
}

// future finds what was told and is not in the history; mu is held.
func (c *Checker) future(id wire.ID, r *record) {
	if r.acked > r.history {
		c.broken.add(Durable, id, "version %d was acknowledged, the history ends with %d", r.acked, r.history)
		return
	}
	for version := range r.states {
		if version > r.history {
			c.broken.add(Streamed, id, "version %d was told, the history ends with %d", version, r.history)
			return
		}
	}
}

// seq checks that a market's number is given once; mu is held.
func (c *Checker) seq(e *wire.Event) {
	key := seqKey{e.Market, e.Seq}
	if other, taken := c.seqs[key]; taken {
		c.broken.add(Lawful, e.OrderID, "seq %d of market %s is also that of order %s", e.Seq, e.Market, other)
		return
	}
	c.seqs[key] = e.OrderID
}

// Replay goes through all histories in the order of their markets and checks that no driver ever held more
// orders than capacity.
func (c *Checker) Replay(capacity int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.histories, func(a, b wire.Event) int {
		return cmp.Or(cmp.Compare(a.Market, b.Market), cmp.Compare(a.Seq, b.Seq))
	})
	driver := map[wire.ID]wire.ID{} // of each order
	held := map[wire.ID]int{}
	for i := range c.histories {
		e := &c.histories[i]
		if before := driver[e.OrderID]; before != "" {
			held[before]--
			delete(driver, e.OrderID)
		}
		if e.DriverID == nil || !actor.State(e.To).Assigned() {
			continue
		}
		driver[e.OrderID] = *e.DriverID
		held[*e.DriverID]++
		if held[*e.DriverID] > capacity {
			c.broken.add(Single, e.OrderID, "driver %s got it while it held %d orders, its capacity is %d",
				*e.DriverID, held[*e.DriverID]-1, capacity)
		}
	}
}
