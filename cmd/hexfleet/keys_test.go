package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

// told is an answer without the id that paired it.
func told(f object) object {
	out := object{}
	for k, v := range f {
		if k != "id" {
			out[k] = v
		}
	}
	return out
}

// TestKeys_AreOneSpace repeats requests on the socket and on REST, over a kill: one effect, one answer.
func TestKeys_AreOneSpace(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	mine := p.token(dispatch.RoleRider, "r1")
	rider := p.dial(mine)
	create := object{"type": "order.create", "id": "new", "market": "sf", "kind": "ride", "stops": []object{
		{"type": "pickup", "lat": 37.78, "lng": -122.41}, {"type": "dropoff", "lat": 37.75, "lng": -122.42}}}
	first := rider.acked(create)
	id := first["order"].(object)["id"].(string)
	cancel := object{"type": "order.cancel", "id": "end", "order_id": id, "reason": "late"}
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	accepted := driver.accept(id)
	accept := object{"type": "offer.accept", "id": "accept-" + driver.offered(id), "offer_id": driver.offered(id)}
	ended := rider.acked(cancel)

	for _, killed := range []bool{false, true} {
		if killed {
			p = p.again("--markets", markets(t, quick))
			rider, driver = p.dial(mine), p.dial(p.token(dispatch.RoleDriver, "d1"))
		}
		// The order has long been cancelled; its creation and accept are told as they then stood.
		if diff := cmp.Diff(first, rider.acked(create)); diff != "" {
			t.Errorf("create again (-first +again):\n%s", diff)
		}
		if diff := cmp.Diff(accepted, driver.acked(accept)["order"]); diff != "" {
			t.Errorf("accept again (-first +again):\n%s", diff)
		}
		twin := p.rest("POST", "/v1/orders", mine, rideBody, "Idempotency-Key", "new")
		if diff := cmp.Diff(first["order"], any(twin.body)); diff != "" || twin.status != 201 ||
			twin.header.Get("Location") != "/v1/orders/"+id {
			t.Errorf("create on REST: %d %v (-socket +rest):\n%s", twin.status, twin.header, diff)
		}
		twin = p.rest("POST", "/v1/orders/"+id+"/cancel", mine, `{"reason":"late"}`, "Idempotency-Key", "end")
		if diff := cmp.Diff(ended["order"], any(twin.body)); diff != "" || twin.status != 200 {
			t.Errorf("cancel on REST: %d (-socket +rest):\n%s", twin.status, diff)
		}
		if diff := cmp.Diff(ended, rider.acked(cancel)); diff != "" {
			t.Errorf("cancel again (-first +again):\n%s", diff)
		}
		p.refused("conflict", "", "POST", "/v1/orders/"+id+"/cancel", mine, `{"reason":"early"}`, "Idempotency-Key", "end")
		p.refused("conflict", "", "POST", "/v1/orders/"+id+"/cancel", mine, "", "Idempotency-Key", "new")
		rider.denied("conflict", "", object{"type": "order.cancel", "id": "end", "order_id": id})
		rider.denied("conflict", "", object{"type": "order.cancel", "id": "new", "order_id": id})
	}
	p.wantStates(id, "searching", "offered", "en_route_to_pickup", "cancelled")
	// Another's key is another key.
	if other := p.create("r2", "new", rideBody); other["id"] == id {
		t.Error("two riders share a key")
	}
	orders := p.rest("GET", "/v1/orders", mine, "").body["items"].([]any)
	if len(orders) != 1 {
		t.Errorf("the rider has %d orders, asked for one", len(orders))
	}
}

// TestKeys_KeepWhatWasDecided repeats refusals after what they were refused for has passed.
func TestKeys_KeepWhatWasDecided(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	declined := p.order("r1", "k1")
	gone := driver.offered(declined)
	driver.acked(object{"type": "offer.decline", "id": "no", "offer_id": gone})
	taken := p.order("r1", "k2")
	lost := driver.offered(taken)
	p.done("POST", "/v1/orders/"+taken+"/cancel", "")
	running := p.order("r1", "k3")
	driver.accept(running)

	requests := map[string]object{
		"expired":            {"type": "offer.accept", "id": "expired", "offer_id": gone},
		"taken":              {"type": "offer.accept", "id": "taken", "offer_id": lost},
		"illegal_transition": {"type": "trip.advance", "id": "illegal", "order_id": running, "to": "arrived_at_dropoff"},
	}
	first := map[string]object{}
	for code, request := range requests {
		driver.denied(code, "", request)
		first[code] = told(driver.all[len(driver.all)-1])
	}
	hopeless := object{"type": "order.cancel", "id": "later", "order_id": "nope"}
	driver.denied("not_found", "", hopeless)
	// Now the step would be allowed.
	driver.advance(running, "arrived_at_pickup", "en_route_to_dropoff")
	for _, killed := range []bool{false, true} {
		if killed {
			p = p.again("--markets", markets(t, quick))
			driver = p.dial(p.token(dispatch.RoleDriver, "d1"))
		}
		for code, request := range requests {
			if diff := cmp.Diff(first[code], told(driver.ask(request))); diff != "" {
				t.Errorf("%s again (-first +again):\n%s", code, diff)
			}
		}
		for _, path := range []string{"/v1/offers/" + gone + "/accept", "/v1/offers/" + lost + "/decline"} {
			p.refused("conflict", "", "POST", path, p.token(dispatch.RoleDriver, "d1"), "", "Idempotency-Key", "illegal")
		}
		p.refused("expired", "", "POST", "/v1/offers/"+gone+"/accept", p.token(dispatch.RoleDriver, "d1"), "",
			"Idempotency-Key", "expired")
	}
	// not_found was not kept: the key is free for other content.
	driver.acked(object{"type": "trip.advance", "id": "later", "order_id": running, "to": "arrived_at_dropoff"})
}

// TestKeys_OfDuty repeats a going on duty after the driver has gone off duty.
func TestKeys_OfDuty(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	off := object{"type": "duty", "id": "off", "state": "offline", "market": "sf"}
	driver.acked(off)
	for _, killed := range []bool{false, true} {
		if killed {
			p = p.again("--markets", markets(t, quick))
			driver = p.dial(p.token(dispatch.RoleDriver, "d1"))
		}
		driver.acked(object{"type": "duty", "id": "duty-d1", "state": "online", "market": "sf"})
		if d := p.done("GET", "/v1/drivers/d1", ""); d["state"] != "non_operational" {
			t.Errorf("a repeat of an old key took the driver on duty: %v", d)
		}
		driver.denied("conflict", "", object{"type": "duty", "id": "off", "state": "online", "market": "sf"})
	}
	driver.acked(off)
}
