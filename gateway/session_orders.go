package gateway

import (
	"context"
	"strconv"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	// recently is how long ago (market time) an order may have closed to be told on a new connection.
	recently = 10 * time.Minute
	// hydrateWait bounds the telling of the present, slow reading by the client included.
	hydrateWait = time.Minute
	// maxTracks is how many orders one socket may be told of; a market's dispatcher watches its open orders,
	// some thousands on a busy night.
	maxTracks = 8192
)

// live takes an event from the hub: it is sent, kept back, or dropped, at once.
func (s *session) live(n told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.liveLocked(n)
	}
}

func (s *session) liveLocked(n told) {
	t, v := s.delivery.live(n)
	switch v {
	case send:
		s.put(wire.TypeOrder, n.frame)
		s.followLocked(t)
	case fill:
		s.goLocked(func() { s.settle(s.life(), t) })
	case overflow:
		s.sock.cut(closeSlow, "slow", writeWait)
	case drop, hold:
	}
	if len(s.delivery.tracks) > maxTracks {
		s.delivery.sweep(s.passed)
	}
}

// passed tells whether the hub has gone by the last event sent of an order.
func (s *session) passed(t *track) bool { return s.srv.hub.passed(t.market) >= t.seq }

// followLocked keeps the directory in step with a track: watched orders, and those of a driver, are named
// there until they are over; a driver that was taken off is no party, and its watch ends with that. The
// session's mutex is held.
func (s *session) followLocked(t *track) {
	if s.delivery.away(t) {
		t.watched = false
	}
	switch want := (t.watched || t.party) && !t.over() && !s.over; {
	case want && !t.following:
		s.srv.hub.dir.follow(t.order, s)
	case !want && t.following:
		s.srv.hub.dir.unfollow(t.order, s)
	default:
		return
	}
	t.following = !t.following
}

// position passes a driver's place on to its rider, while that driver is assigned.
func (s *session) position(p *dispatch.Position, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.delivery.tracks[p.Order]
	if s.delivery.connecting || t == nil || !t.state.Assigned() || t.driver != p.Driver {
		return
	}
	if auth.Allow(s.delivery.by, auth.ReadPosition, auth.Target{Market: p.Market}) != nil {
		return
	}
	s.srv.metrics.framesOut.WithLabelValues(wire.TypeDriverPosition).Inc()
	s.sock.out.spare(frame)
}

// nudge sends the driver an order again as the present state. Only as it was last told: any other version comes, or
// came, as its event.
func (s *session) nudge(o *dispatch.Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.delivery.tracks[o.ID]
	if s.over || t == nil || t.busy != nil || !t.party || t.last != o.Version {
		return
	}
	s.put(wire.TypeOrder, s.encode(wire.OrderUpdate{Type: wire.TypeOrder, Order: wire.OrderFrom(o)}))
}

// acquire makes the caller the holder of an order's track: live events of it wait until settle. false when
// ctx ended first.
func (s *session) acquire(ctx context.Context, id dispatch.OrderID) (t *track, fresh, ok bool) {
	for {
		s.mu.Lock()
		t, fresh, wait := s.delivery.acquire(id)
		s.mu.Unlock()
		if t != nil {
			return t, fresh, true
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, false, false
		}
	}
}

// settle sends what was held for a track, and what is missing before it, and ends the caller's hold.
func (s *session) settle(ctx context.Context, t *track) {
	for {
		s.mu.Lock()
		n, ok := t.next()
		if !ok {
			s.mu.Unlock()
			return
		}
		v := s.judgeLocked(t, n.event)
		s.mu.Unlock()
		if v == fill {
			if !s.replay(ctx, t, n.event.Version-1) {
				return
			}
			s.mu.Lock()
			v = s.judgeLocked(t, n.event)
			s.mu.Unlock()
		}
		if v == send && !s.pace(wire.TypeOrder, n.frame) {
			return
		}
	}
}

func (s *session) judgeLocked(t *track, e *dispatch.Event) verdict {
	v := s.delivery.judge(t, e)
	s.followLocked(t)
	return v
}

// replay sends the events of a track's order after its last, up to version upTo, from the history; false when
// the socket ended first. The caller holds the track.
func (s *session) replay(ctx context.Context, t *track, upTo int64) bool {
	s.mu.Lock()
	after := t.last
	s.mu.Unlock()
	return s.history(ctx, t.order, after, upTo, func(e *dispatch.Event) bool {
		s.mu.Lock()
		v := s.delivery.past(t, e)
		s.followLocked(t)
		s.mu.Unlock()
		return v != send || s.tell(e)
	})
}

