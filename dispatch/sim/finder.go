package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// finder answers the core's questions from a real index, as a server's does (dispatch/node). Positions come to the index
// when a round looks: each driver's last, of those that it sent one every Conduct.Ping.
type finder struct {
	w     *world
	index *geo.Index
	// byHandle are the drivers by their handle's number.
	byHandle []*driver
	// classes number the vehicle classes from 1, for the index.
	classes map[string]uint16
	// free counts the drivers that are.
	free int
	// barren are the orders without a free driver near, how near that was, and how much of the news was looked at for
	// each. news are the places at which free drivers were seen since quarter, one after the other: only they can change
	// that, where travel times grow with the line. With the quarter of an hour all is looked at anew, as travel times may be others.
	barren  map[dispatch.OrderID]barren
	news    []geo.LatLng
	quarter time.Time

	// few are the free drivers in a round for which there are no more than candidates wanted: then they all are the
	// nearest, and the index need not be asked.
	few    []*driver
	near   []geo.Neighbor
	barred []geo.Handle
	found  []market.Candidate
	ending []*driver
}

// barren is how long a way to an order nobody was within, when so much of the news was known.
type barren struct {
	pickup time.Duration
	looked int
}

// indexResolution is coarser than a server's, as fleets are smaller: cells of 5 km2. What is found is the same.
const indexResolution = 7

// stateFree marks drivers that may be candidates, the only ones of whom positions are taken.
const stateFree = 1

func newFinder(w *world) *finder {
	return &finder{w: w, index: geo.NewIndex(indexResolution), classes: map[string]uint16{}, barren: map[dispatch.OrderID]barren{}}
}

// join takes a driver into the index.
func (f *finder) join(d *driver) {
	d.seen.handle = f.index.Join(string(d.id))
	i := int(d.seen.handle.Index())
	for len(f.byHandle) <= i {
		f.byHandle = append(f.byHandle, nil)
	}
	f.byHandle[i] = d
}

// hint takes who became free or busy.
func (f *finder) hint(changes []market.Supply) {
	for _, c := range changes {
		d := f.w.driverOf[c.Driver]
		if d == nil {
			continue
		}
		d.book.ends = c.Ends
		if c.Free == d.book.free {
			continue
		}
		d.book.free = c.Free
		if c.Free {
			f.free++
			f.news = append(f.news, d.seen.at)
		} else {
			f.free--
		}
		f.index.Describe(d.seen.handle, func(t *geo.Traits) {
			if t.States &^= stateFree; c.Free {
				t.States |= stateFree
			}
			t.Class = f.class(c.VehicleClass)
		})
	}
}

// class is the number of a vehicle class.
func (f *finder) class(name string) uint16 {
	n, known := f.classes[name]
	if !known {
		n = uint16(len(f.classes) + 1) //nolint:gosec // a market has a handful
		f.classes[name] = n
	}
	return n
}

// find answers a Seek.
func (f *finder) find(s *market.Seek) market.Candidates {
	out := market.Candidates{Round: s.Round}
	f.endings(s)
	if f.free == 0 && len(f.ending) == 0 && !present(s) {
		return out
	}
	k := s.Candidates
	if f.w.pol.Search != SearchNear {
		k = max(k, len(s.Orders)) // no order needs more drivers to choose from than there are orders that may take them
	}
	f.few = f.few[:0]
	for _, d := range f.w.drivers {
		if !d.book.free {
			continue
		}
		if f.sample(d); f.free <= k && !d.seen.sent.Before(f.w.now.Add(-s.Freshness)) {
			f.few = append(f.few, d)
		}
	}
	if quarter := f.w.now.Truncate(15 * time.Minute); quarter != f.quarter {
		f.quarter, f.news = quarter, f.news[:0]
		clear(f.barren)
	}
	for i := range s.Orders {
		f.order(s, &s.Orders[i], k, &out)
	}
	if f.w.pol.Search == SearchFreed {
		out.Pairs = sortedGreedy(out.Pairs)
	}
	return out
}

// present tells whether an order with a driver is among those sought.
func present(s *market.Seek) bool {
	return slices.ContainsFunc(s.Orders, func(o market.Sought) bool { return o.Driver != "" })
}

// order adds the candidates of one order and its trip time.
func (f *finder) order(s *market.Seek, o *market.Sought, k int, out *market.Candidates) {
	w, pickup := f.w, o.Stops[0].LatLng
	f.found = f.found[:0]
	if !f.stillBarren(o) {
		if f.free <= k {
			f.all(o)
		} else {
			f.nearest(s, o, k)
		}
		if len(f.found) == 0 && len(o.Barred) == 0 { // a bar may end at any time
			f.barren[o.Order] = barren{o.MaxPickup, len(f.news)}
		}
	}
	f.chained(o, k)
	if d := w.driverOf[o.Driver]; d != nil && !d.line.cut {
		f.sample(d)
		f.add(o, d, d.seen.at, 0)
	}
	if len(f.found) == 0 {
		return
	}
	out.Pairs = append(out.Pairs, f.found...)
	out.Trips = append(out.Trips, market.Trip{
		Order: o.Order, Duration: f.through(pickup, o.Stops[1:]), Gains: f.worth(o.Stops[len(o.Stops)-1].LatLng),
	})
}

// reach is how far from an order's pickup a driver may be.
func (f *finder) reach(o *market.Sought) geo.Meters {
	return geo.Meters(o.MaxPickup.Seconds() * f.w.sc.Travel.TopMps)
}

