package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestChain_TheNextOrderWhileTheCurrentOneEnds offers an order to a driver who still has a passenger, near the drop-off;
// the order is promised for after it, and is picked up after it.
func TestChain_TheNextOrderWhileTheCurrentOneEnds(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600,"search_timeout_s":86400,"chain_s":300,"chain_margin_s":30`)
	d := p.dial(p.token(dispatch.RoleDriver, "d1"))
	d.acked(object{"type": "duty", "id": "duty", "state": "online", "market": "sf", "capacity": 2})
	at := func(id string, lat, lng float64) {
		t.Helper()
		d.acked(object{"type": "telemetry", "id": id, "points": []object{point(lat, lng, p.now())}})
	}
	at("t1", pickupLat, pickupLng)
	first := p.order("r1", "k1")
	d.accept(first)
	d.advance(first, "arrived_at_pickup", "en_route_to_dropoff")

	next := p.create("r2", "k2", `{"market":"sf","kind":"ride","stops":[{"type":"pickup","lat":37.745,"lng":-122.42},`+
		`{"type":"dropoff","lat":37.75,"lng":-122.43}]}`)["id"].(string)
	rounds := func() float64 { return p.metric(`hexfleet_round_seconds_count{market="sf"}`) }
	before := rounds()
	until(t, "two rounds have come to nothing", func() bool { return rounds() >= before+2 })
	d.fence()
	if n := d.offers(next); n != 0 {
		t.Fatal("a driver who has only just begun its trip was offered the next order")
	}
	n := 0
	until(t, "it is offered the next order as its drop-off is near", func() bool {
		n++ // it is believed to have come so far at once when it says so again
		at(fmt.Sprintf("there-%d", n), 37.751, -122.4195)
		return d.offers(next) > 0
	})
	o := d.accept(next)
	wantFields(t, "the next order", o, object{"state": "en_route_to_pickup", "driver_id": "d1"})
	if eta := timeOf(t, o["pickup_eta"]).Sub(p.now()); eta < 30*time.Second || eta > 900*time.Second {
		t.Errorf("the pickup is promised for %v from now", eta)
	}
	wantFields(t, "the first order", p.stands(first), object{"state": "en_route_to_dropoff", "driver_id": "d1"})
	d.advance(first, "arrived_at_dropoff", "completed")
	d.advance(next, "arrived_at_pickup", "en_route_to_dropoff", "completed")
	p.wantStates(next, "searching", "offered", "en_route_to_pickup", "arrived_at_pickup", "en_route_to_dropoff", "completed")
	p.wantMetric(`hexfleet_chained_matches_total{market="sf"} 1`)
	completed := timeOf(t, p.history(first)[5]["at"])
	if arrived := timeOf(t, p.history(next)[3]["at"]); arrived.Before(completed) {
		t.Error("the next order's pickup came before the first order's drop-off")
	}
}
