package tune_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch/sim/tune"
)

// landscape is a search over a known cost, which notes the points that it was asked for.
type landscape struct {
	asked []string
	cost  func(tune.Point) float64
}

func (l *landscape) evaluate(points []tune.Point) ([]float64, error) {
	costs := make([]float64, len(points))
	for i, p := range points {
		l.asked = append(l.asked, fmt.Sprint(p))
		costs[i] = l.cost(p)
	}
	return costs, nil
}

func find(t *testing.T, l *landscape, passes int, sizes ...int) tune.Found {
	t.Helper()
	s := tune.Search{Sizes: sizes, Passes: passes, Evaluate: l.evaluate}
	found, err := s.Run()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// bowl is least at the point low; slant ties the keys to each other, so that one pass is not enough.
func bowl(low tune.Point, slant float64) func(tune.Point) float64 {
	return func(p tune.Point) float64 {
		sum := 0.0
		for i := range p {
			d := float64(p[i] - low[i])
			sum += d * d
			if i > 0 {
				sum += slant * d * float64(p[i-1]-low[i-1])
			}
		}
		return sum
	}
}

func TestSearch_Run(t *testing.T) {
	t.Run("finds_the_least_of_a_bowl", func(t *testing.T) {
		l := &landscape{cost: bowl(tune.Point{3, 1, 2}, 0)}
		found := find(t, l, 10, 5, 4, 3)
		if !slices.Equal(found.Best, tune.Point{3, 1, 2}) || found.Cost != 0 || found.Start != 14 {
			t.Errorf("found %+v", found)
		}
		if found.Passes != 2 || !found.Settled {
			t.Errorf("found %+v, want it settled in the second pass", found)
		}
	})
	t.Run("goes_on_while_a_pass_changes_something", func(t *testing.T) {
		// A stair: neither key gets ahead of the other by more than a step.
		l := &landscape{cost: func(p tune.Point) float64 {
			if p[0] > p[1]+1 || p[1] > p[0] {
				return 100
			}
			return 20 - float64(p[0]+p[1])
		}}
		if one := find(t, l, 1, 4, 4); one.Settled || one.Passes != 1 || !slices.Equal(one.Best, tune.Point{1, 1}) {
			t.Errorf("after one pass %+v", one)
		}
		if found := find(t, l, 100, 4, 4); found.Cost != 14 || !found.Settled || found.Passes != 4 {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("is_settled_once_all_other_keys_were_tried_since", func(t *testing.T) {
		if one := find(t, &landscape{cost: bowl(tune.Point{2}, 0)}, 1, 4); !one.Settled || one.Passes != 1 || one.Best[0] != 2 {
			t.Errorf("with one key %+v", one)
		}
		if first := find(t, &landscape{cost: bowl(tune.Point{2, 0}, 0)}, 1, 4, 4); !first.Settled {
			t.Errorf("where only the first key moves %+v", first)
		}
		if last := find(t, &landscape{cost: bowl(tune.Point{0, 2}, 0)}, 1, 4, 4); last.Settled {
			t.Errorf("where the last key moves %+v", last)
		}
	})
	t.Run("asks_for_no_point_twice", func(t *testing.T) {
		l := &landscape{cost: bowl(tune.Point{4, 4, 1}, -1.2)}
		found := find(t, l, 100, 9, 9, 3)
		asked := slices.Sorted(slices.Values(l.asked))
		if once := slices.Compact(slices.Clone(asked)); len(once) != len(asked) || len(once) != found.Points {
			t.Errorf("%d points were asked for, %d of them different, %d are told", len(asked), len(once), found.Points)
		}
	})
	t.Run("is_deterministic", func(t *testing.T) {
		a, b := &landscape{cost: bowl(tune.Point{2, 5}, -1)}, &landscape{cost: bowl(tune.Point{2, 5}, -1)}
		if x, y := find(t, a, 9, 7, 7), find(t, b, 9, 7, 7); fmt.Sprint(x) != fmt.Sprint(y) || !slices.Equal(a.asked, b.asked) {
			t.Errorf("%+v by %v, then %+v by %v", x, a.asked, y, b.asked)
		}
	})
	t.Run("a_tie_keeps_the_earlier_value", func(t *testing.T) {
		flat := find(t, &landscape{cost: func(tune.Point) float64 { return 7 }}, 9, 3, 3)
		if !slices.Equal(flat.Best, tune.Point{0, 0}) || !flat.Settled || flat.Passes != 1 {
			t.Errorf("on flat ground %+v", flat)
		}
		two := find(t, &landscape{cost: func(p tune.Point) float64 { return math.Abs(float64(p[0]) - 2.5) }}, 9, 6)
		if two.Best[0] != 2 {
			t.Errorf("of two that are best %+v, want the first", two)
		}
	})
	t.Run("what_is_no_number_is_worse_than_all", func(t *testing.T) {
		found := find(t, &landscape{cost: func(p tune.Point) float64 {
			if p[0] == 1 {
				return math.NaN()
			}
			return 5 - float64(p[0])
		}}, 9, 3)
		if found.Best[0] != 2 {
			t.Errorf("found %+v", found)
		}
		found = find(t, &landscape{cost: func(p tune.Point) float64 { return []float64{math.NaN(), 5}[p[0]] }}, 9, 2)
		if found.Best[0] != 1 || !math.IsInf(found.Start, 1) {
			t.Errorf("from such a start found %+v", found)
		}
	})
	t.Run("without_keys_the_start_is_the_best", func(t *testing.T) {
		found := find(t, &landscape{cost: func(tune.Point) float64 { return 3 }}, 9)
		if found.Cost != 3 || !found.Settled || found.Points != 1 {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("ends_at_the_first_error", func(t *testing.T) {
		broken := errors.New("broken")
		calls := 0
		s := tune.Search{Sizes: []int{2, 2, 2}, Passes: 3, Evaluate: func(p []tune.Point) ([]float64, error) {
			if calls++; calls == 2 {
				return nil, broken
			}
			return make([]float64, len(p)), nil
		}}
		if _, err := s.Run(); !errors.Is(err, broken) || calls != 2 {
			t.Errorf("got %v after %d calls", err, calls)
		}
	})
}
