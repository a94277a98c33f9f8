package main

import (
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// duty is a request for sf, or what more says.
func duty(id, state string, more object) object {
	o := object{"type": "duty", "id": id, "state": state, "market": "sf"}
	for k, v := range more {
		o[k] = v
	}
	return o
}

// TestDuty_Changes goes on duty twice, with another class, and elsewhere.
func TestDuty_Changes(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	d := onDuty(p, "d1", pickupLat, pickupLng)
	d.acked(duty("again", "online", nil))
	d.denied("conflict", "/market", duty("away", "online", object{"market": "nyc"}))
	d.denied("conflict", "/market", duty("away-off", "offline", object{"market": "nyc"}))
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"state": "available", "market": "sf"})

	xl := p.create("r1", "k1", `{"kind":"ride","vehicle_class":"xl",`+stops(pickup, dropoff)+`}`)["id"].(string)
	id := p.order("r1", "k2")
	offer := d.offered(id)
	// A change of class is a change of what was offered for.
	d.acked(duty("xl", "online", object{"vehicle_class": "xl", "capacity": 2, "tags": []string{"pets", "wheelchair"}}))
	gone := d.find("offer.withdrawn", nil)
	wantFields(t, "the withdrawal", gone, object{"offer_id": offer, "reason": "vehicle_class"})
	d.accept(xl)
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""),
		object{"state": "reserved", "vehicle_class": "xl", "capacity": 2.0})
	d.advance(xl, "arrived_at_pickup", "en_route_to_dropoff", "completed")
	d.acked(duty("home", "offline", nil))
	d.acked(duty("elsewhere", "online", object{"market": "nyc"}))
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"market": "nyc"})
}

// TestDuty_Offline withdraws the live offer and lets a running order go on to its end.
func TestDuty_Offline(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	d := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	offer := d.offered(id)
	d.acked(duty("off", "offline", nil))
	wantFields(t, "the withdrawal", d.find("offer.withdrawn", nil), object{"offer_id": offer, "reason": "offline"})
	p.wantStates(id, "searching", "offered", "searching")
	d.denied("conflict", "", object{"type": "offer.accept", "id": "late", "offer_id": offer})

	d.acked(duty("on", "online", nil))
	d.acked(object{"type": "telemetry", "id": "t2", "points": []object{point(pickupLat, pickupLng, p.now())}})
	// The order comes back to the driver; the offer that was withdrawn is not sent again.
	offer = d.find("offer", func(f object) bool { return f["offer_id"] != offer })["offer_id"].(string)
	d.acked(object{"type": "offer.accept", "id": "a", "offer_id": offer})
	d.acked(duty("off-2", "offline", nil))
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"state": "reserved"})
	// Its telemetry still counts for its rider.
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	rider.find("order", inState(id, "en_route_to_pickup"))
	d.acked(object{"type": "telemetry", "id": "t3", "points": []object{point(pickupLat, pickupLng, p.now())}})
	rider.find("driver.position", nil)
	d.advance(id, "arrived_at_pickup")
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"state": "stopped"})
	d.advance(id, "en_route_to_dropoff")
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"state": "on_trip"})
	d.advance(id, "arrived_at_dropoff", "completed")
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"state": "non_operational"})
	next := p.order("r1", "k2")
	onDuty(p, "d2", pickupLat+0.02, pickupLng).accept(next)
	d.fence()
	if n := d.offers(next); n != 0 {
		t.Error("a driver off duty was offered an order")
	}
}

// TestDuty_Capacity assigns orders by hand until a driver is full.
func TestDuty_Capacity(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	var ids []string
	for _, key := range []string{"k1", "k2", "k3"} {
		ids = append(ids, p.order("r1", key))
	}
	assign := func(order string) answer {
		t.Helper()
		return p.rest("POST", "/v1/orders/"+order+"/assign", p.staff(), `{"driver_id":"d1"}`)
	}
	if a := assign(ids[0]); a.status != 404 || a.body["field"] != "/driver_id" {
		t.Errorf("an unknown driver: %d %s", a.status, a.raw)
	}
	// Without a fix it is no candidate, but may be assigned by hand.
	d := p.dial(p.token(dispatch.RoleDriver, "d1"))
	d.acked(duty("on", "online", object{"capacity": 2}))
	for _, id := range ids[:2] {
		if a := assign(id); a.status != 200 || a.body["driver_id"] != "d1" {
			t.Errorf("assign: %d %s", a.status, a.raw)
		}
		d.find("order", inState(id, "en_route_to_pickup"))
	}
	if a := assign(ids[2]); a.status != 409 || a.body["code"] != "conflict" || a.body["field"] != "/driver_id" {
		t.Errorf("a full driver: %d %s", a.status, a.raw)
	}
	if a := assign(ids[0]); a.body["code"] != "taken" {
		t.Errorf("an assigned order: %d %s", a.status, a.raw)
	}
	d.advance(ids[0], "arrived_at_pickup", "en_route_to_dropoff", "completed")
	if a := assign(ids[2]); a.status != 200 {
		t.Errorf("a driver with room again: %d %s", a.status, a.raw)
	}
	d.acked(duty("off", "offline", nil))
	if a := assign(p.order("r1", "k4")); a.status != 404 || a.body["field"] != "/driver_id" {
		t.Errorf("a driver off duty: %d %s", a.status, a.raw)
	}
}
