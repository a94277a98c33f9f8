package market

import (
	"reflect"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// checkCore compares what the core remembers with what the journal holds.
func (w *world) checkCore() {
	w.Helper()
	for id, row := range w.journal.orders {
		o, ok := w.core.orders[id]
		if !ok && !row.State.Closed() {
			w.Fatalf("open order %s is forgotten", id)
		}
		if ok && !reflect.DeepEqual(*o, row) {
			w.Fatalf("order %s is %+v in the core and %+v in the journal", id, *o, row)
		}
		if _, searching := w.core.searching[id]; searching != (row.State == dispatch.StateSearching) {
			w.Fatalf("order %s is %s; in rounds: %t", id, row.State, searching)
		}
	}
	for id, row := range w.journal.offers {
		f, ok := w.core.offers[id]
		if !ok && row.State == dispatch.OfferLive || ok && !reflect.DeepEqual(*f, row) {
			w.Fatalf("offer %s is %+v in the core and %+v in the journal", id, f, row)
		}
	}
	for id, d := range w.core.drivers {
		if len(d.orders) != w.journal.held(id) {
			w.Fatalf("driver %s works on %v, by the journal on %d orders", id, d.orders, w.journal.held(id))
		}
		if row, ok := w.journal.duties[id]; ok && !reflect.DeepEqual(row, d.duty) {
			w.Fatalf("driver %s has duty %+v in the core and %+v in the journal", id, d.duty, row)
		}
		free, ends := w.isFree(id), w.isEnding(id)
		if w.core.flooded(d) {
			free, ends = false, false
		}
		if told := w.free[id]; told.Free != free || (told.Ends != nil) != ends || free && told.VehicleClass != d.duty.VehicleClass {
			w.Fatalf("driver %s is free=%t, ending=%t, of class %s, the search was told %+v", id, free, ends, d.duty.VehicleClass, told)
		}
	}
	for id, row := range w.journal.duties {
		if _, ok := w.core.drivers[id]; !ok && (row.Online || w.free[id].Free) {
			w.Fatalf("driver %s is forgotten", id)
		}
	}
}

// checkServed finds an order that was left waiting although one of the round's candidates still could have it.
func (w *world) checkServed(c Candidates) {
	for _, pair := range c.Pairs {
		o, d := w.journal.orders[pair.Order], w.journal.duties[pair.Driver]
		may := w.isFree(pair.Driver) || w.isEnding(pair.Driver) && pair.Wait > 0 && pair.Wait <= w.policy.Chain.Within
		if o.State == dispatch.StateSearching && may && o.VehicleClass == d.VehicleClass && !w.core.barred(&o, pair.Driver) &&
			!w.core.flooded(w.core.drivers[pair.Driver]) && pair.Pickup <= w.policy.For(o.Kind, o.VehicleClass).MaxPickup {
			w.Fatalf("order %s was left without driver %s, who is free", pair.Order, pair.Driver)
		}
	}
}

// due calls f for each instant at which the journal says that something has to happen.
func (w *world) due(f func(what string, at time.Time)) {
	for id, o := range w.journal.orders {
		switch o.State {
		case dispatch.StateSearching:
			f("the search for "+string(id), o.SearchSince.Add(w.policy.SearchTimeout))
		case dispatch.StateScheduled:
			f("the start of "+string(id), o.PickupAt.Add(-w.policy.Lead))
		}
	}
	for id, offer := range w.journal.offers {
		if offer.State == dispatch.OfferLive {
			f("offer "+string(id), offer.ExpiresAt)
		}
	}
}

// checkNext finds something due for which the core does not ask to be stepped.
func (w *world) checkNext(out *Effects, c *Core) {
	w.Helper()
	missed := func(at time.Time) bool { return out.Next.IsZero() || out.Next.After(at) }
	for id, o := range c.orders {
		if o.State == dispatch.StateSearching && missed(o.SearchSince.Add(w.policy.SearchTimeout)) ||
			o.State == dispatch.StateScheduled && missed(o.PickupAt.Add(-w.policy.Lead)) {
			w.Fatalf("next step at %v, too late for order %s: %+v", out.Next, id, o)
		}
	}
	for id, f := range c.offers {
		if f.State == dispatch.OfferLive && missed(f.ExpiresAt) {
			w.Fatalf("next step at %v, too late for offer %s, which expires at %v", out.Next, id, f.ExpiresAt)
		}
	}
	if len(c.searching) > 0 && c.round.sought == nil && missed(c.round.last.Add(w.policy.Window)) {
		w.Fatalf("next step at %v, too late for a round", out.Next)
	}
	for id, at := range c.round.waves {
		if o := c.orders[id]; o.State != dispatch.StateOffered && o.State != dispatch.StateEnRouteToPickup || missed(at) {
			w.Fatalf("next step at %v, too late for more drivers of %s, which is %s", out.Next, id, o.State)
		}
	}
}

// checkOverdue finds what should have happened by now, after a step that let time pass.
func (w *world) checkOverdue() {
	w.due(func(what string, at time.Time) {
		if !at.After(w.core.Now()) {
			w.Fatalf("%s was due at %v and it is %v", what, at, w.core.Now())
		}
	})
}
