package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestSocket_DuplicateDevices replaces a driver's socket twice, with a live offer and with an open order, and
// tells a rider with two devices everything on both.
func TestSocket_DuplicateDevices(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	phone, tablet := p.dial(p.token(dispatch.RoleRider, "r1")), p.dial(p.token(dispatch.RoleRider, "r1"))
	first := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	offer := first.find("offer", nil)

	second := p.dial(p.token(dispatch.RoleDriver, "d1"))
	if code := first.closed(); code != 4009 {
		t.Errorf("the first socket was closed with %d, want 4009", code)
	}
	again := second.find("offer", nil)
	if again["offer_id"] != offer["offer_id"] || again["expires_at"] != offer["expires_at"] {
		t.Errorf("the second socket was told %v, the first %v", again, offer)
	}
	if was, is := offer["expires_in_ms"].(float64), again["expires_in_ms"].(float64); is > was {
		t.Errorf("the offer expires in %v ms, before it was %v", is, was)
	}
	second.accept(id)
	second.find("order", event(id, 3))

	third := p.dial(p.token(dispatch.RoleDriver, "d1"))
	if code := second.closed(); code != 4009 {
		t.Errorf("the second socket was closed with %d, want 4009", code)
	}
	third.find("order", inState(id, "en_route_to_pickup"))
	third.advance(id, "arrived_at_pickup")
	third.find("order", event(id, 4))
	third.wantVersions(id, 0, 4)
	for name, device := range map[string]*sock{"phone": phone, "tablet": tablet} {
		t.Log(name)
		device.find("order", event(id, 4))
		device.wantVersions(id, 1, 2, 3, 4)
	}
}

