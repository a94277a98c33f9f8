package market

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestLoop_Do(t *testing.T) {
	t.Run("answers_and_tells_after_the_commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			answer := b.ask(t.Context(), create("o1", "k1"))
			synctest.Wait()
			b.pending(answer)
			if len(b.told) > 0 {
				t.Fatalf("told before the commit: %v", b.told)
			}
			b.journal.hold <- struct{}{}
			if r := b.wantOK(answer); r.Order.Version != 1 {
				t.Errorf("answered with version %d", r.Order.Version)
			}
			b.loop.Stop()
		})
	})
	t.Run("groups_what_comes_during_a_commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			first := b.ask(t.Context(), create("o0", ""))
			synctest.Wait()
			var later []<-chan dispatch.Reply
			for i := range 10 {
				later = append(later, b.ask(t.Context(), create(fmt.Sprintf("o%d", i+1), "")))
			}
			synctest.Wait()
			b.journal.hold <- struct{}{}
			b.wantOK(first)
			synctest.Wait()
			for _, answer := range later {
				b.pending(answer)
			}
			b.journal.hold <- struct{}{}
			for _, answer := range later {
				b.wantOK(answer)
			}
			if diff := cmp.Diff([]int{1, 10}, b.journal.commits()); diff != "" {
				t.Errorf("events of each commit (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("bounds_a_group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			var answers []<-chan dispatch.Reply
			for i := range 2 * maxGroup {
				answers = append(answers, b.ask(t.Context(), create(fmt.Sprintf("o%d", i), "")))
				if i == 0 || i == maxGroup { // the queue takes no more orders at once
					synctest.Wait()
				}
			}
			synctest.Wait()
			close(b.journal.hold)
			for _, answer := range answers {
				b.wantOK(answer)
			}
			if diff := cmp.Diff([]int{1, maxGroup, maxGroup - 1}, b.journal.commits()); diff != "" {
				t.Errorf("events of each commit (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("waits_for_no_timer_when_alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			began := time.Now()
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			if took := time.Since(began); took > 0 {
				t.Errorf("took %v of virtual time", took)
			}
			b.loop.Stop()
		})
	})
	t.Run("answers_refusals_without_a_commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			b.wantCode(b.ask(t.Context(), cancel("o1", "k1")), dispatch.CodeNotFound)
			if n := len(b.journal.commits()); n > 0 {
				t.Errorf("%d commits", n)
			}
			b.loop.Stop()
		})
	})
	t.Run("does_not_wait_for_a_search", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.cfg.Finder = finder(func(ctx context.Context, s *Seek) Candidates {
				<-ctx.Done() // until Stop
				return Candidates{Round: s.Round}
			})
			b.start()
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			b.wantOK(b.ask(t.Context(), cancel("o1", "")))
			b.loop.Stop()
		})
	})
}

