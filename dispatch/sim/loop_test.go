package sim_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	googlecmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// puppet is a loop's clock and finder in the hands of a test: time stands until it is set, timers fire and questions are
// answered when the test says so.
type puppet struct {
	mu  sync.Mutex
	now time.Time
	// ticks fires whatever timer there is; capacity 0: the loop takes it when it waits for a timer.
	ticks chan time.Time
	// answers are those to the loop's questions; capacity 0.
	answers chan market.Candidates
	// stepped tells each step of the loop; more than one input's steps fit.
	stepped chan struct{}
}

func (p *puppet) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *puppet) set(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = now
}

func (p *puppet) After(time.Time) (<-chan time.Time, func()) { return p.ticks, func() {} }

func (p *puppet) Find(ctx context.Context, s *market.Seek) market.Candidates {
	select {
	case c := <-p.answers:
		return c
	case <-ctx.Done():
		return market.Candidates{Round: s.Round}
	}
}

func (p *puppet) Began(int64, dispatch.Policy, dispatch.Recovery) {}

func (p *puppet) Stepped(time.Time, market.Input, market.Effects) { p.stepped <- struct{}{} }

// TestRun_history_is_that_of_a_loop_on_SQLite feeds what a simulated core was given to a real loop over a real journal,
// and reads the history back from there.
func TestRun_history_is_that_of_a_loop_on_SQLite(t *testing.T) {
	for _, name := range []string{"nearest_freed", "batch_chain"} {
		t.Run(name, func(t *testing.T) { playOnLoop(t, wild(t), named(t, name)) })
	}
}

func playOnLoop(t *testing.T, sc *sim.Scenario, p sim.Policy) {
	_, want := play(t, sc, p, 9)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	hand := &puppet{
		now: want.all[0].at, ticks: make(chan time.Time), answers: make(chan market.Candidates), stepped: make(chan struct{}, 16),
	}
	m := sc.Market
	m.Policy = p.Market
	loop := market.NewLoop(market.Config{
		Market: m, Journal: store, Finder: hand, Clock: hand, Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler),
		Told: func(market.Told) {}, Supply: func([]market.Supply) {}, Recovered: func(dispatch.Recovery) {}, Record: hand,
	})
	lease, err := store.Lead(t.Context(), m.ID)
	if err == nil {
		err = loop.Start(t.Context(), lease)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range want.all {
		hand.set(s.at)
		switch in := s.in.(type) {
		case market.Tick:
			if i > 0 { // the first is the loop's own
				hand.ticks <- s.at
			}
		case market.Candidates:
			hand.answers <- in
		case market.Do:
			if in.Command.Op == dispatch.OpDuty && in.Command.Duty.Online {
				claim, err := store.Claim(t.Context(), in.Command.Driver, m.ID)
				if err != nil || claim != *in.Known.Claim {
					t.Fatalf("claim of %s: %+v, %v, want %+v", in.Command.Driver, claim, err, *in.Known.Claim)
				}
			}
			loop.Do(t.Context(), time.Now(), in)
		}
		select {
		case <-hand.stepped:
		case <-time.After(20 * time.Second):
			t.Fatalf("input %d, %+v, was not stepped", i, s.in)
		}
	}
	loop.Stop()
	var got []dispatch.Event
	for after := int64(0); ; {
		page, err := store.MarketEvents(t.Context(), m.ID, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1].Seq
	}
	if len(got) < 100 {
		t.Errorf("only %d events", len(got))
	}
	if diff := googlecmp.Diff(want.events, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("history (-simulated +loop):\n%.3000s", diff)
	}
}
