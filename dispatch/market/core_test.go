package market

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// What an asker read before its turn may be old by then; the core must not act on it.
func TestCore_judge(t *testing.T) {
	driver := dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d1"}
	open := &dispatch.Order{ID: "o1", Market: "sf", State: dispatch.StateEnRouteToPickup, Driver: "d1", Stops: newStops(2)}
	for _, test := range []struct {
		name string
		do   Do
		want dispatch.Code
	}{
		{
			"an_open_order_that_it_does_not_hold_was_read_too_early",
			Do{dispatch.Command{Op: dispatch.OpAdvance, By: driver, Order: "o1", To: dispatch.StateArrivedAtPickup}, Known{Order: open}},
			dispatch.CodeUnavailable,
		},
		{
			"a_live_offer_that_it_does_not_hold_was_read_too_early",
			Do{
				dispatch.Command{Op: dispatch.OpAccept, By: driver, Offer: "f1"},
				Known{Offer: &dispatch.Offer{ID: "f1", Order: "o1", Driver: "d1", State: dispatch.OfferLive}},
			},
			dispatch.CodeUnavailable,
		},
		{
			"a_row_of_another_order_is_none",
			Do{dispatch.Command{Op: dispatch.OpAdvance, By: driver, Order: "o2", To: dispatch.StateArrivedAtPickup}, Known{Order: open}},
			dispatch.CodeNotFound,
		},
		{
			"a_driver_whose_duty_was_not_claimed_stays_off_duty",
			Do{online("d1"), Known{}},
			dispatch.CodeUnavailable,
		},
		{
			"an_unknown_operation_is_unsupported",
			Do{dispatch.Command{Op: "order.fly", By: dispatch.Actor{Role: dispatch.RoleAdmin}, Order: "o3"}, Known{
				Order: &dispatch.Order{ID: "o3", Market: "sf", State: dispatch.StateCompleted},
			}},
			dispatch.CodeUnsupported,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := NewCore("sf", dispatch.DefaultPolicy(), dispatch.Recovery{}).Step(t0, test.do)
			if out.Reply.Err == nil || out.Reply.Err.Code != test.want {
				t.Errorf("reply %+v, want %s", out.Reply, test.want)
			}
			if len(out.Events)+len(out.Offers)+len(out.Answers) > 0 {
				t.Errorf("it did something: %+v", out)
			}
		})
	}
}

// The stores keep microseconds: what a core tells must be what it would be told after a recovery.
func TestCore_Now(t *testing.T) {
	c := NewCore("sf", dispatch.DefaultPolicy(), dispatch.Recovery{At: t0})
	c.Step(t0.Add(1500*time.Nanosecond), Tick{})
	if want := t0.Add(time.Microsecond); !c.Now().Equal(want) {
		t.Errorf("now is %v, want %v", c.Now(), want)
	}
	c.Step(t0.Add(-time.Hour), Tick{})
	if want := t0.Add(time.Microsecond); !c.Now().Equal(want) {
		t.Errorf("now is %v after a step in the past, want %v", c.Now(), want)
	}
}

