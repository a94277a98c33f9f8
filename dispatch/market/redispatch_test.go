package market

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestCore_cancel_by_the_engine(t *testing.T) {
	at := time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name  string
		state dispatch.State
		meant dispatch.DriverID
		want  dispatch.State
	}{
		{"takes_off_the_driver_who_does_not_come", dispatch.StateEnRouteToPickup, "d1", dispatch.StateSearching},
		{"leaves_a_driver_who_has_arrived_meanwhile", dispatch.StateArrivedAtPickup, "d1", dispatch.StateArrivedAtPickup},
		{"leaves_the_driver_who_came_after_the_one_it_saw", dispatch.StateEnRouteToPickup, "d0", dispatch.StateEnRouteToPickup},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCore("sf", dispatch.DefaultPolicy(), dispatch.Recovery{
				At: at,
				Orders: []dispatch.Order{{
					ID: "o1", Market: "sf", Kind: dispatch.KindRide, State: test.state, Version: 3, Rider: "r1", Driver: "d1",
					VehicleClass: dispatch.DefaultVehicleClass, Stops: newStops(2), RequestedAt: at, SearchSince: at, ChangedAt: at,
				}},
				Duties: []dispatch.Duty{{Driver: "d1", Market: "sf", Version: 1, Online: true, Capacity: 1}},
			})
			out := c.Step(at, Do{Command: dispatch.Command{
				Op: dispatch.OpCancel, By: dispatch.Engine(), Order: "o1", Driver: test.meant, Reason: "driver_lost",
			}})
			if got := c.orders["o1"]; got.State != test.want || (out.Reply.Err == nil) != (test.want == dispatch.StateSearching) {
				t.Errorf("the order is %+v, answered %+v", got, out.Reply)
			} else if test.want == dispatch.StateSearching && !got.Barred("d1", at) {
				t.Error("the driver is not barred")
			}
		})
	}
}
