package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

func BenchmarkExact(b *testing.B) {
	for _, c := range []struct{ orders, drivers, k int }{{1000, 1000, 16}, {3000, 1000, 16}, {5000, 5000, 32}, {10_000, 10_000, 16}} {
		b.Run(fmt.Sprintf("orders=%d/drivers=%d/k=%d", c.orders, c.drivers, c.k), func(b *testing.B) {
			p, s := metropolis(c.orders, c.drivers, c.k, 1_200_000, 1), new(Solver)
			b.ReportAllocs()
			for b.Loop() {
				s.Solve(p, Options{})
			}
		})
	}
}

// A realistic window: many rounds of other orders each, and the 99th percentile of their CPU times.
func BenchmarkExactWindow(b *testing.B) {
	var rounds []*Problem
	for seed := range uint64(20) {
		rounds = append(rounds, metropolis(1000, 5000, 16, 1_200_000, seed))
	}
	s := new(Solver)
	var took []time.Duration
	n := 0
	for b.Loop() {
		began := cpuTime()
		s.Solve(rounds[n%len(rounds)], Options{})
		took = append(took, cpuTime()-began)
		n++
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-cpu-us")
}

// Successive rounds of 10,000 orders of which a share is replaced, solved from the prices of the one before and anew.
func BenchmarkWarm(b *testing.B) {
	for _, share := range []float64{0.01, 0.05} {
		for _, warm := range []bool{false, true} {
			b.Run(fmt.Sprintf("churn=%v/warm=%v", share, warm), func(b *testing.B) {
				r := rand.New(rand.NewPCG(15, 15))
				rounds := []*Problem{metropolis(10_000, 10_000, 16, 1_200_000, 1)}
				for len(rounds) < 8 {
					rounds = append(rounds, replaced(r, rounds[len(rounds)-1], share))
				}
				s := new(Solver)
				var spent time.Duration
				for b.Loop() {
					last := s.Solve(rounds[0], Options{})
					began := cpuTime()
					for _, p := range rounds[1:] {
						o := Options{}
						if warm {
							o = Options{Prices: last.Prices, Assignment: last.Assignment}
						}
						last = s.Solve(p, o)
					}
					spent += cpuTime() - began
				}
				b.ReportMetric(float64(spent.Microseconds())/float64(b.N*(len(rounds)-1)), "cpu-us/round")
			})
		}
	}
}

// cpuTime is what the process has used: it tells rounds apart where wall time depends on the neighbours.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for a bad pointer only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// replaced gives a share of the orders another order's row: they have gone, and new ones have come up elsewhere.
func replaced(r *rand.Rand, p *Problem, share float64) *Problem {
	q := *p
	q.Rows = slices.Clone(p.Rows)
	for i := range q.Rows {
		if r.Float64() < share {
			row := slices.Clone(p.Rows[r.IntN(len(p.Rows))])
			for k := range row {
				row[k].Cost = max(0, row[k].Cost+r.Int32N(20_000)-10_000)
			}
			slices.SortFunc(row, compareEdges)
			q.Rows[i] = row
		}
	}
	return &q
}
