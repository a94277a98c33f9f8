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
	for _, size := range []struct{ orders, drivers, k int }{{300, 3000, 16}, {1000, 5000, 16}, {3000, 1000, 16}} {
		b.Run(fmt.Sprintf("orders=%d/drivers=%d/k=%d", size.orders, size.drivers, size.k), func(b *testing.B) {
			n := newNight(b, size.orders, size.drivers, func(p *dispatch.Policy) { p.Candidates = size.k })
			var took, sought, solved []time.Duration
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
				finding += cpuTold - cpuAsked
				deciding += spent(b) - cpuTold + cpuAsked - cpu
				took = append(took, end.Sub(begun))
				sought, solved = append(sought, told.Sub(asked)), append(solved, end.Sub(told))
				if out.Round.Orders != size.orders || len(out.Offers) < min(size.orders, size.drivers)/2 {
					b.Fatalf("the round is %+v with %d offers", out.Round, len(out.Offers))
				}
			}
			percentiles(b, "", took)
			percentiles(b, "find-", sought)
			percentiles(b, "core-", solved)
			b.ReportMetric(float64(finding)/float64(len(took))/1e6, "find-cpu-ms")
			b.ReportMetric(float64(deciding)/float64(len(took))/1e6, "core-cpu-ms")
		})
	}
}

// BenchmarkIngest sends 50,000 points a second, and tells how long each took to be taken, without rounds and with one
// after the other and one each 2 s.
func BenchmarkIngest(b *testing.B) {
	const orders, drivers, rate = 1000, 5000, 50_000
	for _, mode := range []struct {
		name  string
		every time.Duration // 0: no rounds
	}{{"rounds=none", 0}, {"rounds=2s", 2 * time.Second}, {"rounds=200ms", 200 * time.Millisecond}} {
		b.Run(mode.name, func(b *testing.B) {
			n := newNight(b, orders, drivers, nil)
			took := make([]time.Duration, 0, 1<<20)
			var stop atomic.Bool
			ended := make(chan []time.Duration)
			go func() { ended <- n.rounds(mode.every, &stop) }()
			tick, sent := time.Now(), 0
			for b.Loop() { // a millisecond of points
				for range rate / 1000 {
					d := sent % drivers
					p := n.places[d]
					p.Lat += float64(sent/drivers%2) * 0.0003
					f := n.fix(p)
					f.At = noon.Add(time.Duration(1+sent/drivers) * time.Second)
					id := driverNamed(d)
					begun := time.Now()
					n.node.Put("sf", id, []geo.Fix{f})
					took = append(took, time.Since(begun))
					sent++
				}
				tick = tick.Add(time.Millisecond)
				time.Sleep(time.Until(tick))
			}
			stop.Store(true)
			rounds := <-ended
			slices.Sort(took)
			b.ReportMetric(float64(percentile(took, 50))/1e3, "put-p50-us")
			b.ReportMetric(float64(percentile(took, 99))/1e3, "put-p99-us")
			b.ReportMetric(float64(percentile(took, 99))/1e3, "put-p99-us")
			b.ReportMetric(float64(len(rounds)), "rounds")
			if len(rounds) > 0 {
				percentiles(b, "round-", rounds)
			}
		})
	}
}

// rounds plays one each so often until it is stopped.
func (n *night) rounds(every time.Duration, stop *atomic.Bool) (took []time.Duration) {
	if every == 0 {
		for !stop.Load() {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	next := time.Now()
	for !stop.Load() {
		n.clear()
		begun := time.Now()
		n.round()
		took = append(took, time.Since(begun))
		next = next.Add(every)
		for time.Now().Before(next) && !stop.Load() {
			time.Sleep(time.Millisecond)
		}
	}
	return took
}