// TestSocket_ClosedOrders comes back five and then more than ten minutes of market time after an order was
// completed.
func TestSocket_ClosedOrders(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600,"search_timeout_s":3600`, "--time-scale", "200")
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	driver.accept(id)
	driver.advance(id, "arrived_at_pickup", "en_route_to_dropoff", "completed")
	done := timeOf(t, p.history(id)[5]["at"])
	passes := func(d time.Duration) {
		until(t, "market time passes", func() bool { return p.now().After(done.Add(d)) })
	}
	// connected dials without resume, resumed from version 2, both of a party.
	connected := func(role dispatch.Role, sub string, want ...float64) {
		t.Helper()
		s := p.dial(p.token(role, sub))
		s.fence()
		s.wantVersions(id, want...)
	}
	resumed := func(role dispatch.Role, sub string, want ...float64) {
		t.Helper()
		s := p.dial(p.token(role, sub), object{"order_id": id, "after_version": 2})
		s.fence()
		s.wantVersions(id, want...)
	}
	passes(300 * time.Second)
	connected(dispatch.RoleRider, "r1", 0)
	connected(dispatch.RoleDriver, "d1", 0)
	resumed(dispatch.RoleRider, "r1", 3, 4, 5, 6)
	resumed(dispatch.RoleDriver, "d1", 3, 4, 5, 6)
	resumed(dispatch.RoleDispatcher, "staff", 3, 4, 5, 6)
	passes(630 * time.Second)
	connected(dispatch.RoleRider, "r1")
	connected(dispatch.RoleDriver, "d1")
	resumed(dispatch.RoleRider, "r1", 3, 4, 5, 6)
	resumed(dispatch.RoleDriver, "d1", 3, 4, 5, 6)
}

// TestSocket_Resume names an unknown, a foreign, a read and a half-read order, and leaves one out.
func TestSocket_Resume(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	foreign := p.order("r2", "k1")
	named, unnamed, read := p.order("r1", "k1"), p.order("r1", "k2"), p.order("r1", "k3")
	closed := p.order("r1", "k4")
	p.done("POST", "/v1/orders/"+closed+"/cancel", "")
	for i := range 3 {
		p.done("POST", "/v1/orders/"+named+"/priority", fmt.Sprintf(`{"priority":%d}`, i+1))
	}
	token := p.token(dispatch.RoleRider, "r1")
	s := p.dial(token, object{"order_id": "nope", "after_version": 0}, object{"order_id": foreign, "after_version": 0},
		object{"order_id": named, "after_version": 2}, object{"order_id": read, "after_version": 1})
	s.fence()
	var fields []any
	for _, f := range s.all {
		if f["type"] == "error" && f["field"] != nil {
			fields = append(fields, f["field"])
			if f["code"] != "not_found" || f["id"] != nil {
				t.Errorf("resume told %v", f)
			}
		}
	}
	if fmt.Sprint(fields) != "[/resume/0/order_id /resume/1/order_id]" {
		t.Errorf("not_found was told of %v", fields)
	}
	s.wantVersions(named, 3, 4)
	s.wantVersions(unnamed, 0)
	s.wantVersions(read)
	s.wantVersions(foreign)
	s.wantVersions(closed)
	// Live events follow.
	for _, id := range []string{named, unnamed, read} {
		p.done("POST", "/v1/orders/"+id+"/cancel", "")
	}
	s.find("order", inState(named, "cancelled"))
	s.find("order", inState(unnamed, "cancelled"))
	s.find("order", inState(read, "cancelled"))
	s.wantVersions(named, 3, 4, 5)
	s.wantVersions(unnamed, 0, 2)
	s.wantVersions(read, 2)

	var many []object
	for range 101 {
		many = append(many, object{"order_id": named, "after_version": 0})
	}
	over := p.open(nil)
	over.send(object{"type": "auth", "token": token, "resume": many})
	wantFields(t, "101 entries", over.wait("error", nil), object{"code": "bad_request", "field": "/resume"})
}

// TestSocket_HeaderAuth resumes by the first frame after welcome, and without it after a second.
func TestSocket_HeaderAuth(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	driver.accept(id)
	header := http.Header{"Authorization": {"Bearer " + p.token(dispatch.RoleRider, "r1")}}
	resumed := p.open(header)
	wantFields(t, "welcome", resumed.wait("welcome", nil), object{"role": "rider", "sub": "r1"})
	resumed.send(object{"type": "resume", "resume": []object{{"order_id": id, "after_version": 1}}})
	resumed.find("order", event(id, 3))
	resumed.wantVersions(id, 2, 3)
	late := object{"type": "resume", "id": "late", "resume": []object{}}
	resumed.denied("bad_request", "", late)

	silent := p.open(header)
	silent.find("order", inState(id, "en_route_to_pickup"))
	silent.wantVersions(id, 0)
	hasty := p.open(header)
	hasty.fence()
	hasty.wantVersions(id, 0)
}

// TestSocket_Watch follows an order as a dispatcher, from its beginning and from the present, and ends it.
func TestSocket_Watch(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	id := p.order("r1", "k1")
	edit := func(priority int) {
		t.Helper()
		p.done("POST", "/v1/orders/"+id+"/priority", fmt.Sprintf(`{"priority":%d}`, priority))
	}
	edit(1)
	all, present := p.dial(p.staff()), p.dial(p.staff())
	watch := object{"type": "order.watch", "id": "w1", "order_id": id}
	wantFields(t, "the ack", present.acked(watch)["order"].(object), object{"id": id, "version": 2.0, "rider_id": "r1"})
	if n := len(present.about(id)); n > 0 {
		t.Errorf("the watch told %v", present.about(id))
	}
	watch["after_version"] = 0
	all.acked(watch)
	if n := len(all.about(id)); n > 0 {
		t.Errorf("events came before the ack: %v", all.about(id))
	}
	edit(2)
	all.find("order", event(id, 3))
	present.find("order", event(id, 3))
	all.wantVersions(id, 1, 2, 3)
	present.wantVersions(id, 3)

	unwatch := object{"type": "order.unwatch", "id": "u1", "order_id": id}
	wantFields(t, "the ack", present.acked(unwatch)["order"].(object), object{"version": 3.0})
	edit(3)
	all.find("order", event(id, 4))
	present.fence()
	present.wantVersions(id, 3)
	// Watched again from where it stopped.
	watch["id"], watch["after_version"] = "w2", 3
	present.acked(watch)
	present.find("order", event(id, 4))
	present.wantVersions(id, 3, 4)
	// A dispatcher that watches nothing is told nothing.
	idle := p.dial(p.staff())
	edit(4)
	all.find("order", event(id, 5))
	idle.fence()
	idle.wantVersions(id)
	// Another's order is as good as none.
	p.dial(p.token(dispatch.RoleRider, "r2")).denied("not_found", "", watch)
}
