package market

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

// leastGap is the time between two rounds at least (or a window, when that is shorter): an early round waits for it, so
// that a burst of declines or of orders does not become as many rounds. A round of 1,000 orders takes about a tenth.
const leastGap = 200 * time.Millisecond

// roundState is where the market's rounds stand. None of it is durable: a recovered core begins its rounds anew.
type roundState struct {
	// n counts rounds; last is when the latest began.
	n    int64
	last time.Time
	// early: something has happened since that should not wait for a whole window.
	early bool
	// sought are the orders of the Seek that waits for its Candidates, in serving order; nil when none does.
	sought []dispatch.OrderID
	// waves are the instants at which offered orders ask more drivers; ready are those whose instant has come.
	waves map[dispatch.OrderID]time.Time
	ready map[dispatch.OrderID]struct{}

	// What follows keeps its memory from round to round, and nothing else.

	table table
	// stamp numbers the tables, for the marks on drivers.
	stamp       int64
	own, shadow decider
}

// roundDue tells when the next round is wanted while orders wait for it: a window after the last one; earlier when
// something calls for it, supply is rich, or orders that are offered are to ask more drivers.
func (c *Core) roundDue() (time.Time, bool) {
	r := &c.round
	if r.sought != nil || len(c.searching) == 0 && len(r.ready) == 0 {
		return time.Time{}, false
	}
	if r.early || len(r.ready) > 0 || c.rich() {
		return r.last.Add(min(leastGap, c.policy.Window)), true
	}
	return r.last.Add(c.policy.Window), true
}

// rich tells whether supply is such that waiting for more orders gains next to nothing.
func (c *Core) rich() bool {
	return c.policy.RichRatio > 0 && float64(c.free) >= c.policy.RichRatio*float64(len(c.searching))
}

// hasten lets the next round come early, for an order that has lost its offers or its driver.
func (c *Core) hasten() { c.round.early = true }

// seek begins a round when one is due: the first of its two steps.
func (c *Core) seek() {
	due, ok := c.roundDue()
	if !ok || due.After(c.now) {
		return
	}
	c.round.n++
	c.round.last, c.round.early = c.now, false
	orders := c.serving()
	s := &Seek{
		Round: c.round.n, Candidates: c.breadth(len(orders)), Freshness: c.policy.Freshness, Chain: c.policy.Chain.Within,
		Orders: make([]Sought, len(orders)),
	}
	c.round.sought = make([]dispatch.OrderID, 0, len(orders))
	for i, o := range orders {
		c.round.sought = append(c.round.sought, o.ID)
		s.Orders[i] = Sought{
			Order: o.ID, Stops: o.Stops, VehicleClass: o.VehicleClass, Barred: c.bars(o),
			MaxPickup: c.reach(o), Driver: o.Driver,
		}
		s.MaxPickup = max(s.MaxPickup, s.Orders[i].MaxPickup)
	}
	c.out.Seek = s
}

// fewPairs is up to how many pairs a round considers more drivers for each order than the policy says, widest times as
// many at most: 300 orders of 16 candidates, which is what a round has time for anyway. On the evening of 30 May 2008 in
// San Francisco the 16 nearest by the line are not always the 16 soonest, and 2 points more are served with 64
// (docs/adr/0005-tuned-defaults.md).
const (
	fewPairs = 4800
	widest   = 4
)

// breadth is how many drivers are considered for each of so many orders.
func (c *Core) breadth(orders int) int {
	k := c.policy.Candidates
	return max(k, min(widest*k, fewPairs/max(orders, 1)))
}

// scarce tells whether there are too few free drivers for the orders that wait for one.
func (c *Core) scarce() bool {
	return float64(c.free) < c.policy.ScarceRatio*float64(len(c.searching))
}

// reach is how far from its pickup, in time, an order looks for a driver in this round. While drivers are scarce, sending
// one far away for an order just come costs the orders that will be asked for near it meanwhile: so a young order waits
// for somebody near, and looks the farther the older it is.
func (c *Core) reach(o *dispatch.Order) time.Duration {
	t := c.policy.For(o.Kind, o.VehicleClass)
	if t.Reach == 0 || t.Reach >= t.MaxPickup || !c.scarce() {
		return t.MaxPickup
	}
	age := min(max(0, c.now.Sub(waitsSince(o, c.policy.Lead))), maxAge)
	grown := math.Round(min(t.ReachGrowth*float64(age), float64(t.MaxPickup)))
	return min(t.Reach+time.Duration(grown), t.MaxPickup)
}

