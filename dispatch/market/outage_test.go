package market

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

const testPatience = 400 * time.Millisecond

// impatient is a loop whose journal holds each commit.
func impatient(t *testing.T) *bench {
	b := newBench(t)
	b.cfg.Patience = testPatience
	b.journal.hold = make(chan struct{})
	return b.start()
}

func TestLoop_suspend(t *testing.T) {
	t.Run("answers_everybody_when_a_commit_tries_their_patience", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := impatient(t)
			began := time.Now()
			answers := b.crowd(3) // one in flight, two on top of it
			for i := range 2 * maxGroup {
				answers = append(answers, b.ask(t.Context(), cancel(fmt.Sprintf("x%d", i), "")))
			}
			for _, answer := range answers {
				b.wantCode(answer, dispatch.CodeUnavailable)
			}
			if took := time.Since(began); took != testPatience {
				t.Errorf("answered after %v", took)
			}
			if b.loop.Leads() || !b.loop.Suspended() {
				t.Error("it says that all is well")
			}
			for i := range 3 {
				b.wantCode(b.ask(t.Context(), create(fmt.Sprintf("o%d", i), fmt.Sprintf("k%d", i))), dispatch.CodeUnavailable)
			}
			if took := time.Since(began); took != testPatience {
				t.Errorf("refused after %v more", took-testPatience)
			}
			// The store comes back. What was stepped takes effect, and its keys are answered with that.
			close(b.journal.hold)
			synctest.Wait()
			for i := range 3 {
				if r := b.wantOK(b.ask(t.Context(), create(fmt.Sprintf("again%d", i), fmt.Sprintf("k%d", i)))); r.Order.ID != dispatch.OrderID(fmt.Sprintf("o%d", i)) {
					t.Errorf("k%d: answered with %s", i, r.Order.ID)
				}
			}
			if diff := cmp.Diff(orders(3), b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if !b.loop.Leads() || b.loop.Suspended() {
				t.Error("it does not say that all is well")
			}
			b.loop.Stop()
		})
	})
	t.Run("steps_nothing_while_it_lasts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := impatient(t)
			b.ask(t.Context(), create("o1", ""))
			after(testPatience)
			synctest.Wait()
			b.clock.Advance(time.Hour) // the search is over
			synctest.Wait()
			if g := b.loop.forming; g != nil && !g.batch.Empty() {
				t.Errorf("stepped ahead of the store: %+v", g.batch.Events)
			}
			close(b.journal.hold)
			synctest.Wait()
			if diff := cmp.Diff([]string{"o1/1 searching", "o1/2 no_driver"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("does_nothing_again_for_those_who_were_refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.cfg.Patience = testPatience
			b.journal.fault = func(n int, _ *dispatch.Batch) fault {
				if n > 1 {
					return faultNone
				}
				b.journal.setAway(true)
				return faultOut
			}
			b.start()
			began := time.Now()
			lost := b.ask(t.Context(), create("o1", "k1"))
			b.wantCode(lost, dispatch.CodeUnavailable)
			if took := time.Since(began); took != testPatience {
				t.Errorf("answered after %v", took)
			}
			b.wantCode(b.ask(t.Context(), create("o2", "")), dispatch.CodeUnavailable)
			after(10 * time.Second)
			b.journal.setAway(false)
			after(3 * retryEvery)
			b.wantOK(b.ask(t.Context(), create("o3", "k1")))
			if diff := cmp.Diff([]string{"o3/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("keeps_nobody_waiting_with_a_new_policy", func(t *testing.T) {
		for _, what := range []fault{faultIn, faultOut} {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.cfg.Patience = testPatience
				b.journal.fault = func(n int, _ *dispatch.Batch) fault {
					b.journal.setAway(n == 1)
					return nth(1, what)(n, nil)
				}
				b.start()
				b.ask(t.Context(), create("o1", ""))
				after(time.Second)
				p := dispatch.DefaultPolicy()
				p.SearchTimeout = time.Second
				b.loop.Reload(p)
				b.journal.setAway(false)
				after(3 * retryEvery)
				b.wantOK(b.ask(t.Context(), create("o2", "")))
				b.clock.Advance(time.Second)
				synctest.Wait()
				if !b.was("o2/2 no_driver") {
					t.Errorf("history: %v", b.history())
				}
				b.loop.Stop()
			})
		}
	})
	t.Run("comes_again_after_it_was_over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := impatient(t)
			for i := range 3 {
				b.wantCode(b.ask(t.Context(), create(fmt.Sprintf("o%d", i), "")), dispatch.CodeUnavailable)
				b.journal.hold <- struct{}{}
				synctest.Wait()
			}
			if diff := cmp.Diff(orders(3), b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("is_not_counted_while_commits_go_well", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := impatient(t)
			for i := range 10 {
				answer := b.ask(t.Context(), create(fmt.Sprintf("o%d", i), ""))
				after(testPatience / 2)
				b.journal.hold <- struct{}{}
				b.wantOK(answer)
			}
			b.loop.Stop()
		})
	})
}

func TestLoop_Stop_while_the_store_hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.journal.hold = make(chan struct{})
		b.start()
		answers := b.crowd(2)
		began := time.Now()
		b.loop.Stop()
		if took := time.Since(began); took != stopFor {
			t.Errorf("stopped after %v", took)
		}
		for _, answer := range answers {
			b.wantCode(answer, dispatch.CodeUnavailable)
		}
	})
}

// A commit that hangs is given up, and what became of it is asked for.
func TestLoop_commit_that_hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.journal.hold = make(chan struct{})
		b.start()
		answer := b.ask(t.Context(), create("o1", "k1"))
		after(commitFor)
		close(b.journal.hold)
		b.wantOK(answer)
		if diff := cmp.Diff([]string{"o1/1 searching"}, b.history()); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		b.loop.Stop()
	})
}
