package market

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestCore_reach: how far a round looks for each order.
func TestCore_reach(t *testing.T) {
	at := time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)
	const sec = time.Second
	for _, test := range []struct {
		name    string
		drivers int
		policy  func(*dispatch.Policy)
		want    []time.Duration // of orders that were asked for 0, 100 and 299 s ago
	}{
		{"grows_with_the_age_while_drivers_are_scarce", 2, nil, []time.Duration{300 * sec, 520 * sec, 900 * sec}},
		{"is_the_whole_where_there_is_a_driver_for_each", 3, nil, []time.Duration{900 * sec, 900 * sec, 900 * sec}},
		{"grows_with_the_age_while_drivers_are_scarce_by_the_policy", 9, func(p *dispatch.Policy) { p.ScarceRatio = 3.1 }, []time.Duration{300 * sec, 520 * sec, 900 * sec}},
		{"is_the_whole_where_drivers_are_never_scarce", 0, func(p *dispatch.Policy) { p.ScarceRatio = 0 }, []time.Duration{900 * sec, 900 * sec, 900 * sec}},
		{"is_the_whole_when_off", 0, func(p *dispatch.Policy) { p.Reach = 0 }, []time.Duration{900 * sec, 900 * sec, 900 * sec}},
		{"is_never_beyond_the_longest_pickup", 0, func(p *dispatch.Policy) { p.Reach = 2000 * sec }, []time.Duration{900 * sec, 900 * sec, 900 * sec}},
		{"may_stay_as_it_is", 0, func(p *dispatch.Policy) { p.ReachGrowth = 0 }, []time.Duration{300 * sec, 300 * sec, 300 * sec}},
		{"grows_beyond_an_hour", 0, func(p *dispatch.Policy) { p.MaxPickup, p.ReachGrowth = 5*time.Hour, 1000 }, []time.Duration{300 * sec, 5 * time.Hour, 5 * time.Hour}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := dispatch.DefaultPolicy()
			if test.policy != nil {
				test.policy(&p)
			}
			var r dispatch.Recovery
			r.At = at
			for i, age := range []time.Duration{0, 100 * sec, 299 * sec} {
				r.Orders = append(r.Orders, newSearching(fmt.Sprintf("o%d", i), at.Add(-age)))
			}
			for i := range test.drivers {
				r.Duties = append(r.Duties, dispatch.Duty{Driver: dispatch.DriverID(fmt.Sprintf("d%d", i)), Market: "sf", Version: 1, Online: true, Capacity: 1})
			}
			out := NewCore("sf", p, r).Step(at, Tick{})
			if out.Seek == nil {
				t.Fatal("no round began")
			}
			got := map[dispatch.OrderID]time.Duration{}
			for _, o := range out.Seek.Orders {
				got[o.Order] = o.MaxPickup
			}
			for i, want := range test.want {
				if id := dispatch.OrderID(fmt.Sprintf("o%d", i)); got[id] != want {
					t.Errorf("%s looks within %s, want %s", id, got[id], want)
				}
			}
		})
	}
}

// TestCore_breadth: how many candidates a round asks for.
func TestCore_breadth(t *testing.T) {
	for _, test := range []struct{ candidates, orders, want int }{
		{16, 1, 64}, {16, 75, 64}, {16, 100, 48}, {16, 300, 16}, {16, 5000, 16}, {512, 1, 2048}, {512, 300, 512},
	} {
		p := dispatch.DefaultPolicy()
		p.Candidates = test.candidates
		if got := NewCore("sf", p, dispatch.Recovery{}).breadth(test.orders); got != test.want {
			t.Errorf("%d candidates and %d orders: %d, want %d", test.candidates, test.orders, got, test.want)
		}
	}
}

func newSearching(id string, at time.Time) dispatch.Order {
	return dispatch.Order{
		ID: dispatch.OrderID(id), Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateSearching, Version: 1, Rider: "r1",
		VehicleClass: dispatch.DefaultVehicleClass, Stops: newStops(2), RequestedAt: at, SearchSince: at, ChangedAt: at,
	}
}
