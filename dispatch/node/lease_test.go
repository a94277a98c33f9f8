package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
)

// row is a node's row in a store: it can be renewed as it is told to.
type row struct {
	mu    sync.Mutex
	renew func(ctx context.Context) error
	calls int
}

func (r *row) Renew(ctx context.Context) error {
	r.mu.Lock()
	r.calls++
	renew := r.renew
	r.mu.Unlock()
	return renew(ctx)
}

func (r *row) Resign(context.Context) error { return nil }

func (r *row) set(renew func(ctx context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renew = renew
}

var dawn = time.Date(2026, 5, 1, 6, 0, 0, 0, time.UTC)

// leased starts a lease on a clock moved by hand.
func leased(t *testing.T) (*lease, *row, *dispatch.Manual) {
	t.Helper()
	wall, r := dispatch.NewManual(dawn), &row{renew: func(context.Context) error { return nil }}
	l := newLease(leaseConfig{
		store: r, wall: wall, patience: 100 * time.Millisecond, log: slog.New(slog.DiscardHandler), lapsed: func() {},
	})
	if err := l.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.end)
	return l, r, wall
}

// soon asks again until the answer is yes.
func soon(t *testing.T, what string, yes func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(20 * time.Second); !yes(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

func TestLease_start(t *testing.T) {
	t.Run("counts_from_before_the_renewal_was_sent", func(t *testing.T) {
		wall := dispatch.NewManual(dawn)
		r := &row{renew: func(context.Context) error { wall.Advance(700 * time.Millisecond); return nil }}
		l := newLease(leaseConfig{store: r, wall: wall, log: slog.New(slog.DiscardHandler), lapsed: func() {}})
		if err := l.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.end()
		term, _ := l.present()
		if want := dawn.Add(dispatch.LeaseFor - margin); !term.until.Load().Equal(want) {
			t.Errorf("it stands until %v, want %v", term.until.Load(), want)
		}
		wall.Advance(dispatch.LeaseFor - margin - 700*time.Millisecond - 1)
		if !term.valid() {
			t.Error("over before its time")
		}
		wall.Advance(1)
		if term.valid() {
			t.Error("good past the margin")
		}
	})
	t.Run("gives_the_error_of_the_store", func(t *testing.T) {
		gone := errors.New("gone")
		r := &row{renew: func(context.Context) error { return gone }}
		l := newLease(leaseConfig{store: r, wall: dispatch.NewManual(dawn), lapsed: func() {}})
		if err := l.start(t.Context()); !errors.Is(err, gone) {
			t.Errorf("start: %v", err)
		}
		l.end()
	})
}

func TestLease_renewed(t *testing.T) {
	t.Run("goes_on_while_it_is_renewed_in_time", func(t *testing.T) {
		l, r, wall := leased(t)
		term, _ := l.present()
		for n := range 10 {
			wall.Advance(dispatch.RenewEvery)
			soon(t, "it is renewed", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.calls >= n+2 && term.until.Load().After(wall.Now().Add(time.Second))
			})
		}
		if now, _ := l.present(); now != term || !term.valid() {
			t.Error("another term began")
		}
	})
	t.Run("begins_another_term_when_the_last_one_may_have_run_out", func(t *testing.T) {
		// As after a pause of the whole process: nobody looked at the clock meanwhile, and the renewal succeeds.
		l, _, wall := leased(t)
		l.end()
		term, changed := l.present()
		wall.Advance(dispatch.LeaseFor - margin)
		l.renewed(wall.Now())
		now, _ := l.present()
		if now == term || !now.valid() {
			t.Error("the term went on over the gap")
		}
		if term.valid() {
			t.Error("a term that has ended is good again")
		}
		select {
		case <-term.ended:
		default:
			t.Error("those who led in the term are not told")
		}
		select {
		case <-changed:
		default:
			t.Error("those who wait for a term are not told")
		}
	})
}

func TestLease_run(t *testing.T) {
	t.Run("ends_the_term_when_renewals_fail", func(t *testing.T) {
		l, r, wall := leased(t)
		term, _ := l.present()
		r.set(func(context.Context) error { return errors.New("gone") })
		soon(t, "it is over", func() bool {
			wall.Advance(20 * time.Millisecond)
			now, _ := l.present()
			return now == nil
		})
		<-term.ended
		if spent := wall.Now().Sub(dawn); spent < dispatch.LeaseFor-margin {
			t.Errorf("over after %v", spent)
		}
		if !l.away.Load() {
			t.Error("it does not say that the store is away")
		}
		r.set(func(context.Context) error { return nil })
		soon(t, "it stands again", func() bool {
			wall.Advance(20 * time.Millisecond)
			now, _ := l.present()
			return now != nil && !l.away.Load()
		})
	})
	t.Run("ends_the_term_while_a_renewal_hangs", func(t *testing.T) {
		l, r, wall := leased(t)
		term, _ := l.present()
		r.set(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		wall.Advance(dispatch.RenewEvery)
		soon(t, "it is renewed", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.calls == 2
		})
		wall.Advance(l.cfg.patience - 1)
		if l.away.Load() {
			t.Error("it does not wait for the store")
		}
		wall.Advance(1) // and no further: the term goes on for as long as the goroutine may take to see it
		soon(t, "it says that the store is away", l.away.Load)
		if !term.valid() {
			t.Error("the term is over before its time")
		}
		soon(t, "it is over", func() bool {
			wall.Advance(20 * time.Millisecond)
			now, _ := l.present()
			return now == nil
		})
	})
}

func TestLease_forever(t *testing.T) {
	wall := dispatch.NewManual(dawn)
	l := newLease(leaseConfig{wall: wall})
	l.forever()
	wall.Advance(1000 * time.Hour)
	if term, _ := l.present(); !term.valid() {
		t.Error("it ended")
	}
	l.end()
}

// A relay that goes on after its leader's term must not move the cursor: another one has it.
func TestLeadersSource_SetCursor(t *testing.T) {
	l, _, wall := leased(t)
	term, _ := l.present()
	stored := &cursor{}
	s := &leadersSource{Source: stored, term: term}
	if err := s.SetCursor(t.Context(), "sf", 1); err != nil || stored.seq != 1 {
		t.Errorf("stored %d, %v", stored.seq, err)
	}
	l.end()
	wall.Advance(dispatch.LeaseFor)
	if err := s.SetCursor(t.Context(), "sf", 2); dispatch.CodeOf(err) != dispatch.CodeUnavailable || stored.seq != 1 {
		t.Errorf("past the term: stored %d, %v", stored.seq, err)
	}
}

// cursor is a history of which only the cursor is looked at.
type cursor struct {
	bus.Source
	seq int64
}

func (c *cursor) SetCursor(_ context.Context, _ dispatch.MarketID, seq int64) error {
	c.seq = seq
	return nil
}
