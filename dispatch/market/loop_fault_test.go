package market

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

// nth gives a fault to one commit only.
func nth(n int, f fault) func(int, *dispatch.Batch) fault {
	return func(i int, _ *dispatch.Batch) fault {
		if i == n {
			return f
		}
		return faultNone
	}
}

// crowd asks for n orders so that the first is in flight and the others form a group behind it.
func (b *bench) crowd(n int) []<-chan dispatch.Reply {
	var answers []<-chan dispatch.Reply
	for i := range n {
		answers = append(answers, b.ask(b.Context(), create(fmt.Sprintf("o%d", i), fmt.Sprintf("k%d", i))))
		synctest.Wait()
	}
	return answers
}

// orders are the creations of n orders as crowd asks for them.
func orders(n int) []string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprintf("o%d/1 searching", i))
	}
	return words
}

func TestLoop_settle(t *testing.T) {
	t.Run("lets_out_a_group_that_was_in_after_all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = nth(1, faultIn)
			b.start()
			answers := b.crowd(5)
			close(b.journal.hold)
			for _, answer := range answers {
				b.wantOK(answer)
			}
			// Nothing was stepped twice, and the core went on.
			if diff := cmp.Diff(orders(5), b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]int{1, 4}, b.journal.commits()); diff != "" {
				t.Errorf("events of each commit (-want +got):\n%s", diff)
			}
			b.loop.Stop()
			if b.starts != 1 || b.journal.lease.Epoch != 2 {
				t.Errorf("%d starts, lease %+v", b.starts, b.journal.lease)
			}
		})
	})
	t.Run("steps_again_what_was_lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = nth(2, faultOut)
			recovered := 0
			b.cfg.Probe.Recovered = func() { recovered++ }
			b.start()
			answers := b.crowd(5)
			b.journal.hold <- struct{}{}
			synctest.Wait()
			behind := b.ask(t.Context(), create("o5", "k5"))
			synctest.Wait()
			close(b.journal.hold)
			for _, answer := range append(answers, behind) {
				b.wantOK(answer)
			}
			if diff := cmp.Diff(orders(6), b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
			if b.starts != 2 || recovered != 1 {
				t.Errorf("%d starts, %d recoveries", b.starts, recovered)
			}
		})
	})
	t.Run("answers_a_repeat_of_a_command_that_was_lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = nth(1, faultOut)
			b.start()
			first := b.ask(t.Context(), create("o1", "k1"))
			synctest.Wait()
			repeat := b.ask(t.Context(), create("o2", "k1"))
			synctest.Wait()
			close(b.journal.hold)
			if diff := cmp.Diff(b.wantOK(first), b.wantOK(repeat)); diff != "" {
				t.Errorf("the repeat's answer (-first +repeat):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"o1/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("does_not_take_another_leaders_commit_for_its_own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = func(n int, _ *dispatch.Batch) fault {
				if n == 1 {
					after(time.Millisecond)
					b.usurp()
				}
				return faultNone
			}
			b.start()
			// The other may have been asked under the same key; one without a key is simply judged again.
			keyed, plain := b.ask(t.Context(), create("o0", "k0")), b.ask(t.Context(), create("o1", ""))
			b.wantCode(keyed, dispatch.CodeUnavailable)
			b.wantOK(plain)
			if diff := cmp.Diff([]string{"d9/1 driver.online", "o1/1 searching"}, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
			if !b.free["d9"] {
				t.Error("the other leader's driver is not known")
			}
		})
	})
}

func TestLoop_restart(t *testing.T) {
	t.Run("hears_no_candidates_of_the_core_before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			searches := make(chan chan Candidates, 10)
			b.cfg.Finder = finder(func(ctx context.Context, s *Seek) Candidates {
				answer := make(chan Candidates, 1)
				searches <- answer
				select {
				case c := <-answer:
					return c
				case <-ctx.Done():
					return Candidates{Round: s.Round}
				}
			})
			b.journal.fault = nth(2, faultOut)
			b.start()
			b.wantOK(b.ask(t.Context(), online("d1")))
			b.wantOK(b.ask(t.Context(), create("o1", ""))) // the second commit: lost, and done again
			// Both cores sought in their round 1.
			stale, present := <-searches, <-searches
			found := Candidates{Round: 1, Pairs: []Candidate{{Order: "o1", Driver: "d1", Pickup: time.Minute, Source: "test"}}}
			stale <- found
			synctest.Wait()
			if b.was("o1/2 offered") {
				t.Error("candidates of the core that was dropped were heard")
			}
			present <- found
			synctest.Wait()
			if !b.was("o1/2 offered") {
				t.Errorf("history: %v", b.history())
			}
			b.loop.Stop()
		})
	})
	t.Run("keeps_the_policy_that_was_reloaded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = nth(1, faultOut)
			b.start()
			p := dispatch.DefaultPolicy()
			p.SearchTimeout = time.Second
			b.loop.Reload(p)
			b.wantOK(b.ask(t.Context(), create("o1", "")))
			b.clock.Advance(time.Second)
			synctest.Wait()
			if b.starts != 2 || !b.was("o1/2 no_driver") {
				t.Errorf("%d starts, history: %v", b.starts, b.history())
			}
			b.loop.Stop()
		})
	})
}

