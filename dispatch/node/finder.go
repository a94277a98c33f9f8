package node

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// findBudget is the wall time a round may spend on candidates and travel times; what is not found by then
// waits for the next round.
const findBudget = 500 * time.Millisecond

// topSpeedMps bounds the search: nobody reaches a pickup within max_pickup_s from farther away than this
// speed allows (144 km/h, above any city's limit).
const topSpeedMps = 40

// sweep is how many drivers a round looks at to set aside those whose fix is too old: searches do not come by them
// any more. At ten rounds a second a fleet of 10,000 is gone through each second.
const sweep = 1024

// finder answers the market's Seek from the index and the travel times. It holds no state.
type finder struct{ leader *leader }

// Find implements market.Finder.
func (f *finder) Find(ctx context.Context, s *market.Seek) market.Candidates {
	ctx, cancel := context.WithTimeout(ctx, findBudget)
	defer cancel()
	out := market.Candidates{Round: s.Round}
	f.leader.index.Expire(f.leader.node.cfg.Clock.Now().Add(-s.Freshness), sweep)
	for i := range s.Orders {
		if ctx.Err() != nil {
			f.leader.node.cfg.Log.Warn("round out of time", "market", f.leader.market.ID,
				"orders", len(s.Orders), "searched", i)
			break
		}
		f.order(ctx, s, &s.Orders[i], &out)
	}
	return out
}

// order adds the candidates of one order and its trip time.
func (f *finder) order(ctx context.Context, s *market.Seek, o *market.Sought, out *market.Candidates) {
	l := f.leader
	pickup := o.Stops[0].LatLng
	near := l.index.Nearest(geo.Query{
		At: pickup, K: s.Candidates,
		Within:     geo.Meters(s.MaxPickup.Seconds() * topSpeedMps),
		FreshSince: l.node.cfg.Clock.Now().Add(-s.Freshness),
		Filter:     l.fleet.supply.wanted(o.VehicleClass),
		Barred:     l.handles(o.Barred),
	})
	if len(near) == 0 {
		return
	}
	sources := make([]geo.LatLng, len(near))
	for i, n := range near {
		sources[i] = n.LatLng
	}
	times, err := l.learner.Matrix(ctx, sources, []geo.LatLng{pickup})
	if err != nil {
		l.node.cfg.Log.Warn("no travel times", "market", l.market.ID, "order", o.Order, "error", err)
		return
	}
	for i, n := range near {
		if id, ok := l.index.ID(n.Handle); ok {
			out.Pairs = append(out.Pairs, market.Candidate{
				Order: o.Order, Driver: dispatch.DriverID(id), Pickup: times[i][0].Duration, Source: times[i][0].Source,
			})
		}
	}
	if trip := l.trip(ctx, o.Stops); trip > 0 {
		out.Trips = append(out.Trips, market.Trip{Order: o.Order, Duration: trip})
	}
}

// handles gives those of the drivers that are in the index.
func (l *leader) handles(ids []dispatch.DriverID) []geo.Handle {
	var hs []geo.Handle
	for _, id := range ids {
		if h, known := l.index.Find(string(id)); known {
			hs = append(hs, h)
		}
	}
	return hs
}

// trip estimates the travel time through all stops; zero when it is not known.
func (l *leader) trip(ctx context.Context, stops []dispatch.Stop) time.Duration {
	var sum time.Duration
	for i := range stops[1:] {
		t, err := l.learner.Matrix(ctx, []geo.LatLng{stops[i].LatLng}, []geo.LatLng{stops[i+1].LatLng})
		if err != nil {
			return 0
		}
		sum += t[0][0].Duration
	}
	return sum
}

// estimate gives the travel times of an assignment by hand; zero where they are not known, as of an order whose
// places were erased.
func (l *leader) estimate(ctx context.Context, d dispatch.DriverID, o *dispatch.Order) (pickup, trip time.Duration) {
	if len(o.Stops) == 0 {
		return 0, 0
	}
	if fix, ok := l.index.Get(string(d)); ok {
		t, err := l.learner.Matrix(ctx, []geo.LatLng{fix.LatLng}, []geo.LatLng{o.Pickup()})
		if err == nil {
			pickup = t[0][0].Duration
		}
	}
	return pickup, l.trip(ctx, o.Stops)
}