func TestLoop_Do_with_a_key(t *testing.T) {
	t.Run("gives_a_repeat_the_first_answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			first := b.ask(t.Context(), create("o1", "k1"))
			synctest.Wait()
			// The edge mints another order id for the repeat.
			repeat := b.ask(t.Context(), create("o2", "k1"))
			other := b.ask(t.Context(), keyedAs(create("o3", ""), "k1", "something else"))
			b.wantCode(other, dispatch.CodeConflict)
			synctest.Wait()
			b.pending(repeat)
			close(b.journal.hold)
			want := b.wantOK(first)
			b.wantOK(b.ask(t.Context(), cancel("o1", "")))
			after(rememberFor)
			for _, answer := range []<-chan dispatch.Reply{repeat, b.ask(t.Context(), create("o4", "k1"))} {
				if diff := cmp.Diff(want, b.wantOK(answer)); diff != "" {
					t.Errorf("the repeat's answer (-first +repeat):\n%s", diff)
				}
			}
			b.wantCode(b.ask(t.Context(), keyedAs(create("o5", ""), "k1", "something else")), dispatch.CodeConflict)
			if diff := cmp.Diff([]string{"o1/1 searching", "o1/2 cancelled"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("is_not_judged_once_its_asker_has_gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			b.fillGroup()
			ctx, leave := context.WithCancel(t.Context())
			gone := b.ask(ctx, create("gone", "k1"))
			synctest.Wait()
			leave()
			b.wantCode(gone, dispatch.CodeUnavailable)
			// Its repeat comes when the first one is still queued.
			repeat := b.ask(t.Context(), create("again", "k1"))
			synctest.Wait()
			close(b.journal.hold)
			if r := b.wantOK(repeat); r.Order.ID != "again" {
				t.Errorf("the repeat was given %s", r.Order.ID)
			}
			if b.was("gone/1 searching") {
				t.Error("what nobody waited for was done")
			}
			b.loop.Stop()
		})
	})
	t.Run("is_not_judged_when_its_answer_may_be_forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold, b.journal.deaf = make(chan struct{}), true
			b.start()
			b.fillGroup()
			old := b.ask(t.Context(), create("o1", "k1"))
			plain := b.ask(t.Context(), create("o2", ""))
			after(rememberFor / 2)
			close(b.journal.hold)
			b.wantCode(old, dispatch.CodeUnavailable)
			b.wantOK(plain)
			b.wantOK(b.ask(t.Context(), create("o3", "k1")))
			b.loop.Stop()
		})
	})
	t.Run("is_another_key_of_another_sub", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			b.wantOK(b.ask(t.Context(), create("o1", "k1")))
			c := create("o2", "k1")
			c.By.Sub, c.New.Rider = "r2", "r2"
			if r := b.wantOK(b.ask(t.Context(), c)); r.Order.ID != "o2" {
				t.Errorf("r2 was given %s", r.Order.ID)
			}
			b.loop.Stop()
		})
	})
	t.Run("judges_anew_what_changed_nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			b.wantCode(b.ask(t.Context(), cancel("o1", "k1")), dispatch.CodeNotFound)
			b.wantOK(b.ask(t.Context(), create("o1", "k2")))
			b.wantOK(b.ask(t.Context(), cancel("o1", "k1")))
			// A decided refusal stays.
			b.wantCode(b.ask(t.Context(), cancel("o1", "k3")), dispatch.CodeIllegalTransition)
			b.wantCode(b.ask(t.Context(), cancel("o1", "k3")), dispatch.CodeIllegalTransition)
			b.loop.Stop()
		})
	})
	t.Run("is_forgotten_after_a_while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			for i := range 5 {
				b.wantOK(b.ask(t.Context(), create(fmt.Sprintf("o%d", i), fmt.Sprintf("k%d", i))))
			}
			after(rememberFor + time.Second)
			b.wantOK(b.ask(t.Context(), create("o9", "k9")))
			b.loop.Stop()
			if n := len(b.loop.answer.known); n != 1 || len(b.loop.answer.order) != 1 {
				t.Errorf("%d keys are known", n)
			}
		})
	})
}

func TestLoop_run(t *testing.T) {
	t.Run("steps_when_market_time_comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.cfg.Finder = finder(func(_ context.Context, s *Seek) Candidates {
				c := Candidates{Round: s.Round}
				for _, o := range s.Orders {
					if len(o.Barred) == 0 {
						c.Pairs = append(c.Pairs, Candidate{Order: o.Order, Driver: "d1", Pickup: time.Minute, Source: "test"})
					}
				}
				return c
			})
			var rounds []RoundStats
			b.cfg.Probe.Round = func(s RoundStats, _ time.Duration) { rounds = append(rounds, s) }
			b.start()
			b.wantOK(b.ask(t.Context(), online("d1")))
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			synctest.Wait()
			b.clock.Advance(15 * time.Second)
			synctest.Wait()
			b.clock.Advance(300 * time.Second)
			synctest.Wait()
			want := []string{
				"d1/1 driver.online", "o1/1 searching", "o1/2 offered", "o1/3 searching", "o1/4 no_driver",
			}
			if diff := cmp.Diff(want, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
			var told []string
			for _, n := range b.notices {
				told = append(told, fmt.Sprintf("%s %s %s", n.Offer.Driver, n.Offer.Order, n.Offer.State))
			}
			if diff := cmp.Diff([]string{"d1 o1 live", "d1 o1 expired"}, told); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
			if !b.free["d1"] || len(rounds) < 2 || rounds[0].Matched != 1 {
				t.Errorf("d1 free: %t, rounds %+v", b.free["d1"], rounds)
			}
		})
	})
	t.Run("takes_a_new_policy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			p := dispatch.DefaultPolicy()
			p.SearchTimeout = time.Second
			b.loop.Reload(p)
			b.clock.Advance(time.Second)
			synctest.Wait()
			if !b.was("o1/2 no_driver") {
				t.Errorf("history: %v", b.history())
			}
			b.loop.Stop()
			b.loop.Reload(p) // returns, the loop having ended
		})
	})
}

