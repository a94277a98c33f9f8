package main

import (
	"math"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// fix reads a driver's last fix as the dispatcher sees it.
func (p *process) fix(driver string) (lat float64, at time.Time) {
	p.t.Helper()
	d := p.done("GET", "/v1/drivers/"+driver, "")
	f, ok := d["fix"].(object)
	if !ok {
		p.t.Fatalf("the driver is %v", d)
	}
	return f["lat"].(float64), timeOf(p.t, f["at"])
}

// TestTelemetry_CatchUp sends what a driver's app gathered in a tunnel, and points that are too many, too
// old, too far ahead.
func TestTelemetry_CatchUp(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	batch := func(first time.Time, n int, lat float64) (points []object) {
		for i := range n {
			points = append(points, point(lat+float64(i)*0.00002, pickupLng, first.Add(time.Duration(i)*100*time.Millisecond)))
		}
		return points
	}
	wantLat := func(what string, want float64) {
		t.Helper()
		if lat, _ := p.fix("d1"); math.Abs(lat-want) > 1e-9 {
			t.Errorf("%s: the driver is at %v, want %v", what, lat, want)
		}
	}
	_, begin := p.fix("d1")
	send := func(id string, points ...object) object {
		return object{"type": "telemetry", "id": id, "points": points}
	}
	driver.acked(send("100", batch(begin.Add(time.Second), 100, 37.781)...))
	wantLat("a hundred points", 37.78298)
	if _, at := p.fix("d1"); !at.Equal(begin.Add(time.Second + 9900*time.Millisecond)) {
		t.Errorf("the fix is of %s, the gap began at %s", at, begin)
	}
	driver.denied("bad_request", "/points", send("101", batch(begin.Add(12*time.Second), 101, 37.783)...))
	wantLat("a hundred and one", 37.78298)
	driver.acked(send("old", point(37.6, pickupLng, begin)))
	driver.acked(send("same", point(37.6, pickupLng, begin.Add(10900*time.Millisecond))))
	wantLat("old points", 37.78298)
	driver.acked(send("ahead", point(37.6, pickupLng, p.now().Add(60*time.Second))))
	wantLat("a point a minute ahead", 37.78298)
	// What is too far ahead in a batch takes nothing else with it.
	driver.acked(send("mixed", point(37.784, pickupLng, p.now().Add(15*time.Second)),
		point(37.6, pickupLng, p.now().Add(90*time.Second))))
	wantLat("a mixed batch", 37.784)
	driver.denied("bad_request", "/points", send("none"))

	// Without an id nothing is answered: the next answer is the next request's.
	driver.send(object{"type": "telemetry", "points": []object{point(37.785, pickupLng, p.now().Add(20*time.Second))}})
	driver.fence()
	wantLat("a point without an id", 37.785)
}

// TestTelemetry_Post moves a driver whose app is in the background, which may then be offered an order.
func TestTelemetry_Post(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	driver := p.dial(p.token(dispatch.RoleDriver, "d1"))
	driver.acked(object{"type": "duty", "id": "on", "state": "online", "market": "sf"})
	// No fix yet: not there to be found.
	if d := p.done("GET", "/v1/drivers/d1", ""); d["fix"] != nil || d["state"] != "non_contactable" {
		t.Errorf("before its first fix the driver is %v", d)
	}
	id := p.order("r1", "k1")
	until(t, "a round has looked for a driver", func() bool { return p.now().After(timeOf(t, p.stands(id)["requested_at"]).Add(time.Second)) })
	driver.fence()
	if n := driver.offers(id); n != 0 {
		t.Errorf("the driver was offered the order before its first fix")
	}
	token := p.token(dispatch.RoleDriver, "d1")
	body := `{"points":[{"lat":37.78,"lng":-122.41,"timestamp":"` + p.now().Format(time.RFC3339Nano) + `"}]}`
	if a := p.rest("POST", "/v1/telemetry", token, body); a.status != 204 || a.raw != "" {
		t.Errorf("telemetry answered %d %s", a.status, a.raw)
	}
	if lat, _ := p.fix("d1"); lat != 37.78 {
		t.Errorf("the driver is at %v", lat)
	}
	driver.offered(id)
	if d := p.rest("GET", "/v1/drivers/d1", token, ""); d.status != 200 || d.body["state"] != "reserved" {
		t.Errorf("the driver reads of itself %d %s", d.status, d.raw)
	}
}

// TestTelemetry_OfAService moves a driver by its fleet's own system.
func TestTelemetry_OfAService(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	onDuty(p, "d1", pickupLat, pickupLng)
	service := p.dial(p.token(dispatch.RoleService, "svc"))
	points := []object{point(37.781, pickupLng, p.now().Add(time.Second))}
	service.denied("bad_request", "/driver_id", object{"type": "telemetry", "id": "t1", "points": points})
	service.acked(object{"type": "telemetry", "id": "t2", "driver_id": "d1", "points": points})
	if lat, _ := p.fix("d1"); lat != 37.781 {
		t.Errorf("the driver is at %v", lat)
	}
	p.dial(p.token(dispatch.RoleRider, "r1")).denied("forbidden", "", object{"type": "telemetry", "id": "t3", "points": points})
}
