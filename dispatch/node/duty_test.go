package node_test

import (
	"context"
	"fmt"
	"log/slog"
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

// newSlowNode is a started node over such a journal.
func newSlowNode(t *testing.T) (*node.Node, *slowClaims) {
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
	slow := &slowClaims{Journal: journal, begun: make(chan struct{}), goOn: make(chan struct{})}
	n := node.New(node.Config{
		Markets: dispatch.DefaultMarkets(), Store: slow, Bus: conn, ETA: eta.Default(), Clock: dispatch.NewManual(begin),
		Wall: dispatch.Wall{}, Log: log, Registry: prometheus.NewRegistry(),
	})
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Stop(context.Background()) })
	return n, slow
}

// A fleet that comes on duty at once waits its turn beside everything else, and no longer than it wants to.
func TestNode_Do_while_a_fleet_comes_on_duty(t *testing.T) {
	n, slow := newSlowNode(t)
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
