package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func commitTests() []sentence {
	return []sentence{
		{"an_earlier_epoch_is_fenced", commitOldEpoch},
		{"an_epoch_nobody_took_is_fenced", commitFutureEpoch},
		{"a_batch_committed_twice_is_fenced", commitTwice},
		{"a_batch_ahead_is_fenced", commitAhead},
		{"groups_without_an_event_count_too", commitEmpty},
		{"a_refused_group_leaves_nothing", commitRefusedWhole},
		{"several_events_of_one_order_stand_in_one_batch", commitSeveral},
		{"a_hole_in_seq_is_refused", commitSeqHole},
		{"a_seq_told_twice_is_refused", commitSeqTwice},
		{"a_version_skipped_or_told_twice_is_refused", commitVersion},
		{"a_batch_at_odds_with_itself_is_refused", commitOdd},
		{"a_context_that_ended_is_neither_fenced_nor_refused", commitCancelled},
		{"thirty_two_leaders_race_and_one_batch_is_in", commitRace},
		{"readers_see_whole_batches_while_a_writer_writes", commitReaders},
	}
}

func commitOldEpoch(t *testing.T, h *house) {
	old := NewBook(t, h, sf)
	NewBook(t, h, sf).Commit()
	old.Create("o1", "r1")
	wantIs(t, "commit by the deposed", h.Commit(t.Context(), old.Batch()), dispatch.ErrFenced)
	old.Lease.Batch++ // even when it guesses the batch
	wantIs(t, "commit by the deposed", h.Commit(t.Context(), old.Batch()), dispatch.ErrFenced)
	wantNothing(t, h)
}

func commitFutureEpoch(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Lease.Epoch++
	wantIs(t, "commit", h.Commit(t.Context(), b.Batch()), dispatch.ErrFenced)
}

func commitTwice(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	batch := b.Batch()
	ok(t, "commit", h.Commit(t.Context(), batch))
	wantIs(t, "the same commit again", h.Commit(t.Context(), batch), dispatch.ErrFenced)
}

func commitAhead(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Lease.Batch++
	b.Create("o1", "r1")
	wantIs(t, "commit", h.Commit(t.Context(), b.Batch()), dispatch.ErrFenced)
	wantNothing(t, h)
}

func commitEmpty(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	for range 3 {
		b.Commit()
	}
	lease, err := h.Lead(t.Context(), sf)
	ok(t, "lead", err)
	same(t, "lease", lease, dispatch.Lease{Market: sf, Epoch: 2, Batch: 3, Last: 1})
}

// wantNothing checks that no order, event or key of the tests above is in.
func wantNothing(t *testing.T, h *house) {
	t.Helper()
	_, err := h.Order(t.Context(), "o1")
	wantCode(t, "order", err, dispatch.CodeNotFound)
	_, err = h.OrderEvents(t.Context(), "o1", 0, 10)
	wantCode(t, "order events", err, dispatch.CodeNotFound)
	_, err = h.Offer(t.Context(), "f1")
	wantCode(t, "offer", err, dispatch.CodeNotFound)
	_, err = h.Duty(t.Context(), "d1")
	wantCode(t, "duty", err, dispatch.CodeNotFound)
	_, kept, err := h.Answer(t.Context(), "r1", "k1")
	if kept || err != nil {
		t.Errorf("answer is kept: %v, %v", kept, err)
	}
	r, err := h.Recover(t.Context(), sf)
	ok(t, "recover", err)
	r.At = time.Time{} // empty groups of the tests have told one
	same(t, "recovery", r, dispatch.Recovery{})
}

func commitRefusedWhole(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 1)
	b.Create("o1", "r1")
	o := b.Order("o1")
	b.Answer("r1", "k1", "", &o)
	b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	b.Create("o2", "r2")
	b.Move("o2", dispatch.StateCompleted, With("d1")) // against the law
	batch := b.Batch()
	wantIs(t, "commit", h.Commit(t.Context(), batch), dispatch.ErrRefused)
	wantNothing(t, h)
	lease, err := h.Lead(t.Context(), sf)
	ok(t, "lead", err)
	same(t, "lease", lease, dispatch.Lease{Market: sf, Epoch: 2})
}

func commitSeveral(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 1)
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateOffered, nil)
	b.Move("o1", dispatch.StateEnRouteToPickup, With("d1"))
	b.Move("o1", dispatch.StateCancelled, Cancelled)
	b.Create("o2", "r2")
	b.Move("o2", dispatch.StateEnRouteToPickup, With("d1")) // free again within the batch
	b.Duty("d1", true, 2)
	b.Commit()
	for _, id := range []dispatch.OrderID{"o1", "o2"} {
		o, err := h.Order(t.Context(), id)
		ok(t, "order", err)
		same(t, "order", o, b.Order(id))
	}
	d, err := h.Duty(t.Context(), "d1")
	ok(t, "duty", err)
	same(t, "duty", d, b.duties["d1"])
}

func commitSeqHole(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Seq++
	b.Create("o1", "r1")
	wantIs(t, "commit with a hole before it", b.TryCommit(), dispatch.ErrRefused)
	b.Create("o1", "r1")
	b.Seq++
	b.Create("o2", "r1")
	wantIs(t, "commit with a hole in it", b.TryCommit(), dispatch.ErrRefused)
	wantNothing(t, h)
}

func commitSeqTwice(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Commit()
	b.Seq--
	b.Create("o2", "r1")
	wantIs(t, "commit", b.TryCommit(), dispatch.ErrRefused)
}

