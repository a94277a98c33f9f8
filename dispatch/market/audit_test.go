package market

import (
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// audited steps a core with one command of an order that is searching, and gives the entries.
func audited(t *testing.T, cmd dispatch.Command) ([]dispatch.AuditEntry, *dispatch.Reply) {
	t.Helper()
	c := NewCore("sf", dispatch.DefaultPolicy(), dispatch.Recovery{
		Seq: 1, At: t0,
		Orders: []dispatch.Order{{
			ID: "o1", Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateSearching, Version: 1, Rider: "r1",
			Stops: newStops(2), RequestedAt: t0, SearchSince: t0,
		}},
	})
	out := c.Step(t0, Do{cmd, Known{}})
	return out.Audit, out.Reply
}

func TestCore_audit(t *testing.T) {
	staff := dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "anna"}
	by := dispatch.By{Role: dispatch.RoleDispatcher, Sub: "anna"}
	searching := dispatch.Standing{State: dispatch.StateSearching, Version: 1}
	for _, test := range []struct {
		name string
		cmd  dispatch.Command
		want []dispatch.AuditEntry
	}{
		{
			"an_act_of_staff_tells_before_and_after",
			dispatch.Command{Op: dispatch.OpCancel, By: staff, Order: "o1", RequestID: "q1"},
			[]dispatch.AuditEntry{{
				Actor: by, Action: "order.cancel", Object: "order:o1", Before: searching,
				After: dispatch.Standing{State: dispatch.StateCancelled, Version: 2}, RequestID: "q1",
			}},
		},
		{
			"a_new_order_on_behalf_has_no_before",
			dispatch.Command{Op: dispatch.OpCreate, By: staff, Order: "o2", New: &dispatch.NewOrder{
				Kind: dispatch.KindRide, Rider: "r2", Stops: newStops(2),
			}},
			[]dispatch.AuditEntry{{Actor: by, Action: "order.create", Object: "order:o2", After: searching}},
		},
		{
			"what_is_refused_changes_nothing_and_has_its_code",
			dispatch.Command{Op: dispatch.OpUnassign, By: staff, Order: "o1"},
			[]dispatch.AuditEntry{{
				Actor: by, Action: "order.unassign", Object: "order:o1", Outcome: dispatch.CodeIllegalTransition,
				Before: searching, After: searching,
			}},
		},
		{
			"a_driver_that_is_not_there_is_an_act_on_the_order",
			dispatch.Command{Op: dispatch.OpAssign, By: staff, Order: "o1", Driver: "d1"},
			[]dispatch.AuditEntry{{
				Actor: by, Action: "order.assign", Object: "order:o1", Outcome: dispatch.CodeNotFound,
				Before: searching, After: searching,
			}},
		},
		{
			"an_order_that_is_not_there_is_no_act_here",
			dispatch.Command{Op: dispatch.OpCancel, By: staff, Order: "o9"}, nil,
		},
		{
			"an_order_of_another_market_is_no_act_here",
			dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleAdmin, Sub: "x", Markets: []dispatch.MarketID{"nyc"}}, Order: "o1"},
			nil,
		},
		{
			"a_rider_is_no_staff",
			dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: "o1"}, nil,
		},
		{
			"the_engine_is_no_staff",
			dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Engine(), Order: "o1", Reason: "driver_lost"}, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, reply := audited(t, test.cmd)
			if len(got) != len(test.want) || len(got) == 1 && got[0] != test.want[0] {
				t.Errorf("entries %+v, want %+v (reply %+v)", got, test.want, reply)
			}
		})
	}
}

func TestCore_hidden(t *testing.T) {
	for name, cmd := range map[string]dispatch.Command{
		"another's order": {Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r2"}, Order: "o1"},
		"no order":        {Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r2"}, Order: "o9"},
	} {
		_, reply := audited(t, cmd)
		if reply.Err == nil || reply.Err.Code != dispatch.CodeNotFound || reply.Err.Detail != "no such order" {
			t.Errorf("%s: %+v, want the same not_found", name, reply)
		}
		if got, want := dispatch.AccessRefused(reply.Err), cmd.Order == "o1"; got != want {
			t.Errorf("%s: refused access is %v, want %v", name, got, want)
		}
	}
}
