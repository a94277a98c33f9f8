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
	out := make([]dispatch.Explanation, len(t.orders))
	for i, o := range t.orders {
		terms := r.of(o)
		e := &out[i]
		*e = dispatch.Explanation{
			Market: c.id, Order: o.ID, Round: c.round.n, At: c.now, Mode: terms.Mode, Policy: c.version,
			Penalty: time.Duration(d.penalty[i])*time.Millisecond - r.scale.shift,
		}
		chosen := d.chosen(i)
		for _, j := range chosen {
			e.Chosen = append(e.Chosen, t.drivers[j].duty.Driver)
		}
		if len(chosen) == 0 && !t.offered[i] {
			e.Unmatched, e.Dual = unmatched(t, i), e.Penalty
		}
		e.Candidates = c.considered(r, t, d, i, chosen, e)
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

// considered tells of an order's candidates, cheapest first, and of its dual. Those chosen are always among them.
func (c *Core) considered(r *rules, t *table, d *decision, i int, chosen []int32, e *dispatch.Explanation) []dispatch.Considered {
	drivers := make([]dispatch.Considered, 0, min(len(d.rows[i]), c.policy.Candidates))
	for n, edge := range d.rows[i] {
		asked := slices.Contains(chosen, edge.Driver)
		if n >= c.policy.Candidates && !asked {
			continue
		}
		cost := r.price(t, i, pair{edge.Driver, t.pair(i, edge.Driver)})
		w := dispatch.Considered{
			Driver: t.drivers[edge.Driver].duty.Driver, Cost: cost.sum(), Terms: cost.explained(), Offered: asked,
		}
		if d.prices != nil {
			w.Price = time.Duration(d.prices[edge.Driver]) * time.Millisecond
			if edge.Driver == d.first[i] {
				e.Dual = w.Cost + w.Price
			}
		}
		drivers = append(drivers, w)
	}
	return drivers
}

// removed adds those who were taken out to the orders that they were taken from.
func (c *Core) removed(t *table, out []dispatch.Explanation, removed []Removed) {
	for _, r := range removed {
		if i, ok := t.row[r.Order]; ok {
			out[i].Candidates = append(out[i].Candidates, dispatch.Considered{Driver: r.Driver, FilteredBy: r.By})
		}
	}
}
