package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestSearch_EndsWithNoDriver lets a search time out, which only a dispatcher can undo.
func TestSearch_EndsWithNoDriver(t *testing.T) {
	t.Parallel()
	p := town(t, `,"search_timeout_s":20,"offer_ttl_s":600`, "--time-scale", "20")
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	id := p.order("r1", "k1")
	path := "/v1/orders/" + id
	told := rider.find("order", inState(id, "no_driver"))
	wantFields(t, "the event", told["event"].(object), object{
		"type": "order.no_driver", "version": 2.0, "by": object{"role": "engine", "sub": nil}, "driver_id": nil})
	searched := timeOf(t, told["event"].(object)["at"]).Sub(timeOf(t, told["order"].(object)["requested_at"]))
	if searched < 20*time.Second {
		t.Errorf("the search ended after %s", searched)
	}
	rider.denied("illegal_transition", "", object{"type": "order.cancel", "id": "c1", "order_id": id})
	mine := p.token(dispatch.RoleRider, "r1")
	p.refused("illegal_transition", "", "POST", path+"/cancel", mine, `{}`)
	p.refused("forbidden", "", "POST", path+"/search", mine, `{}`)
	p.refused("illegal_transition", "", "POST", path+"/cancel", p.staff(), `{}`)

	driver := onDuty(p, "d1", pickupLat, pickupLng)
	wantFields(t, "reopened", p.done("POST", path+"/search", `{}`), object{"state": "searching", "version": 3.0})
	driver.accept(id)
	rider.find("order", event(id, 5))
	rider.wantVersions(id, 1, 2, 3, 4, 5)
	p.refused("illegal_transition", "", "POST", path+"/search", p.staff(), `{}`)
	p.wantStates(id, "searching", "no_driver", "searching", "offered", "en_route_to_pickup")
}

// TestOffer_WaveOfDeclines has eight drivers decline, nearest first; the ninth takes the order.
func TestOffer_WaveOfDeclines(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	var drivers []*sock
	for i := range 9 {
		lat, lng := north(i)
		drivers = append(drivers, onDuty(p, fmt.Sprintf("d%d", i), lat, lng))
	}
	id := p.order("r1", "k1")
	want := []string{"searching"}
	for i, d := range drivers[:8] {
		offer := d.offered(id)
		ack := d.acked(object{"type": "offer.decline", "id": "no", "offer_id": offer, "reason": "too_far"})
		o := ack["order"].(object)
		if o["state"] != "searching" || o["rider_id"] != nil {
			t.Errorf("decline %d told %v", i, o)
		}
		d.denied("expired", "", object{"type": "offer.accept", "id": "yes", "offer_id": offer})
		want = append(want, "offered", "searching")
	}
	drivers[8].accept(id)
	p.wantStates(id, append(want, "offered", "en_route_to_pickup")...)
	last := float64(len(want) + 2)
	rider.find("order", event(id, last))
	var dense []float64
	for v := 1.0; v <= last; v++ {
		dense = append(dense, v)
	}
	rider.wantVersions(id, dense...)
	for i, d := range drivers {
		d.fence()
		if n := d.offers(id); n != 1 {
			t.Errorf("driver %d was offered the order %d times", i, n)
		}
		if n := len(d.about(id)); i < 8 && n > 0 {
			t.Errorf("driver %d, who declined, was told %v", i, d.about(id))
		}
	}
	for _, e := range p.history(id) {
		if e["type"] == "order.offered" && (e["driver_id"] != nil || e["offer_id"] == nil) {
			t.Errorf("the history names a driver with only an offer: %v", e)
		}
	}
}

// ended are offers of the driver d1 that have ended, each in its own way, and what an accept is answered.
type ended struct {
	offer, code string
}

// endOffers makes one offer after the other to d1 and has each end in another way. d2 helps.
func endOffers(t *testing.T, p *process, d1, d2 *sock) []ended {
	t.Helper()
	var all []ended
	accept := func(offer string) object {
		return object{"type": "offer.accept", "id": "accept-" + offer, "offer_id": offer}
	}
	withdrawn := func(offer, reason string) {
		t.Helper()
		f := d1.find("offer.withdrawn", func(f object) bool { return f["offer_id"] == offer })
		if f["reason"] != reason {
			t.Errorf("withdrawn told %v, want the reason %s", f, reason)
		}
	}
	cancelled := p.order("r1", "cancelled")
	offer := d1.offered(cancelled)
	d2.denied("not_found", "", accept(offer))
	p.rest("POST", "/v1/orders/"+cancelled+"/cancel", p.token(dispatch.RoleRider, "r1"), "")
	withdrawn(offer, "cancelled")
	d1.denied("taken", "", accept(offer))
	all = append(all, ended{offer, "taken"})

	assigned := p.order("r1", "assigned")
	offer = d1.offered(assigned)
	p.done("POST", "/v1/orders/"+assigned+"/assign", `{"driver_id":"d2"}`)
	withdrawn(offer, "assigned")
	d1.denied("taken", "", accept(offer))
	all = append(all, ended{offer, "taken"})

	declined := p.order("r1", "declined")
	offer = d1.offered(declined)
	d1.acked(object{"type": "offer.decline", "id": "decline", "offer_id": offer})
	d1.denied("expired", "", accept(offer))
	all = append(all, ended{offer, "expired"})
	p.done("POST", "/v1/orders/"+declined+"/cancel", "")

	ignored := p.order("r1", "ignored")
	offer = d1.offered(ignored)
	withdrawn(offer, "expired")
	d1.denied("expired", "", accept(offer))
	all = append(all, ended{offer, "expired"})
	p.done("POST", "/v1/orders/"+ignored+"/cancel", "")

	taken := p.order("r1", "accepted")
	d1.accept(taken)
	return append(all, ended{d1.offered(taken), ""})
}

