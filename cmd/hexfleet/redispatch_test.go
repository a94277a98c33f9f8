package main

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// wantTakenOff checks what a driver is told when it is taken off an order, and that it is told no more.
func wantTakenOff(t *testing.T, p *process, d *sock, id, driver string, by, reason any) {
	t.Helper()
	d.fence()
	frames := d.about(id)
	last := frames[len(frames)-1]
	wantFields(t, "the driver's last event", last["event"].(object), object{
		"type": "order.searching", "to": "searching", "driver_id": driver, "reason": reason,
		"by": by,
	})
	wantFields(t, "the order then", last["order"].(object), object{
		"state": "searching", "driver_id": nil, "next_stop": 0.0, "pickup_eta": nil, "dropoff_eta": nil,
		"cancelled_by": nil,
	})
	if n := d.offers(id); n > 1 {
		t.Errorf("the driver taken off was offered the order %d times", n)
	}
	p.refused("not_found", "", "GET", "/v1/orders/"+id, p.token(dispatch.RoleDriver, driver), "")
}

// TestRedispatch_WhenTheDriverCancels gives an order back before the pickup, kills the server, and has another
// driver take it, though the first one stands nearer.
func TestRedispatch_WhenTheDriverCancels(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	first := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	first.accept(id)
	ack := first.acked(object{"type": "order.cancel", "id": "c1", "order_id": id, "reason": "flat_tyre"})
	wantFields(t, "the ack", ack["order"].(object), object{"state": "searching", "driver_id": nil, "version": 4.0})
	first.find("order", event(id, 4))
	wantTakenOff(t, p, first, id, "d1", object{"role": "driver", "sub": "d1"}, "flat_tyre")
	told := rider.find("order", event(id, 4))
	wantFields(t, "the rider's event", told["event"].(object), object{"driver_id": "d1", "reason": "flat_tyre"})

	p = p.again("--markets", markets(t, quick))
	first = p.dial(p.token(dispatch.RoleDriver, "d1"))
	first.acked(object{"type": "telemetry", "id": "t", "points": []object{point(pickupLat, pickupLng, p.now())}})
	second := onDuty(p, "d2", pickupLat+0.02, pickupLng)
	if o := second.accept(id); o["driver_id"] != "d2" {
		t.Errorf("accept told %v", o)
	}
	second.advance(id, "arrived_at_pickup", "en_route_to_dropoff", "completed")
	first.fence()
	if n := len(first.about(id)) + first.offers(id); n != 0 {
		t.Errorf("the driver taken off was told %v", first.all)
	}
	// It is barred from this order only.
	other := p.order("r1", "k2")
	first.accept(other)
	p.wantStates(id, "searching", "offered", "en_route_to_pickup", "searching", "offered", "en_route_to_pickup",
		"arrived_at_pickup", "en_route_to_dropoff", "completed")
}

// TestRedispatch_WhenTheDriverIsLost lets an accepted driver fall silent for lost_s, 300 s unless told; it then
// speaks again and is not offered that order again.
func TestRedispatch_WhenTheDriverIsLost(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--time-scale", "60", "--markets",
		markets(t, `"window_ms":1000,"freshness_s":60,"offer_ttl_s":600,"search_timeout_s":86400`))
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	lost := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	lost.accept(id)
	accepted := timeOf(t, lost.find("order", event(id, 3))["event"].(object)["at"])
	told := rider.find("order", event(id, 4))["event"].(object)
	wantFields(t, "the rider's event", told, object{
		"type": "order.searching", "driver_id": "d1", "reason": "driver_lost", "by": object{"role": "engine", "sub": nil}})
	if silent := timeOf(t, told["at"]).Sub(accepted); silent < 290*time.Second {
		t.Errorf("the driver was lost %s after it accepted", silent)
	}
	lost.find("order", event(id, 4))
	wantTakenOff(t, p, lost, id, "d1", object{"role": "engine", "sub": nil}, "driver_lost")
	lost.acked(object{"type": "telemetry", "id": "t", "points": []object{point(pickupLat, pickupLng, p.now())}})
	onDuty(p, "d2", pickupLat+0.02, pickupLng).accept(id)
	lost.fence()
	if n := lost.offers(id); n != 1 {
		t.Errorf("the lost driver was offered the order %d times", n)
	}
}

// TestRedispatch_WhenTheDispatcherUnassigns takes a driver off on its way and another at the pickup, and
// gives the order back to the first by hand.
func TestRedispatch_WhenTheDispatcherUnassigns(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	first := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	path := "/v1/orders/" + id
	p.refused("illegal_transition", "", "POST", path+"/unassign", p.staff(), `{}`)
	first.accept(id)
	staff := object{"role": "dispatcher", "sub": "staff"}
	wantFields(t, "unassign", p.done("POST", path+"/unassign", `{"reason":"complaint"}`),
		object{"state": "searching", "driver_id": nil})
	first.find("order", event(id, 4))
	wantTakenOff(t, p, first, id, "d1", staff, "complaint")

	second := onDuty(p, "d2", pickupLat+0.01, pickupLng)
	second.accept(id)
	second.advance(id, "arrived_at_pickup")
	p.refused("taken", "", "POST", path+"/assign", p.staff(), `{"driver_id":"d1"}`)
	p.done("POST", path+"/unassign", "")
	second.find("order", event(id, 8))
	wantTakenOff(t, p, second, id, "d2", staff, nil)

	// Both are barred; a dispatcher may assign a barred driver.
	wantFields(t, "assign", p.done("POST", path+"/assign", `{"driver_id":"d1"}`),
		object{"state": "en_route_to_pickup", "driver_id": "d1"})
	back := first.find("order", event(id, 9))
	wantFields(t, "the driver's order", back["order"].(object), object{"driver_id": "d1", "rider_id": "r1"})
	first.advance(id, "arrived_at_pickup", "en_route_to_dropoff")
	p.refused("illegal_transition", "", "POST", path+"/unassign", p.staff(), `{}`)
	first.find("order", event(id, 11)) // it may come after the ack
	first.fence()
	first.wantVersions(id, 3, 4, 9, 10, 11)
}

// TestNoShow_AfterTheWait has a driver report no_show too early, again under the same key, and in time.
func TestNoShow_AfterTheWait(t *testing.T) {
	t.Parallel()
	p := town(t, `,"no_show_s":30,"offer_ttl_s":600,"search_timeout_s":3600`, "--time-scale", "20")
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	driver.accept(id)
	noShow := func(key string) object {
		return object{"type": "order.cancel", "id": key, "order_id": id, "reason": "no_show"}
	}
	driver.denied("illegal_transition", "", noShow("on-the-way"))
	driver.advance(id, "arrived_at_pickup")
	driver.denied("illegal_transition", "", noShow("early"))
	var ack object
	tries := 0
	until(t, "no_show is taken", func() bool {
		tries++
		ack = driver.ask(noShow("try-" + string(rune('a'+tries%26)) + time.Now().Format("150405.000000")))
		return ack["type"] == "ack"
	})
	wantFields(t, "the order", ack["order"].(object), object{
		"state": "cancelled", "cancelled_by": "driver", "reason": "no_show", "driver_id": "d1"})
	driver.denied("illegal_transition", "", noShow("early"))
	arrived := timeOf(t, rider.find("order", event(id, 4))["event"].(object)["at"])
	ended := rider.find("order", event(id, 5))["event"].(object)
	wantFields(t, "the event", ended, object{"type": "order.cancelled", "reason": "no_show"})
	if waited := timeOf(t, ended["at"]).Sub(arrived); waited < 30*time.Second {
		t.Errorf("no_show was taken after %s", waited)
	}
}