// replayOlder sends the events in (after, t.from], which the socket was only told the outcome of.
func (s *session) replayOlder(ctx context.Context, t *track, after int64) bool {
	done := s.history(ctx, t.order, after, t.from, func(e *dispatch.Event) bool {
		s.mu.Lock()
		sees := s.delivery.sees(t, e)
		s.mu.Unlock()
		return !sees || s.tell(e)
	})
	if done {
		s.mu.Lock()
		t.from = min(t.from, after)
		s.mu.Unlock()
	}
	return done
}

// tell sends one event, waiting for room.
func (s *session) tell(e *dispatch.Event) bool {
	n, err := tell(e)
	if err != nil {
		s.srv.cfg.Log.Error("event cannot be told", "market", e.Market, "seq", e.Seq, "err", err)
		s.sock.cut(closeInternal, "internal", lingerWait)
		return false
	}
	return s.pace(wire.TypeOrder, n.frame)
}

// history reads the events of an order in (after, upTo], ascending, and asks again while the store is away;
// false when the socket ended or visit did not want the rest.
func (s *session) history(
	ctx context.Context, id dispatch.OrderID, after, upTo int64, visit func(*dispatch.Event) bool,
) bool {
	wait := retryMin
	for after < upTo {
		events, err := s.srv.cfg.History.OrderEvents(ctx, id, after, int(min(page, upTo-after)))
		for i := range events {
			if !visit(&events[i]) {
				return false
			}
			after, wait = events[i].Version, retryMin
		}
		if len(events) > 0 {
			continue
		}
		s.srv.cfg.Log.Warn("missing versions of an order are not read yet", "order", id, "after", after, "err", err)
		if !pause(ctx, s.srv.cfg.Wall, wait) {
			return false
		}
		wait = min(2*wait, retryMax)
	}
	return true
}

// hydrate tells the present, once a session: the orders that resume names from where the client stands, then
// its other open orders (without resume also those closed lately), then what was held back meanwhile. first
// is called before; it may be nil. It gives whether this call did it; when another does, it waits for that.
func (s *session) hydrate(resume []wire.ResumeFrom, first func()) (did bool) {
	s.present.Do(func() {
		did = true
		defer close(s.hydrated)
		if first != nil {
			first()
		}
		ctx, cancel := s.within(hydrateWait)
		defer cancel()
		refused := s.resume(ctx, resume)
		if refused == nil {
			refused = s.ownOrders(ctx, resume != nil)
		}
		if refused != nil {
			s.refuse(nil, refused)
			s.sock.out.end(closing{code: closeUnavailable, reason: string(refused.Code)})
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, n := range s.delivery.connect() {
			s.liveLocked(n)
		}
	})
	return did
}

// resume goes on with each order named. Those that are not the client's to read are told so; any other error
// is given, for the session would have a hole.
func (s *session) resume(ctx context.Context, entries []wire.ResumeFrom) *dispatch.Error {
	for i, r := range entries {
		sequel, refused := s.watch(ctx, dispatch.OrderID(r.OrderID), &r.AfterVersion, func(*dispatch.Order) {})
		switch {
		case refused == nil:
			sequel()
		case refused.Code == dispatch.CodeNotFound:
			s.denied(wire.TypeResume, object("order", string(r.OrderID)), "", false, refused)
			refused.Field = "/resume/" + strconv.Itoa(i) + "/order_id"
			s.refuse(nil, refused)
		default:
			return refused
		}
	}
	return nil
}

// ownOrders tells the present state of the orders of a rider or driver that are not being told yet.
func (s *session) ownOrders(ctx context.Context, resumed bool) *dispatch.Error {
	p := s.principal()
	if p.Role != dispatch.RoleRider && p.Role != dispatch.RoleDriver {
		return nil
	}
	orders, err := s.srv.cfg.History.OwnOrders(ctx, p.Actor, s.srv.cfg.Market.Now().Add(-recently))
	if err != nil {
		return refusal(err)
	}
	for i := range orders {
		o := &orders[i]
		if resumed && o.State.Closed() {
			continue
		}
		if s.begin(o) {
			s.pace(wire.TypeOrder, s.encode(wire.OrderUpdate{Type: wire.TypeOrder, Order: wire.OrderFrom(o)}))
		}
	}
	return nil
}

// begin starts the track of an order with its present state; false when there is one already, or the policy
// forbids it.
func (s *session) begin(o *dispatch.Order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.delivery.tracks[o.ID] != nil || !s.delivery.may(o) {
		return false
	}
	t := &track{order: o.ID}
	s.delivery.tracks[o.ID] = t
	s.delivery.present(t, o)
	s.followLocked(t)
	return true
}
