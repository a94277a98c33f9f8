package market

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// crowd is a market with orders that search and drivers who are free, and the candidates of a round: each order's are
// drivers near a place of its own on a line.
func crowd(orders, drivers, k int) (dispatch.Recovery, []Candidate) {
	r := rand.New(rand.NewPCG(1, 2))
	rec := dispatch.Recovery{At: t0}
	id := func(kind string, i int) string { return dispatch.DeriveID(t0, kind, fmt.Sprint(i)) }
	for j := range drivers {
		rec.Duties = append(rec.Duties, dispatch.Duty{
			Driver: dispatch.DriverID(id("driver", j)), Market: "sf", Version: 1, Online: true,
			VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1, Since: t0,
		})
	}
	var pairs []Candidate
	for i := range orders {
		o := dispatch.Order{
			ID: dispatch.OrderID(id("order", i)), Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateSearching, Version: 1,
			VehicleClass: dispatch.DefaultVehicleClass, Stops: newStops(2), RequestedAt: t0, SearchSince: t0,
		}
		rec.Orders = append(rec.Orders, o)
		at := r.IntN(drivers)
		for n := range k {
			pairs = append(pairs, Candidate{
				Order: o.ID, Driver: rec.Duties[(at+n*3)%drivers].Driver, Source: "line",
				Pickup: time.Duration(20_000+n*9_000+r.IntN(30_000)) * time.Millisecond,
			})
		}
	}
	return rec, pairs
}

// A round from its candidates to its offers: 1,000 orders and 5,000 drivers are to be a small part of 25 ms.
func BenchmarkCoreRound(b *testing.B) {
	for _, c := range []struct {
		name            string
		orders, drivers int
		explain         bool
		set             func(*dispatch.Policy)
	}{
		{"batch", 1000, 5000, false, nil},
		{"batch", 3000, 1000, false, nil},
		{"explained", 1000, 5000, true, nil},
		{"shadow", 1000, 5000, false, func(p *dispatch.Policy) { t := p.Terms; t.Mode = dispatch.ModeNearest; p.Shadow = &t }},
		{"nearest", 1000, 5000, false, func(p *dispatch.Policy) { p.Mode = dispatch.ModeNearest }},
		{"wave", 1000, 5000, false, func(p *dispatch.Policy) { p.Mode = dispatch.ModeWave }},
		{"direct", 1000, 5000, false, func(p *dispatch.Policy) { p.Mode = dispatch.ModeDirect }},
	} {
		b.Run(fmt.Sprintf("mode=%s/orders=%d/drivers=%d/k=16", c.name, c.orders, c.drivers), func(b *testing.B) {
			recovery, pairs := crowd(c.orders, c.drivers, 16)
			p := dispatch.DefaultPolicy()
			if c.set != nil {
				c.set(&p)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				core := NewCore("sf", p, recovery)
				if c.explain {
					core.Explain()
				}
				seek := core.Step(t0, Tick{}).Seek
				b.StartTimer()
				if out := core.Step(t0, Candidates{Round: seek.Round, Pairs: pairs}); out.Round.Matched < min(c.orders, c.drivers)*9/10 {
					b.Fatalf("%+v", *out.Round)
				}
			}
		})
	}
}
