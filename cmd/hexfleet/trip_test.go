package main

import (
	"fmt"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// step is one state of a trip and the next_stop that goes with it.
type step struct {
	to   string
	next float64
}

// walk takes an order through steps and compares next_stop in the ack and in the rider's event.
func walk(t *testing.T, driver, rider *sock, id string, version float64, steps ...step) {
	t.Helper()
	for _, s := range steps {
		version++
		request := object{"type": "trip.advance", "id": fmt.Sprint(id, version), "order_id": id, "to": s.to}
		want := object{"state": s.to, "next_stop": s.next, "version": version}
		wantFields(t, s.to, driver.acked(request)["order"].(object), want)
		wantFields(t, s.to+" told", rider.find("order", event(id, version))["order"].(object), want)
	}
}

// illegal asks for states that may not follow.
func illegal(driver *sock, id string, states ...string) {
	driver.t.Helper()
	for _, to := range states {
		driver.denied("illegal_transition", "", object{
			"type": "trip.advance", "id": fmt.Sprintf("no-%d", len(driver.all)), "order_id": id, "to": to})
	}
}

const between = `{"type":"stop","lat":37.77,"lng":-122.415}`

// TestTrip_StopsBetween drives a ride with two stops between, and tries every short cut.
func TestTrip_StopsBetween(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	o := p.create("r1", "k1", `{"kind":"ride",`+stops(pickup, between, between, dropoff)+`}`)
	id := o["id"].(string)
	wantFields(t, "the order", o, object{"next_stop": 0.0})
	if got := driver.accept(id)["next_stop"]; got != 0.0 {
		t.Errorf("on the way to the pickup next_stop is %v", got)
	}
	illegal(driver, id, "en_route_to_stop", "en_route_to_dropoff", "completed", "cancelled", "searching")
	walk(t, driver, rider, id, 3, step{"arrived_at_pickup", 0})
	illegal(driver, id, "en_route_to_dropoff", "arrived_at_stop", "arrived_at_pickup", "completed")
	walk(t, driver, rider, id, 4, step{"en_route_to_stop", 1}, step{"arrived_at_stop", 1})
	illegal(driver, id, "en_route_to_dropoff", "arrived_at_stop")
	walk(t, driver, rider, id, 6, step{"en_route_to_stop", 2})
	illegal(driver, id, "en_route_to_stop", "en_route_to_dropoff")
	walk(t, driver, rider, id, 7, step{"arrived_at_stop", 2})
	illegal(driver, id, "en_route_to_stop")
	walk(t, driver, rider, id, 8, step{"en_route_to_dropoff", 3})
	illegal(driver, id, "returning", "returned")
	// After the pickup only a dispatcher may end it early.
	driver.denied("illegal_transition", "", object{"type": "order.cancel", "id": "c1", "order_id": id})
	rider.denied("illegal_transition", "", object{"type": "order.cancel", "id": "c1", "order_id": id})
	rider.denied("forbidden", "", object{"type": "trip.advance", "id": "a1", "order_id": id, "to": "completed"})
	walk(t, driver, rider, id, 9, step{"arrived_at_dropoff", 3}, step{"completed", 4})
	illegal(driver, id, "completed", "arrived_at_dropoff")
	p.refused("illegal_transition", "", "POST", "/v1/orders/"+id+"/cancel", p.staff(), "")
}

// TestTrip_Return takes a parcel back to where it came from.
func TestTrip_Return(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.create("r1", "k1", `{"kind":"delivery",`+stops(pickup, dropoff)+`}`)["id"].(string)
	driver.accept(id)
	walk(t, driver, rider, id, 3, step{"arrived_at_pickup", 0}, step{"en_route_to_dropoff", 1},
		step{"arrived_at_dropoff", 1}, step{"returning", 1})
	illegal(driver, id, "completed", "arrived_at_dropoff")
	if d := p.done("GET", "/v1/drivers/d1", ""); d["state"] != "on_trip" {
		t.Errorf("the driver is %v", d)
	}
	walk(t, driver, rider, id, 7, step{"returned", 1})
	illegal(driver, id, "completed", "returning")
	if d := p.done("GET", "/v1/drivers/d1", ""); d["state"] != "available" {
		t.Errorf("the driver is %v", d)
	}
}

// TestTrip_ByTheDispatcher completes one order and cancels another after its pickup.
func TestTrip_ByTheDispatcher(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	first, second := p.order("r1", "k1"), p.order("r2", "k1")
	driver.accept(first)
	advance := "/v1/orders/" + first + "/advance"
	p.refused("illegal_transition", "", "POST", advance, p.staff(), `{"to":"arrived_at_pickup"}`)
	driver.advance(first, "arrived_at_pickup", "en_route_to_dropoff")
	wantFields(t, "completed", p.done("POST", advance, `{"to":"completed"}`), object{"state": "completed", "next_stop": 2.0})
	driver.find("order", inState(first, "completed"))

	driver.accept(second)
	driver.advance(second, "arrived_at_pickup", "en_route_to_dropoff")
	p.refused("illegal_transition", "", "POST", "/v1/orders/"+second+"/cancel", p.token(dispatch.RoleRider, "r2"), "")
	wantFields(t, "cancelled", p.done("POST", "/v1/orders/"+second+"/cancel", `{"reason":"accident"}`),
		object{"state": "cancelled", "cancelled_by": "provider", "reason": "accident"})
	last := driver.find("order", inState(second, "cancelled"))
	wantFields(t, "the event", last["event"].(object), object{"driver_id": "d1", "type": "order.cancelled"})
}
