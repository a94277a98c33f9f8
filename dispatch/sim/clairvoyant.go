package sim

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/match"
	"github.com/hexfleet/hexfleet/geo"
)

// ClairvoyantDay is a day for which is asked what a fleet could have done that knew every order beforehand.
//
// Each order is given at most one predecessor, the start of a session or another trip, and each of these at most one
// order, where the driver can be there in time: earliest end + travel <= time of the order + Wait. A trip's earliest end
// is that of one picked up without delay. Every real schedule whose waits are within Wait is one of these choices, but
// not every choice is a schedule: with Wait above 0 each trip of a chain may be late on its own account, and a session's
// end only bars orders from its start. So the best choice is at least as good as the best schedule: tight for waits of a
// minute or less, loose for long ones in overload.
//
// How many orders can be served, and with how few drivers, is found over all pairs (cover.go). The deadhead is an
// assignment of orders to predecessors (package match); a day of 2e4 orders has 2e8 pairs, so it is solved on some of the
// predecessors of each order, which makes it an estimate. The nearest of all day alone would be a poor choice: those that ended long ago
// are the nearest of every later order too, and each serves one. Therefore as many are taken of each of several spans of
// time before the order (spans), the nearest in each.
type ClairvoyantDay struct {
	// Trips are the orders.
	Trips []Trip
	// Sessions are where and when drivers come on duty.
	Sessions []Session
	// Travel is the time from one place to another for who sets out at an instant, 0 or more. For a bound nobody may
	// arrive sooner by leaving later.
	Travel func(from, to geo.LatLng, begin time.Time) time.Duration
	// TopMps bounds the metres of straight line that Travel covers in a second; 0 for not known, which takes longer.
	TopMps float64
	// Ride is how long a driver is busy with an order from its pickup on; nil for the recorded Duration.
	Ride func(*Trip) time.Duration
	// Wait is how long after its time an order may be picked up.
	Wait time.Duration
	// Predecessors is how many predecessors of each order are looked at; 0 for all, for small days.
	Predecessors int
	// Worth is how much deadhead one more order is worth; 0 for any. With it Solve is quicker.
	Worth time.Duration
	// Stop is asked now and then; once it says true Solve gives ErrStopped. nil for never.
	Stop func() bool
}

// ErrStopped is the error when Solve was told to stop before it was done.
var ErrStopped = errors.New("clairvoyant reference: stopped")

func (d *ClairvoyantDay) stopped() bool { return d.Stop != nil && d.Stop() }

// Clairvoyant is the best that a ClairvoyantDay allows. How many orders must be served decides how far is driven: on 30
// May 2008 with 128 predecessors and a wait of 0, 20,477 orders at 287 m are worth 20 minutes each, and the 528 that can
// be served besides take it to 514 m.
type Clairvoyant struct {
	// Of Orders no schedule serves more than Most, whatever it is worth: always a bound over all predecessors.
	Orders, Most int
	// Fleet: with fewer drivers not all orders can be served, even were drivers to begin wherever they are wanted. It is
	// a bound over all predecessors as well.
	Fleet int
	// Bound tells that all predecessors were looked at for what follows; else it is an estimate: of less orders than could
	// be served, with more deadhead than they need.
	Bound bool
	// Served orders have a predecessor, AfterTrips of them a trip and the others the start of a session: Most, or fewer
	// where more are not worth it.
	Served, AfterTrips int
	// Deadhead is the least total time driven to the pickups of as many, MeanDeadhead that of an order served. A schedule
	// that serves fewer orders may drive less for each: see LeastDeadhead.
	Deadhead, MeanDeadhead time.Duration
	// Line and MeanLine are the straight lines of the same choice, which are least themselves where travel times grow
	// with them.
	Line, MeanLine geo.Meters

	worth time.Duration
}

// LeastDeadhead is less or equal to the total deadhead of a choice that serves so many orders, by linear programming
// duality: it is near to it where serving one more costs about Worth, and 0 without one for less than Served.
func (c *Clairvoyant) LeastDeadhead(served int) time.Duration {
	if c.worth == 0 {
		if served >= c.Served {
			return c.Deadhead
		}
		return 0
	}
	return max(0, c.Deadhead+time.Duration(served-c.Served)*c.worth)
}

