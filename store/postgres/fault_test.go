package postgres

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// soon tries until it succeeds. It bounds a test that hangs; how long it took is logged.
func soon(t *testing.T, what string, try func() error) {
	t.Helper()
	began := time.Now()
	for {
		err := try()
		if err == nil {
			t.Logf("%s after %v", what, time.Since(began))
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s: still %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// callWhileAway asks a store that is away: each of many callers, again and again, is told unavailable.
func callWhileAway(t *testing.T, j *Journal) {
	t.Helper()
	const callers, calls = 32, 5
	before := runtime.NumGoroutine()
	took := make([][]time.Duration, callers)
	var most atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for range calls {
				began := time.Now()
				_, err := j.Order(t.Context(), "o1")
				took[i] = append(took[i], time.Since(began))
				if e, ok := errors.AsType[*dispatch.Error](err); !ok || e.Code != dispatch.CodeUnavailable || e.RetryAfter == 0 {
					t.Errorf("order gave %v, want unavailable", err)
				}
				if n := int64(runtime.NumGoroutine()); n > most.Load() {
					most.Store(n)
				}
			}
		})
	}
	all.Wait()
	times := slices.Concat(took...)
	slices.Sort(times)
	t.Logf("%d calls: p50 %v, p99 %v, most %v; at most %d goroutines above %d callers", len(times),
		times[len(times)/2], times[len(times)*99/100], times[len(times)-1], most.Load()-int64(before+callers), callers)
	if n := most.Load() - int64(before+callers); n > 100 {
		t.Errorf("%d goroutines more than callers: something piles up", n)
	}
	for what, err := range map[string]error{
		"ping": j.Ping(t.Context()), "renew": j.Renew(t.Context()), "resign": j.Resign(t.Context()),
		"set cursor": j.SetCursor(t.Context(), "sf", 0),
	} {
		if dispatch.CodeOf(err) != dispatch.CodeUnavailable {
			t.Errorf("%s gave %v, want unavailable", what, err)
		}
	}
	_, err := j.Claim(t.Context(), "d1", "sf")
	if dispatch.CodeOf(err) != dispatch.CodeUnavailable {
		t.Errorf("claim gave %v, want unavailable", err)
	}
	_, err = j.Lead(t.Context(), "sf")
	if dispatch.CodeOf(err) != dispatch.CodeUnavailable || errors.Is(err, dispatch.ErrHeld) {
		t.Errorf("lead gave %v, want unavailable", err)
	}
}

func TestJournal_Away(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{NoSync: true})
	for name, fault := range map[string]struct {
		away, back func(*pgtest.Server, testing.TB)
	}{
		"paused":    {(*pgtest.Server).Pause, (*pgtest.Server).Resume},
		"killed":    {(*pgtest.Server).Kill, (*pgtest.Server).Restart},
		"restarted": {nil, (*pgtest.Server).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			bounds := Bounds{}
			if fault.away == nil { // to be answered, not bounded: a busy machine is long in starting a session
				bounds = Bounds{Read: time.Minute, Acquire: time.Minute}
			}
			j := openBounded(t, s.DatabaseForGood(t), nil, bounds)
			b := storetest.NewBook(t, j, "sf")
			b.Create("o1", "r1")
			b.Commit()
			_, _ = j.Orders(t.Context(), dispatch.OrderFilter{Limit: 1}) // a second connection, to be found dead later
			if fault.away != nil {
				fault.away(s, t)
				callWhileAway(t, j)
				b.Create("o2", "r1")
				err := j.Commit(t.Context(), b.Batch())
				if err == nil || errors.Is(err, dispatch.ErrFenced) || errors.Is(err, dispatch.ErrRefused) {
					t.Errorf("commit gave %v, want an ambiguous error", err)
				}
			}
			fault.back(s, t)
			if fault.away == nil { // nobody has noticed yet: the first read does, and asks again
				if _, err := j.Order(t.Context(), "o1"); err != nil {
					t.Errorf("the first read: %v", err)
				}
			}
			wantWhole(t, j, b)
		})
	}
	// What is in flight when the database is found away ends then, however long it may take, its session with it; and
	// nothing more begins.
	t.Run("paused_in_a_commit", func(t *testing.T) {
		patient := Bounds{Write: time.Hour, Read: time.Hour, Acquire: time.Hour}
		j, err := Open(t.Context(), Config{URL: s.DatabaseForGood(t), Bounds: patient})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		b := storetest.NewBook(t, j, "sf")
		b.Create("o1", "r1")
		b.Commit()
		b.Create("o2", "r1")
		s.Pause(t)
		j.health.doubt() // as a read that is less patient does
		if err := j.Commit(t.Context(), b.Batch()); err == nil || errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("commit gave %v, want an ambiguous error", err)
		}
		if _, err := j.Order(t.Context(), "o1"); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
			t.Errorf("order gave %v, want unavailable", err)
		}
		s.Resume(t)
		wantWhole(t, j, b)
		if seq := b.Recover().Seq; (b.Lease.Batch == 3) != (seq == 3) {
			t.Errorf("the market stands at batch %d with seq %d", b.Lease.Batch, seq)
		}
	})
}

// wantWhole checks that a journal whose database is back reads, leads and commits on connections none of which is dead.
func wantWhole(t *testing.T, j *Journal, b *storetest.Book) {
	t.Helper()
	soon(t, "read", func() error {
		_, err := j.Order(t.Context(), "o1")
		return err
	})
	soon(t, "led", func() error {
		_, err := j.Lead(t.Context(), "sf")
		return err
	})
	b.Recover()
	b.Create("o3", "r1")
	b.Commit()
	if err := j.Renew(t.Context()); err != nil {
		t.Errorf("renew: %v", err)
	}
	for range 3 * maxReads {
		if _, err := j.Order(t.Context(), "o3"); err != nil {
			t.Errorf("order: %v", err)
		}
	}
}