// serving gives the orders that look for a driver, or for more to ask, in serving order: priority, then who has waited
// longest, then id.
func (c *Core) serving() []*dispatch.Order {
	orders := make([]*dispatch.Order, 0, len(c.searching)+len(c.round.ready))
	for id := range c.searching {
		orders = append(orders, c.orders[id])
	}
	for id := range c.round.ready {
		orders = append(orders, c.orders[id])
	}
	slices.SortFunc(orders, func(a, b *dispatch.Order) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority),
			waitsSince(a, c.policy.Lead).Compare(waitsSince(b, c.policy.Lead)), cmp.Compare(a.ID, b.ID))
	})
	return orders
}

// match is the second step of a round: it decides on the candidates and makes the offers. Candidates of another round,
// orders and drivers that are no longer to be had are left out.
func (c *Core) match(in Candidates) {
	if c.round.sought == nil || in.Round != c.round.n {
		return
	}
	t := &c.round.table
	t.reset(c, c.stillWanting(), in.Hurry)
	c.round.sought = nil
	t.fill(c, &in)
	own := rulesOf(&c.policy)
	d := c.round.own.decide(&own, t)
	stats := c.sumUp(t, &d)
	if c.policy.Shadow != nil {
		rules := shadowOf(&c.policy)
		shadow := c.round.shadow.decide(&rules, t)
		stats.Shadow = compare(t, &d, &shadow)
	}
	if c.explain {
		c.explainRound(&own, t, &d, in.Removed)
	}
	c.carryOut(t, &d, stats)
	c.out.Round = stats
}

// stillWanting gives the orders of the Seek that want a driver still.
func (c *Core) stillWanting() []*dispatch.Order {
	orders := make([]*dispatch.Order, 0, len(c.round.sought))
	for _, id := range c.round.sought {
		_, searching := c.searching[id]
		if _, ready := c.round.ready[id]; searching || ready {
			orders = append(orders, c.orders[id])
		}
	}
	return orders
}

// sumUp gives a round's figures.
func (c *Core) sumUp(t *table, d *decision) *RoundStats {
	s := &RoundStats{
		Orders: len(t.orders), Drivers: len(t.drivers), Pairs: len(t.pairs), Matched: d.matched(), Greedy: d.greedy,
		Cost: time.Duration(d.cost(t, d.first)) * time.Millisecond, Pickup: t.pickup(d.first),
	}
	for i, j := range d.first {
		if t.offered[i] {
			s.Further++
			if d.has(i) {
				s.FurtherMatched++
			}
			continue
		}
		if j != match.Unmatched {
			continue
		}
		switch unmatched(t, i) {
		case dispatch.UnmatchedNobodyNear:
			s.Unmatched.NobodyNear++
		case dispatch.UnmatchedFiltered:
			s.Unmatched.Filtered++
		default:
			s.Unmatched.Outbid++
		}
	}
	return s
}

// unmatched tells why an order has nobody.
func unmatched(t *table, i int) string {
	switch {
	case len(t.of(i)) > 0:
		return dispatch.UnmatchedOutbid
	case t.barred[i] > 0:
		return dispatch.UnmatchedFiltered
	}
	return dispatch.UnmatchedNobodyNear
}

// carryOut assigns and offers what was decided.
func (c *Core) carryOut(t *table, d *decision, s *RoundStats) {
	c.out.Events = slices.Grow(c.out.Events, s.Matched)
	c.out.Offers = slices.Grow(c.out.Offers, s.Matched)
	c.out.Notices = slices.Grow(c.out.Notices, s.Matched)
	for i, o := range t.orders {
		if j := d.first[i]; j != match.Unmatched {
			driver, cand := t.drivers[j], t.pair(i, j)
			if c.forced(o, driver) {
				c.force(o, driver, cand, t.trips[i].Duration)
				s.Forced++
				continue
			}
			c.offer(o, driver, cand, t.trips[i].Duration)
			s.Offers++
		}
		if d.more != nil {
			for _, j := range d.more[i] {
				c.offer(o, t.drivers[j], t.pair(i, j), t.trips[i].Duration)
				s.Offers++
			}
		}
		switch o.State {
		case dispatch.StateOffered:
			c.wave(o, c.now)
		case dispatch.StateEnRouteToPickup:
			c.standBy(o)
		}
	}
}
