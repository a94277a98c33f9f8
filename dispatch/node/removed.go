package node

import (
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// removed tells which of the drivers nearest to an order, whatever they do, the search took out, and by which filter.
// Those whose fix is too old are found until the index has set them aside.
func (w *searcher) removed(r *search, o *market.Sought, b *block) {
	l := r.leader
	q := geo.Query{At: o.Stops[0].LatLng, K: r.seek.Candidates}
	if len(w.near) == q.K { // the free ones: no others that count are farther than the last of them
		q.Within = w.near[q.K-1].Distance
	}
	w.near = l.index.NearestInto(w.near, q)
	for i := range w.near {
		n := &w.near[i]
		id, here := l.index.ID(n.Handle)
		d := dispatch.DriverID(id)
		if !here || w.has(d, i) {
			continue
		}
		if by := r.filter(o, d, n); by != "" {
			b.removed = append(b.removed, market.Removed{Order: o.Order, Driver: d, By: by})
		}
	}
}

// has tells whether a driver is among those found, perhaps at a place known.
func (w *searcher) has(d dispatch.DriverID, at int) bool {
	return at < len(w.found) && w.found[at].Driver == d ||
		slices.ContainsFunc(w.found, func(c market.Candidate) bool { return c.Driver == d })
}

// filter names the first filter that a driver does not pass; "" for one that passes all: something has changed since.
func (r *search) filter(o *market.Sought, d dispatch.DriverID, n *geo.Neighbor) string {
	m, known := r.leader.fleet.member(d)
	_, barred := slices.BinarySearch(o.Barred, d)
	switch {
	case !known || !m.duty.Online:
		return dispatch.FilterOffDuty
	case n.At.Before(r.fresh):
		return dispatch.FilterStale
	case m.seen.doubted.Load():
		return dispatch.FilterSuspect
	case m.duty.VehicleClass != o.VehicleClass:
		return dispatch.FilterVehicleClass
	case n.Distance > r.reach(o) || r.line.Estimate(n.LatLng, o.Stops[0].LatLng).Duration > o.MaxPickup:
		return dispatch.FilterTooFar // whatever else it does: it would not come
	case barred:
		return dispatch.FilterBarred
	case len(m.orders) > 0:
		return dispatch.FilterBusy
	case m.offer != "":
		return dispatch.FilterOffered
	case !r.leader.fleet.supply.isFree(d): // by the core, though nothing else keeps it
		return dispatch.FilterFlooded
	}
	return ""
}
