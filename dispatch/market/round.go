package market

import (
	"cmp"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

// roundState is where the market's rounds stand.
type roundState struct {
	// n counts rounds; last is when the latest began.
	n    int64
	last time.Time
	// sought are the orders of the Seek that waits for its Candidates, in serving order; nil when none does.
	sought []dispatch.OrderID
	// solver keeps its memory from round to round, and nothing else.
	solver match.Solver
}

// roundDue tells when the next round is wanted: a window after the last one, while orders wait for it.
func (c *Core) roundDue() (time.Time, bool) {
	if len(c.searching) == 0 || c.round.sought != nil {
		return time.Time{}, false
	}
	return c.round.last.Add(c.policy.Window), true
}

// seek begins a round when one is due: the first of its two steps.
func (c *Core) seek() {
	due, ok := c.roundDue()
	if !ok || due.After(c.now) {
		return
	}
	c.round.n++
	c.round.last = c.now
	orders := c.serving()
	s := &Seek{
		Round: c.round.n, Candidates: c.policy.Candidates,
		MaxPickup: c.policy.MaxPickup, Freshness: c.policy.Freshness,
		Orders: make([]Sought, len(orders)),
	}
	for i, o := range orders {
		c.round.sought = append(c.round.sought, o.ID)
		s.Orders[i] = Sought{Order: o.ID, Stops: o.Stops, VehicleClass: o.VehicleClass, Barred: barred(o, c.now)}
	}
	c.out.Seek = s
}

// serving gives the searching orders in serving order: priority, then the oldest request, then id.
func (c *Core) serving() []*dispatch.Order {
	orders := make([]*dispatch.Order, 0, len(c.searching))
	for id := range c.searching {
		orders = append(orders, c.orders[id])
	}
	slices.SortFunc(orders, func(a, b *dispatch.Order) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.RequestedAt.Compare(b.RequestedAt), cmp.Compare(a.ID, b.ID))
	})
	return orders
}

func barred(o *dispatch.Order, now time.Time) []dispatch.DriverID {
	var out []dispatch.DriverID
	for _, b := range o.Bars {
		if o.Barred(b.Driver, now) {
			out = append(out, b.Driver)
		}
	}
	slices.Sort(out)
	return out
}

// match is the second step of a round: it solves on the candidates and makes the offers. Candidates of
// another round, orders and drivers that are no longer to be had are left out.
func (c *Core) match(in Candidates) {
	if c.round.sought == nil || in.Round != c.round.n {
		return
	}
	orders := c.stillSearching()
	c.round.sought = nil
	pairs := c.eligible(in.Pairs)
	drivers := driversOf(pairs)
	problem := c.problem(orders, drivers, pairs)
	var assignment match.Assignment
	if c.policy.Mode == dispatch.ModeNearest {
		assignment = match.Greedy(problem)
	} else {
		assignment = c.round.solver.Solve(problem, match.Options{}).Assignment
	}
	stats := RoundStats{Orders: len(orders), Drivers: len(drivers), Pairs: len(pairs)}
	trips := make(map[dispatch.OrderID]time.Duration, len(in.Trips))
	for _, t := range in.Trips {
		trips[t.Order] = t.Duration
	}
	for i, j := range assignment {
		if j < 0 {
			continue
		}
		o, d := orders[i], c.drivers[drivers[j]]
		c.offer(o, d, pairs[pairKey{o.ID, drivers[j]}], trips[o.ID])
		stats.Matched++
	}
	c.out.Round = &stats
}

func (c *Core) stillSearching() []*dispatch.Order {
	orders := make([]*dispatch.Order, 0, len(c.round.sought))
	for _, id := range c.round.sought {
		if _, ok := c.searching[id]; ok {
			orders = append(orders, c.orders[id])
		}
	}
	return orders
}

type pairKey struct {
	order  dispatch.OrderID
	driver dispatch.DriverID
}

// eligible keeps the candidates that may be offered at this instant; of a repeated pair the nearer.
func (c *Core) eligible(in []Candidate) map[pairKey]Candidate {
	pairs := make(map[pairKey]Candidate, len(in))
	for _, cand := range in {
		o, d := c.orders[cand.Order], c.drivers[cand.Driver]
		if o == nil || d == nil || o.State != dispatch.StateSearching || !d.free() {
			continue
		}
		if d.duty.VehicleClass != o.VehicleClass || o.Barred(cand.Driver, c.now) {
			continue
		}
		if cand.Pickup < 0 || cand.Pickup > c.policy.MaxPickup {
			continue
		}
		key := pairKey{cand.Order, cand.Driver}
		if old, ok := pairs[key]; !ok || cand.Pickup < old.Pickup {
			pairs[key] = cand
		}
	}
	return pairs
}

func driversOf(pairs map[pairKey]Candidate) []dispatch.DriverID {
	drivers := make([]dispatch.DriverID, 0, len(pairs))
	for key := range pairs {
		drivers = append(drivers, key.driver)
	}
	slices.Sort(drivers)
	return slices.Compact(drivers)
}

// problem puts the round in the solver's form: costs are the pickup time in milliseconds, and leaving an
// order unmatched costs two longest pickups, its age and its priority, so that an old order wins over a new
// one that is a little nearer, and no order is left while any driver within reach is idle.
func (c *Core) problem(orders []*dispatch.Order, drivers []dispatch.DriverID, pairs map[pairKey]Candidate) *match.Problem {
	p := &match.Problem{
		Drivers: len(drivers),
		Rows:    make([][]match.Edge, len(orders)),
		Penalty: make([]int64, len(orders)),
		// The same pairs win whoever else is in the round.
		OrderKeys:  make([]uint32, len(orders)),
		DriverKeys: make([]uint32, len(drivers)),
	}
	for j, id := range drivers {
		p.DriverKeys[j] = match.Key(string(id))
	}
	row := make(map[dispatch.OrderID]int, len(orders))
	longest := c.policy.MaxPickup.Milliseconds()
	for i, o := range orders {
		row[o.ID] = i
		p.OrderKeys[i] = match.Key(string(o.ID))
		age := min(c.now.Sub(o.SearchSince), c.policy.SearchTimeout).Milliseconds()
		p.Penalty[i] = max(longest+1, 2*longest+age+int64(o.Priority)*longest)
	}
	for key, cand := range pairs {
		i, ok := row[key.order]
		if !ok {
			continue // not of this round
		}
		j, _ := slices.BinarySearch(drivers, key.driver)
		p.Rows[i] = append(p.Rows[i], match.Edge{Driver: int32(j), Cost: int32(cand.Pickup.Milliseconds())})
	}
	for _, edges := range p.Rows {
		slices.SortFunc(edges, func(a, b match.Edge) int {
			return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.Driver, b.Driver))
		})
	}
	return p
}
