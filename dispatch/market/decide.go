package market

import (
	"math"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

// rules are what a round decides by: the policy's, or its shadow's.
type rules struct {
	policy *dispatch.Policy
	// shadow holds for all orders; nil for the policy's own terms.
	shadow *dispatch.Terms
	scale  scale
}

func rulesOf(p *dispatch.Policy) rules {
	terms := []*dispatch.Terms{&p.Terms}
	for i := range p.Overrides {
		terms = append(terms, &p.Overrides[i].Terms)
	}
	return rules{policy: p, scale: scaleOf(p, terms...)}
}

func shadowOf(p *dispatch.Policy) rules {
	return rules{policy: p, shadow: p.Shadow, scale: scaleOf(p, p.Shadow)}
}

func (r *rules) of(o *dispatch.Order) *dispatch.Terms {
	if r.shadow != nil {
		return r.shadow
	}
	return r.policy.For(o.Kind, o.VehicleClass)
}

// price prices a pair of a table.
func (r *rules) price(t *table, i int, p pair) priced {
	return price(r.of(t.orders[i]), r.policy.Chain.Margin, t.now, t.drivers[p.driver], p.cand, t.trips[i].Gains)
}

// decision is who is asked for whom. No driver stands in it twice. Its slices are the decider's until its next one.
type decision struct {
	// first is, for each order, the driver chosen for it; more are those that a wave asks beside.
	first match.Assignment
	more  [][]int32
	// exact: first is an optimum.
	exact, greedy bool
	// rows are the orders' candidates by cost, penalty what leaving each out costs.
	rows    [][]match.Edge
	penalty []int64
}

// decider decides rounds; what it keeps is memory and nothing else.
type decider struct {
	solver  match.Solver
	problem match.Problem
	edges   []match.Edge
	taken   []bool
}

// decide says who is asked for whom, as a function of the rules and the table alone.
//
// All orders that have nobody yet share one problem, whatever their mode: its optimum says who may have a driver first,
// so that no mode takes the drivers of another. Orders of mode nearest then deal what fell to them and what fell to
// nobody among themselves, in serving order, each its cheapest. Waves ask who is still left, in turns, the cheapest
// first; they leave out contracted drivers, who cannot be asked beside others.
func (d *decider) decide(r *rules, t *table) decision {
	d.pose(r, t)
	out := decision{rows: d.problem.Rows, penalty: d.problem.Penalty}
	nearest := 0
	for _, o := range t.orders {
		if r.of(o).Mode == dispatch.ModeNearest {
			nearest++
		}
	}
	if out.greedy = t.hurry; out.greedy || nearest == len(t.orders) {
		out.first = match.Greedy(&d.problem)
	} else {
		optimum := d.solver.Solve(&d.problem, match.Options{}).Assignment
		out.first = slices.Clone(optimum)
		if nearest > 0 {
			d.deal(r, t, &out)
		}
		out.exact = slices.Equal(out.first, optimum)
	}
	d.waves(r, t, &out)
	return out
}

// pose puts a round in the solver's form. Orders with live offers have no row: they compete for nobody.
func (d *decider) pose(r *rules, t *table) {
	p := &d.problem
	p.Drivers = len(t.drivers)
	p.Penalty, p.OrderKeys, p.DriverKeys = p.Penalty[:0], p.OrderKeys[:0], p.DriverKeys[:0]
	for _, driver := range t.drivers {
		p.DriverKeys = append(p.DriverKeys, driver.key)
	}
	d.edges = slices.Grow(d.edges[:0], len(t.pairs))
	p.Rows = slices.Grow(p.Rows[:0], len(t.orders))[:len(t.orders)]
	clear(p.Rows)
	for i, o := range t.orders {
		p.OrderKeys = append(p.OrderKeys, match.Key(string(o.ID)))
		p.Penalty = append(p.Penalty, r.scale.penalty(o, r.of(o), r.policy.Lead, t.now))
		if !t.offered[i] {
			from := len(d.edges)
			d.edges = d.row(r, t, i, d.edges)
			p.Rows[i] = d.edges[from:len(d.edges):len(d.edges)]
		}
	}
}

// row adds the edges of an order, by cost.
func (d *decider) row(r *rules, t *table, i int, edges []match.Edge) []match.Edge {
	from, longest := len(edges), r.of(t.orders[i]).MaxPickup
	for _, p := range t.of(i) {
		if p.cand.Pickup > longest {
			continue // a shadow may reach less far
		}
		cost := r.price(t, i, p)
		edges = append(edges, match.Edge{Driver: p.driver, Cost: r.scale.cost(&cost)})
	}
	match.SortRow(edges[from:])
	return edges
}

// deal lets the orders of mode nearest choose in turn among the drivers that no other order has.
func (d *decider) deal(r *rules, t *table, out *decision) {
	d.take(t, out, func(i int) bool { return r.of(t.orders[i]).Mode != dispatch.ModeNearest })
	for i, o := range t.orders {
		if r.of(o).Mode == dispatch.ModeNearest {
			out.first[i] = d.cheapest(out.rows[i], nil)
		}
	}
}

// take notes the drivers that the orders have, of those that count.
func (d *decider) take(t *table, out *decision, counts func(i int) bool) {
	d.taken = slices.Grow(d.taken[:0], len(t.drivers))[:len(t.drivers)]
	clear(d.taken)
	for i, j := range out.first {
		if j != match.Unmatched && counts(i) {
			d.taken[j] = true
		}
	}
}

// size is how many drivers an order may be asking beside its first; all the others ask nobody else.
func (r *rules) size(o *dispatch.Order) int {
	terms := r.of(o)
	switch {
	case o.Driver != "": // and one who is better
		return 1
	case o.State == dispatch.StateSearching && terms.Mode == dispatch.ModeWave:
		return terms.WaveSize - 1
	case terms.Mode == dispatch.ModeWave:
		return terms.WaveSize
	case terms.Mode == dispatch.ModeBroadcast:
		return math.MaxInt
	}
	return 0
}

// cheapest takes the first driver of a row that nobody has, and that skip does not leave out.
func (d *decider) cheapest(row []match.Edge, skip func(j int32) bool) int32 {
	for _, e := range row {
		if !d.taken[e.Driver] && (skip == nil || !skip(e.Driver)) {
			d.taken[e.Driver] = true
			return e.Driver
		}
	}
	return match.Unmatched
}

// waves finds further drivers for the orders that ask several at once, and for those whose driver may be bettered.
func (d *decider) waves(r *rules, t *table, out *decision) {
	var asking []int // orders that still want one more
	for i, o := range t.orders {
		if r.size(o) == 0 {
			continue
		}
		if j := out.first[i]; j == match.Unmatched && !t.offered[i] || j != match.Unmatched && contracted(r.policy, t.drivers[j]) {
			continue
		}
		if asking = append(asking, i); t.offered[i] {
			out.rows[i] = d.row(r, t, i, nil)
		}
	}
	if len(asking) == 0 {
		return
	}
	out.more = make([][]int32, len(t.orders))
	d.take(t, out, func(int) bool { return true })
	skip := func(j int32) bool { return contracted(r.policy, t.drivers[j]) }
	for len(asking) > 0 {
		asking = slices.DeleteFunc(asking, func(i int) bool {
			if len(out.more[i]) >= r.size(t.orders[i]) {
				return true
			}
			j := d.cheapest(out.rows[i], skip)
			if j != match.Unmatched {
				out.more[i] = append(out.more[i], j)
			}
			return j == match.Unmatched
		})
	}
}

// cost is what a choice of first drivers costs by the decision's own rows: an order without one, or with one whom these
// rules leave out, costs its penalty. Orders with live offers do not count.
func (d *decision) cost(t *table, first match.Assignment) (cost int64) {
	for i, j := range first {
		if t.offered[i] {
			continue
		}
		at := slices.IndexFunc(d.rows[i], func(e match.Edge) bool { return e.Driver == j })
		if j == match.Unmatched || at < 0 {
			cost += d.penalty[i]
		} else {
			cost += int64(d.rows[i][at].Cost)
		}
	}
	return cost
}

// pickup sums the times to the pickup of the first drivers.
func (t *table) pickup(first match.Assignment) (sum time.Duration) {
	for i, j := range first {
		if j != match.Unmatched {
			sum += t.pair(i, j).Pickup
		}
	}
	return sum
}

// matched counts the orders that have somebody.
func (d *decision) matched() (n int) {
	for i := range d.first {
		if d.has(i) {
			n++
		}
	}
	return n
}

// has tells whether an order has somebody.
func (d *decision) has(i int) bool {
	return d.first[i] != match.Unmatched || d.more != nil && len(d.more[i]) > 0
}

// compare tells what a shadow would have decided.
func compare(t *table, own, shadow *decision) *ShadowStats {
	s := &ShadowStats{
		Matched: shadow.matched(), Pickup: t.pickup(shadow.first),
		Cost: time.Duration(own.cost(t, shadow.first)) * time.Millisecond,
	}
	for i := range own.first {
		if own.first[i] != shadow.first[i] {
			s.Differ++
		}
	}
	return s
}
