package market

import (
	"cmp"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// table is what a round decides on: who looks for a driver, who may be asked, and how near they are. It is made once
// for a round, from the core and the candidates, and is the same for the policy and its shadow; deciding changes
// nothing of it. Its memory is used again by the next round.
type table struct {
	policy *dispatch.Policy
	now    time.Time
	// orders are in serving order; offered tells of each whether it has live offers, or a driver on the way, and asks
	// further drivers without competing for any. present is the time to the pickup of that driver, 0 where it is not
	// known or there is none.
	orders  []*dispatch.Order
	offered []bool
	present []time.Duration
	trips   []Trip
	// drivers ascend by (key, id): an order of their own that says nothing of who is served first.
	drivers []*driver
	// pairs are those of order 0, then of order 1, and so on: order i has pairs[rows[i]:rows[i+1]], by driver.
	pairs []pair
	rows  []int32
	// removed are candidates whom the core took out; kept for explanations alone.
	removed []Removed
	// barred counts, for each order, drivers within reach that were taken out, by the search or the core.
	barred []int32
	hurry  bool

	row     map[dispatch.OrderID]int32 // of an order
	entries []entry
}

// pair is a candidate of the row's order.
type pair struct {
	driver int32 // in drivers
	cand   *Candidate
}

// of gives the pairs of an order.
func (t *table) of(i int) []pair { return t.pairs[t.rows[i]:t.rows[i+1]] }

// pair gives that of an order and a driver, which is there.
func (t *table) pair(i int, driver int32) *Candidate {
	row := t.of(i)
	at, _ := slices.BinarySearchFunc(row, driver, func(p pair, d int32) int { return cmp.Compare(p.driver, d) })
	return row[at].cand
}

// reset takes up the orders.
func (t *table) reset(c *Core, orders []*dispatch.Order, hurry bool) {
	t.policy, t.now, t.hurry = &c.policy, c.now, hurry
	t.orders, t.offered, t.trips = orders, t.offered[:0], slices.Grow(t.trips[:0], len(orders))
	t.barred, t.present = t.barred[:0], t.present[:0]
	t.removed, t.drivers, t.pairs = t.removed[:0], t.drivers[:0], t.pairs[:0]
	if t.row == nil {
		t.row = make(map[dispatch.OrderID]int32, len(orders))
	}
	clear(t.row)
	for i, o := range orders {
		t.row[o.ID] = int32(i)
		t.offered = append(t.offered, o.State != dispatch.StateSearching)
		t.present = append(t.present, 0)
		t.trips = append(t.trips, Trip{Order: o.ID})
		t.barred = append(t.barred, 0)
	}
}

// entry is a candidate that may be chosen, before its driver has a number.
type entry struct {
	row    int32
	driver *driver
	cand   *Candidate
}

// fill takes up the candidates that may be chosen at this instant, of a repeated pair the nearer. Candidates of orders
// that are not of the round are left out.
func (t *table) fill(c *Core, in *Candidates) {
	for _, trip := range in.Trips {
		if i, ok := t.row[trip.Order]; ok {
			t.trips[i] = trip
		}
	}
	t.accompany(in)
	c.round.stamp++
	t.entries = t.entries[:0]
	row, last, known := int32(0), dispatch.OrderID(""), false // the pairs of an order mostly stand together
	for k := range in.Pairs {
		cand := &in.Pairs[k]
		if k == 0 || cand.Order != last {
			last = cand.Order
			row, known = t.row[last]
		}
		if !known {
			continue
		}
		d := c.drivers[cand.Driver]
		o := t.orders[row]
		if o.Driver != "" && o.Driver == cand.Driver {
			continue // on the way to it
		}
		by := c.filter(o, d, cand)
		if by == "" && o.Driver != "" && cand.Pickup+c.policy.StandbyGain > t.present[row] {
			by = dispatch.FilterNoGain
		}
		if by != "" {
			t.bar(row, by)
			if c.explain {
				t.removed = append(t.removed, Removed{cand.Order, cand.Driver, by})
			}
			continue
		}
		if d.stamp != c.round.stamp {
			d.stamp = c.round.stamp
			t.drivers = append(t.drivers, d)
		}
		t.entries = append(t.entries, entry{row, d, cand})
	}
	for k := range in.Removed {
		if i, ok := t.row[in.Removed[k].Order]; ok {
			t.bar(i, in.Removed[k].By)
		}
	}
	t.sort()
}

// bar counts a driver that a filter took from an order. One out of reach is none of those near.
func (t *table) bar(row int32, by string) {
	if by != dispatch.FilterTooFar {
		t.barred[row]++
	}
}

// accompany notes how far the drivers are who are on the way to the orders.
func (t *table) accompany(in *Candidates) {
	if !slices.ContainsFunc(t.orders, func(o *dispatch.Order) bool { return o.Driver != "" }) {
		return
	}
	for k := range in.Pairs {
		cand := &in.Pairs[k]
		if i, ok := t.row[cand.Order]; ok && t.orders[i].Driver == cand.Driver {
			t.present[i] = cand.Pickup
		}
	}
}

// sort numbers the drivers and brings the pairs into their order.
func (t *table) sort() {
	slices.SortFunc(t.drivers, func(a, b *driver) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Compare(a.duty.Driver, b.duty.Driver)
	})
	for j, d := range t.drivers {
		d.column = int32(j)
	}
	t.deal()
	n := int32(0) // pairs kept so far: repeated ones go
	for i := range t.orders {
		row := t.of(i)
		slices.SortFunc(row, func(a, b pair) int {
			return cmp.Or(cmp.Compare(a.driver, b.driver), cmp.Compare(a.cand.Pickup, b.cand.Pickup),
				cmp.Compare(a.cand.Wait, b.cand.Wait), cmp.Compare(a.cand.Source, b.cand.Source))
		})
		row = slices.CompactFunc(row, func(a, b pair) bool { return a.driver == b.driver })
		t.rows[i] = n
		n += int32(copy(t.pairs[n:], row))
	}
	t.rows[len(t.orders)] = n
	t.pairs = t.pairs[:n]
}

