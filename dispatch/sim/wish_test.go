package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// corner is a scenario of one trip north of the drivers given.
func corner(t *testing.T, w sim.Wish, vehicles ...actor.Vehicle) *sim.Scenario {
	t.Helper()
	sc := lab(t, 1, 0.01)
	sc.Trips = []sim.Trip{{
		ID: "a", At: noon.Add(time.Minute), Pickup: geo.LatLng{Lat: 0.11, Lng: 0.1}, Dropoff: geo.LatLng{Lat: 0.12, Lng: 0.1}, Wish: w,
	}}
	sc.Workers = nil
	for i, v := range vehicles {
		at := geo.LatLng{Lat: 0.109 - 0.001*float64(i), Lng: 0.1}
		sc.Workers = append(sc.Workers, sim.Worker{
			ID: dispatch.DriverID(rune('a' + i)), Shifts: []actor.Shift{{On: noon, At: at, Vehicle: v}},
		})
	}
	return sc
}

// states are those that the orders entered, in their order.
func states(events []dispatch.Event) (out []dispatch.State) {
	for _, e := range events {
		if e.Order != nil {
			out = append(out, e.To)
		}
	}
	return out
}

func TestRun_wishes(t *testing.T) {
	t.Run("a_vehicle_class_is_served_by_its_own_alone", func(t *testing.T) {
		for _, search := range []sim.Search{sim.SearchNear, sim.SearchFreed} {
			fleet := make([]actor.Vehicle, 20) // more than candidates: the index has to choose
			fleet[17].Class, fleet[3].Class = "van", "bike"
			sc := corner(t, sim.Wish{VehicleClass: "van"}, fleet...)
			p := named(t, "batch")
			p.Search = search
			p.Market.Candidates = 1
			if r, _ := play(t, sc, p, 1); r.Served != 1 || r.Drivers[17].Trips != 1 {
				t.Errorf("search %d: served %d, the van %d", search, r.Served, r.Drivers[17].Trips)
			}
			sc.Workers = sc.Workers[:9]
			if r, _ := play(t, sc, p, 1); r.Lost != 1 {
				t.Errorf("search %d: without a van %d are lost", search, r.Lost)
			}
		}
	})
	t.Run("duties_have_the_tags_and_room_of_the_vehicle", func(t *testing.T) {
		_, s := play(t, corner(t, sim.Wish{}, actor.Vehicle{Capacity: 3, Tags: []string{"vip"}}), named(t, "batch_chain"), 1)
		if d := s.events[0].Duty; d == nil || d.Capacity != 3 || !slices.Equal(d.Tags, []string{"vip"}) || d.VehicleClass != dispatch.DefaultVehicleClass {
			t.Errorf("went on duty as %+v", d)
		}
	})
	t.Run("stops_between_are_driven_to", func(t *testing.T) {
		sc := corner(t, sim.Wish{Kind: dispatch.KindDelivery, Via: []geo.LatLng{{Lat: 0.13, Lng: 0.1}}}, actor.Vehicle{})
		r, s := play(t, sc, named(t, "batch"), 1)
		o := r.Orders[0]
		way := sc.Travel.Drive(sc.Trips[0].Pickup, sc.Trips[0].Via[0], noon) + sc.Travel.Drive(sc.Trips[0].Via[0], sc.Trips[0].Dropoff, noon)
		if r.Served != 1 || o.DroppedOff.Sub(o.PickedUp).Round(time.Second) != (way+sc.Conduct.DropoffService).Round(time.Second) {
			t.Errorf("took %s, the way %s; %v", o.DroppedOff.Sub(o.PickedUp), way, states(s.events))
		}
		if k := s.events[1].Order.Kind; k != dispatch.KindDelivery {
			t.Errorf("kind %s", k)
		}
	})
	t.Run("a_priority_is_set_at_once", func(t *testing.T) {
		_, s := play(t, corner(t, sim.Wish{Priority: 7}, actor.Vehicle{}), named(t, "batch"), 1)
		if e := s.events[2]; e.Type != dispatch.EventOrderEdited || e.Order.Priority != 7 {
			t.Errorf("then came %s, priority %d", e.Type, e.Order.Priority)
		}
	})
	t.Run("a_rider_quits_though_a_driver_comes", func(t *testing.T) {
		r, s := play(t, corner(t, sim.Wish{Quit: 10 * time.Second}, actor.Vehicle{}), named(t, "batch"), 1)
		end := states(s.events)
		if r.ByRider != 1 || !slices.Contains(end, dispatch.StateEnRouteToPickup) || end[len(end)-1] != dispatch.StateCancelled {
			t.Errorf("%d by rider: %v", r.ByRider, end)
		}
		if r, _ = play(t, corner(t, sim.Wish{Quit: time.Hour}, actor.Vehicle{}), named(t, "batch"), 1); r.Served != 1 {
			t.Errorf("who was picked up before it quits was not served")
		}
	})
	t.Run("patience_is_the_riders_own", func(t *testing.T) {
		sc := corner(t, sim.Wish{Patience: time.Minute}) // nobody is there
		if r, s := play(t, sc, named(t, "batch"), 1); r.ByRider != 1 || !s.events[1].At.Equal(noon.Add(2*time.Minute)) {
			t.Errorf("%d by rider, %v", r.ByRider, s.events)
		}
	})
	t.Run("a_scheduled_ride_is_waited_for_from_when_it_was_wanted", func(t *testing.T) {
		sc := corner(t, sim.Wish{}, actor.Vehicle{})
		sc.Trips[0].Ready = noon.Add(25 * time.Minute)
		r, _ := play(t, sc, named(t, "batch"), 1)
		if o := r.Orders[0]; r.Served != 1 || r.Wait.Mean != 0 || o.PickedUp.Before(sc.Trips[0].Ready) || r.Decision.Mean > time.Minute {
			t.Errorf("wait %s, decision %s, %+v", r.Wait.Mean, r.Decision.Mean, o)
		}
	})
	t.Run("a_run_that_is_cut_leaves_open_what_is_not_over", func(t *testing.T) {
		sc := corner(t, sim.Wish{}, actor.Vehicle{})
		sc.Cut, sc.To = true, noon.Add(2*time.Minute)
		if r, _ := play(t, sc, named(t, "batch"), 1); r.Open+r.Served != 1 || !r.Orders[0].DroppedOff.IsZero() {
			t.Errorf("%d open, %d served, %+v", r.Open, r.Served, r.Orders[0])
		}
	})
}
