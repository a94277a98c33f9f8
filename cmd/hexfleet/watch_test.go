package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// wantMetric waits until a metric of the server has a line that begins so.
func (p *process) wantMetric(line string) {
	p.t.Helper()
	until(p.t, "/metrics tells "+line, func() bool {
		return strings.Contains("\n"+p.rest("GET", "/metrics", "", "").raw, "\n"+line)
	})
}

// TestWatch_ADriverWhoDoesNotCome lets a driver accept and then fall silent, stand or drive away: it is reminded, and
// then the order goes to another, under the same id.
func TestWatch_ADriverWhoDoesNotCome(t *testing.T) {
	t.Parallel()
	const startLat = pickupLat + 0.02 // 2.2 km away
	for cause, test := range map[string]struct {
		policy string
		// lat is where the driver says it is at its n-th point; nil: it says nothing.
		lat func(n int) float64
	}{
		"driver_lost": {`"nudge_s":60,"lost_s":300,"stall_s":0,"retreat_m":0`, nil},
		"driver_stalled": {
			`"nudge_s":60,"lost_s":86400,"stall_s":240,"retreat_m":0`, func(int) float64 { return startLat },
		},
		"driver_retreated": {
			`"nudge_s":60,"lost_s":86400,"stall_s":0,"retreat_m":1000`, func(n int) float64 { return startLat + 0.0003*float64(n) },
		},
	} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			p := serve(t, t.TempDir(), "--time-scale", "60", "--markets",
				markets(t, `"window_ms":1000,"freshness_s":240,"offer_ttl_s":600,"search_timeout_s":86400,`+test.policy))
			rider := p.dial(p.token(dispatch.RoleRider, "r1"))
			first := onDuty(p, "d1", startLat, pickupLng)
			id := p.order("r1", "k1")
			first.accept(id)
			points := 0
			until(t, "the order is searched for again", func() bool {
				if test.lat != nil {
					points++
					first.acked(object{"type": "telemetry", "id": fmt.Sprintf("on-%d", points),
						"points": []object{point(test.lat(points), pickupLng, p.now())}})
				}
				return p.stands(id)["state"] == "searching"
			})
			first.find("order", event(id, 4))
			// The assignment, the reminder, and the end.
			first.wantVersions(id, 3, 0, 4)
			reminder := first.about(id)[1]["order"].(object)
			wantFields(t, "the reminder", reminder, object{
				"state": "en_route_to_pickup", "version": 3.0, "driver_id": "d1", "rider_id": "r1"})
			told := rider.find("order", event(id, 4))["event"].(object)
			wantFields(t, "the rider's event", told, object{"type": "order.searching", "driver_id": "d1", "reason": cause,
				"by": object{"role": "engine", "sub": nil}})
			wantTakenOff(t, p, first, id, "d1", object{"role": "engine", "sub": nil}, cause)

			second := onDuty(p, "d2", pickupLat+0.03, pickupLng)
			second.accept(id)
			if o := second.advance(id, "arrived_at_pickup", "en_route_to_dropoff", "completed"); o["driver_id"] != "d2" {
				t.Errorf("the order is %v", o)
			}
			first.fence()
			if n := first.offers(id); n != 1 {
				t.Errorf("the driver taken off was offered the order %d times", n)
			}
			p.wantMetric(fmt.Sprintf(`hexfleet_nudges_total{cause=%q,market="sf"} 1`, cause))
			p.wantMetric(fmt.Sprintf(`hexfleet_redispatches_total{cause=%q,market="sf"} 1`, cause))
		})
	}
}

// TestWatch_ADriverWhoComesOrHasArrived leaves both alone, however long the rider takes.
func TestWatch_ADriverWhoComesOrHasArrived(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--time-scale", "60", "--markets", markets(t,
		`"window_ms":1000,"freshness_s":60,"offer_ttl_s":600,"search_timeout_s":86400,"nudge_s":60,"lost_s":120,"stall_s":120`))
	driver := onDuty(p, "d1", pickupLat+0.02, pickupLng)
	id := p.order("r1", "k1")
	driver.accept(id)
	begun, n := p.now(), 0
	until(t, "the driver is there", func() bool {
		n++
		now := p.now()
		driven := min(0.02, now.Sub(begun).Seconds()*0.0001) // 11 m/s
		driver.acked(object{"type": "telemetry", "id": fmt.Sprintf("on-%d", n),
			"points": []object{point(pickupLat+0.02-driven, pickupLng, now)}})
		return driven == 0.02
	})
	driver.advance(id, "arrived_at_pickup")
	arrived := p.now()
	until(t, "the rider has taken its time", func() bool { return p.now().Sub(arrived).Seconds() > 240 })
	driver.advance(id, "en_route_to_dropoff", "completed")
	driver.find("order", event(id, 6))
	driver.wantVersions(id, 3, 4, 5, 6)
}
