package market

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

// drawn is a round of a market in which everybody is near everybody else, more or less; its candidates come in an order
// of their own for each shuffle.
func drawn(seed uint64, shuffle uint64) (dispatch.Recovery, Candidates) {
	r := rand.New(rand.NewPCG(seed, 7))
	rec := dispatch.Recovery{At: t0}
	orders, drivers := 1+r.IntN(12), 1+r.IntN(16)
	for j := range drivers {
		d := dispatch.Duty{
			Driver: dispatch.DriverID(fmt.Sprintf("d%02d", j)), Market: "sf", Version: 1, Online: true,
			VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1 + r.IntN(2),
		}
		if r.IntN(5) == 0 {
			d.Tags = []string{"fleet"}
		}
		rec.Duties = append(rec.Duties, d)
	}
	c := Candidates{Round: 1}
	for i := range orders {
		o := dispatch.Order{
			ID: dispatch.OrderID(fmt.Sprintf("o%02d", i)), Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateSearching,
			Version: 1, VehicleClass: dispatch.DefaultVehicleClass, Stops: newStops(2),
			RequestedAt: t0.Add(-time.Duration(r.IntN(100)) * time.Second), SearchSince: t0.Add(-time.Second),
		}
		if r.IntN(2) == 0 {
			o.Kind = dispatch.KindDelivery
		}
		rec.Orders = append(rec.Orders, o)
		for j := range drivers {
			if r.IntN(3) > 0 {
				// Few different times: many ties.
				c.Pairs = append(c.Pairs, Candidate{
					Order: o.ID, Driver: rec.Duties[j].Driver, Pickup: time.Duration(1+r.IntN(4)) * time.Minute, Source: "test",
				})
			}
		}
	}
	rand.New(rand.NewPCG(shuffle, 9)).Shuffle(len(c.Pairs), func(i, j int) { c.Pairs[i], c.Pairs[j] = c.Pairs[j], c.Pairs[i] })
	return rec, c
}

// modePairs are policies with a mode for rides and one for deliveries.
func modePairs(t *testing.T, do func(p dispatch.Policy)) {
	for _, ride := range dispatch.Modes() {
		for _, delivery := range dispatch.Modes() {
			for _, tag := range []string{"", `"contracted_tag":"fleet",`} {
				do(policyOf(t, fmt.Sprintf(`{%s"mode":%q,"services":{"delivery":{"mode":%q}}}`, tag, ride, delivery)))
			}
		}
	}
}

// Whatever modes share a round: nobody stands in it twice, nobody is left who could be served, and modes get what they
// ask for.
func TestDecide_shares_the_drivers_of_a_round(t *testing.T) {
	modePairs(t, func(p dispatch.Policy) {
		for seed := range uint64(20) {
			rec, cands := drawn(seed, 0)
			cands.Hurry = seed%5 == 0
			core := NewCore("sf", p, rec)
			core.Step(t0, Tick{})
			out := core.Step(t0, cands)
			asked, served := map[dispatch.DriverID]bool{}, map[dispatch.OrderID]int{}
			note := func(d dispatch.DriverID, o dispatch.OrderID) {
				if asked[d] {
					t.Errorf("%s %v seed %d: %s stands in the round twice", p.Mode, p.Overrides[0].Terms.Mode, seed, d)
				}
				asked[d] = true
				served[o]++
			}
			for _, f := range out.Offers {
				note(f.Driver, f.Order)
			}
			for _, e := range out.Events {
				if e.To == dispatch.StateEnRouteToPickup {
					note(e.Driver, e.Order.ID)
				}
				if e.Policy != p.Version() {
					t.Errorf("event under policy %q, want %q", e.Policy, p.Version())
				}
			}
			for _, pair := range cands.Pairs {
				if !asked[pair.Driver] && served[pair.Order] == 0 {
					t.Errorf("%s %v seed %d: %s is left without %s", p.Mode, p.Overrides[0].Terms.Mode, seed, pair.Order, pair.Driver)
				}
			}
			for _, o := range rec.Orders {
				n, terms := served[o.ID], p.For(o.Kind, o.VehicleClass)
				most := map[dispatch.Mode]int{dispatch.ModeWave: terms.WaveSize, dispatch.ModeBroadcast: len(rec.Duties)}[terms.Mode]
				if n > max(1, most) {
					t.Errorf("%s in mode %s asks %d drivers", o.ID, terms.Mode, n)
				}
			}
		}
	})
}