// deal puts the pairs of each row together, in any order.
func (t *table) deal() {
	t.rows = slices.Grow(t.rows[:0], len(t.orders)+2)[:len(t.orders)+2]
	clear(t.rows)
	for _, e := range t.entries {
		t.rows[e.row+2]++
	}
	for i := range t.orders {
		t.rows[i+2] += t.rows[i+1]
	}
	t.pairs = slices.Grow(t.pairs[:0], len(t.entries))[:len(t.entries)]
	for _, e := range t.entries { // rows[i+1] is where the next pair of row i goes
		t.pairs[t.rows[e.row+1]] = pair{e.driver.column, e.cand}
		t.rows[e.row+1]++
	}
	t.rows = t.rows[:len(t.orders)+1]
}

// filter names why a candidate may not be chosen at this instant, "" when it may. A driver that is not known is off
// duty.
func (c *Core) filter(o *dispatch.Order, d *driver, cand *Candidate) string {
	switch {
	case d == nil || !d.duty.Online:
		return dispatch.FilterOffDuty
	case d.offer != "":
		return dispatch.FilterOffered
	case d.duty.VehicleClass != o.VehicleClass:
		return dispatch.FilterVehicleClass
	case len(d.orders) > 0 && (cand.Wait <= 0 || cand.Wait > c.policy.Chain.Within || c.ends(d) == nil):
		return dispatch.FilterBusy
	case c.barred(o, cand.Driver):
		return dispatch.FilterBarred
	case cand.Wait < 0 || cand.Pickup < cand.Wait || cand.Pickup > c.policy.For(o.Kind, o.VehicleClass).MaxPickup:
		return dispatch.FilterTooFar
	case c.flooded(d) && !c.forced(o, d):
		return dispatch.FilterFlooded
	}
	return ""
}

// forced tells whether a driver who is chosen for an order is given it without being asked.
func (c *Core) forced(o *dispatch.Order, d *driver) bool {
	return c.policy.For(o.Kind, o.VehicleClass).Mode == dispatch.ModeDirect || contracted(&c.policy, d)
}

// contracted tells whether a driver's duty says that it is not asked.
func contracted(p *dispatch.Policy, d *driver) bool {
	return p.ContractedTag != "" && slices.Contains(d.duty.Tags, p.ContractedTag)
}
