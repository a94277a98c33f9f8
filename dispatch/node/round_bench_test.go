package node

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// spent is the processor time of the process so far, the collector's included: what a round costs, however busy the
// machine is otherwise.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// percentiles reports p50, p99 and the greatest of durations.
func percentiles(b *testing.B, of string, ds []time.Duration) {
	b.Helper()
	slices.Sort(ds)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(percentile(ds, 50)), of+"p50-ms")
	b.ReportMetric(ms(percentile(ds, 99)), of+"p99-ms")
	b.ReportMetric(ms(ds[len(ds)-1]), of+"max-ms")
}

// BenchmarkRound is a whole round; see docs/bench/round.md.
func BenchmarkRound(b *testing.B) {
	for _, size := range []struct {
		orders, drivers, k int
		explained          string
	}{{300, 3000, 16, ""}, {1000, 5000, 16, ""}, {1000, 5000, 16, "/explained"}, {3000, 1000, 16, ""}} {
		b.Run(fmt.Sprintf("orders=%d/drivers=%d/k=%d%s", size.orders, size.drivers, size.k, size.explained), func(b *testing.B) {
			n := newNight(b, size.orders, size.drivers, func(p *dispatch.Policy) { p.Candidates = size.k })
			if size.explained != "" {
				n.node.cfg.Explain = true
				n.core.Explain()
			}
			var took, cost, sought, solved []time.Duration
			var finding, deciding time.Duration
			f := n.leader.finder
			for b.Loop() {
				b.StopTimer()
				n.clear()
				b.StartTimer()
				begun, cpu := time.Now(), spent(b)
				seek := n.step(market.Tick{}).Seek
				asked, cpuAsked := time.Now(), spent(b)
				found := f.Find(b.Context(), seek)
				told, cpuTold := time.Now(), spent(b)
				out := n.step(found)
				end := time.Now()
				cpuEnd := spent(b)
				cost = append(cost, cpuEnd-cpu)
				finding += cpuTold - cpuAsked
				deciding += cpuEnd - cpuTold + cpuAsked - cpu
				took = append(took, end.Sub(begun))
				sought, solved = append(sought, told.Sub(asked)), append(solved, end.Sub(told))
				if out.Round.Orders != size.orders || len(out.Offers) < min(size.orders, size.drivers)/2 {
					b.Fatalf("the round is %+v with %d offers", out.Round, len(out.Offers))
				}
			}
			percentiles(b, "", took)
			percentiles(b, "cpu-", cost)
			percentiles(b, "find-", sought)
			percentiles(b, "core-", solved)
			b.ReportMetric(float64(finding)/float64(len(took))/1e6, "find-cpu-ms")
			b.ReportMetric(float64(deciding)/float64(len(took))/1e6, "core-cpu-ms")
		})
	}
}

// What a night does while points come in.
const (
	nightIdle  = iota
	nightSpin  // another goroutine computes, and touches nothing that is shared
	nightRound // a round is under way
	nightOther // offers are made to expire: no part of a round
)

// BenchmarkIngest sends 50,000 points a second, one each 20 us, and tells how long they took to be taken while nothing else
// was done, while another processor was busy with something else, and during a round: in turn, on the same machine in
// the same seconds. What a busy neighbour costs, the machine takes and no round.
func BenchmarkIngest(b *testing.B) {
	const orders, drivers, every = 1000, 5000, 20 * time.Microsecond
	n := newNight(b, orders, drivers, nil)
	ids := make([]dispatch.DriverID, drivers)
	for i := range ids {
		ids[i] = driverNamed(i)
	}
	var doing atomic.Int32
	var stop atomic.Bool
	ended := make(chan []time.Duration)
	go func() { ended <- n.rounds(&doing, &stop) }()
	took := [3][]time.Duration{}
	for what := range took {
		took[what] = make([]time.Duration, 0, 1<<20)
	}
	fixes := make([]geo.Fix, 1)
	sent, next := 0, time.Now()
	for b.Loop() {
		d := sent % drivers
		p := n.places[d]
		p.Lat += float64(sent/drivers%2) * 0.0003
		fixes[0] = n.fix(p)
		fixes[0].At = noon.Add(time.Duration(1+sent/drivers) * time.Second)
		sent++
		for time.Now().Before(next) { // spinning: who sleeps wakes up late
		}
		next = time.Now().Add(every)
		what := doing.Load()
		begun := time.Now()
		n.node.Put("sf", ids[d], fixes)
		if t := time.Since(begun); what != nightOther && doing.Load() == what {
			took[what] = append(took[what], t)
		}
	}
	stop.Store(true)
	rounds := <-ended
	for what, of := range []string{"alone-", "spin-", "round-"} {
		ds := took[what]
		slices.Sort(ds)
		b.ReportMetric(float64(percentile(ds, 50))/1e3, of+"p50-us")
		b.ReportMetric(float64(percentile(ds, 99))/1e3, of+"p99-us")
		b.ReportMetric(float64(len(ds)), of+"n")
	}
	percentiles(b, "took-", rounds)
}

// rounds plays one after the other, with time in between, until it is stopped.
func (n *night) rounds(doing *atomic.Int32, stop *atomic.Bool) (took []time.Duration) {
	for !stop.Load() {
		doing.Store(nightOther)
		n.clear()
		doing.Store(nightIdle)
		time.Sleep(30 * time.Millisecond)
		doing.Store(nightSpin)
		begun := time.Now()
		for time.Since(begun) < 30*time.Millisecond {
		}
		doing.Store(nightRound)
		begun = time.Now()
		n.round()
		took = append(took, time.Since(begun))
		doing.Store(nightIdle)
	}
	return took
}
