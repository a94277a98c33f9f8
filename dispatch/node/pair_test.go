package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/geo/eta"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// shared is a store of several nodes: a real journal, and leases by the rules of store.Leads on a wall clock moved
// by hand.
type shared struct {
	store.Journal
	wall *dispatch.Manual

	mu     sync.Mutex
	until  map[string]time.Time          // guarded by mu; when each node's row runs out
	holder map[dispatch.MarketID]string  // guarded by mu
	moved  map[dispatch.MarketID]string  // guarded by mu; who stored the cursor last
	wrote  map[string][]dispatch.OrderID // guarded by mu; the orders that each node committed an event of
	barred map[string]int                // guarded by mu; how often each node asked for a market that another held
	late   int                           // guarded by mu; so many renewals to come are not answered in time
}

// view is the store as one node has it open.
type view struct {
	*shared
	name string

	state sync.Mutex
	gone  chan struct{} // guarded by state; not nil: calls hang until it is closed
	// well: it has renewed its row since it was last cut, and has not given it up. Guarded by state.
	well bool
	// slow, when it is set, is told of each look for a key once that is done, and holds it until it is told to.
	slow chan struct{}
}

var errAway = errors.New("nobody answers")

// cut has every call hang, as for a node that is paused, until mend.
func (v *view) cut() {
	v.state.Lock()
	defer v.state.Unlock()
	v.gone, v.well = make(chan struct{}), false
}

func (v *view) mend() {
	v.state.Lock()
	defer v.state.Unlock()
	if v.gone != nil {
		close(v.gone)
	}
	v.gone = nil
}

func (v *view) reach(ctx context.Context) error {
	v.state.Lock()
	gone := v.gone
	v.state.Unlock()
	if gone == nil {
		return nil
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return dispatch.Unavailable("the store does not answer", errAway)
	}
}

