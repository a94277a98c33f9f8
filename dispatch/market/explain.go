package market

import (
	"cmp"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

// explainRound tells how the round dealt with each of its orders: before it is carried out, so that drivers are told as
// they stood. removed are those whom the search took out. An order's drivers are bounded by the policy's candidates,
// removed ones apart.
func (c *Core) explainRound(r *rules, t *table, d *decision, removed []Removed) {
	prices := d.prices(t)
	out := make([]dispatch.Explanation, len(t.orders))
	apart := t.counted(removed, t.removed)
	for i, o := range t.orders {
		terms := r.of(o)
		e := &out[i]
		*e = dispatch.Explanation{
			Market: c.id, Order: o.ID, Round: c.round.n, At: c.now, Mode: terms.Mode, Policy: c.version,
			Penalty: time.Duration(d.penalty[i])*time.Millisecond - r.scale.shift, Optimal: prices != nil,
		}
		chosen := d.chosen(i)
		for _, j := range chosen {
			e.Chosen = append(e.Chosen, t.drivers[j].duty.Driver)
		}
		if len(chosen) == 0 && !t.offered[i] {
			e.Unmatched = unmatched(t, i)
			if prices != nil {
				e.Dual = e.Penalty
			}
		}
		e.Candidates = c.considered(r, t, d, i, chosen, prices, e, apart[i])
	}
	c.removed(t, out, removed)
	c.removed(t, out, t.removed)
	for i := range out {
		drivers := out[i].Candidates
		first := slices.IndexFunc(drivers, func(c dispatch.Considered) bool { return c.FilteredBy != "" })
		if first < 0 {
			continue
		}
		taken := drivers[first:]
		slices.SortStableFunc(taken, func(a, b dispatch.Considered) int { return cmp.Compare(a.Driver, b.Driver) })
		taken = slices.CompactFunc(taken, func(a, b dispatch.Considered) bool { return a.Driver == b.Driver })
		out[i].Candidates = drivers[:first+min(len(taken), c.policy.Candidates)]
	}
	c.out.Explained = append(c.out.Explained, out...)
}

// chosen gives all drivers that are asked for an order, or given it, the first first.
func (d *decision) chosen(i int) []int32 {
	var chosen []int32
	if d.first[i] != match.Unmatched {
		chosen = append(chosen, d.first[i])
	}
	if d.more != nil {
		chosen = append(chosen, d.more[i]...)
	}
	return chosen
}

// considered tells of an order's candidates, cheapest first, and of its dual, and leaves room for so many more. Those
// chosen are always among them. All that is told of an order is in few pieces of memory: thousands of rounds are remembered.
func (c *Core) considered(
	r *rules, t *table, d *decision, i int, chosen []int32, prices []int64, e *dispatch.Explanation, more int,
) []dispatch.Considered {
	n := min(len(d.rows[i]), c.policy.Candidates)
	if n+more == 0 {
		return nil
	}
	drivers := make([]dispatch.Considered, 0, n+more)
	terms := make([]dispatch.CostTerm, 0, n)
	for n, edge := range d.rows[i] {
		asked := slices.Contains(chosen, edge.Driver)
		if n >= c.policy.Candidates && !asked {
			continue
		}
		cost := r.price(t, i, pair{edge.Driver, t.pair(i, edge.Driver)})
		first := len(terms)
		terms = cost.explained(terms)
		w := dispatch.Considered{
			Driver: t.drivers[edge.Driver].duty.Driver, Cost: cost.sum(), Terms: terms[first:len(terms):len(terms)], Offered: asked,
		}
		if prices != nil {
			w.Price = time.Duration(prices[edge.Driver]) * time.Millisecond
			if edge.Driver == d.first[i] {
				e.Dual = w.Cost + w.Price
			}
		}
		drivers = append(drivers, w)
	}
	return drivers
}

// mostPasses bounds the work on prices, in looks at every edge. Far fewer do; when they are not enough, a price is too
// low rather than a round late.
const mostPasses = 64

// prices gives for each driver, in milliseconds, what its being taken costs the orders that did not get it: by how much
// they would be cheaper together if the order that has it were not there. These are the least prices of all that prove
// the optimum (the solver's are others): where there are fewer drivers than orders, a solution's prices may be raised
// together without a proof being lost. Herman B. Leonard, "Elicitation of honest preferences for the assignment of
// individuals to positions", Journal of Political Economy 91 (1983) 461-479. nil unless the round is an optimum.
//
// Prices rise from 0 until no order would rather have the driver of another: an order at w would pay w - cost for it.
func (d *decision) prices(t *table) []int64 {
	if !d.exact {
		return nil
	}
	prices, owner := make([]int64, len(t.drivers)), make([]int32, len(t.drivers))
	worth := slices.Clone(d.penalty) // what each order pays now
	var edges int
	var queue []int32
	for i, j := range d.first {
		edges += len(d.rows[i])
		queue = append(queue, int32(i))
		if j != match.Unmatched {
			owner[j] = int32(i) + 1
			worth[i] = d.paid(i, j)
		}
	}
	for left := mostPasses * edges; len(queue) > 0 && left > 0; {
		i := queue[0]
		queue = queue[1:]
		if t.offered[i] {
			continue // it competes for nobody
		}
		for _, e := range d.rows[i] {
			bid := worth[i] - int64(e.Cost)
			if bid <= 0 {
				break // rows ascend
			}
			left--
			if k := owner[e.Driver] - 1; k >= 0 && k != i && bid > prices[e.Driver] {
				worth[k] += bid - prices[e.Driver]
				prices[e.Driver] = bid
				queue = append(queue, k)
			}
		}
	}
	return prices
}

// paid is what an order's first driver costs it.
func (d *decision) paid(i int, j int32) int64 {
	at := slices.IndexFunc(d.rows[i], func(e match.Edge) bool { return e.Driver == j })
	return int64(d.rows[i][at].Cost)
}

// counted gives for each order how many were taken out.
func (t *table) counted(lists ...[]Removed) []int {
	n := make([]int, len(t.orders))
	for _, removed := range lists {
		for i := range removed {
			if row, ok := t.row[removed[i].Order]; ok {
				n[row]++
			}
		}
	}
	return n
}

// removed adds those who were taken out to the orders that they were taken from.
func (c *Core) removed(t *table, out []dispatch.Explanation, removed []Removed) {
	for _, r := range removed {
		if i, ok := t.row[r.Order]; ok {
			out[i].Candidates = append(out[i].Candidates, dispatch.Considered{Driver: r.Driver, FilteredBy: r.By})
		}
	}
}