// maxPairs bounds the memory of Predecessors 0: 8 bytes a pair, some times over.
const maxPairs = 1 << 26

// Solve finds the choice that serves the most orders, or all that are worth it, and of these the one with the least
// deadhead.
func (d *ClairvoyantDay) Solve() (Clairvoyant, error) {
	switch {
	case d.Travel == nil:
		return Clairvoyant{}, errors.New("clairvoyant reference: Travel is not set")
	case d.Wait < 0 || d.Predecessors < 0 || d.Worth < 0 || !(d.TopMps >= 0):
		return Clairvoyant{}, errors.New("clairvoyant reference: Wait, Predecessors, Worth and TopMps must not be negative")
	case d.Worth.Milliseconds() > match.MaxPenalty:
		return Clairvoyant{}, fmt.Errorf("clairvoyant reference: Worth must be at most %d ms", match.MaxPenalty)
	case d.Predecessors == 0 && len(d.Trips)*(len(d.Trips)+len(d.Sessions)) > maxPairs:
		return Clairvoyant{}, fmt.Errorf("clairvoyant reference: all predecessors of %d orders are too many", len(d.Trips))
	}
	f := newForesight(d)
	if d.stopped() {
		return Clairvoyant{}, ErrStopped // and the problem has not all of its rows
	}
	if err := f.problem.Validate(); err != nil {
		return Clairvoyant{}, fmt.Errorf("clairvoyant reference: %w", err)
	}
	var solver match.Solver
	result := solver.Solve(&f.problem, match.Options{Stop: d.Stop})
	c := f.result(result)
	cover := newCover(f)
	c.Most = cover.most(result.Assignment, 0)
	c.Fleet = len(d.Trips) - cover.most(result.Assignment, f.sessions)
	if d.stopped() {
		return Clairvoyant{}, ErrStopped
	}
	return c, nil
}

// foresight is the assignment of orders to predecessors. Owned by the goroutine that solves it.
type foresight struct {
	*ClairvoyantDay
	// sessions is how many of the thicket's predecessors, the first ones, are sessions; the others are the trips.
	sessions int
	thicket  *thicket
	problem  match.Problem
	// cut tells that some predecessor was left out.
	cut   bool
	found []candidate
}

// candidate is a predecessor with its squared distance.
type candidate struct {
	edge    match.Edge
	squared float64
}

func newForesight(d *ClairvoyantDay) *foresight {
	f := &foresight{ClairvoyantDay: d, sessions: len(d.Sessions)}
	var all []predecessor
	for _, s := range d.Sessions {
		p := predecessor{at: s.At, ready: s.On.UnixMilli(), until: math.MaxInt64, spot: spotAt(s.At)}
		if !s.Off.IsZero() {
			p.until = s.Off.UnixMilli()
		}
		all = append(all, p)
	}
	for i := range d.Trips {
		t := &d.Trips[i]
		busy := t.Duration
		if d.Ride != nil {
			busy = d.Ride(t)
		}
		all = append(all, predecessor{
			at: t.Dropoff, ready: t.At.Add(busy).UnixMilli(), until: math.MaxInt64, spot: spotAt(t.Dropoff),
		})
	}
	f.thicket = newThicket(all)
	penalty := int64(match.MaxPenalty)
	if d.Worth > 0 {
		penalty = d.Worth.Milliseconds()
	}
	f.problem = match.Problem{Drivers: len(all)}
	for i := range d.Trips {
		if d.stopped() {
			break
		}
		f.problem.Rows = append(f.problem.Rows, f.row(i))
		f.problem.Penalty = append(f.problem.Penalty, penalty)
	}
	return f
}

