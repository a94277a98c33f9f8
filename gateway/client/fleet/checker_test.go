package fleet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// chain is the life of an honest ride: who took it to which state, with which driver.
var chain = []struct{ from, to, role, sub, driver string }{
	{"", "searching", "rider", "r", ""},
	{"searching", "offered", "engine", "", ""},
	{"offered", "en_route_to_pickup", "driver", "d", "d"},
	{"en_route_to_pickup", "arrived_at_pickup", "driver", "d", "d"},
	{"arrived_at_pickup", "en_route_to_dropoff", "driver", "d", "d"},
	{"en_route_to_dropoff", "completed", "driver", "d", "d"},
}

// orderAt is order id as it stood after version v of the chain, with rider r.
func orderAt(id wire.ID, v int) wire.Order {
	step := chain[v-1]
	o := wire.Order{
		ID: id, Market: "lab", Kind: "ride", State: step.to, Version: int64(v), RiderID: ptr(wire.ID("r")),
		VehicleClass: "standard", RequestedAt: wire.TimeOf(at),
		Stops: []wire.Stop{{Type: "pickup"}, {Type: "dropoff", Lat: 0.01}},
	}
	if step.driver != "" {
		o.DriverID = ptr(wire.ID(step.driver))
	}
	switch step.to {
	case "en_route_to_dropoff":
		o.NextStop = 1
	case "completed":
		o.NextStop = 2
	}
	return o
}

// eventAt is version v of the chain; the seqs of order o are 1 to 6, of any other 11 to 16.
func eventAt(id wire.ID, v int) wire.Event {
	step := chain[v-1]
	e := wire.Event{
		OrderID: id, Version: int64(v), Market: "lab", Seq: int64(v), Type: "order." + step.to, To: step.to,
		At: wire.TimeOf(at.Add(time.Duration(v) * time.Second)), By: wire.By{Role: step.role},
	}
	if id != "o" {
		e.Seq += 10
	}
	if step.from != "" {
		e.From = ptr(step.from)
	}
	if step.sub != "" {
		e.By.Sub = ptr(wire.ID(step.sub))
	}
	if step.driver != "" {
		e.DriverID = ptr(wire.ID(step.driver))
	}
	return e
}

func toldAt(id wire.ID, v int) *wire.OrderUpdate {
	return &wire.OrderUpdate{Type: wire.TypeOrder, Order: orderAt(id, v), Event: ptr(eventAt(id, v))}
}

// stateOnly tells the order as it stands after version v.
func stateOnly(id wire.ID, v int) *wire.OrderUpdate {
	return &wire.OrderUpdate{Type: wire.TypeOrder, Order: orderAt(id, v)}
}

func historyOf(id wire.ID, last int) []wire.Event {
	var events []wire.Event
	for v := 1; v <= last; v++ {
		events = append(events, eventAt(id, v))
	}
	return events
}

func ackOf(id wire.ID, order *wire.Order) *wire.Ack {
	return &wire.Ack{Type: wire.TypeAck, ID: &id, Order: order}
}

// setClock is a wall clock that shows what it is set to.
type setClock struct{ now time.Time }

func (c *setClock) Now() time.Time { return c.now }

func (c *setClock) After(time.Time) (<-chan time.Time, func()) { return nil, func() {} }

// scene is a rider r that has ordered o, and its driver d, both connected.
type scene struct {
	clock         *setClock
	checker       *fleet.Checker
	rider, driver *fleet.Party
}

func newScene() scene {
	clock := &setClock{now: at}
	c := fleet.NewChecker(clock)
	s := scene{clock, c, c.Party("rider", "r"), c.Party("driver", "d")}
	s.rider.Heard(&wire.Welcome{Role: "rider", Sub: "r"})
	s.driver.Heard(&wire.Welcome{Role: "driver", Sub: "d"})
	s.rider.Sent(at, wire.TypeOrderCreate, "create")
	s.rider.Heard(ackOf("create", ptr(orderAt("o", 1))))
	return s
}

// tell tells the rider versions first to last.
func (s scene) tell(first, last int) {
	for v := first; v <= last; v++ {
		s.rider.Heard(toldAt("o", v))
	}
}

