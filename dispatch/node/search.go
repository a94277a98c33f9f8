package node

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// search is one round's: what is the same for all of its orders. Immutable once it is made.
type search struct {
	leader *leader
	seek   *market.Seek
	now    time.Time
	// fresh is the oldest fix that counts.
	fresh time.Time
	// line has the travel times as they were learnt by now.
	line eta.Hour
	// wanted are the filters for free drivers, by vehicle class.
	wanted map[string]geo.Filter
	// ending are the drivers whose present trip ends soon, the first first; margin is what the core adds to their waits.
	ending []ending
	margin time.Duration
	// zones tell what places are worth; nil where none is worth anything.
	zones *geo.Zones
	// explain: who was removed is wanted too.
	explain bool
}

func newSearch(l *leader, s *market.Seek, now time.Time) *search {
	r := &search{
		leader: l, seek: s, now: now, fresh: now.Add(-s.Freshness), line: l.learner.line.At(now),
		wanted: map[string]geo.Filter{}, explain: l.node.cfg.Explain,
	}
	for i := range s.Orders {
		class := s.Orders[i].VehicleClass
		if _, known := r.wanted[class]; !known {
			r.wanted[class] = l.fleet.supply.wanted(class)
		}
	}
	if zones := l.zones.Load(); zones.Valued() {
		r.zones = zones
	}
	if s.Chain > 0 {
		r.ending, r.margin = r.endings(), l.policy.Load().Chain.Margin
	}
	return r
}

// reach is how far away a driver may be.
func (r *search) reach(o *market.Sought) geo.Meters {
	return geo.Meters(o.MaxPickup.Seconds() * topSpeedMps)
}

// searcher is the memory of one of those who search at once. Owned by who took it from the pool.
type searcher struct {
	near    []geo.Neighbor
	barred  []geo.Handle
	sources []geo.LatLng
	found   []market.Candidate
}

// order adds the candidates of one order and its trip time.
func (w *searcher) order(ctx context.Context, r *search, o *market.Sought, b *block) {
	l := r.leader
	pickup := o.Stops[0].LatLng
	w.barred = l.handles(w.barred[:0], o.Barred)
	w.near = l.index.NearestInto(w.near, geo.Query{
		At: pickup, K: r.seek.Candidates, Within: r.reach(o), FreshSince: r.fresh,
		Filter: r.wanted[o.VehicleClass], Barred: w.barred,
	})
	w.found = w.found[:0]
	if err := w.estimate(ctx, r, o); err != nil {
		l.node.cfg.Log.Warn("no travel times", "market", l.market.ID, "order", o.Order, "error", err)
		return
	}
	if len(r.ending) > 0 {
		w.chained(r, o)
	}
	w.present(r, o)
	l.acceptance.expect(w.found)
	b.pairs = append(b.pairs, w.found...)
	if r.explain {
		w.removed(r, o, b)
	}
	if len(w.found) == 0 {
		return
	}
	if trip := r.trip(ctx, o.Stops); trip > 0 {
		b.trips = append(b.trips, market.Trip{Order: o.Order, Duration: trip, Gains: r.zones.Value(o.Stops[len(o.Stops)-1].LatLng)})
	}
}

// estimate has the free drivers near found, with the time that each needs to the pickup.
func (w *searcher) estimate(ctx context.Context, r *search, o *market.Sought) error {
	l, pickup := r.leader, o.Stops[0].LatLng
	if !l.learner.routed() {
		for i := range w.near {
			w.add(r, o, i, r.line.Estimate(w.near[i].LatLng, pickup))
		}
		return nil
	}
	if len(w.near) == 0 {
		return nil
	}
	w.sources = w.sources[:0]
	for i := range w.near {
		w.sources = append(w.sources, w.near[i].LatLng)
	}
	times, err := l.learner.Matrix(ctx, w.sources, []geo.LatLng{pickup})
	if err != nil {
		return err
	}
	for i := range w.near {
		w.add(r, o, i, times[i][0])
	}
	return nil
}

// add has a free driver found.
func (w *searcher) add(r *search, o *market.Sought, near int, t eta.Estimate) {
	if id, ok := r.leader.index.ID(w.near[near].Handle); ok && t.Source != "" {
		w.found = append(w.found, market.Candidate{
			Order: o.Order, Driver: dispatch.DriverID(id), Pickup: t.Duration, Source: t.Source,
			Leaves: r.zones.Value(w.near[near].LatLng),
		})
	}
}

// present has the order's present driver found, with what is left of its way, if the order has one.
func (w *searcher) present(r *search, o *market.Sought) {
	if o.Driver == "" {
		return
	}
	fix, ok := r.leader.index.Get(string(o.Driver))
	if !ok || fix.At.Before(r.fresh) {
		return
	}
	t := r.line.Estimate(fix.LatLng, o.Stops[0].LatLng)
	w.found = append(w.found, market.Candidate{Order: o.Order, Driver: o.Driver, Pickup: t.Duration, Source: t.Source,
		Leaves: r.zones.Value(fix.LatLng)})
}

// trip estimates the travel time through all stops; zero when it is not known.
func (r *search) trip(ctx context.Context, stops []dispatch.Stop) (sum time.Duration) {
	if r.leader.learner.routed() {
		return r.leader.trip(ctx, stops)
	}
	for i := range stops[1:] {
		sum += r.line.Estimate(stops[i].LatLng, stops[i+1].LatLng).Duration
	}
	return sum
}
