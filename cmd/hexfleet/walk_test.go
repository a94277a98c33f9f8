package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

const rideBody = `{"market":"sf","kind":"ride","stops":[{"type":"pickup","lat":37.78,"lng":-122.41},` +
	`{"type":"dropoff","lat":37.75,"lng":-122.42}]}`

// point is a telemetry point of now.
func point(lat, lng float64, at time.Time) object {
	return object{"lat": lat, "lng": lng, "timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z07:00")}
}

// onDuty takes a driver on duty with a fix at a place.
func onDuty(p *process, sub string, lat, lng float64) *sock {
	p.t.Helper()
	d := p.dial(p.token(dispatch.RoleDriver, sub))
	d.acked(object{"type": "duty", "id": "duty-" + sub, "state": "online", "market": "sf"})
	d.acked(object{"type": "telemetry", "id": "fix-" + sub, "points": []object{point(lat, lng, p.now())}})
	return d
}

// TestServe_Walk is the walk-through of the README: one rider and one driver, from token to completed order,
// and the history read back.
func TestServe_Walk(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	driver := onDuty(p, "d1", 37.781, -122.411)

	created := p.rest("POST", "/v1/orders", p.token(dispatch.RoleRider, "r1"), rideBody, "Idempotency-Key", "k1")
	if created.status != 201 || created.body["state"] != "searching" || created.body["version"] != 1.0 {
		t.Fatalf("create answered %d %s", created.status, created.raw)
	}
	id := created.body["id"].(string)
	if got, want := created.header.Get("Location"), "/v1/orders/"+id; got != want {
		t.Errorf("Location is %q, want %q", got, want)
	}
	offer := driver.wait("offer", nil)
	if o := offer["order"].(object); o["id"] != id || o["rider_id"] != nil {
		t.Errorf("offered %v", offer)
	}
	ack := driver.acked(object{"type": "offer.accept", "id": "a1", "offer_id": offer["offer_id"]})
	if o := ack["order"].(object); o["state"] != "en_route_to_pickup" || o["driver_id"] != "d1" || o["rider_id"] != "r1" {
		t.Errorf("accept told %v", o)
	}
	rider.wait("order", inState(id, "en_route_to_pickup"))
	driver.acked(object{"type": "telemetry", "id": "t2", "points": []object{point(37.7801, -122.4101, time.Now())}})
	if pos := rider.wait("driver.position", nil); pos["order_id"] != id {
		t.Errorf("position told %v", pos)
	}
	for i, to := range []string{"arrived_at_pickup", "en_route_to_dropoff", "arrived_at_dropoff", "completed"} {
		driver.acked(object{"type": "trip.advance", "id": "s" + to, "order_id": id, "to": to})
		told := rider.wait("order", inState(id, to))
		if v := told["order"].(object)["version"]; v != float64(4+i) {
			t.Errorf("%s is version %v, want %d", to, v, 4+i)
		}
	}
	events := p.rest("GET", "/v1/orders/"+id+"/events", p.token(dispatch.RoleRider, "r1"), "")
	var states []any
	for _, e := range events.body["items"].([]any) {
		states = append(states, e.(object)["to"])
	}
	want := []any{"searching", "offered", "en_route_to_pickup", "arrived_at_pickup", "en_route_to_dropoff",
		"arrived_at_dropoff", "completed"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	again := p.rest("POST", "/v1/orders", p.token(dispatch.RoleRider, "r1"), rideBody, "Idempotency-Key", "k1")
	if again.raw != created.raw || again.status != 201 {
		t.Errorf("the repeat answered %d %s, first was %s", again.status, again.raw, created.raw)
	}
}

// TestServe_TakesTelemetrySentBehindDuty sends duty and a point at once, and waits for neither answer: the
// driver is found all the same.
func TestServe_TakesTelemetrySentBehindDuty(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	d := p.dial(p.token(dispatch.RoleDriver, "d1"))
	d.send(object{"type": "duty", "id": "on", "state": "online", "market": "sf"})
	d.send(object{"type": "telemetry", "points": []object{point(37.78, -122.41, time.Now())}})
	p.rest("POST", "/v1/orders", p.token(dispatch.RoleRider, "r1"), rideBody, "Idempotency-Key", "k1")
	d.wait("offer", nil)
}