func TestChecker_honest_story(t *testing.T) {
	s := newScene()
	s.driver.Heard(&wire.Offer{OfferID: "f", Order: func() wire.Order { o := orderAt("o", 1); o.RiderID = nil; return o }()})
	s.driver.Sent(at, wire.TypeOfferAccept, "accept")
	s.tell(1, 3)
	s.driver.Heard(ackOf("accept", ptr(orderAt("o", 3))))
	s.driver.Heard(toldAt("o", 3))
	for i := range 3 {
		s.checker.Placed("d", wire.Point{Lat: 0.1, Timestamp: wire.TimeOf(at.Add(time.Duration(i) * time.Second))})
	}
	s.rider.Heard(&wire.DriverPosition{OrderID: "o", Lat: 0.1, Timestamp: wire.TimeOf(at.Add(time.Second))})
	s.rider.Heard(&wire.DriverPosition{OrderID: "o", Lat: 9, Timestamp: wire.TimeOf(at.Add(-time.Second))}) // sent by a life before
	s.driver.Sent(at, wire.TypeTripAdvance, "advance")
	s.driver.Heard(&client.Disconnected{})
	s.driver.Heard(&wire.Welcome{Role: "driver", Sub: "d"})
	s.driver.Sent(at, wire.TypeTripAdvance, "advance")
	s.driver.Heard(toldAt("o", 4))
	s.driver.Heard(ackOf("advance", ptr(orderAt("o", 4))))
	s.rider.Heard(&client.Disconnected{})
	s.rider.Heard(&wire.Welcome{Role: "rider", Sub: "r"})
	s.tell(4, 6)
	s.driver.Heard(toldAt("o", 5))
	s.driver.Heard(toldAt("o", 6))
	s.driver.Heard(&wire.OfferWithdrawn{OfferID: "g", Reason: "taken"})
	s.rider.Finish(at.Add(time.Hour))
	s.driver.Finish(at.Add(time.Hour))
	if got := s.checker.Acked(); len(got) != 1 || got[0] != "o" {
		t.Errorf("acked %v, want o", got)
	}
	if s.checker.RiderBehind("o", 6) || !s.checker.RiderBehind("o", 7) {
		t.Error("the rider was told up to version 6")
	}
	s.checker.History("o", historyOf("o", 6), true)
	s.checker.Replay(1)
	if broken := s.checker.Broken(); len(broken) != 0 {
		t.Errorf("an honest story broke %+v", broken)
	}
}

