package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
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

// slowClaims is a journal whose claims wait until they are let go.
type slowClaims struct {
	store.Journal
	begun chan struct{}
	goOn  chan struct{}
}

func (s *slowClaims) Claim(ctx context.Context, d dispatch.DriverID, m dispatch.MarketID) (dispatch.Claim, error) {
	s.begun <- struct{}{}
	<-s.goOn
	return s.Journal.Claim(ctx, d, m)
}

// slowCommits is a journal whose commits wait while hold is set.
type slowCommits struct {
	store.Journal
	hold atomic.Pointer[chan struct{}]
}

func (s *slowCommits) Commit(ctx context.Context, b *dispatch.Batch) error {
	if hold := s.hold.Load(); hold != nil {
		<-*hold
	}
	return s.Journal.Commit(ctx, b)
}

// newNodeOver is a started node over a journal that wrap makes of a real one.
func newNodeOver(t *testing.T, wrap func(store.Journal) store.Journal) *node.Node {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	journal, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	server, err := bus.StartServer(bus.ServerConfig{Dir: dir + "/nats", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	n := node.New(node.Config{
		Markets: dispatch.DefaultMarkets(), Store: wrap(journal), Bus: conn, ETA: eta.Default(), Clock: dispatch.NewManual(begin),
		Wall: dispatch.Wall{}, Log: log, Registry: prometheus.NewRegistry(), Archive: journal,
	})
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Stop(context.Background()) })
	return n
}

// A repeat is given the first answer also while new orders are refused.
func TestNode_Do_repeats_an_answer_while_the_queue_is_full(t *testing.T) {
	slow := &slowCommits{}
	n := newNodeOver(t, func(j store.Journal) store.Journal { slow.Journal = j; return slow })
	first := n.Do(t.Context(), ride("o0", "k0"))
	if first.Err != nil {
		t.Fatal(first.Err)
	}
	hold := make(chan struct{})
	slow.hold.Store(&hold)
	defer close(hold)
	ctx, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	defer func() { leave(); asking.Wait() }()
	full := make(chan struct{}, 1)
	for i := range 4000 { // many more than can be waiting
		asking.Go(func() {
			if r := n.Do(ctx, ride(fmt.Sprint("o", i+1), fmt.Sprint("k", i+1))); dispatch.CodeOf(r.Err) == dispatch.CodeOverloaded {
				select {
				case full <- struct{}{}:
				default:
				}
			}
		})
	}
	select {
	case <-full:
	case <-time.After(patience):
		t.Fatal("no order was refused")
	}
	if r := n.Do(t.Context(), ride("again", "k0")); r.Err != nil || r.Order.ID != "o0" {
		t.Errorf("the repeat was told %+v", r)
	}
}

// A fleet that comes on duty at once waits its turn beside everything else, and no longer than it wants to.
func TestNode_Do_while_a_fleet_comes_on_duty(t *testing.T) {
	slow := &slowClaims{begun: make(chan struct{}), goOn: make(chan struct{})}
	n := newNodeOver(t, func(j store.Journal) store.Journal { slow.Journal = j; return slow })
	const fleet = 100
	answers := make(chan dispatch.Reply, fleet)
	for i := range fleet {
		go func() { answers <- n.Do(t.Context(), duty(fmt.Sprint("d", i), "sf", true)) }()
	}
	worked := 0
	for again := true; again; {
		select {
		case <-slow.begun:
			worked++
		case <-time.After(200 * time.Millisecond): // the rest has had time to begin, and must not
			again = worked == 0
		}
	}
	if worked >= fleet {
		t.Errorf("all %d changes of duty are worked on at once", worked)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if r := n.Do(ctx, duty("late", "sf", true)); dispatch.CodeOf(r.Err) != dispatch.CodeUnavailable {
		t.Errorf("one who does not wait was told %+v", r)
	}
	if r := n.Do(t.Context(), ride("o1", "k1")); r.Err != nil {
		t.Errorf("an order meanwhile: %v", r.Err)
	}
	close(slow.goOn)
	for done := 0; done < fleet; {
		select {
		case <-slow.begun:
		case r := <-answers:
			if done++; r.Err != nil {
				t.Errorf("a driver was told %v", r.Err)
			}
		case <-time.After(patience):
			t.Fatalf("%d of %d drivers are on duty", done, fleet)
		}
	}
}