// nearest has the k nearest of the free drivers found.
func (f *finder) nearest(s *market.Seek, o *market.Sought, k int) {
	f.barred = f.barred[:0]
	for _, id := range o.Barred {
		f.barred = append(f.barred, f.w.driverOf[id].seen.handle)
	}
	f.near = f.index.NearestInto(f.near, geo.Query{
		At: o.Stops[0].LatLng, K: k, Within: f.reach(o),
		FreshSince: f.w.now.Add(-s.Freshness), Filter: geo.Filter{Class: f.class(o.VehicleClass), States: stateFree}, Barred: f.barred,
	})
	for i := range f.near {
		f.add(o, f.byHandle[f.near[i].Handle.Index()], f.near[i].LatLng, 0)
	}
}

// all has every free driver found that is near enough.
func (f *finder) all(o *market.Sought) {
	for _, d := range f.few {
		if d.class != o.VehicleClass || !f.within(o, d.seen.at) {
			continue
		}
		if _, barred := slices.BinarySearch(o.Barred, d.id); !barred {
			f.add(o, d, d.seen.at, 0)
		}
	}
}

// stillBarren tells whether no free driver was near an order, and none was seen within reach since.
func (f *finder) stillBarren(o *market.Sought) bool {
	was, ok := f.barren[o.Order]
	if !ok || was.pickup < o.MaxPickup || len(o.Barred) > 0 {
		return false
	}
	for _, at := range f.news[was.looked:] {
		if f.within(o, at) && f.w.sc.Travel.Drive(at, o.Stops[0].LatLng, f.w.now) <= o.MaxPickup {
			return false
		}
	}
	f.barren[o.Order] = barren{o.MaxPickup, len(f.news)}
	return true
}

// within tells whether a place is within reach of an order's pickup.
func (f *finder) within(o *market.Sought, at geo.LatLng) bool {
	pickup, reach := o.Stops[0].LatLng, f.reach(o)
	return latitudes(at, pickup) <= reach && geo.Distance(at, pickup) <= reach
}

// add has a driver found who sets out from a place after a wait, if it is near enough.
func (f *finder) add(o *market.Sought, d *driver, from geo.LatLng, wait time.Duration) {
	t := &f.w.sc.Travel
	pickup := wait + t.Drive(from, o.Stops[0].LatLng, f.w.now.Add(wait))
	if pickup <= o.MaxPickup || d.id == o.Driver {
		f.found = append(f.found, market.Candidate{
			Order: o.Order, Driver: d.id, Pickup: pickup, Source: t.Source, Wait: wait,
			Accept: d.book.answers.share(), Leaves: f.worth(from),
		})
	}
}

// worth is the value of a place.
func (f *finder) worth(at geo.LatLng) time.Duration {
	if zones := f.w.sc.Market.Zones; zones.Valued() {
		return zones.Value(at)
	}
	return 0
}

// through is the time from a place through stops.
func (f *finder) through(from geo.LatLng, stops []dispatch.Stop) (sum time.Duration) {
	for i := range stops {
		sum += f.w.sc.Travel.Drive(from, stops[i].LatLng, f.w.now.Add(sum))
		from = stops[i].LatLng
	}
	return sum
}

// cheapest leaves the k candidates that are at the pickup first, ties by id.
func (f *finder) cheapest(k int) {
	slices.SortFunc(f.found, func(a, b market.Candidate) int {
		return cmp.Or(cmp.Compare(a.Pickup, b.Pickup), cmp.Compare(a.Driver, b.Driver))
	})
	f.found = f.found[:min(k, len(f.found))]
}

// sortedGreedy keeps, the shortest way first, the pairs of which neither side has one yet; ties by order, then driver.
func sortedGreedy(pairs []market.Candidate) []market.Candidate {
	slices.SortFunc(pairs, func(a, b market.Candidate) int {
		return cmp.Or(cmp.Compare(a.Pickup, b.Pickup), cmp.Compare(a.Order, b.Order), cmp.Compare(a.Driver, b.Driver))
	})
	orders, drivers := map[dispatch.OrderID]bool{}, map[dispatch.DriverID]bool{}
	return slices.DeleteFunc(pairs, func(c market.Candidate) bool {
		if orders[c.Order] || drivers[c.Driver] {
			return true
		}
		orders[c.Order], drivers[c.Driver] = true, true
		return false
	})
}

// sample takes the last position that a driver sent by its schedule: one each Conduct.Ping, at instants of its own. One
// that stands where it was is heard of only when that position would become too old; nothing is known of who has no
// network.
func (f *finder) sample(d *driver) {
	c := &f.w.sc.Conduct
	if d.line.cut {
		return
	}
	phase := time.Duration(mix(f.w.seed, uint64(d.slot)) % uint64(c.Ping))
	since := f.w.now.Sub(f.w.sc.From) + c.Ping - phase
	at := f.w.now.Add(-(since % c.Ping))
	if !at.After(d.seen.sent) || at.Before(d.book.onlineAt) {
		return
	}
	if c.Noise == 0 && d.where(at) == d.seen.at && at.Sub(d.seen.sent) < f.w.pol.Market.Freshness/2 {
		return
	}
	f.send(d, at)
}

// send takes a driver's position of an instant.
func (f *finder) send(d *driver, at time.Time) {
	fix := d.actor.Where(at)
	fix.LatLng = noise(fix.LatLng, f.w.sc.Conduct.Noise, f.w.seed, d.slot, at)
	if f.index.Update(d.seen.handle, fix) {
		if d.book.free && fix.LatLng != d.seen.at {
			f.news = append(f.news, fix.LatLng)
		}
		d.seen.sent, d.seen.at = at, fix.LatLng
	}
}