// lies are each kind of lie, with the promise that it breaks and what the report says of it.
var lies = map[string]struct {
	promise, detail string
	tell            func(s scene)
}{
	"a_version_is_skipped": {fleet.Complete, "told event 3 after version 1", func(s scene) {
		s.tell(1, 1)
		s.tell(3, 3)
	}},
	"a_version_is_skipped_over_a_reconnect": {fleet.Complete, "told event 3 after version 1", func(s scene) {
		s.tell(1, 1)
		s.rider.Heard(&client.Disconnected{})
		s.rider.Heard(&wire.Welcome{Role: "rider", Sub: "r"})
		s.tell(3, 3)
	}},
	"the_first_version_is_not_told": {fleet.Complete, "told event 2 after version 0", func(s scene) { s.tell(2, 2) }},
	"an_event_comes_twice": {fleet.Lawful, "told event 2 after version 2", func(s scene) {
		s.tell(1, 2)
		s.tell(2, 2)
	}},
	"a_version_goes_back": {fleet.Lawful, "told version 1 after 2", func(s scene) {
		s.tell(1, 2)
		s.rider.Heard(stateOnly("o", 1))
	}},
	"two_are_told_different_events": {fleet.Lawful, "told in two ways", func(s scene) {
		s.tell(1, 3)
		other := toldAt("o", 3)
		other.Event.Seq = 99
		s.driver.Heard(other)
	}},
	"two_are_told_different_states": {fleet.Lawful, "told as en_route_to_pickup at stop 0 and as arrived_at_pickup", func(s scene) {
		s.tell(1, 3)
		other := stateOnly("o", 3)
		other.Order.State = "arrived_at_pickup"
		s.driver.Heard(other)
	}},
	"two_drivers_have_one_order": {fleet.Single, `drivers "d" and "e"`, func(s scene) {
		s.tell(1, 3)
		other := s.checker.Party("driver", "e")
		told := stateOnly("o", 3)
		told.Order.DriverID = ptr(wire.ID("e"))
		other.Heard(told)
	}},
	"an_accepted_offer_is_another_s": {fleet.Single, "the order is not its own", func(s scene) {
		s.tell(1, 2)
		other := s.checker.Party("driver", "e")
		other.Sent(at, wire.TypeOfferAccept, "a")
		other.Heard(ackOf("a", ptr(orderAt("o", 3))))
	}},
	"a_role_does_what_it_may_not": {fleet.Lawful, `rider took it from "searching" to "offered"`, func(s scene) {
		told := toldAt("o", 2)
		told.Event.By.Role = "rider"
		s.tell(1, 1)
		s.rider.Heard(told)
	}},
	"a_transition_is_not_in_the_table": {fleet.Lawful, `from "searching" to "completed"`, func(s scene) {
		told := toldAt("o", 6)
		told.Event.Version, told.Order.Version = 2, 2
		told.Event.From = ptr("searching")
		s.tell(1, 1)
		s.rider.Heard(told)
	}},
	"a_transition_leaves_another_state": {fleet.Lawful, `leaves "searching", but version 2 entered "offered"`, func(s scene) {
		told := toldAt("o", 2)
		told.Event.Version, told.Order.Version = 3, 3
		s.tell(1, 2)
		s.rider.Heard(told)
	}},
	"a_creation_comes_from_somewhere": {fleet.Lawful, `version 1 comes from "offered"`, func(s scene) {
		told := toldAt("o", 1)
		told.Event.From = ptr("offered")
		s.rider.Heard(told)
	}},
	"a_type_does_not_name_its_state": {fleet.Lawful, "its type is order.cancelled", func(s scene) {
		told := toldAt("o", 1)
		told.Event.Type = "order.cancelled"
		s.rider.Heard(told)
	}},
	"an_order_does_not_fit_its_event": {fleet.Lawful, "event 1 to searching came with the order at 2", func(s scene) {
		told := toldAt("o", 1)
		told.Order = orderAt("o", 2)
		s.rider.Heard(told)
	}},
	"a_stop_does_not_fit_the_state": {fleet.Lawful, "does not fit next_stop 1 of 2 stops", func(s scene) {
		told := toldAt("o", 1)
		told.Order.NextStop = 1
		s.rider.Heard(told)
	}},
	"a_rider_is_told_another_s_order": {fleet.Private, "not its to know", func(s scene) {
		told := toldAt("p", 1)
		told.Order.RiderID = ptr(wire.ID("someone"))
		s.rider.Heard(told)
	}},
	"a_rider_is_answered_with_another_s_order": {fleet.Private, "answered with the order of someone", func(s scene) {
		o := orderAt("p", 1)
		o.RiderID = ptr(wire.ID("someone"))
		s.rider.Sent(at, wire.TypeOrderCancel, "c")
		s.rider.Heard(ackOf("c", &o))
	}},
	"a_driver_is_told_before_it_is_assigned": {fleet.Private, "version 2, which is not its to know", func(s scene) {
		s.driver.Heard(toldAt("o", 2))
	}},
	"a_driver_is_told_after_the_order_was_taken_away": {fleet.Private, "version 2, which is not its to know", func(s scene) {
		s.driver.Heard(toldAt("o", 3))
		gone := toldAt("o", 2)
		gone.Order.Version, gone.Event.Version = 4, 4
		s.driver.Heard(gone) // the event that takes it away is its to know
		again := toldAt("o", 2)
		s.driver.Heard(again)
	}},
	"a_position_of_a_foreign_order": {fleet.Private, "rider r was told where the driver is", func(s scene) {
		s.rider.Heard(&wire.DriverPosition{OrderID: "p", Timestamp: wire.TimeOf(at)})
	}},
	"a_position_to_a_driver": {fleet.Private, "driver d was told where the driver is", func(s scene) {
		s.driver.Heard(toldAt("o", 3))
		s.driver.Heard(&wire.DriverPosition{OrderID: "o", Timestamp: wire.TimeOf(at)})
	}},
	"a_position_after_the_ride": {fleet.Private, "when none was at work", func(s scene) {
		s.tell(1, 6)
		s.clock.now = at.Add(3 * time.Second)
		s.rider.Heard(&wire.DriverPosition{OrderID: "o", Timestamp: wire.TimeOf(at.Add(time.Minute))})
		s.checker.History("o", historyOf("o", 6), false)
	}},
	"a_position_long_before_a_driver_was_found": {fleet.Private, "when none was at work", func(s scene) {
		s.tell(1, 2)
		s.clock.now = at.Add(3 * time.Second)
		s.rider.Heard(&wire.DriverPosition{OrderID: "o", Timestamp: wire.TimeOf(at.Add(3 * time.Second))})
		events := historyOf("o", 3)
		events[2].At = wire.TimeOf(at.Add(time.Hour))
		s.checker.History("o", events, false)
	}},
	"a_position_of_another_driver": {fleet.Private, "where no driver of the order said it was", func(s scene) {
		s.tell(1, 3)
		for i := range 3 {
			s.checker.Placed("d", wire.Point{Lat: 0.1, Timestamp: wire.TimeOf(at.Add(2 * time.Duration(i) * time.Second))})
		}
		s.rider.Heard(&wire.DriverPosition{OrderID: "o", Lat: 0.2, Timestamp: wire.TimeOf(at.Add(3 * time.Second))})
	}},
	"a_position_where_the_driver_was_not": {fleet.Private, "where no driver of the order said it was", func(s scene) {
		s.tell(1, 3)
		s.checker.Placed("d", wire.Point{Lat: 0.1, Timestamp: wire.TimeOf(at)})
		s.rider.Heard(&wire.DriverPosition{OrderID: "o", Lat: 0.2, Timestamp: wire.TimeOf(at)})
	}},
	"an_offer_to_a_rider": {fleet.Private, "rider r was sent an offer", func(s scene) {
		s.rider.Heard(&wire.Offer{OfferID: "f"})
	}},
	"an_offer_names_the_rider": {fleet.Private, "names its rider", func(s scene) {
		s.driver.Heard(&wire.Offer{OfferID: "f", Order: orderAt("o", 1)})
	}},
	"welcomed_as_another": {fleet.Private, "welcomed as driver e", func(s scene) {
		s.driver.Heard(&wire.Welcome{Role: "driver", Sub: "e"})
	}},
	"an_offer_after_its_withdrawal": {fleet.Lawful, "after its withdrawal", func(s scene) {
		s.driver.Heard(&wire.OfferWithdrawn{OfferID: "f"})
		s.driver.Heard(&wire.Offer{OfferID: "f"})
	}},
	"two_answers_to_one_request": {fleet.Answered, "answered 2 times", func(s scene) {
		s.rider.Heard(ackOf("create", ptr(orderAt("o", 1))))
	}},
	"an_answer_to_no_request": {fleet.Answered, "never sent", func(s scene) { s.rider.Heard(ackOf("x", nil)) }},
	"an_ack_without_an_id":    {fleet.Answered, "without an id", func(s scene) { s.rider.Heard(&wire.Ack{}) }},
	"a_repeat_is_answered_otherwise": {fleet.Answered, "was answered", func(s scene) {
		s.rider.Sent(at, wire.TypeOrderCreate, "create")
		s.rider.Heard(ackOf("create", ptr(orderAt("p", 1))))
	}},
	"a_repeat_tells_the_order_as_it_stands_now": {fleet.Answered, "was answered", func(s scene) {
		s.rider.Sent(at, wire.TypeOrderCreate, "create")
		s.rider.Heard(ackOf("create", ptr(orderAt("o", 2))))
	}},
	"a_repeat_tells_another_detail": {fleet.Answered, "was answered", func(s scene) {
		o := orderAt("o", 1)
		o.PickupETA = ptr(wire.TimeOf(at))
		s.rider.Sent(at, wire.TypeOrderCreate, "create")
		s.rider.Heard(ackOf("create", &o))
	}},
	"a_kept_refusal_becomes_an_ack": {fleet.Answered, `"error taken", then "ack`, func(s scene) {
		s.driver.Sent(at, wire.TypeOfferAccept, "a")
		s.driver.Heard(&wire.Error{ID: ptr(wire.ID("a")), Code: "taken"})
		s.driver.Sent(at, wire.TypeOfferAccept, "a")
		s.driver.Heard(ackOf("a", ptr(orderAt("o", 3))))
	}},
	"no_answer": {fleet.Answered, "was not answered", func(s scene) {
		s.driver.Sent(at, wire.TypeDuty, "duty")
		s.driver.Finish(at.Add(time.Minute))
	}},
	"what_cannot_be_read": {fleet.Streamed, "could not read", func(s scene) {
		s.driver.Heard(&client.Unknown{Type: "order", Err: errors.New("bad")})
	}},
	"an_acknowledged_order_is_gone": {fleet.Durable, "the history does not know it", func(s scene) {
		s.checker.History("o", nil, false)
	}},
	"an_acknowledged_transition_is_gone": {fleet.Durable, "version 3 was acknowledged, the history ends with 2", func(s scene) {
		s.driver.Sent(at, wire.TypeOfferAccept, "a")
		s.driver.Heard(ackOf("a", ptr(orderAt("o", 3))))
		s.checker.History("o", historyOf("o", 2), false)
	}},
	"a_told_transition_is_not_committed": {fleet.Streamed, "version 2 was told, the history ends with 1", func(s scene) {
		s.tell(1, 2)
		s.checker.History("o", historyOf("o", 1), false)
	}},
	"a_hole_in_the_history": {fleet.Lawful, "has version 3 of o in place 2", func(s scene) {
		events := historyOf("o", 3)
		s.checker.History("o", append(events[:1], events[2]), false)
	}},
	"the_history_differs_from_what_was_told": {fleet.Streamed, "version 2 was told as", func(s scene) {
		s.tell(1, 2)
		events := historyOf("o", 2)
		events[1].Seq = 77
		s.checker.History("o", events, false)
	}},
	"the_history_differs_from_the_state_told": {fleet.Streamed, "version 2 was told as offered, the history says cancelled", func(s scene) {
		s.rider.Heard(stateOnly("o", 2))
		events := historyOf("o", 2)
		events[1].To, events[1].Type, events[1].By.Role = "cancelled", "order.cancelled", "rider"
		s.checker.History("o", events, false)
	}},
	"an_illegal_transition_that_nobody_was_told": {fleet.Lawful, `engine took it from "offered" to "en_route_to_pickup"`, func(s scene) {
		events := historyOf("o", 3)
		events[2].By.Role = "engine"
		s.checker.History("o", events, false)
	}},
	"a_history_that_does_not_follow_from_itself": {fleet.Lawful, `leaves "scheduled", but version 1 entered "searching"`, func(s scene) {
		events := historyOf("o", 2)
		events[1].From = ptr("scheduled")
		s.checker.History("o", events, false)
	}},
	"the_history_names_another_driver_than_was_told": {fleet.Single, `told with driver "d", the history says "e"`, func(s scene) {
		s.rider.Heard(stateOnly("o", 3))
		events := historyOf("o", 3)
		events[2].DriverID = ptr(wire.ID("e"))
		s.checker.History("o", events, false)
	}},
	"a_seq_goes_back": {fleet.Lawful, "version 2 has seq 1", func(s scene) {
		events := historyOf("o", 2)
		events[0].Seq, events[1].Seq = 2, 1
		s.checker.History("o", events, false)
	}},
	"the_market_clock_goes_back": {fleet.Lawful, "version 2 has seq 2", func(s scene) {
		events := historyOf("o", 2)
		events[1].At = wire.TimeOf(at)
		s.checker.History("o", events, false)
	}},
	"a_rider_was_not_told_the_end": {fleet.Complete, "up to version 5 of 6", func(s scene) {
		s.tell(1, 5)
		s.checker.History("o", historyOf("o", 6), true)
	}},
	"one_seq_for_two_events": {fleet.Lawful, "seq 1 of market lab is also that of order o", func(s scene) {
		s.checker.History("o", historyOf("o", 1), false)
		events := historyOf("p", 1)
		events[0].Seq = 1
		s.checker.History("p", events, false)
	}},
	"a_driver_over_its_capacity": {fleet.Single, "got it while it held 1 orders", func(s scene) {
		s.checker.History("o", historyOf("o", 5), false)
		s.checker.History("p", historyOf("p", 3), false)
		s.checker.Replay(1)
	}},
}