// A journal in memory that took everything would prove nothing.
func TestMemory_Commit(t *testing.T) {
	order := func(version int64, state dispatch.State, edit func(*dispatch.Order)) *dispatch.Order {
		o := &dispatch.Order{ID: "o1", Market: "sf", State: state, Version: version, Stops: newStops(2)}
		if edit != nil {
			edit(o)
		}
		return o
	}
	event := func(seq int64, from dispatch.State, o *dispatch.Order, by dispatch.Role) dispatch.Event {
		return dispatch.Event{
			Market: "sf", Seq: seq, Type: dispatch.Entered(o.State), At: t0, By: dispatch.By{Role: by},
			Version: o.Version, Order: o, From: from, To: o.State,
		}
	}
	created := event(1, "", order(1, dispatch.StateSearching, nil), dispatch.RoleRider)
	given := func(o *dispatch.Order) { o.Driver = "d1" }
	live := dispatch.Offer{ID: "f1", Order: "o1", Market: "sf", Driver: "d1", State: dispatch.OfferLive}
	for name, b := range map[string]dispatch.Batch{
		"a_hole_in_seq":            {Events: []dispatch.Event{event(2, "", created.Order, dispatch.RoleRider)}},
		"a_hole_in_versions":       {Events: []dispatch.Event{event(1, "", order(2, dispatch.StateSearching, nil), dispatch.RoleRider)}},
		"a_step_not_in_the_table":  {Events: []dispatch.Event{event(1, "", order(1, dispatch.StateCompleted, given), dispatch.RoleRider)}},
		"a_step_of_another_role":   {Events: []dispatch.Event{event(1, "", created.Order, dispatch.RoleDriver)}},
		"a_step_from_elsewhere":    {Events: []dispatch.Event{event(1, dispatch.StateNoDriver, created.Order, dispatch.RoleDispatcher)}},
		"more_than_the_capacity":   {Events: []dispatch.Event{created, event(2, dispatch.StateSearching, order(2, dispatch.StateEnRouteToPickup, given), dispatch.RoleDispatcher)}},
		"a_driver_while_searching": {Events: []dispatch.Event{event(1, "", order(1, dispatch.StateSearching, given), dispatch.RoleRider)}},
		"an_offer_to_nobody":       {Events: []dispatch.Event{created}, Offers: []dispatch.Offer{live}},
		"an_offer_that_ended_open": {Events: []dispatch.Event{created}, Offers: []dispatch.Offer{{ID: "f1", State: dispatch.OfferExpired}}},
		"offered_without_an_offer": {Events: []dispatch.Event{created, event(2, dispatch.StateSearching, order(2, dispatch.StateOffered, nil), dispatch.RoleEngine)}},
		"an_answer_without_a_key":  {Answers: []dispatch.Answer{{Market: "sf", Sub: "r1"}}},
	} {
		t.Run("refuses_"+name, func(t *testing.T) {
			j := newMemory("sf")
			lease, err := j.Lead(t.Context(), "sf")
			if err != nil {
				t.Fatal(err)
			}
			b.Market, b.Epoch, b.Batch, b.At = "sf", lease.Epoch, lease.Batch, t0
			if err := j.Commit(t.Context(), &b); err == nil || len(j.events) > 0 {
				t.Errorf("commit: %v, then %d events", err, len(j.events))
			}
			good := dispatch.Batch{Market: "sf", Epoch: lease.Epoch, Batch: lease.Batch, At: t0, Events: []dispatch.Event{created}}
			if err := j.Commit(t.Context(), &good); err != nil {
				t.Errorf("commit of what is right: %v", err)
			}
		})
	}
}

// A driver at the pickup is 0 s away, which is not the same as a time that is not known.
func TestCore_a_driver_at_the_pickup_has_an_eta(t *testing.T) {
	for _, mode := range []dispatch.Mode{dispatch.ModeBatch, dispatch.ModeDirect} {
		p := dispatch.DefaultPolicy()
		p.Mode = mode
		rec, _ := crowded()
		rec.Orders = rec.Orders[:1]
		core := NewCore("sf", p, rec)
		core.Step(t0, Tick{})
		out := core.Step(t0, Candidates{
			Round: 1, Pairs: []Candidate{{Order: "o1", Driver: "d1", Source: "test"}}, Trips: []Trip{{Order: "o1", Duration: time.Minute}},
		})
		if mode == dispatch.ModeBatch {
			out = core.Step(t0, Do{Command: dispatch.Command{
				Op: dispatch.OpAccept, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d1"}, Market: "sf", Offer: out.Offers[0].ID,
			}})
		}
		if len(out.Events) != 1 {
			t.Fatalf("%s: %d events", mode, len(out.Events))
		}
		if o := out.Events[0].Order; !o.PickupETA.Equal(t0) || !o.DropoffETA.Equal(t0.Add(time.Minute)) {
			t.Errorf("%s: pickup %s, drop-off %s", mode, o.PickupETA, o.DropoffETA)
		}
	}
	for source, want := range map[string]time.Time{"test": t0, "": {}} {
		rec, _ := crowded()
		rec.Orders = rec.Orders[:1]
		core := NewCore("sf", dispatch.DefaultPolicy(), rec)
		out := core.Step(t0, Do{
			Command: dispatch.Command{Op: dispatch.OpAssign, By: dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "staff"}, Order: "o1", Driver: "d1"},
			Known:   Known{Source: source},
		})
		if out.Reply.Err != nil || !out.Reply.Order.PickupETA.Equal(want) {
			t.Errorf("source %q: %+v", source, out.Reply)
		}
	}
}
