package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueue_first compares a queue with a sorted list, through random changes.
func TestQueue_first(t *testing.T) {
	const slots = 40
	r := rand.New(rand.NewPCG(1, 2))
	q := newQueue(slots)
	want := map[int]time.Time{}
	start := time.Unix(1000, 0).UTC()
	for range 20_000 {
		slot := r.IntN(slots)
		switch r.IntN(4) {
		case 0:
			q.drop(slot)
			delete(want, slot)
		case 1:
			q.set(slot, time.Time{})
			delete(want, slot)
		default: // few instants, so that many are the same
			at := start.Add(time.Duration(r.IntN(9)) * 500)
			q.set(slot, at)
			want[slot] = at.Add(time.Microsecond - 1).Truncate(time.Microsecond)
		}
		var order []int
		for s := range want {
			order = append(order, s)
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(want[a].Compare(want[b]), cmp.Compare(a, b)) })
		got, at, ok := q.first()
		if ok != (len(order) > 0) || ok && (got != order[0] || !at.Equal(want[got])) {
			t.Fatalf("got slot %d at %v, %t; want %v of %v", got, at, ok, order, want)
		}
	}
}

func TestGini(t *testing.T) {
	for want, values := range map[float64][]float64{
		0:    {3, 3, 3, 3},
		0.75: {0, 0, 8, 0},
		0.25: {1, 3},
	} {
		if got := gini(values); got < want-1e-12 || got > want+1e-12 {
			t.Errorf("gini(%v) = %v, want %v", values, got, want)
		}
	}
	if gini(nil) != 0 || gini([]float64{0, 0}) != 0 {
		t.Error("nobody's earnings are unequal")
	}
}

func TestSpread(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Second)
	}
	want := Spread{Mean: 50500 * time.Millisecond, P50: 50 * time.Second, P95: 95 * time.Second, P99: 99 * time.Second}
	if got := spread(all); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
