package node

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	// tryEvery is the wall time between two tries to take a market: what a takeover costs beyond the lease.
	tryEvery = 500 * time.Millisecond
	// tryFor bounds one try, recovery included.
	tryFor = 10 * time.Second
)

// The standings of a seat.
const (
	standsNowhere = iota // not tried yet, or the store is away
	standsLeading        // led here
	standsBy             // led by another node
)

// seat is one market at this node, whether it is led here or not: it tries to take the market, has it led while
// that lasts, and tries again. Its goroutine is started and waited for by the node.
type seat struct {
	node   *Node
	market dispatch.Market                 // immutable; but for the policy and the zones, which are below
	policy atomic.Pointer[dispatch.Policy] // the latest; set by Reload
	zones  atomic.Pointer[geo.Zones]       // as the policy
	// leader is who leads here, nil while nobody does. Written by the goroutine, and by Start before it.
	leader   atomic.Pointer[leader]
	standing atomic.Int32 // one of the standings; written as leader
}

func newSeat(n *Node, m dispatch.Market) *seat {
	s := &seat{node: n, market: m}
	s.policy.Store(&m.Policy)
	s.zones.Store(m.Zones)
	return s
}

// try takes the market once and begins to lead it; dispatch.ErrHeld when another node leads it.
func (s *seat) try(ctx context.Context) error {
	err := s.take(ctx)
	switch {
	case err == nil:
		s.standing.Store(standsLeading)
	case errors.Is(err, dispatch.ErrHeld):
		if s.standing.Swap(standsBy) != standsBy {
			s.node.standBy(s.market.ID)
		}
	default:
		s.standing.Store(standsNowhere)
	}
	return err
}

func (s *seat) take(ctx context.Context) error {
	// The term is taken first: a market taken while it went on, and at its end, cannot have been another's since.
	t, _ := s.node.lease.present()
	if t == nil || !t.valid() {
		return dispatch.Unavailable("this node has no lease", errNoTerm)
	}
	lease, err := s.node.cfg.Store.Lead(ctx, s.market.ID)
	if err != nil {
		return fmt.Errorf("lead market %s: %w", s.market.ID, err)
	}
	if err := s.node.agree(ctx); err != nil {
		return err
	}
	l := newLeader(s, t)
	if err := l.start(ctx, lease); err != nil {
		l.abandon()
		return err
	}
	s.leader.Store(l)
	if p := *s.policy.Load(); !reflect.DeepEqual(p, l.market.Policy) { // reloaded meanwhile
		l.loop.Reload(p)
	}
	return nil
}

// run is the goroutine, until quit.
func (s *seat) run(quit <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	told := false // that it does not succeed
	for s.lead(quit) && s.wait(quit) {
		ctx, cancel := context.WithTimeout(ctx, tryFor)
		err := s.try(ctx)
		cancel()
		failed := err != nil && !errors.Is(err, dispatch.ErrHeld) && !errors.Is(err, context.Canceled)
		if failed && !told {
			s.node.cfg.Log.Warn("market not taken, trying on", "market", s.market.ID, "error", err)
		}
		told = failed
	}
}

// lead returns when nobody leads here any more, false on quit: then the leader is left for Stop.
func (s *seat) lead(quit <-chan struct{}) bool {
	l := s.leader.Load()
	if l == nil {
		return true
	}
	select {
	case <-l.loop.Done():
	case <-l.term.ended:
	case <-quit:
		return false
	}
	s.standing.Store(standsNowhere)
	s.leader.Store(nil)
	l.abandon()
	s.node.cfg.Log.Warn("market is not led here any more", "market", s.market.ID)
	return true
}

// wait waits until it is worth a try; false on quit.
func (s *seat) wait(quit <-chan struct{}) bool {
	t, another := s.node.lease.present()
	if t != nil {
		another = nil // the one that goes on does
	}
	wall := s.node.cfg.Wall
	fire, free := wall.After(wall.Now().Add(tryEvery))
	defer free()
	select {
	case <-fire:
		return true
	case <-another:
		return true
	case <-quit:
		return false
	}
}
