package node

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
)

var explainedAt = time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)

// round is one of an order that found the drivers, or nobody.
func round(id dispatch.OrderID, n int, drivers ...dispatch.DriverID) dispatch.Explanation {
	e := dispatch.Explanation{Market: "sf", Order: id, Round: int64(n), At: explainedAt.Add(time.Duration(n) * 2 * time.Second), Chosen: drivers}
	if len(drivers) == 0 {
		e.Unmatched = dispatch.UnmatchedNobodyNear
	}
	for _, d := range append(drivers, "near") {
		e.Candidates = append(e.Candidates, dispatch.Considered{Driver: d, Terms: make([]dispatch.CostTerm, 3)})
	}
	return e
}

// numbers gives the rounds' numbers.
func numbers(es []dispatch.Explanation) (ns []int64) {
	for _, e := range es {
		ns = append(ns, e.Round)
	}
	return ns
}

func wantRounds(t *testing.T, what string, got []dispatch.Explanation, want ...int64) {
	t.Helper()
	if diff := cmp.Diff(want, numbers(got)); diff != "" {
		t.Errorf("%s are rounds (-want +got):\n%s", what, diff)
	}
}

func TestBook(t *testing.T) {
	dropped := 0
	fresh := func() *book { dropped = 0; return newBook(func(_ string, n int) { dropped += n }) }
	t.Run("every_round_is_remembered_and_what_is_new_is_written", func(t *testing.T) {
		b := fresh()
		for n := 1; n <= 20; n++ { // 2 s apart
			b.add([]dispatch.Explanation{round("o1", n), round("o2", n)})
		}
		b.add([]dispatch.Explanation{round("o1", 21, "d1")})
		filtered := round("o2", 21)
		filtered.Unmatched = dispatch.UnmatchedFiltered
		b.add([]dispatch.Explanation{filtered})
		if got := b.of("o1"); len(got) != 21 {
			t.Errorf("remembered %v", numbers(got))
		}
		var of1, of2 []dispatch.Explanation
		for _, e := range b.rest(time.Time{}) {
			if e.Order == "o1" {
				of1 = append(of1, e)
			} else {
				of2 = append(of2, e)
			}
		}
		wantRounds(t, "written of o1", of1, 1, 16, 21) // the first, one 30 s after it, and the one that chose
		wantRounds(t, "written of o2", of2, 1, 16, 21) // and the one with another reason
		wantRounds(t, "written again", b.rest(time.Time{}))
	})
	t.Run("an_order_has_its_latest_rounds", func(t *testing.T) {
		b := fresh()
		for n := 1; n <= explainRounds+5; n++ {
			b.add([]dispatch.Explanation{round("o1", n)})
		}
		if got := b.of("o1"); len(got) != explainRounds || got[0].Round != 6 {
			t.Errorf("remembered %d from %d", len(got), got[0].Round)
		}
		wantRounds(t, "of another", b.of("o9"))
	})
	t.Run("old_rounds_are_forgotten", func(t *testing.T) {
		b := fresh()
		b.add([]dispatch.Explanation{round("o1", 1), round("o2", 1)})
		b.add([]dispatch.Explanation{round("o1", 9)})
		b.rest(explainedAt.Add(10 * time.Second))
		wantRounds(t, "remembered of o1", b.of("o1"), 9)
		wantRounds(t, "remembered of o2", b.of("o2"))
		if len(b.orders) != 1 || b.rounds.Len() != 1 {
			t.Errorf("%d orders, %d rounds are left", len(b.orders), b.rounds.Len())
		}
	})
	t.Run("memory_is_bounded_and_what_came_first_goes_first", func(t *testing.T) {
		b := fresh()
		const orders = 100_000
		for n := range orders {
			b.add([]dispatch.Explanation{round(dispatch.OrderID(fmt.Sprint("o", n)), 1, "d1")})
		}
		if b.bytes > explainBytes || b.bytes < explainBytes/2 || b.waitingBytes > explainBytes {
			t.Errorf("%d bytes are remembered, %d wait, the bound is %d", b.bytes, b.waitingBytes, explainBytes)
		}
		wantRounds(t, "of the first order", b.of("o0"))
		wantRounds(t, "of the last order", b.of(dispatch.OrderID(fmt.Sprint("o", orders-1))), 1)
		if waiting := len(b.rest(time.Time{})); waiting+dropped != orders || dropped == 0 {
			t.Errorf("%d wait and %d were dropped, of %d", waiting, dropped, orders)
		}
		for b.rounds.Len() > 0 {
			b.dropLocked(b.rounds.Front())
		}
		if b.bytes != 0 || len(b.orders) != 0 {
			t.Errorf("of nothing %d bytes and %d orders are left", b.bytes, len(b.orders))
		}
	})
	t.Run("who_is_erased_is_forgotten", func(t *testing.T) {
		b := fresh()
		b.add([]dispatch.Explanation{round("o1", 1, "d1"), round("o2", 1, "d2"), round("o3", 1)})
		b.forget("d1", []dispatch.OrderID{"o3"})
		wantRounds(t, "of the driver", b.of("o1"))
		wantRounds(t, "of another driver", b.of("o2"), 1)
		wantRounds(t, "of the erased order", b.of("o3"))
		b.forget("near", nil)
		wantRounds(t, "of a candidate", b.of("o2"))
	})
}

// shelf is an archive of explanations that is away once it has taken enough.
type shelf struct {
	Archive
	took  []int
	until int
}

func (s *shelf) AddExplanations(_ context.Context, es []dispatch.Explanation) error {
	if len(s.took) == s.until {
		return dispatch.Unavailable("away", nil)
	}
	s.took = append(s.took, len(es))
	return nil
}

func TestExplainer_write(t *testing.T) {
	for _, c := range []struct {
		until         int
		took          []int
		kept, dropped float64
	}{
		{9, []int{explainAtOnce, explainAtOnce, 88}, 600, 0}, {1, []int{explainAtOnce}, explainAtOnce, 600 - explainAtOnce},
	} {
		archive := &shelf{until: c.until}
		registry := prometheus.NewRegistry()
		x := newExplainer(&Node{cfg: Config{
			Archive: archive, Clock: dispatch.NewManual(explainedAt), Log: slog.New(slog.DiscardHandler), Registry: registry,
		}})
		b := newBook(x.count)
		for n := range 600 {
			b.add([]dispatch.Explanation{round(dispatch.OrderID(fmt.Sprint("o", n)), 1, "d1")})
		}
		x.write(t.Context(), b)
		x.write(t.Context(), b) // nothing is left
		if diff := cmp.Diff(c.took, archive.took); diff != "" {
			t.Errorf("transactions (-want +got):\n%s", diff)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		counted := map[string]float64{}
		for _, m := range families[0].GetMetric() {
			counted[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
		if counted["kept"] != c.kept || counted["dropped"] != c.dropped {
			t.Errorf("counted %v, want kept %v and dropped %v", counted, c.kept, c.dropped)
		}
	}
}
