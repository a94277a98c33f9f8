package actor_test

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
)

func TestRider_Next(t *testing.T) {
	told := func(v int64, s dispatch.State) actor.Event {
		return actor.OrderTold{Order: actor.Order{ID: "o", Version: v, State: s}}
	}
	created := ok(actor.Create{Market: "lab"}, &actor.Order{ID: "o", Version: 1, State: dispatch.StateSearching})
	for name, c := range map[string]struct {
		steps []step
		state dispatch.State
		done  bool
	}{
		"orders_once_and_follows": {[]step{
			{5, actor.Tick{}, ""},
			{10, actor.Tick{}, "create lab"},
			{11, actor.Tick{}, ""},
			{11, created, ""},
			{12, told(3, dispatch.StateEnRouteToPickup), ""},
			{13, told(2, dispatch.StateOffered), ""}, // late
			{90, actor.Tick{}, ""},
			{91, told(7, dispatch.StateCompleted), ""},
		}, dispatch.StateCompleted, true},
		"an_event_before_the_acknowledgement_is_kept": {[]step{
			{10, actor.Tick{}, "create lab"},
			{11, told(2, dispatch.StateOffered), ""},
			{11, created, ""},
		}, dispatch.StateOffered, false},
		"loses_patience_while_nobody_comes": {[]step{
			{10, actor.Tick{}, "create lab"},
			{11, created, ""},
			{70, actor.Tick{}, ""},
			{71, actor.Tick{}, "cancel o"},
			{71, actor.Tick{}, ""},
		}, dispatch.StateSearching, false},
		"a_refused_order_is_the_end": {[]step{
			{10, actor.Tick{}, "create lab"},
			{11, refused(actor.Create{Market: "lab"}, dispatch.CodeBadRequest), ""},
			{99, actor.Tick{}, ""},
		}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := actor.NewRider(actor.RiderConfig{
				ID: "r", Market: "lab", At: start.Add(10 * time.Second), Patience: time.Minute,
			})
			play(t, r, c.steps)
			var state dispatch.State
			if o := r.Order(); o != nil {
				state = o.State
			}
			if state != c.state || r.Done() != c.done {
				t.Errorf("got state %q, done %v, want %q, %v", state, r.Done(), c.state, c.done)
			}
		})
	}
}
