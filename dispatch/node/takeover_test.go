package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestNode_StandsBy(t *testing.T) {
	p := newPair(t)
	if !p.a.leads() || !p.b.standsBy() {
		t.Fatal("the second node does not stand by for the first")
	}
	if err := errors.Join(p.a.Ready(), p.b.Ready()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	p.wantUnavailable(p.b, ride("o1", "k1"))
	first := p.wantOK(p.a, ride("o2", "k1"))
	// What is kept is known everywhere.
	if diff := cmp.Diff(first, p.wantOK(p.b, ride("o3", "k1"))); diff != "" {
		t.Errorf("the other node's answer (-first +other):\n%s", diff)
	}
	p.wantUnavailable(p.b, dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: "o2"})
	if _, err := p.b.Nearby(t.Context(), "sf", ride("", "").New.Stops[0].LatLng, 5); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
		t.Errorf("nearby: %v", err)
	}
	if _, err := p.b.Board(t.Context(), "sf"); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
		t.Errorf("board: %v", err)
	}
	until(t, "the second has asked for the market for some time", func() bool {
		for range 20 {
			p.pass()
		}
		p.shared.mu.Lock()
		defer p.shared.mu.Unlock()
		return p.wall.Now().Sub(begin) >= 3*dispatch.LeaseFor && p.shared.barred["b"] >= 10*len(dispatch.DefaultMarkets())
	})
	if !p.a.leads() || !p.b.standsBy() {
		t.Error("the market changed hands while its leader was well")
	}
	if n := strings.Count(p.b.log.String(), "--nats-url"); n != 1 {
		t.Errorf("warned %d times of a bus of its own", n)
	}
}

// TestNode_Start_beside_a_slow_store starts a node whose first renewals are not answered in time.
func TestNode_Start_beside_a_slow_store(t *testing.T) {
	p := newPair(t)
	p.a.Stop(t.Context())
	p.b.Stop(t.Context())
	p.shared.mu.Lock()
	p.shared.late = 3
	p.shared.mu.Unlock()
	c := p.start("c", t.TempDir(), nil)
	if c.Ready() == nil || c.leads() {
		t.Error("it leads without a lease")
	}
	p.wantUnavailable(c, ride("o1", "k1"))
	p.until("it leads", c.leads)
	p.wantOK(c, ride("o1", "k1"))
}

func TestNode_Stop(t *testing.T) {
	t.Run("hands_over_at_once", func(t *testing.T) {
		p := newPair(t)
		first := p.wantOK(p.a, ride("o1", "k1"))
		p.a.Stop(t.Context())
		p.shared.mu.Lock()
		until, held := p.shared.until["a"]
		p.shared.mu.Unlock()
		if held {
			t.Errorf("its lease stands until %v, from %v", until, p.wall.Now())
		}
		p.until("the second leads", p.b.leads)
		if diff := cmp.Diff(first, p.wantOK(p.b, ride("o2", "k1"))); diff != "" {
			t.Errorf("the answer after the takeover (-first +repeat):\n%s", diff)
		}
		p.wantUnavailable(p.a, ride("o3", "k3"))
		if p.a.Ready() == nil {
			t.Error("stopped, it says it is ready")
		}
	})
}

// TestNode_Do_over_a_takeover has a key looked for before the other node has answered it, and judged after.
func TestNode_Do_over_a_takeover(t *testing.T) {
	p := newPair(t)
	p.b.view.slow = make(chan struct{})
	answer := make(chan dispatch.Reply, 1)
	go func() { answer <- p.b.ask(t, ride("o1", "k1")) }()
	<-p.b.view.slow
	p.wantOK(p.a, ride("o2", "k1"))
	p.wall.Advance(time.Millisecond)
	p.a.Stop(t.Context())
	p.until("the second leads", p.b.leads)
	p.b.view.slow <- struct{}{}
	if got := codeOf(<-answer); got != dispatch.CodeUnavailable {
		t.Errorf("answered %q", got)
	}
	go func() { answer <- p.b.ask(t, ride("o1", "k1")) }()
	<-p.b.view.slow
	p.b.view.slow <- struct{}{}
	if r := <-answer; r.Err != nil || r.Order.ID != "o2" {
		t.Errorf("repeated, it was answered %+v", r)
	}
}

