package market

import (
	"container/heap"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// What a timer is about. A timer is never taken back: when it fires, the state says whether it still means
// anything, which is when it fires at the very instant that the state now waits for. So a core that kept old
// timers and one recovered without them do the same in the same order.
const (
	timerOffer     = iota // a live offer expires
	timerSearch           // a search times out
	timerScheduled        // a scheduled order begins to be searched for
	timerForget           // a closed order or ended offer leaves memory
	timerLeave            // a driver off duty leaves memory
	timerWave             // an offered order asks more drivers
	timerThaw             // a driver that had its offers of the minute may be asked again
)

type timer struct {
	at   time.Time
	kind int
	id   string
}

// timers is a heap by (at, kind, id): a total order, so that a replay fires alike.
type timers struct{ heap timerHeap }

type timerHeap []timer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}
func (h timerHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	if h[i].kind != h[j].kind {
		return h[i].kind < h[j].kind
	}
	return h[i].id < h[j].id
}

func (t *timers) add(at time.Time, kind int, id string) {
	heap.Push(&t.heap, timer{at, kind, id})
}

func (t *timers) next() time.Time {
	if len(t.heap) == 0 {
		return time.Time{}
	}
	return t.heap[0].at
}

// due takes the first timer that is due at now.
func (t *timers) due(now time.Time) (timer, bool) {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return timer{}, false
	}
	return heap.Pop(&t.heap).(timer), true
}

// fire lets everything happen that is due.
func (c *Core) fire() {
	for {
		t, ok := c.timers.due(c.now)
		if !ok {
			return
		}
		switch t.kind {
		case timerOffer:
			c.expire(dispatch.OfferID(t.id))
		case timerSearch:
			c.timeOut(dispatch.OrderID(t.id), t.at)
		case timerScheduled:
			c.begin(dispatch.OrderID(t.id), t.at)
		case timerForget:
			c.forget(t.id)
		case timerLeave:
			c.leave(dispatch.DriverID(t.id))
		case timerWave:
			c.waveDue(dispatch.OrderID(t.id), t.at)
		case timerThaw:
			c.thaw(dispatch.DriverID(t.id))
		}
	}
}

// arm sets what the order's present state waits for, and whether rounds look for a driver.
func (c *Core) arm(o *dispatch.Order) {
	delete(c.searching, o.ID)
	if o.State != dispatch.StateOffered {
		c.calm(o.ID)
	}
	switch {
	case o.State == dispatch.StateEnRouteToPickup:
		c.standBy(o)
	case o.State == dispatch.StateSearching:
		c.searching[o.ID] = struct{}{}
		c.timers.add(o.SearchSince.Add(c.policy.SearchTimeout), timerSearch, string(o.ID))
	case o.State == dispatch.StateScheduled:
		c.timers.add(o.PickupAt.Add(-c.policy.Lead), timerScheduled, string(o.ID))
	case o.State.Closed():
		c.timers.add(c.now.Add(forgetAfter), timerForget, string(o.ID))
	}
}

// reload takes a new policy and times the orders that wait anew, as a recovery under it would.
func (c *Core) reload(p dispatch.Policy) {
	same := (c.policy.Chain.Within > 0) == (p.Chain.Within > 0) && c.policy.Offers.PerMinute == p.Offers.PerMinute
	c.policy, c.version = p, p.Version()
	clear(c.round.waves)
	clear(c.round.ready)
	for _, o := range c.orders {
		if !o.State.Closed() {
			c.arm(o)
		}
	}
	c.resumeWaves(c.now)
	if same {
		return
	}
	for id, d := range c.drivers { // others may be asked now
		if d.duty.Online {
			c.touch(id)
		}
	}
}

// forget drops a closed order or an ended offer; ids of the two never meet, both being UUIDv7.
func (c *Core) forget(id string) {
	if o, ok := c.orders[dispatch.OrderID(id)]; ok && o.State.Closed() &&
		!c.now.Before(o.ChangedAt.Add(forgetAfter)) {
		delete(c.orders, o.ID)
		delete(c.unsaid, o.ID)
	}
	if f, ok := c.offers[dispatch.OfferID(id)]; ok && f.State != dispatch.OfferLive {
		delete(c.offers, f.ID)
	}
}

// leave drops a driver that is neither on duty nor at work, once its last duty event has surely been read
// by every claim.
func (c *Core) leave(id dispatch.DriverID) {
	d, ok := c.drivers[id]
	if ok && !d.duty.Online && len(d.orders) == 0 && !c.now.Before(d.duty.Since.Add(forgetAfter)) {
		delete(c.drivers, id)
	}
}
