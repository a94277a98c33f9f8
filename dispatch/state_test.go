package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// contractTable repeats the contract's rows in short form: from, to, who. A change here is a change of the
// public protocol.
const contractTable = `
- scheduled: dispatcher rider service
- searching: dispatcher rider service
arrived_at_dropoff cancelled: dispatcher
arrived_at_dropoff completed: dispatcher driver
arrived_at_dropoff returning: dispatcher driver
arrived_at_pickup cancelled: dispatcher driver rider service
arrived_at_pickup en_route_to_dropoff: driver
arrived_at_pickup en_route_to_stop: driver
arrived_at_pickup searching: dispatcher driver engine
arrived_at_stop cancelled: dispatcher
arrived_at_stop en_route_to_dropoff: driver
arrived_at_stop en_route_to_stop: driver
en_route_to_dropoff arrived_at_dropoff: driver
en_route_to_dropoff cancelled: dispatcher
en_route_to_dropoff completed: dispatcher driver
en_route_to_dropoff returning: dispatcher driver
en_route_to_pickup arrived_at_pickup: driver
en_route_to_pickup cancelled: dispatcher rider service
en_route_to_pickup searching: dispatcher driver engine
en_route_to_stop arrived_at_stop: driver
en_route_to_stop cancelled: dispatcher
no_driver searching: dispatcher
offered cancelled: dispatcher rider service
offered en_route_to_pickup: dispatcher driver
offered searching: engine
returning cancelled: dispatcher
returning returned: dispatcher driver
scheduled cancelled: dispatcher rider service
scheduled en_route_to_pickup: dispatcher
scheduled searching: engine
searching cancelled: dispatcher rider service
searching en_route_to_pickup: dispatcher engine
searching no_driver: engine
searching offered: engine
`

func TestTransitions(t *testing.T) {
	t.Run("the_table_is_the_contracts", func(t *testing.T) {
		var lines []string
		for _, r := range Transitions() {
			var who []string
			for _, role := range r.By {
				who = append(who, string(role))
			}
			slices.Sort(who)
			from := string(r.From)
			if from == "" {
				from = "-"
			}
			lines = append(lines, fmt.Sprintf("%s %s: %s", from, r.To, strings.Join(who, " ")))
		}
		slices.Sort(lines)
		want := strings.Split(strings.TrimSpace(contractTable), "\n")
		for _, l := range lines {
			if !slices.Contains(want, l) {
				t.Errorf("not in the contract: %s", l)
			}
		}
		for _, l := range want {
			if !slices.Contains(lines, l) {
				t.Errorf("missing: %s", l)
			}
		}
	})

	t.Run("every_state_can_be_reached_and_every_open_one_left", func(t *testing.T) {
		reached, left := map[State]bool{"": true}, map[State]bool{}
		for range States() {
			for _, r := range Transitions() {
				reached[r.To] = reached[r.To] || reached[r.From]
				left[r.From] = true
			}
		}
		for _, s := range States() {
			if !reached[s] {
				t.Errorf("%s cannot be reached", s)
			}
			if final := s.Closed() && s != StateNoDriver; left[s] == final {
				t.Errorf("%s: closed %v, yet left %v", s, s.Closed(), left[s])
			}
		}
	})

	t.Run("no_role_but_the_listed_may", func(t *testing.T) {
		for _, r := range Transitions() {
			for _, role := range []Role{RoleRider, RoleDriver, RoleDispatcher, RoleService, RoleEngine} {
				if May(role, r.From, r.To) != slices.Contains(r.By, role) {
					t.Errorf("%s from %q to %s: %v", role, r.From, r.To, May(role, r.From, r.To))
				}
			}
			if May(RoleAdmin, r.From, r.To) != May(RoleDispatcher, r.From, r.To) {
				t.Errorf("admin is not as dispatcher from %q to %s", r.From, r.To)
			}
		}
		if May(RoleDispatcher, StateCompleted, StateSearching) {
			t.Error("a completed order was reopened")
		}
	})
}

func TestMayAdvance(t *testing.T) {
	order := func(kind Kind, s State, next int, stops ...StopType) *Order {
		o := &Order{Kind: kind, State: s, NextStop: next}
		for _, typ := range stops {
			o.Stops = append(o.Stops, Stop{Type: typ})
		}
		return o
	}
	direct := []StopType{StopPickup, StopDropoff}
	around := []StopType{StopPickup, StopBetween, StopDropoff}
	for name, c := range map[string]struct {
		o    *Order
		to   State
		want bool
	}{
		"straight_to_the_dropoff":         {order(KindRide, StateArrivedAtPickup, 0, direct...), StateEnRouteToDropoff, true},
		"no_stop_to_go_to":                {order(KindRide, StateArrivedAtPickup, 0, direct...), StateEnRouteToStop, false},
		"the_stop_between_first":          {order(KindRide, StateArrivedAtPickup, 0, around...), StateEnRouteToStop, true},
		"it_is_not_passed_over":           {order(KindRide, StateArrivedAtPickup, 0, around...), StateEnRouteToDropoff, false},
		"then_the_dropoff":                {order(KindRide, StateArrivedAtStop, 1, around...), StateEnRouteToDropoff, true},
		"people_are_not_returned":         {order(KindRide, StateArrivedAtDropoff, 1, direct...), StateReturning, false},
		"goods_are":                       {order(KindDelivery, StateArrivedAtDropoff, 1, direct...), StateReturning, true},
		"cancelling_is_no_step_of_a_trip": {order(KindRide, StateArrivedAtPickup, 0, direct...), StateCancelled, false},
		"nor_is_redispatch":               {order(KindRide, StateEnRouteToPickup, 0, direct...), StateSearching, false},
		"nothing_is_skipped":              {order(KindRide, StateEnRouteToPickup, 0, direct...), StateEnRouteToDropoff, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := MayAdvance(RoleDriver, c.o, c.to); got != c.want {
				t.Errorf("%s from %s to %s: %v", c.o.Kind, c.o.State, c.to, got)
			}
		})
	}
}
