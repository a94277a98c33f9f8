package fleet

import (
	"slices"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// What follows lets a Checker go on for ever: an order is checked when it is over and then forgotten, and
// what no order takes along is swept away. A bounded checker sees less than one that keeps all: the use of one
// seq by two orders that lie far apart, and an answer that changes long after it was first given.

const (
	// keptSeqs is how far apart two events may lie and still be seen to bear the same seq: some hours of a
	// busy city.
	keptSeqs = 50_000
	// keptSpans is how many orders of a driver are kept to see whether two overlap: those of about an hour.
	keptSpans = 8
)

// span is the time for which a driver held an order, by the seq of its market: from <= seq < to.
type span struct {
	from, to int64
	order    wire.ID
}

// spans are those of each driver of late, for drivers of capacity 1; owned by the goroutine that checks.
type spans map[wire.ID][]span

// add notes who held an order that is over, and gives the orders that its drivers held at the same time.
func (s spans) add(events []wire.Event) (together []wire.ID) {
	for i := 0; i < len(events); {
		e := &events[i]
		i++
		if e.DriverID == nil || !actor.State(e.To).Assigned() {
			continue
		}
		for i < len(events) && actor.State(events[i].To).Assigned() && deref(events[i].DriverID) == string(*e.DriverID) {
			i++
		}
		if i == len(events) {
			break // it is not over after all
		}
		held := span{from: e.Seq, to: events[i].Seq, order: e.OrderID}
		kept := s[*e.DriverID]
		for _, other := range kept {
			if other.order != held.order && other.from < held.to && held.from < other.to {
				together = append(together, other.order)
			}
		}
		kept = append(kept, held)
		s[*e.DriverID] = kept[max(0, len(kept)-keptSpans):]
	}
	return together
}

// settle checks an order that is over, with what it was given by History before, and forgets it.
func (c *Checker) settle(id wire.ID, events []wire.Event, held spans) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range held.add(events) {
		c.broken.add(Single, id, "a driver of capacity 1 held it and order %s at the same time", other)
	}
	delete(c.orders, id)
	c.histories = nil
}

// since gives what was broken after the first n promises.
func (c *Checker) since(n int) []Broken {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.broken.all[n:])
}

// sweep forgets what is left of orders that nobody settled: those that were known at the sweep before, which
// it is given, and old seqs. It gives what the next sweep is to be given.
func (c *Checker) sweep(before map[wire.ID]bool) map[wire.ID]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[wire.ID]bool{}
	for id := range c.orders {
		if before[id] {
			delete(c.orders, id)
		} else {
			known[id] = true
		}
	}
	newest := map[wire.ID]int64{}
	for key := range c.seqs {
		newest[key.market] = max(newest[key.market], key.seq)
	}
	for key := range c.seqs {
		if key.seq < newest[key.market]-keptSeqs {
			delete(c.seqs, key)
		}
	}
	return known
}

// sweep forgets answered requests, ended offers, and orders that the checker has forgotten.
func (p *Party) sweep() {
	p.checker.mu.Lock()
	defer p.checker.mu.Unlock()
	clear(p.withdrawn)
	for id, a := range p.requests {
		if a.at.IsZero() && a.answers >= a.sent {
			delete(p.requests, id)
		}
	}
	for id := range p.told {
		if p.checker.orders[id] == nil {
			delete(p.told, id)
		}
	}
}

// sweep forgets what a driver's seat keeps of the past.
func (d *driver) sweep() {
	d.party.sweep()
	d.mu.Lock()
	d.repeats = slices.DeleteFunc(d.repeats, func(again *alarm) bool { return d.wheel.rung(again) })
	d.mu.Unlock()
	d.fleet.mu.Lock()
	clear(d.offers) // an offer on its way then is not timed
	d.fleet.mu.Unlock()
}

// rung tells that an alarm is not set.
func (w *wheel) rung(a *alarm) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return a.place < 0
}
