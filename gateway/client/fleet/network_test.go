package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

func TestFleet_network(t *testing.T) {
	t.Parallel()
	t.Run("sockets_cut_again_and_again", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		cfg := config(t, city.url)
		cfg.Network.Cut = 1
		cfg.SearchTimeout = 5 * time.Minute // an offer told into a socket that is cut is not told again here
		cfg.Plan.Length = 8 * time.Minute   // some five wall seconds, in which sixteen of two hundred sockets are cut
		for i := range 200 {
			cfg.Plan.Drivers = append(cfg.Plan.Drivers, fleet.DriverPlan{
				ID: fmt.Sprint("more", i), Shifts: []fleet.ShiftPlan{{Open: true}},
			})
		}
		r, err := play(t, city, cfg)
		if err != nil || r.Orders.Acked != 8 || len(r.Broken) != 0 || r.Cuts == 0 {
			t.Errorf("got %+v, %v, want sockets cut, 8 orders acknowledged and nothing broken", r, err)
		}
		city.mu.Lock()
		defer city.mu.Unlock()
		if most := slices.Max(city.batches); most < 2 || most > wire.MaxPoints {
			t.Errorf("the largest batch had %d positions, want those of the time without network in one", most)
		}
	})
	t.Run("frames_come_late_and_in_order", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		cfg := config(t, city.url)
		cfg.Network.Lag = 100 * time.Millisecond
		r, err := play(t, city, cfg)
		if err != nil || r.Orders.PickedUp != 8 || len(r.Broken) != 0 {
			t.Errorf("got %+v, %v, want 8 orders picked up, nothing broken", r, err)
		}
		if r.OrderAck.Max < 10 { // eight there and backs of 0 to 200 ms each
			t.Errorf("the slowest answer took %v ms: there was no lag", r.OrderAck.Max)
		}
	})
}

func TestFleet_repeats(t *testing.T) {
	t.Parallel()
	city := newTinyCity(t)
	cfg := config(t, city.url)
	cfg.Network.Repeat = 1
	cfg.Plan.Length = 3 * time.Minute
	cfg.Plan.Riders = nil
	for i := range 40 {
		cfg.Plan.Riders = append(cfg.Plan.Riders, fleet.RiderPlan{
			ID: fmt.Sprint("r", i), At: time.Duration(i) * 4 * time.Second, Kind: "ride",
			Stops: []wire.Stop{{Type: "pickup"}, {Type: "dropoff", Lat: 0.005}},
		})
	}
	r, err := play(t, city, cfg)
	if err != nil || len(r.Broken) != 0 || r.Repeats == 0 {
		t.Errorf("got %+v, %v, want some requests repeated and nothing broken", r, err)
	}
}

func TestFleet_twins(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, twoSockets bool) fleet.Report {
		t.Parallel()
		city := newTinyCity(t)
		city.twoSockets = twoSockets
		cfg := config(t, city.url)
		cfg.Network.Twins = 1
		if twoSockets { // what is told to the one is not known to the other
			cfg.SearchTimeout = 5 * time.Minute
		}
		cfg.Plan.Length = 8 * time.Minute // five wall seconds: longer than both devices may stay
		r, err := play(t, city, cfg)
		if err != nil || r.Orders.Acked != 8 || r.Twins != 5 {
			t.Errorf("got %+v, %v, want 8 orders acknowledged and 5 second devices", r, err)
		}
		return r
	}
	t.Run("the_first_device_is_closed", func(t *testing.T) {
		if r := run(t, false); r.Orders.PickedUp != 8 || len(r.Broken) != 0 {
			t.Errorf("got %+v, want 8 orders picked up and nothing broken", r)
		}
	})
	t.Run("both_devices_stay", func(t *testing.T) {
		r := run(t, true)
		if !slices.ContainsFunc(r.Broken, func(b fleet.Broken) bool {
			return b.Promise == fleet.Single && strings.Contains(b.Detail, "had two sockets")
		}) {
			t.Errorf("got %+v, want that a driver had two sockets", r.Broken)
		}
	})
}