// TestNode_TakesOver has the first node's calls hang, as when it is paused, and the clock go on.
func TestNode_TakesOver(t *testing.T) {
	p := newPair(t)
	first := p.wantOK(p.a, ride("o1", "k1"))
	p.a.view.cut()
	// These are on their way when the node stands still, and are not done by it.
	var late sync.WaitGroup
	var mu sync.Mutex
	codes := map[dispatch.Code]int{}
	for i := range 100 {
		late.Go(func() {
			key := ""
			if i%2 == 0 {
				key = fmt.Sprintf("late%d", i)
			}
			r := p.a.ask(t, ride(fmt.Sprintf("late%d", i), key))
			mu.Lock()
			defer mu.Unlock()
			codes[codeOf(r)]++
		})
	}
	took := p.until("the second leads", p.b.leads)
	if took < dispatch.LeaseFor-dispatch.RenewEvery {
		t.Errorf("it took %v only", took)
	}
	if p.a.leads() {
		t.Error("both lead")
	}
	p.a.view.mend()
	late.Wait()
	if diff := cmp.Diff(map[dispatch.Code]int{dispatch.CodeUnavailable: 100}, codes); diff != "" {
		t.Errorf("answers of the one that was paused (-want +got):\n%s", diff)
	}
	p.until("the first stands by", p.a.standsBy)
	if err := p.a.Ready(); err != nil {
		t.Errorf("standing by it says %v", err)
	}
	if diff := cmp.Diff(first, p.wantOK(p.b, ride("o2", "k1"))); diff != "" {
		t.Errorf("the answer after the takeover (-first +repeat):\n%s", diff)
	}
	p.wantOK(p.b, ride("o3", "k3"))
	p.shared.mu.Lock()
	wrote := p.shared.wrote
	p.shared.mu.Unlock()
	if diff := cmp.Diff(map[string][]dispatch.OrderID{"a": {"o1"}, "b": {"o3"}}, wrote); diff != "" {
		t.Errorf("orders committed by each (-want +got):\n%s", diff)
	}
	p.until("the cursor is the second's to move", func() bool {
		p.shared.mu.Lock()
		defer p.shared.mu.Unlock()
		return p.shared.moved["sf"] == "b"
	})
	// And back again.
	p.b.Stop(t.Context())
	p.until("the first leads again", p.a.leads)
	p.wantOK(p.a, ride("o4", "k4"))
	p.wantOK(p.a, ride("o5", "k3"))
}

// TestNode_RefusesWhileTheStoreIsAway: nobody waits for a store that does not answer, and it is used again as soon
// as it does.
func TestNode_RefusesWhileTheStoreIsAway(t *testing.T) {
	p := newPair(t)
	p.b.Stop(t.Context())
	p.wantOK(p.a, ride("o1", "k1"))
	p.a.view.cut()
	lost := make(chan dispatch.Reply, 1)
	go func() { lost <- p.a.ask(t, ride("o2", "")) }()
	p.until("it says it is not ready", func() bool { return p.a.Ready() != nil })
	p.until("it refuses at once", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // whoever looks into the store is told another sentence
		r := p.a.Do(ctx, ride("o2", "k2"))
		return codeOf(r) == dispatch.CodeUnavailable && strings.Contains(r.Err.Detail, "at present")
	})
	if r := <-lost; codeOf(r) != dispatch.CodeUnavailable {
		t.Errorf("the one that waited was answered %+v", r)
	}
	p.until("its lease has run out", func() bool { return !p.a.leads() })
	p.wantUnavailable(p.a, ride("o3", "k3"))
	p.a.view.mend()
	p.until("it leads again", p.a.leads)
	p.until("it is ready", func() bool { return p.a.Ready() == nil })
	p.wantOK(p.a, ride("o4", "k4"))
}

// TestNode_Failed: a node that must not lead says so, and does not.
func TestNode_Failed(t *testing.T) {
	p := newPair(t)
	other := errors.New("another clock")
	c := p.start("c", t.TempDir(), func(context.Context) error { return other })
	p.a.Stop(t.Context())
	p.b.Stop(t.Context())
	p.until("it fails", func() bool { return len(c.Failed()) > 0 })
	if err := <-c.Failed(); !errors.Is(err, other) {
		t.Errorf("it failed with %v", err)
	}
	if c.leads() {
		t.Error("it leads all the same")
	}
}
