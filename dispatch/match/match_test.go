package match

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// enumerate finds the least cost by trying every assignment: the oracle.
func enumerate(p *Problem) int64 {
	taken := make([]bool, p.Drivers)
	var from func(i int) int64
	from = func(i int) int64 {
		if i == len(p.Rows) {
			return 0
		}
		least := p.Penalty[i] + from(i+1)
		for _, e := range p.Rows[i] {
			if !taken[e.Driver] {
				taken[e.Driver] = true
				least = min(least, int64(e.Cost)+from(i+1))
				taken[e.Driver] = false
			}
		}
		return least
	}
	return from(0)
}

// first finds the assignment that Exact promises: the least in full units, and of several the first in the
// lexicographic order of places in the rows, none being last.
func first(p *Problem) Assignment {
	units, ties := scale(p)
	s := Solver{p: p, units: units, ties: ties}
	taken := make([]bool, p.Drivers)
	now, best := make(Assignment, len(p.Rows)), make(Assignment, len(p.Rows))
	least := int64(math.MaxInt64)
	var from func(i int, sum int64)
	from = func(i int, sum int64) {
		if i == len(p.Rows) {
			if sum < least {
				least = sum
				copy(best, now)
			}
			return
		}
		for _, e := range p.Rows[i] {
			if !taken[e.Driver] && int64(e.Cost) < p.Penalty[i] {
				taken[e.Driver], now[i] = true, e.Driver
				from(i+1, sum+int64(e.Cost)<<units+s.hash(orderKey(p, i), driverKey(p, e.Driver)))
				taken[e.Driver] = false
			}
		}
		now[i] = Unmatched
		from(i+1, sum+p.Penalty[i]<<units)
	}
	from(0, 0)
	return best
}

// tied takes the tie-breakers away, so that all is left to the lexicographic order.
func tied(p *Problem) *Problem {
	q := *p
	q.OrderKeys, q.DriverKeys = make([]uint32, len(p.Rows)), make([]uint32, p.Drivers)
	return &q
}

// churned changes some rows and penalties, and gives an earlier result in the new problem's numbering.
func churned(r *rand.Rand, p *Problem, share float64) *Problem {
	q := &Problem{Drivers: p.Drivers}
	for i, row := range p.Rows {
		row = slices.Clone(row)
		if r.Float64() < share {
			for k := range row {
				row[k].Cost = r.Int32N(row[len(row)-1].Cost + 2)
			}
			slices.SortFunc(row, compareEdges)
		}
		q.Rows = append(q.Rows, row)
		q.Penalty = append(q.Penalty, p.Penalty[i])
	}
	return q
}

// problems draws small ones: any shape, many ties, empty rows, penalties from nothing to the greatest.
func problems() *rapid.Generator[*Problem] {
	return rapid.Custom(func(t *rapid.T) *Problem {
		p := &Problem{Drivers: rapid.IntRange(0, 7).Draw(t, "drivers")}
		top := rapid.SampledFrom([]int32{0, 1, 3, 50, math.MaxInt32}).Draw(t, "greatest cost")
		penalty := rapid.SampledFrom([]int64{0, 1, 3, 50, 1 << 31, MaxPenalty}).Draw(t, "greatest penalty")
		for range rapid.IntRange(0, 6).Draw(t, "orders") {
			var row []Edge
			for d := range p.Drivers {
				if rapid.IntRange(0, 2).Draw(t, "edge") > 0 {
					row = append(row, Edge{Driver: int32(d), Cost: rapid.Int32Range(0, top).Draw(t, "cost")})
				}
			}
			slices.SortFunc(row, compareEdges)
			p.Rows = append(p.Rows, row)
			p.Penalty = append(p.Penalty, rapid.Int64Range(0, penalty).Draw(t, "penalty"))
		}
		return p
	})
}

