package node

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// ending is a driver at work whose present trip ends soon: for an order it counts from there.
type ending struct {
	driver dispatch.DriverID
	class  uint16 // of the supply
	at     geo.LatLng
	toward [3]float64 // at as a unit vector
	// wait is the time until then, above 0.
	wait time.Duration
}

// endings gives the drivers whose present trip ends within seek.Chain, the first first, ties by id.
func (r *search) endings() []ending {
	all := r.leader.fleet.supply.ending()
	out := all[:0]
	for _, e := range all {
		left, ok := r.left(&e)
		if !ok || left > r.seek.Chain {
			continue
		}
		e.wait, e.toward = max(left, time.Millisecond), onSphere(e.at) // 0 would be a free driver's
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b ending) int { return cmp.Or(cmp.Compare(a.wait, b.wait), cmp.Compare(a.driver, b.driver)) })
	return out
}

// left estimates the time that a driver needs from its fix through the stops of the orders that it works on; ok is false
// for one whose fix does not count. A promise made at the assignment knows nothing of what came between. It asks no
// router: there may be many times more drivers than orders.
func (r *search) left(e *ending) (left time.Duration, ok bool) {
	orders, seen := r.leader.fleet.at(e.driver)
	if seen == nil || seen.doubted.Load() {
		return 0, false
	}
	fix, ok := r.leader.index.Last(seen.handle)
	if !ok || fix.At.Before(r.fresh) {
		return 0, false
	}
	place := fix.LatLng
	to := func(p geo.LatLng) {
		left += r.line.Estimate(place, p).Duration
		place = p
	}
	for _, o := range orders {
		for _, s := range ahead(o) {
			to(s.LatLng)
		}
	}
	to(e.at) // where it is already, but for what the fleet has not heard yet
	return left, true
}

// ahead are the stops to which an order's driver has still to go.
func ahead(o *dispatch.Order) []dispatch.Stop {
	next := o.NextStop
	switch o.State {
	case dispatch.StateArrivedAtPickup, dispatch.StateArrivedAtStop, dispatch.StateArrivedAtDropoff:
		next++
	case dispatch.StateReturning:
		return o.Stops[:min(1, len(o.Stops))]
	}
	return o.Stops[min(next, len(o.Stops)):]
}

// chained puts the drivers whose present trip ends soon among those found, and leaves the cheapest of all: the wait counts
// with the policy's margin, as the core prices it. It looks at them in the order of their waits, until the wait alone is
// longer than the last who counts takes, and estimates only those who could be in time at the speed that nobody exceeds.
func (w *searcher) chained(r *search, o *market.Sought) {
	class, pickup := r.wanted[o.VehicleClass].Class, o.Stops[0].LatLng
	toward, k := onSphere(pickup), r.seek.Candidates
	limit := o.MaxPickup
	if w.cheapest(r, k); len(w.found) == k {
		limit = min(limit, r.takes(&w.found[k-1])-r.margin)
	}
	for i := range r.ending {
		e := &r.ending[i]
		if e.wait > limit {
			break
		}
		if e.class != class || e.wait+e.least(toward) > limit {
			continue
		}
		if _, barred := slices.BinarySearch(o.Barred, e.driver); barred {
			continue
		}
		t := r.line.Estimate(e.at, pickup)
		if t.Source == "" || e.wait+t.Duration > limit {
			continue
		}
		w.found = append(w.found, market.Candidate{
			Order: o.Order, Driver: e.driver, Pickup: e.wait + t.Duration, Wait: e.wait, Source: t.Source,
			Leaves: r.zones.Value(e.at),
		})
		if len(w.found) >= 2*k {
			w.cheapest(r, k)
			limit = min(limit, r.takes(&w.found[k-1])-r.margin)
		}
	}
	w.cheapest(r, k)
}

// takes is the time by which candidates are compared.
func (r *search) takes(c *market.Candidate) time.Duration {
	if c.Wait > 0 {
		return c.Pickup + r.margin
	}
	return c.Pickup
}

// cheapest leaves the k candidates that take the least time, in that order, ties by id.
func (w *searcher) cheapest(r *search, k int) {
	slices.SortFunc(w.found, func(a, b market.Candidate) int {
		return cmp.Or(cmp.Compare(r.takes(&a), r.takes(&b)), cmp.Compare(a.Driver, b.Driver))
	})
	w.found = w.found[:min(k, len(w.found))]
}

// least is the time that no drive from the ending to a place is shorter than: along the chord, at topSpeedMps.
func (e *ending) least(to [3]float64) time.Duration {
	x, y, z := e.toward[0]-to[0], e.toward[1]-to[1], e.toward[2]-to[2]
	return time.Duration(math.Sqrt(x*x+y*y+z*z) * (float64(geo.EarthRadius) / topSpeedMps * float64(time.Second)))
}

// onSphere is a place on the unit sphere.
func onSphere(p geo.LatLng) [3]float64 {
	sinLat, cosLat := math.Sincos(p.Lat * math.Pi / 180)
	sinLng, cosLng := math.Sincos(p.Lng * math.Pi / 180)
	return [3]float64{cosLat * cosLng, cosLat * sinLng, sinLat}
}