func TestLoop_Start(t *testing.T) {
	t.Run("goes_on_from_the_journal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			b.wantOK(b.ask(t.Context(), online("d1")))
			b.loop.Stop()
			b.start()
			b.wantOK(b.ask(t.Context(), cancel("o1", "")))
			b.loop.Stop()
			if b.starts != 2 || !b.free["d1"] || b.journal.lease.Epoch != 2 {
				t.Errorf("%d starts, d1 free: %t, lease %+v", b.starts, b.free["d1"], b.journal.lease)
			}
		})
	})
	t.Run("gives_the_error_of_the_store", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.setAway(true)
			b.loop = NewLoop(b.cfg)
			if err := b.loop.Start(t.Context(), dispatch.Lease{}); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
				t.Errorf("start: %v", err)
			}
			b.wantCode(b.ask(t.Context(), create("o1", "")), dispatch.CodeUnavailable)
			b.loop.Stop()
		})
	})
	t.Run("is_refused_the_second_time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t).start()
			if err := b.loop.Start(t.Context(), dispatch.Lease{}); err == nil {
				t.Error("started twice")
			}
			b.loop.Stop()
		})
	})
}

func TestLoop_Stop(t *testing.T) {
	t.Run("commits_and_answers_what_was_stepped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			flying := b.ask(t.Context(), create("o1", ""))
			synctest.Wait()
			forming := b.ask(t.Context(), create("o2", ""))
			synctest.Wait()
			stopped := make(chan struct{})
			go func() { b.loop.Stop(); close(stopped) }()
			synctest.Wait()
			b.wantCode(b.ask(t.Context(), create("o3", "")), dispatch.CodeUnavailable)
			close(b.journal.hold)
			b.wantOK(flying)
			b.wantOK(forming)
			<-stopped
			b.loop.Stop()
			if diff := cmp.Diff([]string{"o1/1 searching", "o2/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("begins_nothing_new", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.start()
			answer := b.ask(t.Context(), create("o1", ""))
			synctest.Wait()
			stopped := make(chan struct{})
			go func() { b.loop.Stop(); close(stopped) }()
			synctest.Wait()
			b.clock.Advance(time.Hour) // the search is over by now: the next leader's to say
			synctest.Wait()
			close(b.journal.hold)
			b.wantOK(answer)
			<-stopped
			if diff := cmp.Diff([]string{"o1/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("works_unstarted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.loop = NewLoop(b.cfg)
			b.loop.Stop()
			b.loop.Stop()
			b.wantCode(b.ask(t.Context(), create("o1", "")), dispatch.CodeUnavailable)
			if err := b.loop.Start(t.Context(), dispatch.Lease{}); err == nil {
				t.Error("started after Stop")
			}
		})
	})
	t.Run("leaves_a_lost_commit_alone_while_the_store_is_away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = func(int, *dispatch.Batch) fault {
				b.journal.setAway(true)
				return faultOut
			}
			b.start()
			answers := []<-chan dispatch.Reply{b.ask(t.Context(), create("o0", "k"))}
			synctest.Wait()
			for i := range 50 {
				answers = append(answers, b.ask(t.Context(), create(fmt.Sprintf("o%d", i+1), "")))
			}
			synctest.Wait()
			b.loop.Stop()
			for _, answer := range answers {
				b.wantCode(answer, dispatch.CodeUnavailable)
			}
			// What was stepped on top of the lost group must not be tried.
			if n := len(b.journal.commits()); n != 1 || len(b.history()) > 0 {
				t.Errorf("%d commits, history %v", n, b.history())
			}
		})
	})
}

// sorted gives words in order, for what may come in any.
func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return words
}