// A round is a function of its orders, drivers and candidates: not of the order in which those come, of what the solver
// remembers, or of how many processors there are.
func TestDecide_is_the_same_cold_and_warm_on_any_processors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	digest := func(p dispatch.Policy, shuffle uint64, warm bool) string {
		var solver roundState
		h := sha256.New()
		for seed := range uint64(30) {
			rec, cands := drawn(seed, shuffle)
			core := NewCore("sf", p, rec)
			core.Explain()
			if warm {
				core.round.table, core.round.own, core.round.shadow = solver.table, solver.own, solver.shadow
			}
			core.Step(t0, Tick{})
			out := core.Step(t0, cands)
			solver = core.round
			if err := json.NewEncoder(h).Encode(out); err != nil {
				t.Fatal(err)
			}
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	modePairs(t, func(p dispatch.Policy) {
		want := digest(p, 0, false)
		for _, procs := range []int{1, 2, 8} {
			runtime.GOMAXPROCS(procs)
			for shuffle := range uint64(2) {
				for _, warm := range []bool{false, true} {
					if got := digest(p, shuffle, warm); got != want {
						t.Fatalf("%s %s, %d processors, shuffle %d, warm %t: another digest", p.Mode, p.Overrides[0].Terms.Mode, procs, shuffle, warm)
					}
				}
			}
		}
	})
}

// The shift that keeps costs from being negative changes no decision: with it and with a greater one the same.
func TestDecide_shift_changes_nothing(t *testing.T) {
	p := policyOf(t, `{"cost":{"prefer_tags_s":{"fleet":90}}}`)
	for seed := range uint64(50) {
		rec, cands := drawn(seed, 0)
		core := NewCore("sf", p, rec)
		core.Step(t0, Tick{})
		table := &core.round.table
		table.reset(core, core.stillWanting(), false)
		table.fill(core, &cands)
		r := rulesOf(&p)
		first := slices.Clone(new(decider).decide(&r, table).first)
		r.scale.shift += 1000 * time.Second
		d := decider{}
		d.pose(&r, table)
		for i := range d.problem.Penalty {
			d.problem.Penalty[i] += 1_000_000
		}
		if got := match.Exact(&d.problem); !slices.Equal(got, first) {
			t.Errorf("seed %d: %v, without the shift %v", seed, got, first)
		}
	}
}

func TestCore_match_shadow(t *testing.T) {
	p := policyOf(t, `{"shadow":{"mode":"nearest"}}`)
	rec, cands := crowded()
	core := NewCore("sf", p, rec)
	core.Step(t0, Tick{})
	out := core.Step(t0, cands)
	// In turn: o1 has d1 at 10 s and o2 d2 at 300 s; together: 20 s and 30 s.
	want := RoundStats{
		Orders: 2, Drivers: 2, Pairs: 4, Matched: 2, Offers: 2, Cost: 50 * time.Second, Pickup: 50 * time.Second,
		Shadow: &ShadowStats{Matched: 2, Cost: 310 * time.Second, Pickup: 310 * time.Second, Differ: 2},
	}
	if !reflect.DeepEqual(*out.Round, want) {
		t.Errorf("got %+v %+v, want %+v %+v", *out.Round, out.Round.Shadow, want, want.Shadow)
	}
	if len(out.Offers) != 2 || out.Offers[0].Driver != "d2" || out.Offers[1].Driver != "d1" {
		t.Errorf("the shadow was carried out: %+v", out.Offers)
	}
}

// crowded is a round of two orders and two drivers, of whom one is the nearest of both.
func crowded() (dispatch.Recovery, Candidates) {
	rec := dispatch.Recovery{At: t0}
	for _, id := range []dispatch.DriverID{"d1", "d2"} {
		rec.Duties = append(rec.Duties, dispatch.Duty{
			Driver: id, Market: "sf", Version: 1, Online: true, VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1,
		})
	}
	for _, id := range []dispatch.OrderID{"o1", "o2"} {
		rec.Orders = append(rec.Orders, dispatch.Order{
			ID: id, Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateSearching, Version: 1, Stops: newStops(2),
			VehicleClass: dispatch.DefaultVehicleClass, RequestedAt: t0, SearchSince: t0,
		})
	}
	c := Candidates{Round: 1}
	for _, pair := range []Candidate{
		{Order: "o1", Driver: "d1", Pickup: 10 * time.Second}, {Order: "o1", Driver: "d2", Pickup: 20 * time.Second},
		{Order: "o2", Driver: "d1", Pickup: 30 * time.Second}, {Order: "o2", Driver: "d2", Pickup: 300 * time.Second},
	} {
		pair.Source = "test"
		c.Pairs = append(c.Pairs, pair)
	}
	return rec, c
}
