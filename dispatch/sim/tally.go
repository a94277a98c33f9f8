package sim

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/dispatch/match"
	"github.com/hexfleet/hexfleet/geo"
)

// tally keeps what the figures of a run are made of, from its events alone. Owned by its world.
type tally struct {
	sc     *Scenario
	orders []orderBook
	// orderOf are the books of the orders placed, driverOf those of the drivers.
	orderOf  map[dispatch.OrderID]*orderBook
	driverOf map[dispatch.DriverID]*driverBook
	// offers and accepts count offers made and accepted, forced assignments without one.
	offers, accepts, forced int
	// empty is the time driven to pickups, those given up on the way included.
	empty time.Duration
	gap   roundGap
}

// orderBook is what became of one order; zero instants are of what did not happen.
type orderBook struct {
	requested, offered, arrived, pickedUp, droppedOff, completed time.Time
	// sought is when the search for a scheduled order began.
	sought time.Time

	end         dispatch.State
	cancelledBy string
	// line is the straight line to the pickup from where the driver was set free before; follows: by a drop-off, not by
	// coming on duty.
	line    geo.Meters
	follows bool
}

// driverBook is what a driver does, and what it did so far.
type driverBook struct {
	free bool
	// ends is the core's word on a driver that may be asked while at work; endsAt when its trips end, zero when that is
	// to be estimated anew; wait is the round's.
	ends   *market.Ends
	endsAt time.Time
	wait   time.Duration
	// online and onlineAt tell whether and since when it is on duty; a driver that goes off duty at work counts as on
	// duty until that is done.
	online   bool
	onlineAt time.Time
	// working is since when it is on duty or at work, zero for neither.
	working time.Time
	// orders are those it works on; freeFrom is its last drop-off, or where it came on duty: dropped tells which.
	orders   []dispatch.OrderID
	freeFrom geo.LatLng
	dropped  bool
	// approach is since when it drives to a pickup, zero when it does not.
	approach time.Time

	onDuty, loaded time.Duration
	trips          int
	answers        answers
}

func newTally(sc *Scenario) *tally {
	return &tally{
		sc: sc, orders: make([]orderBook, len(sc.Trips)), orderOf: make(map[dispatch.OrderID]*orderBook, len(sc.Trips)),
		driverOf: make(map[dispatch.DriverID]*driverBook, len(sc.Workers)),
	}
}

// duty takes a driver's coming, to a place, and going.
func (t *tally) duty(now time.Time, b *driverBook, online bool, at geo.LatLng) {
	b.online = online
	if b.online {
		b.onlineAt = now
		if b.working.IsZero() {
			b.working, b.freeFrom, b.dropped = now, at, false
		}
		return
	}
	t.done(now, b)
}

// done ends the time on duty of a driver that is off duty and has no work.
func (t *tally) done(now time.Time, b *driverBook) {
	if b.online || len(b.orders) > 0 || b.working.IsZero() {
		return
	}
	b.onDuty += t.within(b.working, now)
	b.working = time.Time{}
}

// within is the part of a span that lies between From and To, where shares of time are counted.
func (t *tally) within(from, to time.Time) time.Duration {
	if from.Before(t.sc.From) {
		from = t.sc.From
	}
	if to.After(t.sc.To) {
		to = t.sc.To
	}
	return max(0, to.Sub(from))
}

// order takes what became of an order.
func (t *tally) order(now time.Time, e *dispatch.Event) {
	o := e.Order
	b := t.orderOf[o.ID]
	if b == nil || e.From == e.To {
		return
	}
	d := t.driverOf[o.Driver]
	if d == nil {
		d = &driverBook{} // nobody's
	}
	switch e.To {
	case dispatch.StateOffered:
		if b.offered.IsZero() {
			b.offered = now
		}
	case dispatch.StateEnRouteToPickup:
		t.given(now, d, o, e.Offer != "")
		if b.offered.IsZero() {
			b.offered = now
		}
	case dispatch.StateArrivedAtPickup:
		b.arrived = now
		t.approached(now, d)
	case dispatch.StateEnRouteToStop, dispatch.StateEnRouteToDropoff:
		if b.pickedUp.IsZero() {
			b.pickedUp = now
			b.line, b.follows = geo.Distance(d.freeFrom, o.Pickup()), d.dropped
		}
	case dispatch.StateArrivedAtDropoff:
		t.dropped(now, b, d, o.Dropoff())
	case dispatch.StateReturned:
		t.dropped(now, b, d, o.Pickup())
	case dispatch.StateCompleted:
		t.dropped(now, b, d, o.Dropoff()) // of who tells the end alone
		b.completed = now
	case dispatch.StateSearching:
		if e.From == dispatch.StateScheduled {
			b.sought = now
		}
	}
	if e.To.Closed() || e.To == dispatch.StateSearching {
		b.end, b.cancelledBy = e.To, o.CancelledBy
		t.released(now, e)
	}
}

