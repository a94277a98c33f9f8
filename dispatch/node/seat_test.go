package node

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo/eta"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// onLease is a node that has its markets by lease, and nobody to end the lease when its time is over: as in the
// moments in which a process that was paused goes on.
func onLease(t *testing.T) (*Node, *dispatch.Manual) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	journal, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	server, err := bus.StartServer(bus.ServerConfig{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	wall := dispatch.NewManual(dawn)
	n := New(Config{
		Markets: dispatch.DefaultMarkets(), Store: journal, Bus: conn, ETA: eta.Default(), Clock: dispatch.NewManual(dawn),
		Wall: wall, Log: log, Registry: prometheus.NewRegistry(), Shared: true,
	})
	if err := n.lease.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.lease.end()
	return n, wall
}

func TestSeat_try(t *testing.T) {
	unknown := market.Do{Command: dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Engine(), Order: "nowhere"}}
	t.Run("has_its_leader_silent_past_the_margin", func(t *testing.T) {
		n, wall := onLease(t)
		s := n.seats["sf"]
		if err := s.try(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := s.leader.Load()
		defer l.stop(context.Background())
		if r := l.loop.Do(t.Context(), wall.Now(), unknown); r.Err == nil || r.Err.Code != dispatch.CodeNotFound {
			t.Fatalf("answered %+v", r)
		}
		wall.Advance(dispatch.LeaseFor - margin)
		if r := l.loop.Do(t.Context(), wall.Now(), unknown); r.Err == nil || r.Err.Code != dispatch.CodeUnavailable {
			t.Errorf("past the margin it was answered %+v", r)
		}
		soon(t, "its loop has ended", func() bool {
			select {
			case <-l.loop.Done():
				return true
			default:
				return false
			}
		})
	})
	t.Run("takes_nothing_past_the_margin", func(t *testing.T) {
		n, wall := onLease(t)
		wall.Advance(dispatch.LeaseFor - margin)
		if err := n.seats["sf"].try(t.Context()); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
			t.Errorf("it was given %v", err)
		}
		if led, by := n.Standing(); len(led)+len(by) > 0 {
			t.Errorf("it leads %v and stands by for %v", led, by)
		}
	})
	t.Run("has_a_policy_that_was_reloaded_meanwhile", func(t *testing.T) {
		n, _ := onLease(t)
		p := dispatch.DefaultPolicy()
		p.SearchTimeout = time.Second
		ms := dispatch.DefaultMarkets()
		for i := range ms {
			ms[i].Policy = p
		}
		n.Reload(ms)
		s := n.seats["sf"]
		if err := s.try(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := s.leader.Load()
		defer l.stop(context.Background())
		if got := l.market.Policy.SearchTimeout; got != time.Second {
			t.Errorf("it leads with a search timeout of %v", got)
		}
	})
}
