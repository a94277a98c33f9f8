package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// watch has the session told of an order: every event after version after, then the live ones; from the
// present on when after is nil. present is called with the order as it stands, before the first event that
// the watch is the reason for. What the socket was sent before is not sent again. The caller has to run
// sequel, which tells the past and works for as long as that takes; until then live events of the order
// wait.
func (s *session) watch(
	ctx context.Context, id dispatch.OrderID, after *int64, present func(*dispatch.Order),
) (sequel func(), refused *dispatch.Error) {
	t, fresh, ok := s.acquire(ctx, id)
	if !ok {
		return nil, dispatch.Unavailable("the order is not free to watch", ctx.Err())
	}
	o, refused := s.beginWatch(ctx, t, fresh)
	if refused != nil {
		s.abandon(t, fresh)
		return nil, refused
	}
	s.mu.Lock()
	if fresh {
		t.from, t.last = o.Version, o.Version
		if after != nil {
			t.from, t.last = min(*after, o.Version), min(*after, o.Version)
		}
		if t.last == o.Version {
			s.delivery.stand(t, o)
			s.followLocked(t)
		}
	}
	from := t.from
	s.mu.Unlock()
	life := s.life()
	if after == nil && !s.replay(life, t, o.Version) {
		return nil, dispatch.Unavailable("the socket has ended", life.Err())
	}
	present(o)
	return func() {
		if after != nil && *after < from && !s.replayOlder(life, t, *after) {
			return
		}
		if s.replay(life, t, o.Version) {
			s.settle(life, t)
		}
	}, nil
}

// beginWatch reads an order for its track's holder, once the hub would tell of any later event.
func (s *session) beginWatch(ctx context.Context, t *track, fresh bool) (*dispatch.Order, *dispatch.Error) {
	s.mu.Lock()
	if fresh && len(s.delivery.tracks) > maxTracks {
		s.delivery.sweep(s.passed)
	}
	if fresh && len(s.delivery.tracks) > maxTracks {
		s.mu.Unlock()
		return nil, &dispatch.Error{
			Code: dispatch.CodeRateLimited, RetryAfter: time.Second,
			Detail: fmt.Sprintf("a socket is told of at most %d orders; unwatch some", maxTracks),
		}
	}
	was := t.watched
	t.watched = true
	if !t.following && !s.over {
		s.srv.hub.dir.follow(t.order, s)
		t.following = true
	}
	s.mu.Unlock()
	o, refused := s.readable(ctx, t.order)
	if refused != nil {
		s.mu.Lock()
		t.watched = was
		s.mu.Unlock()
	}
	return o, refused
}

// abandon ends the hold of a watch that was refused. What was held for the order meanwhile has its own
// reasons to be sent.
func (s *session) abandon(t *track, fresh bool) {
	s.mu.Lock()
	if fresh && len(t.held) == 0 {
		if t.following {
			s.srv.hub.dir.unfollow(t.order, s)
		}
		s.delivery.forget(t)
		s.mu.Unlock()
		return
	}
	if fresh {
		t.from, t.last = t.held[0].event.Version-1, t.held[0].event.Version-1
	}
	s.mu.Unlock()
	s.settle(s.life(), t)
}

// unwatch ends a watch. Own orders keep coming: their party needs none.
func (s *session) unwatch(ctx context.Context, id dispatch.OrderID) (*dispatch.Order, *dispatch.Error) {
	o, refused := s.readable(ctx, id)
	if refused != nil {
		return nil, refused
	}
	t, fresh, ok := s.acquire(ctx, id)
	if !ok {
		return nil, dispatch.Unavailable("the order is not free to unwatch", ctx.Err())
	}
	if fresh {
		s.abandon(t, fresh)
		return o, nil
	}
	s.mu.Lock()
	t.watched = false
	if t.party || s.delivery.by.Role == dispatch.RoleRider {
		s.followLocked(t)
		s.mu.Unlock()
		s.settle(s.life(), t)
		return o, nil
	}
	if t.following {
		s.srv.hub.dir.unfollow(id, s)
	}
	s.delivery.forget(t)
	s.mu.Unlock()
	return o, nil
}

// readable gives an order that the session may read.
func (s *session) readable(ctx context.Context, id dispatch.OrderID) (*dispatch.Order, *dispatch.Error) {
	o, err := s.srv.cfg.History.Order(ctx, id)
	if err != nil {
		return nil, refusal(err)
	}
	if refused := auth.Allow(s.principal(), auth.ReadOrder, auth.Target{Market: o.Market, Order: &o}); refused != nil {
		return nil, refused
	}
	return &o, nil
}