func TestLoop_refuse(t *testing.T) {
	t.Run("guesses_nothing_when_another_led_after_a_lost_commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = func(n int, _ *dispatch.Batch) fault {
				if n > 1 {
					return faultNone
				}
				b.usurp()
				return faultOut
			}
			b.start()
			answers := append(b.crowd(2), b.ask(t.Context(), create("o2", "")))
			after(time.Millisecond)
			close(b.journal.hold)
			b.wantCode(answers[0], dispatch.CodeUnavailable)
			b.wantCode(answers[1], dispatch.CodeUnavailable) // its key may have come to the other, too
			b.wantOK(answers[2])                             // it was never committed, so it is simply judged again
			b.wantOK(b.ask(t.Context(), create("o0", "k0")))
			want := []string{"d9/1 driver.online", "o2/1 searching", "o0/1 searching"}
			if diff := cmp.Diff(want, b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
}

// usurp leads the market as another node would, and makes one commit.
func (b *bench) usurp() {
	lease, err := b.journal.memory.Lead(b.Context(), "sf")
	if err != nil {
		b.Error(err)
		return
	}
	r, err := b.journal.memory.Recover(b.Context(), "sf")
	if err != nil {
		b.Error(err)
		return
	}
	cmd := online("d9")
	core := NewCore("sf", b.cfg.Market.Policy, r)
	out := core.Step(t0, Do{Command: cmd, Known: b.journal.known(&cmd)})
	batch := dispatch.Batch{Market: "sf", Epoch: lease.Epoch, Batch: lease.Batch, At: core.Now(), Events: out.Events}
	if err := b.journal.memory.Commit(b.Context(), &batch); err != nil {
		b.Error(err)
	}
}

func TestLoop_stepAgain(t *testing.T) {
	// A group with o2 in it is refused, as by a constraint of the store.
	poisoned := func(_ int, b *dispatch.Batch) fault {
		if slices.ContainsFunc(b.Events, func(e dispatch.Event) bool { return e.Order != nil && e.Order.ID == "o2" }) {
			return faultRefuse
		}
		return faultNone
	}
	t.Run("answers_the_guilty_command_internal_and_does_the_others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = poisoned
			b.start()
			answers := b.crowd(5)
			close(b.journal.hold)
			for i, answer := range answers {
				if i == 2 {
					b.wantCode(answer, dispatch.CodeInternal)
				} else {
					b.wantOK(answer)
				}
			}
			if diff := cmp.Diff(slices.Delete(orders(5), 2, 3), b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			// The key may be tried again.
			b.wantOK(b.ask(t.Context(), create("o9", "k2")))
			b.loop.Stop()
		})
	})
	t.Run("goes_in_groups_again_afterwards", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = func(n int, batch *dispatch.Batch) fault {
				after(time.Millisecond) // of virtual time, in which the others queue
				return poisoned(n, batch)
			}
			b.start()
			b.wantCode(b.ask(t.Context(), create("o2", "")), dispatch.CodeInternal)
			before := len(b.journal.commits())
			var answers []<-chan dispatch.Reply
			for i := range 20 {
				answers = append(answers, b.ask(t.Context(), create(fmt.Sprintf("p%d", i), "")))
			}
			for _, answer := range answers {
				b.wantOK(answer)
			}
			// The first may go alone, and the second while the loop still goes one by one.
			if n := len(b.journal.commits()) - before; n > 3 {
				t.Errorf("%d commits for 20 commands that came at once", n)
			}
			b.loop.Stop()
		})
	})
	t.Run("keeps_the_order_of_arrival", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.hold = make(chan struct{})
			b.journal.fault = poisoned
			b.start()
			answers := b.crowd(5)
			b.journal.hold <- struct{}{} // o0
			b.journal.hold <- struct{}{} // o1 to o4, refused
			// The market is recovered and o1 is in flight alone, with o2, o3 and o4 behind it.
			after(retryEvery)
			synctest.Wait()
			answers = append(answers, b.ask(t.Context(), create("o5", "k5")))
			synctest.Wait()
			close(b.journal.hold)
			b.wantCode(answers[2], dispatch.CodeInternal)
			for _, answer := range slices.Delete(answers, 2, 3) {
				b.wantOK(answer)
			}
			if diff := cmp.Diff(slices.Delete(orders(6), 2, 3), b.history()); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
}

