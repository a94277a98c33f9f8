package node

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// night is a leader of one market with its real index, learner and core, and no store: a round up to its offers being
// decided. The city is that of docs/bench/round.md: 30 x 30 km with 20 hot spots, which drivers follow loosely.
type night struct {
	node   *Node
	leader *leader
	core   *market.Core
	clock  *dispatch.Manual
	wall   *dispatch.Manual // stands still unless it is moved
	rng    *rand.Rand
	spots  []geo.LatLng
	places []geo.LatLng // of the drivers
}

func driverNamed(i int) dispatch.DriverID {
	return dispatch.DriverID(fmt.Sprintf("0192f0a1-77c3-7bcd-8ea5-%012d", i))
}

func newNight(tb testing.TB, orders, drivers int, change func(*dispatch.Policy)) *night {
	tb.Helper()
	n := &night{clock: dispatch.NewManual(noon), wall: dispatch.NewManual(noon), rng: rand.New(rand.NewPCG(1, uint64(orders)))}
	policy := dispatch.DefaultPolicy()
	policy.SearchTimeout, policy.Freshness = 1e6*time.Second, 1e6*time.Second
	if change != nil {
		change(&policy)
	}
	n.node = New(Config{
		Markets: dispatch.Markets{{ID: "sf", Timezone: "UTC", Policy: policy}},
		Clock:   n.clock, Wall: n.wall, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
	n.node.lease.forever()
	term, _ := n.node.lease.present()
	seat := n.node.seats["sf"]
	n.leader = newLeader(seat, term)
	seat.leader.Store(n.leader)
	n.leader.finder.budget = time.Hour // however busy the machine is
	for range 20 {
		n.spots = append(n.spots, n.somewhere(0))
	}
	n.learn(20_000)
	r := dispatch.Recovery{At: noon}
	for i := range drivers {
		r.Duties = append(r.Duties, dispatch.Duty{Driver: driverNamed(i), Market: "sf", Version: 1, Online: true,
			VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1, Since: noon})
		n.places = append(n.places, n.somewhere(0.5))
	}
	for i := range orders {
		r.Orders = append(r.Orders, dispatch.Order{
			ID: dispatch.OrderID(fmt.Sprintf("0192f0a1-8888-7bcd-8ea5-%012d", i)), Market: "sf", Kind: dispatch.KindRide,
			State: dispatch.StateSearching, Version: 1, Rider: "r", VehicleClass: dispatch.DefaultVehicleClass,
			RequestedAt: noon, SearchSince: noon, ChangedAt: noon,
			Stops: []dispatch.Stop{
				{Type: dispatch.StopPickup, LatLng: n.somewhere(0.8)}, {Type: dispatch.StopDropoff, LatLng: n.somewhere(0.5)},
			},
		})
	}
	n.leader.recovered(r)
	n.core = market.NewCore("sf", policy, r)
	if seek := n.step(market.Tick{}).Seek; seek != nil { // who is free is told by now
		n.step(market.Candidates{Round: seek.Round})
	}
	for i, p := range n.places {
		n.node.Put("sf", driverNamed(i), []geo.Fix{n.fix(p)})
	}
	return n
}

func (n *night) fix(p geo.LatLng) geo.Fix {
	return geo.Fix{LatLng: p, At: n.clock.Now(), HeadingDeg: math.NaN(), SpeedMps: math.NaN(), AccuracyM: 10}
}

// somewhere is a place in the city, a share of the time near a hot spot.
func (n *night) somewhere(hot float64) geo.LatLng {
	if n.rng.Float64() < hot {
		at := n.spots[n.rng.IntN(len(n.spots))]
		return geo.LatLng{Lat: at.Lat + n.rng.NormFloat64()*0.009, Lng: at.Lng + n.rng.NormFloat64()*0.0115}
	}
	return geo.LatLng{Lat: 37.62 + n.rng.Float64()*0.27, Lng: -122.5 + n.rng.Float64()*0.34}
}

// learn has the travel times of the city learnt from so many drives.
func (n *night) learn(drives int) {
	var ds []eta.Observation
	for i := range drives {
		from, to := n.somewhere(0.7), n.somewhere(0.5)
		metres := float64(geo.Distance(from, to))
		ds = append(ds, eta.Observation{From: from, To: to, Start: noon.Add(time.Duration(i-drives) * 10 * time.Second),
			Duration: time.Duration((60 + metres/7) * (0.8 + 0.4*n.rng.Float64()) * float64(time.Second))})
	}
	n.leader.learner.line.Learn(ds)
}

// step steps the core as the loop does, the commit left out.
func (n *night) step(in market.Input) market.Effects {
	out := n.core.Step(n.clock.Now(), in)
	if len(out.Supply) > 0 {
		n.leader.fleet.supply.hint(out.Supply)
	}
	if out.Explained != nil {
		n.leader.book.add(out.Explained)
	}
	return out
}

// round is a whole one: the orders are gathered, candidates and travel times found, the round is solved, and the
// offers are made.
func (n *night) round() market.Effects {
	seek := n.step(market.Tick{}).Seek
	return n.step(n.leader.finder.Find(context.Background(), seek))
}

// clear has all offers expire and be forgotten, and every pair free again.
func (n *night) clear() {
	for range 3 {
		n.clock.Advance(5 * time.Minute)
		if seek := n.step(market.Tick{}).Seek; seek != nil {
			n.step(market.Candidates{Round: seek.Round})
		}
	}
	n.clock.Advance(5 * time.Minute)
}