// crowded makes up to 7 orders compete for up to 6 drivers, with penalties among the costs.
func crowded(r *rand.Rand) *Problem {
	p := &Problem{Drivers: 1 + r.IntN(6)}
	top := []int32{3, 10, 100}[r.IntN(3)]
	for range 2 + r.IntN(6) {
		var row []Edge
		for d := range p.Drivers {
			if r.IntN(4) > 0 {
				row = append(row, Edge{Driver: int32(d), Cost: r.Int32N(top)})
			}
		}
		slices.SortFunc(row, compareEdges)
		p.Rows = append(p.Rows, row)
		p.Penalty = append(p.Penalty, int64(r.Int32N(2*top)))
	}
	return p
}

func TestExact(t *testing.T) {
	t.Run("no_assignment_costs_less", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			for range 5 {
				p := problems().Draw(t, "problem")
				if err := p.Validate(); err != nil {
					t.Fatalf("the generator is wrong: %v", err)
				}
				a := Exact(p)
				got, err := Check(p, a)
				if want := enumerate(p); err != nil || got != want {
					t.Fatalf("%+v\n%v costs %d (%v), want %d", p, a, got, err, want)
				}
			}
		})
	})

	// rapid finds edge cases but draws mostly small ones; these are drawn evenly, where orders compete.
	t.Run("no_assignment_costs_less_in_crowded_problems", func(t *testing.T) {
		r := rand.New(rand.NewPCG(10, 10))
		for n := range 4000 {
			p := crowded(r)
			a := Exact(p)
			got, err := Check(p, a)
			if want := enumerate(p); err != nil || got != want {
				t.Fatalf("problem %d: %+v\n%v costs %d (%v), want %d", n, p, a, got, err, want)
			}
		}
	})

	t.Run("prices_prove_large_results", func(t *testing.T) {
		for _, c := range []struct{ orders, drivers, k int }{
			{600, 600, 16}, {600, 600, 32}, {500, 620, 40}, {100, 1000, 16}, {1000, 300, 16}, {600, 600, 4}, {200, 200, 200},
		} {
			for seed := range uint64(3) {
				p := metropolis(c.orders, c.drivers, c.k, 1_200_000, seed)
				r := new(Solver).Solve(p, Options{})
				cost, err := Check(p, r.Assignment)
				if err != nil || cost != r.Cost || cost != r.Bound {
					t.Errorf("%+v seed %d: cost %d (%v), result %d, bound %d", c, seed, cost, err, r.Cost, r.Bound)
				}
			}
		}
	})

	t.Run("of_several_it_is_the_promised_one", func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 11))
		s := new(Solver)
		for n := range 3000 {
			p := crowded(r)
			if n%2 == 0 {
				p = tied(p)
			}
			got, want := s.Solve(p, Options{}).Assignment, first(p)
			if !slices.Equal(got, want) {
				t.Fatalf("problem %d: %+v\ngot %v, want %v", n, p, got, want)
			}
		}
	})

	t.Run("a_warm_start_gives_the_same", func(t *testing.T) {
		r := rand.New(rand.NewPCG(12, 12))
		warm := new(Solver)
		for n := range 3000 {
			p := crowded(r)
			if n%3 == 0 {
				p = metropolis(60, 50, 12, 1_200_000, uint64(n))
			}
			if n%2 == 0 {
				p = tied(p)
			}
			last := warm.Solve(p, Options{})
			for range 4 {
				q := churned(r, p, []float64{0.02, 0.3, 1}[r.IntN(3)])
				q.OrderKeys, q.DriverKeys = p.OrderKeys, p.DriverKeys
				last = warm.Solve(q, Options{Prices: last.Prices, Assignment: last.Assignment})
				cold := new(Solver).Solve(q, Options{})
				if !slices.Equal(last.Assignment, cold.Assignment) || last.Cost != last.Bound {
					t.Fatalf("problem %d: %+v\nwarm %v %d, bound %d\ncold %v %d", n, q, last.Assignment, last.Cost, last.Bound, cold.Assignment, cold.Cost)
				}
				p = q
			}
		}
	})

	t.Run("the_same_bytes_come_from_any_number_of_processors_cold_and_warm", func(t *testing.T) {
		r := rand.New(rand.NewPCG(14, 14))
		before := metropolis(400, 380, 16, 1_200_000, 5)
		p := churned(r, before, 0.02)
		want := ""
		for _, n := range []int{1, 2, 8} {
			was := runtime.GOMAXPROCS(n)
			var all sync.WaitGroup
			got := make([]string, 16)
			for k := range got {
				all.Go(func() {
					s, o := new(Solver), Options{}
					if k%2 > 0 {
						last := s.Solve(before, Options{})
						o = Options{Prices: slices.Clone(last.Prices), Assignment: slices.Clone(last.Assignment)}
					}
					got[k] = fmt.Sprint(s.Solve(p, o).Assignment)
				})
			}
			all.Wait()
			runtime.GOMAXPROCS(was)
			for k := range got {
				if want == "" {
					want = got[k]
				}
				if got[k] != want {
					t.Errorf("GOMAXPROCS %d, solver %d: got %s, want %s", n, k, got[k], want)
				}
			}
		}
	})

	t.Run("stopped_it_is_valid_and_its_gap_is_true", func(t *testing.T) {
		p := metropolis(800, 700, 24, 1_200_000, 3)
		best := new(Solver).Solve(p, Options{})
		for stops := range 6 {
			r := new(Solver).Solve(p, Options{Stop: func() bool { stops--; return stops < 0 }})
			cost, err := Check(p, r.Assignment)
			if err != nil || cost != r.Cost || r.Bound < 0 || r.Bound > best.Cost || cost < best.Cost || Bound(p, r.Prices) != r.Bound {
				t.Errorf("stopped: cost %d (%v), result %d, bound %d, by its prices %d, optimum %d", cost, err, r.Cost, r.Bound, Bound(p, r.Prices), best.Cost)
			}
		}
	})

	t.Run("stopped_it_takes_up_no_wider_rows", func(t *testing.T) {
		s := new(Solver)
		s.Solve(metropolis(3000, 3000, 24, 1_200_000, 6), Options{Stop: func() bool { return true }})
		if s.width > 4 {
			t.Errorf("it went on to rows of %d", s.width)
		}
	})

	t.Run("again_it_allocates_nothing", func(t *testing.T) {
		p := metropolis(500, 500, 16, 1_200_000, 4)
		s := new(Solver)
		s.Solve(p, Options{})
		if n := testing.AllocsPerRun(5, func() { s.Solve(p, Options{}) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})

	t.Run("it_displaces_where_greedy_cannot", func(t *testing.T) {
		// Order 1 knows driver 0 only; order 0 can go to driver 1 for a little more.
		p := &Problem{Drivers: 2, Rows: [][]Edge{{{0, 10}, {1, 12}}, {{0, 20}}}, Penalty: []int64{1000, 1000}}
		if got := Exact(p); !slices.Equal(got, Assignment{1, 0}) {
			t.Errorf("Exact gave %v", got)
		}
		if got := Greedy(p); !slices.Equal(got, Assignment{0, Unmatched}) {
			t.Errorf("Greedy gave %v", got)
		}
	})

	t.Run("a_driver_as_dear_as_waiting_is_not_taken", func(t *testing.T) {
		p := &Problem{Drivers: 1, Rows: [][]Edge{{{0, 10}}}, Penalty: []int64{10}}
		if a, g := Exact(p), Greedy(p); a[0] != Unmatched || g[0] != Unmatched {
			t.Errorf("Exact gave %v, Greedy %v", a, g)
		}
	})

	t.Run("the_same_problem_has_the_same_answer_and_is_not_changed", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p := problems().Draw(t, "problem")
			before := fmt.Sprint(*p)
			first := Exact(p)
			for range 3 {
				if again := Exact(p); !slices.Equal(first, again) {
					t.Fatalf("%v, then %v", first, again)
				}
			}
			if fmt.Sprint(*p) != before {
				t.Fatal("the problem was changed")
			}
		})
	})
}

