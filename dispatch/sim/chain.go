package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// moved estimates anew when a driver's present trips end, as something became of one of them.
func (f *finder) moved(d *driver) { d.book.endsAt = time.Time{} }

// ends is when a driver's present trips end, by the travel time from where it is through the stops that are left. How
// long it stands at a stop is not known to the engine; the policy's margin is there for that.
func (f *finder) ends(d *driver) time.Time {
	if !d.book.endsAt.IsZero() {
		return d.book.endsAt
	}
	place, at, stands := d.where(f.w.now), f.w.now, false
	for _, id := range d.book.orders {
		o := f.w.orders[id]
		stands = stands || arrived(o.State)
		for _, s := range ahead(o) {
			at = at.Add(f.w.sc.Travel.Drive(place, s.LatLng, at))
			place = s.LatLng
		}
	}
	if !stands {
		d.book.endsAt = at
	}
	return at
}

func arrived(s dispatch.State) bool {
	return s == dispatch.StateArrivedAtPickup || s == dispatch.StateArrivedAtStop || s == dispatch.StateArrivedAtDropoff
}

// ahead are the stops to which an order's driver has still to go.
func ahead(o *dispatch.Order) []dispatch.Stop {
	next := o.NextStop
	if arrived(o.State) {
		next++
	}
	return o.Stops[min(next, len(o.Stops)):]
}

// endings finds the drivers whose present trip ends within seek.Chain, the first first, ties by id.
func (f *finder) endings(s *market.Seek) {
	f.ending = f.ending[:0]
	if s.Chain <= 0 {
		return
	}
	for _, d := range f.w.drivers {
		if d.book.ends == nil || d.line.cut {
			continue
		}
		left := max(0, f.ends(d).Sub(f.w.now))
		if left > s.Chain {
			continue
		}
		d.book.wait = max(left, time.Millisecond) // 0 would be a free driver's
		f.ending = append(f.ending, d)
	}
	slices.SortFunc(f.ending, func(a, b *driver) int {
		return cmp.Or(cmp.Compare(a.book.wait, b.book.wait), cmp.Compare(a.id, b.id))
	})
}

// chained puts the drivers whose present trip ends soon among those found, and leaves the cheapest of all.
func (f *finder) chained(o *market.Sought, k int) {
	if len(f.ending) == 0 {
		return
	}
	limit := o.MaxPickup
	if f.cheapest(k); len(f.found) == k {
		limit = min(limit, f.found[k-1].Pickup)
	}
	pickup := o.Stops[0].LatLng
	for _, d := range f.ending {
		if d.book.wait > limit {
			break
		}
		if _, barred := slices.BinarySearch(o.Barred, d.id); barred || d.class != o.VehicleClass {
			continue
		}
		at := d.book.ends.At
		least := time.Duration(float64(latitudes(at, pickup)) / f.w.sc.Travel.TopMps * float64(time.Second))
		if d.book.wait+least > limit {
			continue
		}
		if f.add(o, d, at, d.book.wait); len(f.found) >= 2*k {
			f.cheapest(k)
			limit = min(limit, f.found[k-1].Pickup)
		}
	}
	f.cheapest(k)
}

// latitudes is how far two places lie apart to the north, which is never more than their distance.
func latitudes(a, b geo.LatLng) geo.Meters {
	const perDegree = float64(geo.EarthRadius) * 3.141592653589793 / 180 * 0.999
	d := (a.Lat - b.Lat) * perDegree
	return geo.Meters(max(d, -d))
}
