package market

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

// leased has the bench's loop lead for as long as the flag it gives is true.
func (b *bench) leased() *atomic.Bool {
	valid := &atomic.Bool{}
	valid.Store(true)
	b.cfg.Valid = valid.Load
	return valid
}

// ended fails unless the loop has ended by itself, and stops it.
func (b *bench) ended() {
	b.Helper()
	synctest.Wait()
	select {
	case <-b.loop.Done():
	default:
		b.Error("the loop goes on")
	}
	if b.loop.Leads() {
		b.Error("it says that it leads")
	}
	b.wantCode(b.ask(b.Context(), create("late", "")), dispatch.CodeUnavailable)
	b.loop.Stop()
}

// A node past the margin of its lease says nothing.
func TestLoop_release(t *testing.T) {
	t.Run("answers_no_refusal_from_memory_past_the_margin", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			valid := b.leased()
			b.start()
			b.wantCode(b.ask(t.Context(), cancel("o1", "")), dispatch.CodeNotFound)
			valid.Store(false)
			b.wantCode(b.ask(t.Context(), cancel("o1", "")), dispatch.CodeUnavailable)
			b.ended()
		})
	})
	t.Run("answers_no_repeat_from_memory_past_the_margin", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			valid := b.leased()
			b.start()
			b.wantOK(b.ask(t.Context(), create("o1", "k1")))
			valid.Store(false)
			b.wantCode(b.ask(t.Context(), create("o1", "k1")), dispatch.CodeUnavailable)
			b.ended()
		})
	})
	t.Run("tells_nobody_of_a_commit_that_ends_past_the_margin", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			valid := b.leased()
			b.journal.hold = make(chan struct{})
			b.start()
			answers := b.crowd(3)
			valid.Store(false)
			close(b.journal.hold)
			for _, answer := range answers {
				b.wantCode(answer, dispatch.CodeUnavailable)
			}
			b.ended()
			// It is committed: the next leader tells whoever asks again. What was stepped on top of it is not tried.
			if diff := cmp.Diff([]string{"o0/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if len(b.told) > 0 || len(b.notices) > 0 {
				t.Errorf("told %v and %v", b.told, b.notices)
			}
		})
	})
	t.Run("tells_no_offer_past_the_margin", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			valid := b.leased()
			b.cfg.Finder = finder(func(_ context.Context, s *Seek) Candidates {
				valid.Store(false)
				return Candidates{Round: s.Round, Pairs: []Candidate{{Order: "o1", Driver: "d1", Pickup: time.Minute, Source: "test"}}}
			})
			b.start()
			b.wantOK(b.ask(t.Context(), online("d1")))
			b.ask(t.Context(), create("o1", ""))
			b.ended()
			if len(b.notices) > 0 {
				t.Errorf("told %v", b.notices)
			}
		})
	})
}

func TestLoop_Stop_past_the_margin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		valid := b.leased()
		b.journal.hold = make(chan struct{})
		b.start()
		answers := b.crowd(2)
		valid.Store(false)
		began := time.Now()
		b.loop.Stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("waited %v for a store that hangs", took)
		}
		for _, answer := range answers {
			b.wantCode(answer, dispatch.CodeUnavailable)
		}
	})
}

