package actor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

func driver(change func(*actor.DriverConfig)) *actor.Driver {
	cfg := actor.DriverConfig{
		ID: "d", Market: "lab", SpeedMps: 10, Circuity: 1, Ping: 1000 * time.Second,
		PickupService: 5 * time.Second, DropoffService: 5 * time.Second,
		Shifts: []actor.Shift{{On: start, Off: start.Add(time.Hour)}},
	}
	if change != nil {
		change(&cfg)
	}
	return actor.NewDriver(cfg)
}

// assigned is how every trip scenario begins: on duty at the origin, offer f accepted at second 2.
func assigned(between bool) []step {
	return []step{
		{0, actor.Tick{}, "online lab"},
		{1, ok(actor.Online{Market: "lab"}, nil), "at 0 m"},
		{2, made("f"), "accept f"},
		{2, ok(actor.Accept{Offer: "f"}, order(3, dispatch.StateEnRouteToPickup, "d", 0, between)), ""},
	}
}

func TestDriver_Next(t *testing.T) {
	const (
		toPickup, atPickup   = dispatch.StateEnRouteToPickup, dispatch.StateArrivedAtPickup
		toStop, atStop       = dispatch.StateEnRouteToStop, dispatch.StateArrivedAtStop
		toDropoff, atDropoff = dispatch.StateEnRouteToDropoff, dispatch.StateArrivedAtDropoff
	)
	told := func(o *actor.Order) actor.Event { return actor.OrderTold{Order: *o} }
	for name, c := range map[string]struct {
		change func(*actor.DriverConfig)
		steps  []step
	}{
		"a_whole_ride": {steps: append(assigned(false), []step{
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
			{12, ok(advance(atPickup), order(4, atPickup, "d", 0, false)), ""},
			{13, told(order(3, toPickup, "d", 0, false)), ""}, // late
			{16, actor.Tick{}, ""},
			{17, actor.Tick{}, "advance o en_route_to_dropoff"},
			{17, ok(advance(toDropoff), order(5, toDropoff, "d", 1, false)), ""},
			{37, actor.Tick{}, "at 300 m, advance o arrived_at_dropoff"},
			{37, ok(advance(atDropoff), order(6, atDropoff, "d", 1, false)), ""},
			{42, actor.Tick{}, "advance o completed"},
			{42, ok(advance(dispatch.StateCompleted), order(7, dispatch.StateCompleted, "d", 2, false)), ""},
			{43, told(order(6, atDropoff, "d", 1, false)), ""}, // late: the order is not taken up again
			{44, made("g"), "accept g"},
		}...)},
		"a_stop_between": {steps: append(assigned(true), []step{
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
			{12, ok(advance(atPickup), order(4, atPickup, "d", 0, true)), ""},
			{17, actor.Tick{}, "advance o en_route_to_stop"},
			{17, ok(advance(toStop), order(5, toStop, "d", 1, true)), ""},
			{27, actor.Tick{}, "at 200 m, advance o arrived_at_stop"},
			{27, ok(advance(atStop), order(6, atStop, "d", 1, true)), ""},
			{32, actor.Tick{}, "advance o en_route_to_dropoff"},
			{32, ok(advance(toDropoff), order(7, toDropoff, "d", 2, true)), ""},
			{42, actor.Tick{}, "at 300 m, advance o arrived_at_dropoff"},
		}...)},
		"the_rider_cancels_on_the_way": {steps: append(assigned(false), []step{
			{7, told(order(4, dispatch.StateCancelled, "d", 0, false)), ""},
			{12, actor.Tick{}, ""},
			{13, made("g"), "accept g"},
		}...)},
		"redispatch_takes_the_order_away": {steps: append(assigned(false), []step{
			{7, told(order(4, dispatch.StateSearching, "", 0, false)), ""},
			{12, actor.Tick{}, ""},
		}...)},
		"another_driver_has_it": {steps: append(assigned(false), []step{
			{7, told(order(4, toPickup, "e", 0, false)), ""},
			{12, actor.Tick{}, ""},
		}...)},
		"assigned_again_after_a_redispatch": {steps: append(assigned(false), []step{
			{7, told(order(4, dispatch.StateSearching, "", 0, false)), ""},
			{7, told(order(5, toPickup, "d", 0, false)), ""}, // from 50 m
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
		}...)},
		"no_longer_a_party_after_a_reconnect": {steps: append(assigned(false), []step{
			{7, actor.OrderLost{Order: "o"}, ""},
			{12, actor.Tick{}, ""},
		}...)},
		"an_order_of_an_earlier_life_is_gone_on_with": {steps: []step{
			{0, actor.Tick{}, "online lab"},
			{1, told(order(5, toDropoff, "d", 1, false)), "at 100 m"},
			{1, ok(actor.Online{Market: "lab"}, nil), "at 100 m"},
			{21, actor.Tick{}, "at 300 m, advance o arrived_at_dropoff"},
		}},
		"told_the_same_again_it_drives_on": {steps: append(assigned(false), []step{
			{7, actor.Connected{}, "at 50 m"},
			{7, told(order(3, toPickup, "d", 0, false)), ""},
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
		}...)},
		"a_refused_step_asks_how_the_order_stands": {steps: append(assigned(false), []step{
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
			{12, refused(advance(atPickup), dispatch.CodeIllegalTransition), "watch o"},
			{12, ok(actor.Watch{Order: "o"}, order(6, toDropoff, "d", 1, false)), ""},
			{37, actor.Tick{}, "at 300 m, advance o arrived_at_dropoff"},
		}...)},
		"a_step_refused_again_and_again_is_no_storm": {steps: append(assigned(false), []step{
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
			{12, refused(advance(atPickup), dispatch.CodeInternal), "watch o"},
			{12, ok(actor.Watch{Order: "o"}, order(3, toPickup, "d", 0, false)), ""},
			{16, actor.Tick{}, ""},
			{17, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
		}...)},
		"a_refused_step_of_a_foreign_order_lets_go": {steps: append(assigned(false), []step{
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
			{12, refused(advance(atPickup), dispatch.CodeNotFound), "watch o"},
			{12, refused(actor.Watch{Order: "o"}, dispatch.CodeNotFound), ""},
			{18, made("g"), "accept g"},
		}...)},
		"an_offer_is_thought_about_and_may_be_withdrawn": {
			change: func(c *actor.DriverConfig) { c.Think = 3 * time.Second },
			steps: []step{
				{0, actor.Tick{}, "online lab"},
				{1, ok(actor.Online{Market: "lab"}, nil), "at 0 m"},
				{2, made("f"), ""},
				{3, actor.OfferWithdrawn{Offer: "f"}, ""},
				{5, actor.Tick{}, ""},
				{6, made("g"), ""},
				{7, made("g"), ""}, // told again
				{9, actor.Tick{}, "accept g"},
				{9, made("g"), ""}, // and again, while the answer is awaited
				{9, refused(actor.Accept{Offer: "g"}, dispatch.CodeTaken), ""},
				{10, actor.OfferMade{Offer: "h", ExpiresAt: start.Add(12 * time.Second)}, ""},
				{13, actor.Tick{}, ""}, // it ran out meanwhile
			},
		},
		"a_full_driver_declines": {steps: append(assigned(false), []step{
			{3, made("g"), "decline g"},
			{3, ok(actor.Decline{Offer: "g"}, nil), ""},
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
		}...)},
		"one_that_always_declines": {
			change: func(c *actor.DriverConfig) { c.Decline = 1 },
			steps: []step{
				{0, actor.Tick{}, "online lab"},
				{1, ok(actor.Online{Market: "lab"}, nil), "at 0 m"},
				{2, made("f"), "decline f"},
			},
		},
		"one_that_leaves_offers_unanswered": {
			change: func(c *actor.DriverConfig) { c.Ignore = 1 },
			steps: []step{
				{0, actor.Tick{}, "online lab"},
				{1, ok(actor.Online{Market: "lab"}, nil), "at 0 m"},
				{2, made("f"), ""},
				{3, made("f"), ""}, // told again: it stays unanswered
				{2000, actor.Tick{}, "at 0 m"},
			},
		},
		"one_that_gives_its_order_back_on_the_way": {
			change: func(c *actor.DriverConfig) { c.GiveBack = 1 },
			steps: append(assigned(false), []step{
				{11.999, actor.Tick{}, "cancel o"},
				{12, ok(actor.Cancel{Order: "o"}, order(4, dispatch.StateSearching, "", 0, false)), ""},
				{13, made("g"), "accept g"},
			}...),
		},
		"refused_to_give_back_it_asks_and_tries_again": {
			change: func(c *actor.DriverConfig) { c.GiveBack = 1 },
			steps: append(assigned(false), []step{
				{11.999, actor.Tick{}, "cancel o"},
				{12, refused(actor.Cancel{Order: "o"}, dispatch.CodeInternal), "watch o"},
				{12, ok(actor.Watch{Order: "o"}, order(3, toPickup, "d", 0, false)), ""},
				{17, actor.Tick{}, "cancel o"},
			}...),
		},
		"nobody_comes_to_the_pickup": {
			change: func(c *actor.DriverConfig) { c.NoShow, c.NoShowAfter = 1, 300*time.Second },
			steps: append(assigned(false), []step{
				{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
				{12, ok(advance(atPickup), order(4, atPickup, "d", 0, false)), ""},
				{311, actor.Tick{}, ""},
				{312, actor.Tick{}, "cancel o"},
				{312, ok(actor.Cancel{Order: "o"}, order(5, dispatch.StateCancelled, "d", 0, false)), ""},
				{313, made("g"), "accept g"},
			}...),
		},
		"a_meal_is_waited_for": {
			change: func(c *actor.DriverConfig) {
				c.Ready = map[dispatch.RiderID]time.Time{"r": start.Add(100 * time.Second)}
			},
			steps: append(assigned(false), []step{
				{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
				{12, ok(advance(atPickup), order(4, atPickup, "d", 0, false)), ""},
				{99, actor.Tick{}, ""},
				{100, actor.Tick{}, "advance o en_route_to_dropoff"},
			}...),
		},
		"positions_while_standing_and_driving": {
			change: func(c *actor.DriverConfig) { c.Ping = 4 * time.Second },
			steps: append(assigned(false), []step{
				{5, actor.Tick{}, "at 30 m"},
				{6, actor.Tick{}, ""},
				{9, actor.Tick{}, "at 70 m"},
				{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
				{16, actor.Tick{}, "at 100 m"},
			}...),
		},
		"a_free_driver_cruises_to_its_haunt": {
			change: func(c *actor.DriverConfig) { c.Haunts = []geo.LatLng{metersNorth(300)}; c.Ping = 6 * time.Second },
			steps: []step{
				{0, actor.Tick{}, "online lab"},
				{1, ok(actor.Online{Market: "lab"}, nil), "at 10 m"},
				{2, made("f"), "accept f"},
				{5, ok(actor.Accept{Offer: "f"}, order(3, toPickup, "d", 0, false)), ""}, // from 50 m on
				{7, actor.Tick{}, "at 70 m"},
				{9, told(order(4, dispatch.StateCancelled, "d", 0, false)), ""},
				{13, actor.Tick{}, "at 130 m"},
				{60, actor.Tick{}, "at 300 m"},
			},
		},
		"in_the_midst_of_its_shift_it_has_been_cruising": {
			change: func(c *actor.DriverConfig) {
				c.Haunts = []geo.LatLng{metersNorth(300)}
				c.Shifts = []actor.Shift{{On: start.Add(-20 * time.Second)}}
			},
			steps: []step{
				{0, actor.Tick{}, "online lab"},
				{1, ok(actor.Online{Market: "lab"}, nil), "at 210 m"},
			},
		},
		"a_shift_ends_when_free": {
			change: func(c *actor.DriverConfig) {
				c.Shifts = []actor.Shift{
					{On: start, Off: start.Add(10 * time.Second)},
					{On: start.Add(100 * time.Second), At: metersNorth(40)},
				}
			},
			steps: append(assigned(false), []step{
				{10, actor.Tick{}, ""},
				{11, told(order(4, dispatch.StateCancelled, "d", 0, false)), "offline"},
				{12, made("g"), "decline g"},
				{12, ok(actor.Offline{}, nil), ""},
				{99, actor.Tick{}, ""},
				{100, actor.Tick{}, "online lab"},
				{101, ok(actor.Online{Market: "lab"}, nil), "at 40 m"},
				{102, actor.EndShift{}, "offline"},
			}...),
		},
		"a_refused_duty_is_asked_again": {steps: []step{
			{0, actor.Tick{}, "online lab"},
			{1, refused(actor.Online{Market: "lab"}, dispatch.CodeConflict), ""},
			{5, actor.Tick{}, ""},
			{6, actor.Tick{}, "online lab"},
		}},
		"sent_off_duty_it_still_ends_its_ride": {steps: append(assigned(false), []step{
			{3, actor.EndShift{}, "offline"},
			{3, ok(actor.Offline{}, nil), ""},
			{12, actor.Tick{}, "at 100 m, advance o arrived_at_pickup"},
		}...)},
		"a_delivery_is_brought_back": {steps: append(assigned(false), []step{
			{3, told(order(9, dispatch.StateReturning, "d", 1, false)), ""},
			{12, actor.Tick{}, "at 100 m, advance o returned"},
		}...)},
	} {
		t.Run(name, func(t *testing.T) { play(t, driver(c.change), c.steps) })
	}
}

func TestDriver_OffDuty(t *testing.T) {
	d := driver(nil)
	play(t, d, assigned(false))
	if d.OffDuty() {
		t.Error("on duty, but says off duty")
	}
	play(t, d, []step{{3, actor.EndShift{}, "offline"}})
	if d.OffDuty() {
		t.Error("off duty before the server said so")
	}
	play(t, d, []step{{3, ok(actor.Offline{}, nil), ""}})
	if !d.OffDuty() {
		t.Error("still on duty")
	}
}

func TestDriver_Next_is_seeded(t *testing.T) {
	declines := func(seed uint64) (got string) {
		d := driver(func(c *actor.DriverConfig) { c.Decline, c.Seed, c.Think = 0.5, seed, time.Hour })
		play(t, d, []step{
			{0, actor.Tick{}, "online lab"},
			{0, ok(actor.Online{Market: "lab"}, nil), "at 0 m"},
		})
		for i := range 40 {
			got += describe(d.Next(start, made(dispatch.OfferID(fmt.Sprint(i))))) + ";"
		}
		return got
	}
	first, second := declines(1), declines(1)
	if first != second {
		t.Error("the same seed declined otherwise")
	}
	if first == declines(2) {
		t.Error("another seed declined the same 40 offers")
	}
}

func TestDriver_with_room_for_two(t *testing.T) {
	first, second := *order(3, dispatch.StateEnRouteToDropoff, "d", 1, false), *order(3, dispatch.StateEnRouteToPickup, "d", 0, false)
	second.ID = "p"
	done := first
	done.Version, done.State = 5, dispatch.StateCompleted
	travel := func(geo.LatLng, geo.LatLng, time.Time) time.Duration { return 50 * time.Second }
	offer := actor.OfferMade{Offer: "f", ExpiresAt: start.Add(time.Hour)}
	for capacity, says := range map[int]string{1: "decline f", 2: ""} {
		d := actor.NewDriver(actor.DriverConfig{
			ID: "d", Market: "lab", Capacity: capacity, Travel: travel, Ping: time.Hour, Think: 2 * time.Second, DropoffService: 9 * time.Second,
			Shifts: []actor.Shift{{On: start, Off: start.Add(70 * time.Second)}},
		})
		steps := []step{
			{0, actor.Tick{}, "online lab"},
			{1, ok(actor.Online{Market: "lab"}, nil), "at 0 m"},
			{10, actor.OrderTold{Order: first}, ""},
			{20, offer, says},
		}
		if capacity == 2 {
			steps = append(steps,
				step{22, actor.Tick{}, "accept f"},
				step{23, ok(actor.Accept{Offer: "f"}, &second), ""},
				// The first order goes on: 50 s from its pickup at 10 s.
				step{60, actor.Tick{}, "at 300 m, advance o arrived_at_dropoff"},
				// The shift ends at 70 s: it goes off duty, to be asked no more, and does its orders.
				step{70, ok(actor.Advance{Order: "o", To: dispatch.StateArrivedAtDropoff}, order(4, dispatch.StateArrivedAtDropoff, "d", 1, false)), "offline"},
				step{71, ok(actor.Offline{}, nil), ""},
				step{72, actor.OfferMade{Offer: "g", ExpiresAt: start.Add(time.Hour)}, "decline g"},
				step{80, actor.Tick{}, "advance o completed"},
				step{81, ok(actor.Advance{Order: "o", To: dispatch.StateCompleted}, &done), ""},
				step{131, actor.Tick{}, "at 100 m, advance p arrived_at_pickup"},
			)
		}
		play(t, d, steps)
	}
}
