package node

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// boardEvery is the least wall time between two boards of a market. A little under the second in which
// watchers ask, so that one who asks each second is never given the same board twice.
const boardEvery = 900 * time.Millisecond

// boards keeps the latest board of one market: it is made when somebody asks, and at most once in
// boardEvery however many ask.
type boards struct {
	mu     sync.Mutex      // held while a board is made: those who ask meanwhile wait for it
	latest *dispatch.Board // guarded by mu
	made   time.Time       // guarded by mu; wall
}

// Board gives a market as it may be shown to staff: committed state and the last fixes, at most about a
// second old (wall). It is shared, not to be written.
func (n *Node) Board(_ context.Context, m dispatch.MarketID) (*dispatch.Board, error) {
	l, ok := n.led(m)
	if !ok {
		return nil, notLed(m)
	}
	b := &l.boards
	b.mu.Lock()
	defer b.mu.Unlock()
	now := n.cfg.Wall.Now()
	if b.latest == nil || now.Sub(b.made) >= boardEvery {
		b.latest, b.made = l.board(n.cfg.Clock.Now()), now
	}
	return b.latest, nil
}

// board makes the board of the market instant now: fleet and orders as one committed state, then the fixes,
// which may be newer.
func (l *leader) board(now time.Time) *dispatch.Board {
	b := &dispatch.Board{Market: l.market.ID, At: now}
	b.Drivers, b.Orders = l.fleet.shown()
	l.tally.counters(now, &b.Counters)
	b.Counters.Since = l.since
	b.Counters.Published, b.Counters.RelayLag = l.relay.Published(), l.relay.Lag()
	b.Counters.Drivers = map[dispatch.DriverState]int{}
	for i := range b.Drivers {
		d := &b.Drivers[i]
		fix, ok := l.index.Get(string(d.ID))
		if ok {
			d.Fix = fix
		}
		d.State = l.contactable(d.State, fix, ok)
		b.Counters.Drivers[d.State]++
	}
	b.Counters.Orders = map[dispatch.State]int{}
	for _, o := range b.Orders {
		b.Counters.Orders[o.State]++
	}
	return b
}

// shown gives every driver on duty or at work, without its fix, and every open order, each ascending by id.
func (f *fleet) shown() (drivers []dispatch.BoardDriver, orders []*dispatch.Order) {
	f.mu.RLock()
	drivers = make([]dispatch.BoardDriver, 0, len(f.drivers))
	for id, m := range f.drivers {
		if m.duty.Online || len(m.orders) > 0 {
			drivers = append(drivers, dispatch.BoardDriver{ID: id, State: m.state()})
		}
	}
	orders = make([]*dispatch.Order, 0, len(f.orders))
	for _, o := range f.orders {
		orders = append(orders, o)
	}
	f.mu.RUnlock()
	slices.SortFunc(drivers, func(a, b dispatch.BoardDriver) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(orders, func(a, b *dispatch.Order) int { return cmp.Compare(a.ID, b.ID) })
	return drivers, orders
}