// TestOffer_Ended answers accepts that come too late, over a kill and on REST too.
func TestOffer_Ended(t *testing.T) {
	t.Parallel()
	// Six market seconds to answer in are three of the wall.
	p := town(t, `,"offer_ttl_s":6`, "--time-scale", "2")
	d1 := onDuty(p, "d1", pickupLat, pickupLng)
	d2 := onDuty(p, "d2", pickupLat+0.05, pickupLng)
	all := endOffers(t, p, d1, d2)
	for _, killed := range []bool{false, true} {
		if killed {
			p = p.again("--time-scale", "2", "--markets", markets(t, quick))
			d1 = p.dial(p.token(dispatch.RoleDriver, "d1"))
		}
		for _, e := range all {
			path, token := "/v1/offers/"+e.offer, p.token(dispatch.RoleDriver, "d1")
			late := object{"type": "offer.accept", "id": fmt.Sprint("late-", killed, e.offer), "offer_id": e.offer}
			p.refused("not_found", "", "POST", path+"/accept", p.token(dispatch.RoleDriver, "d2"), "")
			p.refused("not_found", "", "POST", path+"/decline", p.token(dispatch.RoleDriver, "d2"), "")
			if e.code != "" {
				d1.denied(e.code, "", late)
				p.refused(e.code, "", "POST", path+"/accept", token, "")
				continue
			}
			// One's own accepted offer is acked again, whatever the key.
			if o := d1.acked(late)["order"].(object); o["driver_id"] != "d1" {
				t.Errorf("accepting again told %v", o)
			}
			if a := p.rest("POST", path+"/accept", token, ""); a.status != 200 || a.body["type"] != "ack" {
				t.Errorf("accepting again on REST: %d %s", a.status, a.raw)
			}
			p.refused("illegal_transition", "", "POST", path+"/decline", token, "")
		}
	}
}

// TestOffer_Ignored gives an order to the next driver when the first one does not answer.
func TestOffer_Ignored(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":2`, "--time-scale", "4")
	first := onDuty(p, "d1", pickupLat, pickupLng)
	second := onDuty(p, "d2", pickupLat+0.01, pickupLng)
	id := p.order("r1", "k1")
	offer := first.find("offer", nil)
	if left := offer["expires_in_ms"].(float64); left <= 0 || left > 500 {
		t.Errorf("an offer of 2 s at scale 4 expires in %v ms", left)
	}
	gone := first.find("offer.withdrawn", nil)
	wantFields(t, "the withdrawal", gone, object{"offer_id": offer["offer_id"], "reason": "expired"})
	second.accept(id)
	events := p.history(id)
	back := events[2]
	wantFields(t, "back to searching", back, object{"from": "offered", "to": "searching", "offer_id": offer["offer_id"]})
	if late := timeOf(t, back["at"]).Sub(timeOf(t, offer["expires_at"])); late < 0 {
		t.Errorf("the offer ended %s early", -late)
	}
}

// TestSearch_ServesPriorityFirst lets two orders wait, and gives the one driver to the later of them.
func TestSearch_ServesPriorityFirst(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	older, newer := p.order("r1", "k1"), p.order("r2", "k1")
	wantFields(t, "priority", p.done("POST", "/v1/orders/"+newer+"/priority", `{"priority":5}`),
		object{"state": "searching", "version": 2.0})
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	if got := driver.find("offer", nil)["order"].(object)["id"]; got != newer {
		t.Errorf("the driver was offered %v, want %s; the older order is %s", got, newer, older)
	}
	driver.accept(newer)
	wantFields(t, "the event", p.history(newer)[1], object{"type": "order.edited", "from": "searching", "to": "searching"})
	onDuty(p, "d2", pickupLat, pickupLng).accept(older)
}

// TestOrder_Scheduled begins the search lead_s before pickup_at.
func TestOrder_Scheduled(t *testing.T) {
	t.Parallel()
	p := town(t, `,"lead_s":600,"offer_ttl_s":600,"search_timeout_s":3600`, "--time-scale", "100")
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	book := func(key string, ahead time.Duration) (id string, at time.Time) {
		t.Helper()
		at = p.now().Add(ahead).Truncate(time.Millisecond)
		o := p.create("r1", key, `{"kind":"ride","pickup_at":"`+at.Format(time.RFC3339Nano)+`",`+stops(pickup, dropoff)+`}`)
		wantFields(t, "the order", o, object{"state": "scheduled", "version": 1.0, "market": "sf"})
		if got := timeOf(t, o["pickup_at"]); !got.Equal(at) {
			t.Errorf("pickup_at is %s, want %s", got, at)
		}
		return o["id"].(string), at
	}
	dropped, _ := book("k1", 24*time.Hour)
	rider.acked(object{"type": "order.cancel", "id": "c1", "order_id": dropped})
	byHand, _ := book("k2", 24*time.Hour)
	p.done("POST", "/v1/orders/"+byHand+"/assign", `{"driver_id":"d1"}`)
	driver.find("order", inState(byHand, "en_route_to_pickup"))
	driver.advance(byHand, "arrived_at_pickup", "en_route_to_dropoff", "completed")

	id, at := book("k3", 700*time.Second)
	driver.accept(id)
	events := p.history(id)
	wantFields(t, "the first event", events[0], object{"type": "order.scheduled", "from": nil})
	wantFields(t, "the second event", events[1], object{"type": "order.searching", "by": object{"role": "engine", "sub": nil}})
	if early := at.Add(-600 * time.Second).Sub(timeOf(t, events[1]["at"])); early > 0 {
		t.Errorf("the search began %s too early", early)
	}
}