// A leader whose market was taken ends.
func TestLoop_settle_when_deposed(t *testing.T) {
	for _, what := range []fault{faultNone, faultOut} {
		t.Run(map[fault]string{faultNone: "after_a_fence", faultOut: "after_a_lost_commit"}[what], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.journal.hold = make(chan struct{})
				b.journal.fault = func(int, *dispatch.Batch) fault {
					b.usurp()
					return what
				}
				b.start()
				leads := 0
				b.journal.lead = func() error { leads++; return fmt.Errorf("test: %w", dispatch.ErrHeld) }
				answers := append(b.crowd(3), b.ask(t.Context(), cancel("o9", "")))
				synctest.Wait()
				close(b.journal.hold)
				for _, answer := range answers {
					b.wantCode(answer, dispatch.CodeUnavailable)
				}
				b.ended()
				if leads != 1 || len(b.told) > 0 {
					t.Errorf("tried %d times to take the market again, told %v", leads, b.told)
				}
				if diff := cmp.Diff([]string{"d9/1 driver.online"}, b.history()); diff != "" {
					t.Errorf("history (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A node's own Lead calls may fail without a word of their outcome, so that its epochs prove nothing by their
// distance.
func TestLoop_settle_with_lost_leads(t *testing.T) {
	// lost has the next n Lead calls take the market, and their answer lost.
	lost := func(b *bench, n int, then func()) {
		b.journal.lead = func() error {
			if n--; n < 0 {
				return nil
			}
			if _, err := b.journal.memory.Lead(b.Context(), "sf"); err != nil {
				b.Error(err)
			}
			if n == 0 && then != nil {
				then()
			}
			return errLost
		}
	}
	t.Run("finds_its_own_batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = nth(1, faultIn)
			b.start()
			lost(b, 3, nil)
			b.wantOK(b.ask(t.Context(), create("o1", "k1")))
			if diff := cmp.Diff([]string{"o1/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
			if b.starts != 1 {
				t.Errorf("%d starts", b.starts)
			}
		})
	})
	t.Run("does_not_take_another_leaders_one_batch_for_its_own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = nth(1, faultOut)
			b.start()
			lost(b, 2, b.usurp)
			b.wantCode(b.ask(t.Context(), create("o1", "k1")), dispatch.CodeUnavailable)
			if diff := cmp.Diff([]string{"d9/1 driver.online"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.wantOK(b.ask(t.Context(), create("o1", "k1")))
			b.loop.Stop()
			if b.starts != 2 {
				t.Errorf("%d starts", b.starts)
			}
		})
	})
}

// What an asker read before a recovery is not judged on after it.
func TestLoop_judge(t *testing.T) {
	// reopen is a dispatcher's search for an order that found no driver, judged on the row that was read.
	reopen := keyedAs(dispatch.Command{
		Op: dispatch.OpSearch, By: dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "staff"}, Order: "o1",
	}, "", "")
	t.Run("has_a_row_read_again_that_another_leader_may_have_changed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.cfg.Market.Policy.SearchTimeout = time.Second
			b.start()
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			b.clock.Advance(time.Second)
			synctest.Wait()
			b.loop.Stop()
			b.journal.hold = make(chan struct{})
			b.journal.fault = func(n int, _ *dispatch.Batch) fault {
				if n == 3 {
					b.usurp()
				}
				return faultNone
			}
			b.start()
			first := b.ask(t.Context(), create("o2", ""))
			synctest.Wait()
			stale := b.ask(t.Context(), reopen) // stepped behind it, on the row that was read
			after(time.Millisecond)
			close(b.journal.hold)
			b.wantOK(first)
			b.wantCode(stale, dispatch.CodeUnavailable)
			b.wantOK(b.ask(t.Context(), reopen))
			b.loop.Stop()
		})
	})
	t.Run("has_a_claim_made_again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = nth(1, faultOut)
			b.start()
			duty := b.ask(t.Context(), online("d1"))
			after(time.Millisecond)
			close(b.journal.hold)
			b.wantCode(duty, dispatch.CodeUnavailable)
			b.wantOK(b.ask(t.Context(), online("d1")))
			b.loop.Stop()
		})
	})
	t.Run("refuses_a_key_looked_for_before_the_market_was_taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			before := time.Now()
			after(time.Millisecond)
			b.start()
			if r := b.loop.Do(t.Context(), before, Do{Command: create("o1", "k1")}); r.Err == nil || r.Err.Code != dispatch.CodeUnavailable {
				t.Errorf("answered %+v", r)
			}
			b.loop.Stop()
		})
	})
}