func TestGreedy(t *testing.T) {
	t.Run("it_is_valid_and_never_better_than_the_optimum", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p := problems().Draw(t, "problem")
			greedy, err := Check(p, Greedy(p))
			if err != nil {
				t.Fatal(err)
			}
			if exact, _ := Check(p, Exact(p)); greedy < exact {
				t.Fatalf("greedy %d, exact %d", greedy, exact)
			}
		})
	})

	t.Run("earlier_orders_choose_first", func(t *testing.T) {
		p := &Problem{Drivers: 3, Rows: [][]Edge{{{2, 5}, {0, 9}}, {{2, 1}, {1, 7}}, {}}, Penalty: []int64{100, 100, 100}}
		if got := Greedy(p); !slices.Equal(got, Assignment{2, 1, Unmatched}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestCheck(t *testing.T) {
	p := &Problem{Drivers: 2, Rows: [][]Edge{{{0, 10}, {1, 12}}, {{0, 20}}}, Penalty: []int64{100, 1000}}
	t.Run("cost_and_penalties_are_added", func(t *testing.T) {
		if cost, err := Check(p, Assignment{1, Unmatched}); err != nil || cost != 1012 {
			t.Errorf("got %d, %v", cost, err)
		}
	})
	t.Run("a_driver_with_two_orders_is_refused", func(t *testing.T) {
		if _, err := Check(p, Assignment{0, 0}); !errors.Is(err, errDriverTwice) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what_does_not_fit_is_refused", func(t *testing.T) {
		for _, a := range []Assignment{nil, {0}, {0, 1}, {5, Unmatched}, {-2, Unmatched}, {0, Unmatched, Unmatched}} {
			if cost, err := Check(p, a); err == nil {
				t.Errorf("%v was taken, cost %d", a, cost)
			}
		}
	})
}

func TestProblem_Validate(t *testing.T) {
	t.Run("defects_are_named", func(t *testing.T) {
		for want, p := range map[string]Problem{
			"-1 drivers":              {Drivers: -1},
			"1 penalties for 0":       {Penalty: []int64{1}},
			"order 0: penalty -1":     {Rows: [][]Edge{{}}, Penalty: []int64{-1}},
			"is not from 0 to 1099":   {Rows: [][]Edge{{}}, Penalty: []int64{MaxPenalty + 1}},
			"driver 2 is not from":    {Drivers: 2, Rows: [][]Edge{{{2, 1}}}, Penalty: []int64{1}},
			"driver -1 is not from":   {Drivers: 2, Rows: [][]Edge{{{-1, 1}}}, Penalty: []int64{1}},
			"costs -5, below 0":       {Drivers: 2, Rows: [][]Edge{{{1, -5}}}, Penalty: []int64{1}},
			"does not ascend":         {Drivers: 2, Rows: [][]Edge{{{0, 5}, {1, 4}}}, Penalty: []int64{1}},
			"not ascend at driver 0":  {Drivers: 2, Rows: [][]Edge{{{1, 5}, {0, 5}}}, Penalty: []int64{1}},
			"driver 1 stands there t": {Drivers: 2, Rows: [][]Edge{{{1, 5}, {1, 6}}}, Penalty: []int64{1}},
		} {
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", p, err, want)
			}
		}
	})
	t.Run("a_driver_may_stand_in_several_rows", func(t *testing.T) {
		p := Problem{Drivers: 1, Rows: [][]Edge{{{0, 5}}, {}, {{0, 5}}}, Penalty: []int64{1, 0, MaxPenalty}}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	})
}