func commitVersion(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Duty("d1", true, 1)
	b.Commit()
	for _, step := range []int64{-1, 1} {
		b.Move("o1", dispatch.StateOffered, func(o *dispatch.Order) { o.Version += step })
		wantIs(t, fmt.Sprintf("order's version off by %d", step), b.TryCommit(), dispatch.ErrRefused)
		d := b.duties["d1"]
		d.Version += step
		b.SetDuty(d)
		b.Duty("d1", false, 0)
		wantIs(t, fmt.Sprintf("duty's version off by %d", step), b.TryCommit(), dispatch.ErrRefused)
	}
	b.Create("o1", "r2")
	wantIs(t, "an order made twice", b.TryCommit(), dispatch.ErrRefused)
}

func commitOdd(t *testing.T, h *house) {
	NewBook(t, h, la)
	for name, spoil := range map[string]func(*dispatch.Batch){
		"an event of another market":  func(b *dispatch.Batch) { b.Events[0].Market = la },
		"an order of another market":  func(b *dispatch.Batch) { b.Events[0].Order.Market = la },
		"an order at another version": func(b *dispatch.Batch) { b.Events[0].Order.Version = 2 },
		"an order in another state":   func(b *dispatch.Batch) { b.Events[0].Order.State = dispatch.StateOffered },
		"an event and its order of another market": func(b *dispatch.Batch) {
			b.Events[0].Market, b.Events[0].Order.Market = la, la
		},
		"an event before the one it follows": func(b *dispatch.Batch) {
			b.Events[0].Seq, b.Events[1].Seq = b.Events[1].Seq, b.Events[0].Seq
		},
		"an event of nothing":              func(b *dispatch.Batch) { b.Events[0].Order = nil },
		"an event of an order and a duty":  func(b *dispatch.Batch) { b.Events[0].Duty = b.Events[1].Duty },
		"an online event of a duty off":    func(b *dispatch.Batch) { b.Events[1].Duty.Online = false },
		"a duty of another market":         func(b *dispatch.Batch) { b.Events[1].Duty.Market = la },
		"a type that is not of the state":  func(b *dispatch.Batch) { b.Events[0].Type = "order.scheduled" },
		"a creation from a state":          func(b *dispatch.Batch) { b.Events[0].From = dispatch.StateScheduled },
		"an offer of another market":       func(b *dispatch.Batch) { b.Offers[0].Market = la },
		"an offer of an unknown order":     func(b *dispatch.Batch) { b.Offers[0].Order = "o9" },
		"an answer of another market":      func(b *dispatch.Batch) { b.Answers[0].Market = la },
		"an answer without a key":          func(b *dispatch.Batch) { b.Answers[0].Key = dispatch.Key{} },
		"a live offer that has ended":      func(b *dispatch.Batch) { b.Offers[0].EndedAt = Start() },
		"an order without time of request": func(b *dispatch.Batch) { b.Events[0].Order.RequestedAt = time.Time{} },
	} {
		b := NewBook(t, h, sf)
		b.Create("o1", "r1")
		b.Duty("d1", true, 1)
		b.Offer("f1", "o1", "d1", dispatch.OfferLive)
		b.Answer("r1", "k1", dispatch.CodeTaken, nil)
		batch := b.Batch()
		spoil(batch)
		wantIs(t, name, h.Commit(t.Context(), batch), dispatch.ErrRefused)
		wantNothing(t, h)
	}
}

func commitCancelled(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := h.Commit(ctx, b.Batch())
	if err == nil || errors.Is(err, dispatch.ErrFenced) || errors.Is(err, dispatch.ErrRefused) {
		t.Fatalf("commit gave %v, want an ambiguous error", err)
	}
	r := b.Recover()
	if in := b.Lease.Batch == 1; in != (r.Seq == 1) || in != (len(r.Orders) == 1) {
		t.Errorf("a new epoch tells batch %d, but seq is %d", b.Lease.Batch, r.Seq)
	}
}

func commitRace(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	const racers, rounds = 32, 10
	for round := range rounds {
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			rival := b.rival()
			rival.Create(dispatch.OrderID(fmt.Sprint("o", round, "-", i)), "r1")
			wg.Go(func() { errs[i] = h.Commit(t.Context(), rival.Batch()) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantIs(t, "a loser's commit", err, dispatch.ErrFenced)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d commits of batch %d are in, want 1", round, won, b.Lease.Batch)
		}
		b.Recover()
	}
	if b.Seq != rounds {
		t.Errorf("%d events after %d rounds", b.Seq, rounds)
	}
}

func commitReaders(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				r, err := h.Recover(t.Context(), sf)
				if err != nil || int64(len(r.Orders))*2 != r.Seq || len(r.Offers) != 0 {
					t.Errorf("read %d orders at seq %d: %v", len(r.Orders), r.Seq, err)
					return
				}
				events, err := h.MarketEvents(t.Context(), sf, r.Seq/2, 1000)
				if err != nil || int64(len(events)) < r.Seq-r.Seq/2 {
					t.Errorf("read %d events after %d of at least %d: %v", len(events), r.Seq/2, r.Seq, err)
					return
				}
			}
		})
	}
	for i := range 60 {
		id := dispatch.OrderID(fmt.Sprint("o", i))
		b.Create(id, "r1")
		b.Move(id, dispatch.StateOffered, nil)
		b.Commit()
	}
	stop()
	wg.Wait()
}
