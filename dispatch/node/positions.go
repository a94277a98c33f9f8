package node

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// Put offers a driver's points, oldest first, to the index of its market. Points too far ahead, not newer
// than the last fix, too blurred or impossible to reach (sanity.go), or of a driver that is neither on duty nor
// at work there, are dropped and counted.
func (n *Node) Put(m dispatch.MarketID, d dispatch.DriverID, fixes []geo.Fix) {
	l, ok := n.led(m)
	if !ok {
		n.metrics.dropped("market", len(fixes))
		return
	}
	orders, seen := l.fleet.at(d)
	if seen == nil {
		n.metrics.dropped("off_duty", len(fixes))
		return
	}
	now := n.cfg.Clock.Now()
	if last, taken := l.take(d, seen, fixes, now); taken > 0 {
		n.metrics.fixes.Add(float64(taken))
		n.samples.take(m, d, last, orders)
		l.tellPosition(now, d, last, orders)
	}
}

// take files those points that are believed, and tells how many and the last.
func (l *leader) take(d dispatch.DriverID, seen *sighting, fixes []geo.Fix, now time.Time) (last geo.Fix, n int) {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.gone {
		l.node.metrics.dropped("off_duty", len(fixes))
		return last, 0
	}
	for i := range fixes {
		reason := seen.track.judge(&fixes[i], now)
		if reason == taken && !l.index.Update(seen.handle, fixes[i]) {
			reason = droppedStale
		}
		if reason != taken {
			l.node.metrics.dropped(reason, 1)
			continue
		}
		l.fleet.demand.moved(d, &fixes[i])
		last = fixes[i]
		n++
	}
	if suspect := seen.track.suspect; suspect != seen.doubted.Load() {
		seen.doubted.Store(suspect)
		l.fleet.supply.mark(seen.handle, stateSuspect, suspect)
		l.fleet.demand.doubted(d)
	}
	return last, n
}

// tellPosition publishes a driver's fix for the riders it works for.
func (l *leader) tellPosition(now time.Time, d dispatch.DriverID, fix geo.Fix, orders []*dispatch.Order) {
	for _, o := range orders {
		p := dispatch.Position{Order: o.ID, Rider: o.Rider, Driver: d, Market: l.market.ID, Fix: fix}
		if o.State == dispatch.StateEnRouteToPickup {
			p.PickupETA = now.Add(l.learner.quick(fix.LatLng, o.Pickup(), now))
		}
		if err := l.node.cfg.Bus.Position(&p); err != nil {
			l.node.metrics.dropped("bus", 1)
		}
	}
}

// Driver tells what a driver does, as committed, and its last fix, nil when there is none.
func (n *Node) Driver(ctx context.Context, id dispatch.DriverID) (dispatch.Driver, *geo.Fix, error) {
	duty, err := n.cfg.Store.Duty(ctx, id)
	if err != nil {
		return dispatch.Driver{}, nil, err
	}
	d := dispatch.Driver{Duty: duty, State: dispatch.DriverNonOperational}
	l, ok := n.led(duty.Market)
	if !ok {
		return d, nil, nil
	}
	if here, ok := l.fleet.get(id); ok {
		d = here
	}
	fix, ok := l.index.Get(string(id))
	d.State = l.contactable(d.State, fix, ok)
	if !ok {
		return d, nil, nil
	}
	return d, &fix, nil
}

// contactable turns the state of a driver on duty into non_contactable when its telemetry is not fresh.
func (l *leader) contactable(s dispatch.DriverState, fix geo.Fix, ok bool) dispatch.DriverState {
	if s == dispatch.DriverNonOperational {
		return s
	}
	if !ok || fix.At.Before(l.node.cfg.Clock.Now().Add(-l.policy.Load().Freshness)) {
		return dispatch.DriverNonContactable
	}
	return s
}

// Nearby gives at most limit drivers on duty with a fresh fix, nearest first.
func (n *Node) Nearby(_ context.Context, m dispatch.MarketID, p geo.LatLng, limit int) ([]dispatch.Near, error) {
	l, ok := n.led(m)
	if !ok {
		return nil, notLed(m)
	}
	found := l.index.Nearest(geo.Query{
		At: p, K: limit, FreshSince: n.cfg.Clock.Now().Add(-l.policy.Load().Freshness),
		Filter: geo.Filter{States: stateOnDuty},
	})
	out := make([]dispatch.Near, 0, len(found))
	for _, f := range found {
		id, here := l.index.ID(f.Handle)
		fix, seen := l.index.Last(f.Handle)
		if d, ok := l.fleet.get(dispatch.DriverID(id)); here && seen && ok {
			out = append(out, dispatch.Near{Driver: d, Fix: fix, Distance: f.Distance})
		}
	}
	return out, nil
}