// edge tells what it takes predecessor i to serve an order; false when it cannot in time.
func (f *foresight) edge(order int, i int32) (match.Edge, bool) {
	p, t := &f.thicket.all[i], &f.Trips[order]
	at := t.At.UnixMilli()
	if int(i) == f.sessions+order || at >= p.until {
		return match.Edge{}, false
	}
	travel := f.Travel(p.at, t.Pickup, time.UnixMilli(p.ready)).Milliseconds()
	if p.ready+travel > at+f.Wait.Milliseconds() {
		return match.Edge{}, false
	}
	return match.Edge{Driver: i, Cost: int32(min(travel, math.MaxInt32))}, true
}

func (f *foresight) hunt(order int) hunt {
	t := &f.Trips[order]
	h := hunt{
		thicket: f.thicket, spot: spotAt(t.Pickup), within: 4, // the whole sphere
		earliest: math.MinInt64, latest: t.At.UnixMilli() + f.Wait.Milliseconds(),
	}
	if f.TopMps > 0 {
		const rounding = 1 - 1e-6
		h.perChord = rounding * float64(geo.EarthRadius) / f.TopMps * 1000
	}
	return h
}

// spans are how long before an order its predecessors are ready, for each span at most: an equal part of them is looked
// for in each. Of spans tried on 30 May 2008 with 32 predecessors, (5, 15, 45 min, all) served 20,535 orders, these
// 20,138, (15 min, 1 h, 4 h, all) 19,896 and the whole day alone 17,681; shorter ones miss who drives least.
func spans() [4]time.Duration {
	return [4]time.Duration{10 * time.Minute, 30 * time.Minute, 90 * time.Minute, math.MaxInt64}
}

// row finds predecessors that can be there in time.
func (f *foresight) row(order int) []match.Edge {
	h := f.hunt(order)
	var row []match.Edge
	if f.Predecessors == 0 {
		h.look = func(i int32, _ float64) bool {
			if e, ok := f.edge(order, i); ok {
				row = append(row, e)
			}
			return true
		}
		h.run()
		match.SortRow(row)
		return row
	}
	all, before := spans(), h.latest
	for n, span := range all {
		h.earliest = f.Trips[order].At.UnixMilli() - span.Milliseconds()
		k := f.Predecessors*(n+1)/len(all) - f.Predecessors*n/len(all)
		f.nearest(h, order, k, before)
		for _, c := range f.found {
			row = append(row, c.edge)
		}
		before = h.earliest - 1
	}
	match.SortRow(row)
	return row
}

// nearest finds the k nearest of a hunt that are ready until an instant.
func (f *foresight) nearest(h hunt, order, k int, until int64) {
	f.found = f.found[:0]
	h.look = func(i int32, squared float64) bool {
		e, ok := f.edge(order, i)
		if !ok || h.all[i].ready > until {
			return true
		}
		if f.found = append(f.found, candidate{e, squared}); len(f.found) > 3*k {
			f.least(k)
			h.within = 0
			if k > 0 {
				h.within = f.found[k-1].squared
			}
		}
		return true
	}
	h.run()
	f.least(k)
}

// least leaves the n nearest of those found.
func (f *foresight) least(n int) {
	if len(f.found) <= n {
		return
	}
	f.cut = true
	slices.SortFunc(f.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.squared, b.squared), cmp.Compare(a.edge.Driver, b.edge.Driver))
	})
	f.found = f.found[:n]
}

// result sums up what was chosen.
func (f *foresight) result(r match.Result) Clairvoyant {
	c := Clairvoyant{Bound: !f.cut, Orders: len(f.Trips), Served: r.Matched, worth: f.Worth}
	for i, d := range r.Assignment {
		if d == match.Unmatched {
			continue
		}
		if int(d) >= f.sessions {
			c.AfterTrips++
		}
		e, _ := f.edge(i, d)
		c.Deadhead += time.Duration(e.Cost) * time.Millisecond
		c.Line += geo.Distance(f.thicket.all[d].at, f.Trips[i].Pickup)
	}
	if c.Served > 0 {
		c.MeanDeadhead = c.Deadhead / time.Duration(c.Served)
		c.MeanLine = c.Line / geo.Meters(c.Served)
	}
	return c
}