func TestLoop_retake(t *testing.T) {
	t.Run("bounds_what_waits_while_the_store_is_away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = func(n int, _ *dispatch.Batch) fault {
				if n > 1 {
					return faultNone
				}
				b.journal.setAway(true)
				return faultOut
			}
			b.start()
			lost := b.ask(t.Context(), create("lost", "k"))
			synctest.Wait()
			var answers []<-chan dispatch.Reply
			for i := range newOrdersUpTo {
				answers = append(answers, b.ask(t.Context(), create(fmt.Sprintf("o%d", i), "")))
			}
			synctest.Wait()
			b.pending(lost)
			shed := func(what string, c dispatch.Command) {
				t.Helper()
				r := <-b.ask(t.Context(), c)
				if r.Err == nil || r.Err.Code != dispatch.CodeOverloaded || r.Err.RetryAfter <= 0 {
					t.Errorf("%s above the limit: %+v", what, r)
				}
			}
			shed("an order", create("shed", ""))
			var others []<-chan dispatch.Reply
			for range queueLen - newOrdersUpTo {
				others = append(others, b.ask(t.Context(), cancel("nowhere", "")))
			}
			synctest.Wait()
			shed("a command", cancel("nowhere", ""))
			after(time.Minute)
			b.journal.setAway(false)
			b.wantOK(lost)
			for _, answer := range answers {
				b.wantOK(answer)
			}
			for _, answer := range others {
				b.wantCode(answer, dispatch.CodeNotFound)
			}
			if diff := cmp.Diff(sorted(append(orders(newOrdersUpTo), "lost/1 searching")), sorted(b.history())); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			b.loop.Stop()
		})
	})
	t.Run("leaves_the_asker_its_own_patience", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.journal.fault = func(n int, _ *dispatch.Batch) fault {
				b.journal.setAway(n == 1)
				return nth(1, faultOut)(n, nil)
			}
			b.start()
			ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
			defer stop()
			began := time.Now()
			b.wantCode(b.ask(ctx, create("o1", "k1")), dispatch.CodeUnavailable)
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("answered after %v", took)
			}
			// It takes effect all the same, and the same key is safe to repeat.
			repeat := b.ask(t.Context(), create("o2", "k1"))
			synctest.Wait()
			b.journal.setAway(false)
			if r := b.wantOK(repeat); r.Order.ID != "o1" {
				t.Errorf("the repeat was given %s", r.Order.ID)
			}
			b.loop.Stop()
		})
	})
}

// Whatever becomes of commits, each command is done once and answered once, and the answer is true.
func TestLoop_random_faults(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 7))
				b := newBench(t)
				b.journal.fault = func(int, *dispatch.Batch) fault {
					after(time.Duration(random.IntN(20)) * time.Millisecond)
					return []fault{faultNone, faultNone, faultNone, faultIn, faultOut, faultRefuse}[random.IntN(6)]
				}
				b.start()
				const n = 200
				replies := make([]<-chan dispatch.Reply, n)
				for i := range n {
					replies[i] = b.ask(t.Context(), create(fmt.Sprintf("o%d", i), fmt.Sprintf("k%d", i)))
					if i%7 == 0 {
						after(time.Millisecond)
						b.clock.Advance(100 * time.Millisecond)
					}
				}
				var want []string
				for i := range n {
					switch r := <-replies[i]; {
					case r.Err == nil:
						want = append(want, fmt.Sprintf("o%d/1 searching", i))
					case r.Err.Code != dispatch.CodeInternal: // refused alone, by chance
						t.Errorf("o%d: %v", i, r.Err)
					}
				}
				b.loop.Stop()
				if diff := cmp.Diff(sorted(want), sorted(b.history())); diff != "" {
					t.Errorf("answered with success (-) and done (+):\n%s", diff)
				}
			})
		})
	}
}