// dropped sets down what a driver had aboard, unless that is done.
func (t *tally) dropped(now time.Time, b *orderBook, d *driverBook, at geo.LatLng) {
	if !b.droppedOff.IsZero() {
		return
	}
	b.droppedOff = now
	d.loaded += t.within(b.pickedUp, now)
	d.trips++
	d.freeFrom, d.dropped = at, true
}

// given puts an order on a driver's list.
func (t *tally) given(now time.Time, b *driverBook, o *dispatch.Order, asked bool) {
	if asked {
		t.accepts++
	} else {
		t.forced++
	}
	if b.orders = append(b.orders, o.ID); len(b.orders) == 1 {
		b.approach = now
	}
}

// approached ends a way to a pickup.
func (t *tally) approached(now time.Time, b *driverBook) {
	if !b.approach.IsZero() {
		t.empty += now.Sub(b.approach)
		b.approach = time.Time{}
	}
}

// released takes an order off its driver's list; the next one is then under way.
func (t *tally) released(now time.Time, e *dispatch.Event) {
	b := t.driverOf[e.Driver]
	if b == nil {
		return
	}
	i := slices.Index(b.orders, e.Order.ID)
	if i < 0 {
		return
	}
	b.orders = slices.Delete(b.orders, i, i+1)
	if i == 0 {
		t.approached(now, b)
		if len(b.orders) > 0 {
			b.approach = now
		}
	}
	t.done(now, b)
}

// end closes the books of those who are still on duty at an instant.
func (t *tally) end(now time.Time, drivers []*driver) {
	for _, d := range drivers {
		d.book.online, d.book.orders = false, nil
		t.done(now, &d.book)
	}
}

// roundGap compares what rounds decided with their optimum, over the same candidates: the time to the pickups, and for
// an order without a driver twice the longest pickup. It judges the pickups alone: a policy with other terms in its
// costs has a gap by design.
type roundGap struct {
	solver          match.Solver
	decided, optima time.Duration
	rounds          int
}

// round takes a round's candidates and what came of them.
func (g *roundGap) round(c *market.Candidates, out *market.Effects, p *dispatch.Policy) {
	if out.Round == nil || len(c.Pairs) == 0 {
		return
	}
	g.rounds++
	orders, drivers := map[dispatch.OrderID]int32{}, map[dispatch.DriverID]int32{}
	problem := match.Problem{}
	for i := range c.Pairs {
		pair := &c.Pairs[i]
		row, known := orders[pair.Order]
		if !known {
			row = int32(len(orders))
			orders[pair.Order] = row
			problem.Rows = append(problem.Rows, nil)
			problem.Penalty = append(problem.Penalty, 2*p.MaxPickup.Milliseconds())
		}
		column, known := drivers[pair.Driver]
		if !known {
			column = int32(len(drivers))
			drivers[pair.Driver] = column
		}
		if pair.Pickup <= p.MaxPickup {
			problem.Rows[row] = append(problem.Rows[row], match.Edge{Driver: column, Cost: int32(pair.Pickup.Milliseconds())})
		}
	}
	for _, edges := range problem.Rows {
		match.SortRow(edges)
	}
	problem.Drivers = len(drivers)
	g.optima += time.Duration(g.solver.Solve(&problem, match.Options{}).Cost) * time.Millisecond
	cost := make([]int64, len(orders))
	copy(cost, problem.Penalty)
	take := func(o dispatch.OrderID, d dispatch.DriverID) {
		row, known := orders[o]
		if !known {
			return
		}
		for _, e := range problem.Rows[row] {
			if column, here := drivers[d]; here && e.Driver == column {
				cost[row] = min(cost[row], int64(e.Cost))
			}
		}
	}
	for i := range out.Offers {
		if f := &out.Offers[i]; f.State == dispatch.OfferLive {
			take(f.Order, f.Driver)
		}
	}
	for i := range out.Events {
		if e := &out.Events[i]; e.To == dispatch.StateEnRouteToPickup && e.From != e.To {
			take(e.Order.ID, e.Driver)
		}
	}
	for _, ms := range cost {
		g.decided += time.Duration(ms) * time.Millisecond
	}
}