func (v *view) Renew(ctx context.Context) error {
	v.state.Lock()
	v.well = v.gone == nil
	v.state.Unlock()
	if err := v.reach(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.late > 0 {
		v.late--
		v.unwell()
		return dispatch.Unavailable("the store does not answer", context.DeadlineExceeded)
	}
	v.until[v.name] = v.wall.Now().Add(dispatch.LeaseFor)
	return nil
}

func (v *view) unwell() {
	v.state.Lock()
	defer v.state.Unlock()
	v.well = false
}

func (v *view) Resign(ctx context.Context) error {
	v.unwell()
	if err := v.reach(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.until, v.name)
	return nil
}

func (v *view) Lead(ctx context.Context, m dispatch.MarketID) (dispatch.Lease, error) {
	if err := v.reach(ctx); err != nil {
		return dispatch.Lease{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if h := v.holder[m]; h != "" && h != v.name && v.until[h].After(v.wall.Now()) {
		v.barred[v.name]++
		return dispatch.Lease{}, fmt.Errorf("test: %w", dispatch.ErrHeld)
	}
	v.holder[m] = v.name
	v.until[v.name] = v.wall.Now().Add(dispatch.LeaseFor)
	return v.Journal.Lead(ctx, m)
}

// renewed tells whether the row of a node that is well stands as it should: no renewal of it is due.
func (v *view) renewed() bool {
	v.state.Lock()
	well := v.well
	v.state.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	return !well || v.until[v.name].Sub(v.wall.Now()) > dispatch.LeaseFor-dispatch.RenewEvery
}

func (v *view) Commit(ctx context.Context, b *dispatch.Batch) error {
	if err := v.reach(ctx); err != nil {
		return err
	}
	err := v.Journal.Commit(ctx, b)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range b.Events {
		if err == nil && e.Order != nil {
			v.wrote[v.name] = append(v.wrote[v.name], e.Order.ID)
		}
	}
	return err
}

// Answer is bounded, as the reads of every store are that may be away.
func (v *view) Answer(ctx context.Context, sub, key string) (dispatch.Answer, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := v.reach(ctx); err != nil {
		return dispatch.Answer{}, false, err
	}
	a, known, err := v.Journal.Answer(ctx, sub, key)
	if v.slow != nil {
		v.slow <- struct{}{}
		<-v.slow
	}
	return a, known, err
}

func (v *view) SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error {
	if err := v.reach(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	v.moved[m] = v.name
	v.mu.Unlock()
	return v.Journal.SetCursor(ctx, m, seq)
}

// pair is two nodes, a and b, on one store, of which a was started first. Each has a bus of its own.
type pair struct {
	t      *testing.T
	wall   *dispatch.Manual
	shared *shared
	a, b   *partner
	all    []*partner // owned by the test's goroutine
}

// partner is one of the nodes.
type partner struct {
	*node.Node
	view *view
	log  *written
}

func newPair(t *testing.T) *pair {
	t.Helper()
	dir := t.TempDir()
	wall := dispatch.NewManual(begin)
	journal, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Wall: wall})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	p := &pair{t: t, wall: wall, shared: &shared{
		Journal: journal, wall: wall, until: map[string]time.Time{}, holder: map[dispatch.MarketID]string{},
		moved: map[dispatch.MarketID]string{}, wrote: map[string][]dispatch.OrderID{}, barred: map[string]int{},
	}}
	p.a = p.start("a", dir+"/nats-a", nil)
	p.b = p.start("b", dir+"/nats-b", nil)
	return p
}

func (p *pair) start(name, dir string, agree func(context.Context) error) *partner {
	p.t.Helper()
	said := &written{}
	log := slog.New(slog.NewJSONHandler(said, nil))
	server, err := bus.StartServer(bus.ServerConfig{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(server.Stop)
	conn, err := server.Connect()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(conn.Close)
	one := &partner{view: &view{shared: p.shared, name: name}, log: said}
	one.Node = node.New(node.Config{
		Markets: dispatch.DefaultMarkets(), Store: one.view, Bus: conn, ETA: eta.Default(), Clock: dispatch.NewManual(begin),
		Wall: p.wall, Log: log, Registry: prometheus.NewRegistry(),
		Shared: true, OwnBus: true, Patience: 100 * time.Millisecond, Agree: agree,
	})
	if err := one.Start(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		one.view.mend()
		one.Stop(context.Background())
	})
	p.all = append(p.all, one)
	return one
}

// pass moves the wall clock on a little, and gives every node that is well the time to renew its row: a clock that
// ran ahead of the nodes' goroutines would make of each one a node that was paused.
func (p *pair) pass() {
	p.t.Helper()
	p.wall.Advance(50 * time.Millisecond)
	for _, one := range p.all {
		until(p.t, "node "+one.view.name+" renews its row", one.view.renewed)
	}
}

// until has time pass until the answer is yes, and gives how much.
func (p *pair) until(what string, yes func() bool) time.Duration {
	p.t.Helper()
	began := p.wall.Now()
	until(p.t, what, func() bool {
		if yes() {
			return true
		}
		p.pass()
		return false
	})
	return p.wall.Now().Sub(began)
}

func (one *partner) leads() bool {
	led, _ := one.Standing()
	return len(led) == len(dispatch.DefaultMarkets())
}

func (one *partner) standsBy() bool {
	_, by := one.Standing()
	return len(by) == len(dispatch.DefaultMarkets())
}

// ask asks for a command with a patience of its own.
func (one *partner) ask(t *testing.T, c dispatch.Command) dispatch.Reply {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return one.Do(ctx, c)
}

func (p *pair) wantOK(one *partner, c dispatch.Command) dispatch.Reply {
	p.t.Helper()
	r := one.ask(p.t, c)
	if r.Err != nil {
		p.t.Fatalf("%s: %v", c.Op, r.Err)
	}
	return r
}

// codeOf is the code of an answer, "" for a success.
func codeOf(r dispatch.Reply) dispatch.Code {
	if r.Err == nil {
		return ""
	}
	return r.Err.Code
}

func (p *pair) wantUnavailable(one *partner, c dispatch.Command) {
	p.t.Helper()
	r := one.ask(p.t, c)
	if codeOf(r) != dispatch.CodeUnavailable || r.Err.RetryAfter <= 0 {
		p.t.Errorf("%s: answered %+v", c.Op, r)
	}
}