func TestChecker_each_lie_is_seen(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			lie.tell(s)
			for _, b := range s.checker.Broken() {
				if b.Promise == lie.promise && strings.Contains(b.Detail, lie.detail) {
					return
				}
			}
			t.Errorf("got %+v, want %s with %q", s.checker.Broken(), lie.promise, lie.detail)
		})
	}
}

func TestChecker_what_is_no_lie(t *testing.T) {
	for name, tell := range map[string]func(s scene){
		"redispatched_and_given_back_by_a_dispatcher": func(s scene) {
			s.driver.Heard(toldAt("o", 3))
			gone := toldAt("o", 3)
			gone.Order = orderAt("o", 1)
			gone.Order.Version, gone.Event.Version = 4, 4
			gone.Event.From, gone.Event.To, gone.Event.Type = ptr("en_route_to_pickup"), "searching", "order.searching"
			s.driver.Heard(gone)
			back := toldAt("o", 3)
			back.Order.Version, back.Event.Version = 6, 6
			back.Event.From, back.Event.By.Role = ptr("searching"), "dispatcher"
			s.driver.Heard(back)
		},
		"refused_for_now_and_then_done": func(s scene) {
			s.driver.Sent(at, wire.TypeDuty, "duty")
			s.driver.Heard(&wire.Error{ID: ptr(wire.ID("duty")), Code: "unavailable"})
			s.driver.Sent(at, wire.TypeDuty, "duty")
			s.driver.Heard(ackOf("duty", nil))
		},
		"a_full_driver_after_its_ride": func(s scene) {
			s.checker.History("o", historyOf("o", 6), false)
			s.checker.History("p", historyOf("p", 3), false)
			s.checker.Replay(1)
		},
		"unanswered_while_away": func(s scene) {
			s.driver.Sent(at, wire.TypeDuty, "duty")
			s.driver.Heard(&client.Disconnected{})
			s.driver.Finish(at.Add(time.Hour))
		},
		"a_position_overtakes_the_news_of_its_driver": func(s scene) {
			s.tell(1, 2)
			s.clock.now = at.Add(3 * time.Second)
			s.rider.Heard(&wire.DriverPosition{OrderID: "o", Timestamp: wire.TimeOf(at.Add(3 * time.Second))})
			s.checker.History("o", historyOf("o", 3), false)
		},
		"a_position_on_its_way_at_the_end_of_the_ride": func(s scene) {
			s.tell(1, 6)
			s.clock.now = at.Add(time.Second)
			s.rider.Heard(&wire.DriverPosition{OrderID: "o", Timestamp: wire.TimeOf(at.Add(time.Minute))})
			s.clock.now = at.Add(time.Hour)
			s.rider.Heard(&wire.DriverPosition{OrderID: "o", Timestamp: wire.TimeOf(at.Add(5 * time.Second))}) // of the ride
			s.checker.History("o", historyOf("o", 6), false)
		},
		"lost_and_heard_of_again": func(s scene) {
			s.driver.Heard(toldAt("o", 3))
			s.driver.Heard(&client.Lost{OrderID: "o"})
			s.driver.Heard(stateOnly("o", 5))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			tell(s)
			if broken := s.checker.Broken(); len(broken) != 0 {
				t.Errorf("got %+v, want nothing broken", broken)
			}
		})
	}
}
