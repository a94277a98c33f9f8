package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	searching = dispatch.StateSearching
	offered   = dispatch.StateOffered
	enRoute   = dispatch.StateEnRouteToPickup
	arrived   = dispatch.StateArrivedAtPickup
	onTrip    = dispatch.StateEnRouteToDropoff
	completed = dispatch.StateCompleted
)

// want reads one order frame and checks its version, and whether it tells an event.
func (p *peer) want(id dispatch.OrderID, version int64, event bool) frame {
	p.t.Helper()
	m := p.read()
	if m.str("type") != "order" || m.str("order", "id") != string(id) || m.num("order", "version") != version ||
		(m["event"] != nil) != event {
		p.t.Fatalf("got %v, want version %d of order %s, event %v", m, version, id, event)
	}
	if event && (m.num("event", "version") != version || m.str("event", "order_id") != string(id)) {
		p.t.Fatalf("got %v, want the event of version %d", m, version)
	}
	return m
}

// quiet proves that nothing is waiting for the peer.
func (p *peer) quiet(id string) {
	p.t.Helper()
	if before := p.sync(id); len(before) > 0 {
		p.t.Fatalf("got %v, want nothing", before)
	}
}

// told waits until the hub has delivered everything, and proves by it that what comes next is all.
func (st *stage) told() {
	st.t.Helper()
	for _, m := range []dispatch.MarketID{"east", "west"} {
		eventually(st.t, "the hub to catch up", func() bool {
			st.mu.Lock()
			want := int64(len(st.seq[m]))
			st.mu.Unlock()
			return st.srv.hub.passed(m) == want
		})
	}
}

func TestSession_hydrate(t *testing.T) {
	st := newStage(t, nil)
	st.order("a-open", "r1")
	st.order("b-closed", "r1")
	st.step("b-closed", dispatch.StateCancelled, "")
	st.order("c-foreign", "r2")
	st.order("d-old", "r1")
	st.step("d-old", dispatch.StateCancelled, "")
	st.mu.Lock()
	st.orders["d-old"][1].At = st.market.Now().Add(-11 * time.Minute)
	st.mu.Unlock()
	st.told()

	st.run(t, "without_resume_each_open_or_lately_closed_order_comes_once", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r1")
		p.want("a-open", 1, false)
		p.want("b-closed", 2, false)
		p.quiet("q")
		st.step("a-open", offered, "")
		p.want("a-open", 2, true)
	})
	st.run(t, "with_resume_the_named_go_on_and_other_open_ones_come_once", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r1", from("b-closed", 0), from("c-foreign", 0), from("none", 3))
		p.want("b-closed", 1, true)
		p.want("b-closed", 2, true)
		for _, field := range []string{"/resume/1/order_id", "/resume/2/order_id"} {
			if m := p.read(); m.str("code") != "not_found" || m.str("field") != field || m["id"] != nil {
				t.Errorf("got %v, want not_found about %s", m, field)
			}
		}
		p.want("a-open", 2, false)
		p.quiet("q")
	})
	st.run(t, "an_empty_resume_is_one", func(t *testing.T) {
		p := st.dial(nil)
		p.send(frame{"type": "auth", "token": st.token(dispatch.RoleRider, "r1"), "resume": []frame{}})
		p.read()
		p.want("a-open", 2, false)
		p.quiet("q")
	})
	st.run(t, "a_resume_ahead_of_the_order_is_told_what_follows", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r1", from("a-open", 99))
		p.quiet("q")
		st.step("a-open", searching, "")
		p.want("a-open", 3, true)
	})
	st.run(t, "a_token_in_the_header_may_resume_after_welcome", func(t *testing.T) {
		p := st.dial(http.Header{"Authorization": {"Bearer " + st.token(dispatch.RoleRider, "r1")}})
		p.read()
		p.send(frame{"type": "resume", "resume": []frame{from("a-open", 1)}})
		p.want("a-open", 2, true)
		p.want("a-open", 3, true)
		p.quiet("q")
	})
	st.run(t, "another_first_frame_ends_the_wait_for_resume", func(t *testing.T) {
		p := st.dial(http.Header{"Authorization": {"Bearer " + st.token(dispatch.RoleRider, "r1")}})
		p.read()
		before := p.sync("s")
		if len(before) != 2 {
			t.Errorf("got %v, want both orders before the answer", before)
		}
		if m := p.ask(frame{"type": "resume", "id": "late", "resume": []frame{}}); m.str("code") != "bad_request" {
			t.Errorf("got %v, want bad_request", m)
		}
	})
	st.run(t, "silence_ends_the_wait_for_resume", func(t *testing.T) {
		p := st.dial(http.Header{"Authorization": {"Bearer " + st.token(dispatch.RoleRider, "r1")}})
		p.read()
		p.want("a-open", 3, false)
		p.want("b-closed", 2, false)
	})
	st.run(t, "a_store_that_is_away_sends_the_client_off_to_come_back", func(t *testing.T) {
		st.mu.Lock()
		st.away = func(_ context.Context, what string, _ dispatch.MarketID) error {
			if what == "own orders" {
				return dispatch.Unavailable("the store is away", nil)
			}
			return nil
		}
		st.mu.Unlock()
		p := st.enter(dispatch.RoleRider, "r1")
		before, code := p.closed()
		if len(before) != 1 || before[0].str("code") != "unavailable" || code/100 != 40 {
			t.Errorf("got %v and close %d, want unavailable and a code to come back for", before, code)
		}
	})
}

func TestSession_watch(t *testing.T) {
	st := newStage(t, nil)
	st.order("o1", "r1")
	st.step("o1", offered, "")
	st.step("o1", searching, "")
	st.told()
	watch := func(id string, after any) frame {
		m := frame{"type": "order.watch", "id": id, "order_id": "o1"}
		if after != nil {
			m["after_version"] = after
		}
		return m
	}
	st.run(t, "from_the_present_on", func(t *testing.T) {
		p := st.enter(dispatch.RoleDispatcher, "boss")
		p.send(watch("w", nil))
		if m := p.read(); m.str("type") != "ack" || m.num("order", "version") != 3 {
			t.Fatalf("got %v, want ack with version 3", m)
		}
		p.quiet("q")
		st.step("o1", offered, "")
		p.want("o1", 4, true)
		if m := p.ask(frame{"type": "order.unwatch", "id": "u", "order_id": "o1"}); m.str("type") != "ack" || m.num("order", "version") != 4 {
			t.Fatalf("got %v, want ack", m)
		}
		st.step("o1", searching, "")
		st.told()
		p.quiet("q2")
	})
	st.run(t, "after_a_version_the_ack_comes_first", func(t *testing.T) {
		p := st.enter(dispatch.RoleService, "svc")
		p.send(watch("w", 2))
		if m := p.read(); m.str("type") != "ack" || m.num("order", "version") != 5 {
			t.Fatalf("got %v, want ack with version 5", m)
		}
		for v := int64(3); v <= 5; v++ {
			p.want("o1", v, true)
		}
		p.send(watch("again", 0))
		p.answer("again")
		p.want("o1", 1, true)
		p.want("o1", 2, true)
		p.quiet("q")
		p.send(watch("third", 0))
		p.answer("third")
		p.quiet("q2") // each event comes once
	})
	st.run(t, "an_own_order_is_sent_once_whatever_the_reasons", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r1")
		p.want("o1", 5, false)
		p.send(watch("w", 3))
		p.answer("w")
		p.want("o1", 4, true)
		p.want("o1", 5, true)
		st.step("o1", offered, "")
		p.want("o1", 6, true)
		p.ask(frame{"type": "order.unwatch", "id": "u", "order_id": "o1"})
		st.step("o1", searching, "")
		p.want("o1", 7, true) // it is the rider's own
		st.told()
		p.quiet("q")
	})
}

func TestSession_driver(t *testing.T) {
	st := newStage(t, nil)
	p := st.enter(dispatch.RoleDriver, "d1")
	st.live("d1")
	other := st.enter(dispatch.RoleDriver, "d2")
	st.live("d2")
	st.order("o1", "r1")
	st.step("o1", offered, "")
	f := st.offer("f1", "o1", "d1")
	m := p.read()
	if m.str("type") != "offer" || m.str("order", "id") != "o1" || m["order"].(map[string]any)["rider_id"] != nil ||
		m.num("wait_time_s") != 90 || m.num("expires_in_ms") < 1000 {
		t.Fatalf("got %v, want the offer without its rider", m)
	}
	if m := p.ask(frame{"type": "order.watch", "id": "w", "order_id": "o1"}); m.str("code") != "not_found" {
		t.Errorf("got %v, want not_found: an offer makes no party", m)
	}
	st.end(f, dispatch.OfferAccepted, "")
	st.step("o1", enRoute, "d1")
	if m := p.want("o1", 3, true); m.str("order", "rider_id") != "r1" {
		t.Errorf("got %v, want the rider", m)
	}
	p.ask(frame{"type": "order.watch", "id": "w2", "order_id": "o1"})
	st.step("o1", searching, "") // taken off
	p.want("o1", 4, true)
	st.step("o1", offered, "")
	st.told()
	p.quiet("q")
	if m := p.ask(frame{"type": "order.watch", "id": "w3", "order_id": "o1"}); m.str("code") != "not_found" {
		t.Errorf("got %v, want not_found: it was taken off", m)
	}
	st.step("o1", enRoute, "d2")
	other.want("o1", 6, true)
	st.commit(func() dispatch.Order { // reassigned: the event names the new driver only
		o := *last(st.orders["o1"]).Order
		o.Driver = "d1"
		return o
	}(), "")
	p.want("o1", 7, true)
	other.want("o1", 7, true)
	st.step("o1", onTrip, "d1")
	p.want("o1", 8, true)
	st.step("o1", completed, "d1")
	p.want("o1", 9, true)
	st.told()
	p.quiet("q2")
	other.quiet("q3")
	again := st.enter(dispatch.RoleDriver, "d1", from("o1", 7))
	again.want("o1", 8, true)
	again.want("o1", 9, true)
	again.quiet("q4")
	if m := st.enter(dispatch.RoleDriver, "d2", from("o1", 6)).read(); m.str("field") != "/resume/0/order_id" {
		t.Errorf("got %v, want not_found", m)
	}
}

func TestSession_notice(t *testing.T) {
	st := newStage(t, nil)
	st.order("o1", "r1")
	p := st.enter(dispatch.RoleDriver, "d1")
	st.live("d1")
	f := st.offer("f1", "o1", "d1")
	p.read()
	st.srv.hub.notice(&dispatch.Notice{Offer: f, Order: last(st.orders["o1"]).Order})
	p.quiet("an_offer_comes_once")

	again := st.enter(dispatch.RoleDriver, "d1")
	if m := again.read(); m.str("type") != "offer" || m.str("offer_id") != "f1" {
		t.Fatalf("got %v, want the live offer again", m)
	}
	st.live("d1")
	st.end(f, dispatch.OfferWithdrawn, "cancelled")
	if m := again.read(); m.str("type") != "offer.withdrawn" || m.str("offer_id") != "f1" || m.str("reason") != "cancelled" {
		t.Errorf("got %v, want the withdrawal", m)
	}
	st.srv.hub.notice(&dispatch.Notice{Offer: f, Order: last(st.orders["o1"]).Order})
	again.quiet("no_offer_after_its_end")

	g := st.offer("f2", "o1", "d1")
	again.read()
	st.end(g, dispatch.OfferExpired, "")
	if m := again.read(); m.str("reason") != "expired" {
		t.Errorf("got %v, want expired", m)
	}
	h := st.offer("f3", "o1", "d1")
	again.read()
	st.end(h, dispatch.OfferDeclined, "")
	again.quiet("own_answers_are_no_news")
	st.srv.hub.notice(&dispatch.Notice{Offer: dispatch.Offer{ID: "f4", Driver: "d1", State: dispatch.OfferWithdrawn}})
	st.offer("f4", "o1", "d1")
	again.quiet("an_end_before_its_beginning")
}

func TestSession_position(t *testing.T) {
	st := newStage(t, nil)
	st.order("o1", "r1")
	p := st.enter(dispatch.RoleRider, "r1")
	p.want("o1", 1, false)
	p.quiet("q")
	at := func(driver dispatch.DriverID) {
		st.listener.Position(&dispatch.Position{
			Order: "o1", Rider: "r1", Driver: driver, Market: "west",
			Fix: geo.Fix{LatLng: geo.LatLng{Lat: 1.5, Lng: 2.5}, At: st.market.Now()},
		})
	}
	at("d1")
	p.quiet("before_the_assignment")
	st.step("o1", enRoute, "d1")
	p.want("o1", 2, true)
	at("d2")
	p.quiet("of_another_driver")
	at("d1")
	m := p.read()
	if _, there := m["pickup_eta"]; m.str("type") != "driver.position" || m.str("order_id") != "o1" || m["lat"] != 1.5 || !there {
		t.Errorf("got %v, want the position", m)
	}
	st.step("o1", completed, "d1")
	p.want("o1", 3, true)
	at("d1")
	p.quiet("after_the_end")
}

func TestSession_telemetry(t *testing.T) {
	st := newStage(t, nil)
	st.setDuty("d2", "east", true)
	points := func(lng float64) []frame {
		return []frame{{"lat": 1, "lng": 15, "timestamp": "2026-01-01T00:00:00Z"}, {"lat": 1, "lng": lng, "timestamp": "2026-01-01T00:00:01Z"}}
	}
	p := st.enter(dispatch.RoleDriver, "d1")
	p.send(frame{"type": "telemetry", "points": points(1)})
	if m := p.ask(frame{"type": "telemetry", "id": "t1", "points": points(1)}); m.str("type") != "ack" {
		t.Errorf("got %v, want ack", m)
	}
	if m := p.ask(frame{"type": "duty", "id": "on", "state": "online"}); m.str("type") != "ack" || m["order"] != nil {
		t.Errorf("got %v, want ack: the last point lies in west", m)
	}
	if len(st.puts) != 0 {
		t.Errorf("got %v, want nothing in the index before duty", st.puts)
	}
	p.send(frame{"type": "telemetry", "points": points(2)})
	p.quiet("no_answer_without_an_id")
	if len(st.puts) != 1 || st.puts[0].market != "west" || st.puts[0].driver != "d1" || len(st.puts[0].fixes) != 2 ||
		st.puts[0].fixes[1].Lng != 2 || st.puts[0].fixes[1].SpeedMps == st.puts[0].fixes[1].SpeedMps {
		t.Errorf("got %v, want both points in west, speed unknown", st.puts)
	}
	p.ask(frame{"type": "duty", "id": "off", "state": "offline"})
	p.ask(frame{"type": "telemetry", "id": "t2", "points": points(3)})
	if len(st.puts) != 2 || st.puts[1].market != "west" {
		t.Errorf("got %v, want points off duty left to the last market, where an order may go on", st.puts)
	}
	svc := st.enter(dispatch.RoleService, "svc")
	svc.ask(frame{"type": "telemetry", "id": "t4", "driver_id": "d2", "points": points(25)})
	if len(st.puts) != 3 || st.puts[2].market != "east" || st.puts[2].driver != "d2" {
		t.Errorf("got %v, want the service's points of d2 in east", st.puts)
	}
}

func TestSession_perform(t *testing.T) {
	st := newStage(t, nil)
	create := func(id string) frame {
		return frame{
			"type": "order.create", "id": id, "kind": "ride",
			"stops": []frame{{"type": "pickup", "lat": 1, "lng": 1}, {"type": "dropoff", "lat": 2, "lng": 2}},
		}
	}
	st.run(t, "one_answer_a_request_however_many_are_under_way", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r1")
		const n = 100
		for i := range n {
			p.send(create(fmt.Sprint("c", i)))
		}
		acks, versions := map[string]int{}, map[string]int64{}
		for len(acks) < n || len(versions) < n {
			m := p.read()
			switch m.str("type") {
			case "ack":
				acks[m.str("id")]++
			case "order":
				versions[m.str("order", "id")]++
			}
		}
		p.quiet("q")
		for id, times := range acks {
			if times != 1 {
				t.Errorf("request %s got %d answers", id, times)
			}
		}
	})
	st.run(t, "a_repeat_has_the_same_answer", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r2")
		first := p.ask(create("k"))
		again := p.ask(create("k"))
		if first.str("order", "id") == "" || first.str("order", "id") != again.str("order", "id") {
			t.Errorf("got %v and %v, want the same order", first, again)
		}
	})
	st.run(t, "requests_about_one_order_keep_their_order", func(t *testing.T) {
		var mu sync.Mutex
		var seen []dispatch.State
		st.mu.Lock()
		st.judge = func(_ context.Context, c dispatch.Command) (dispatch.Reply, bool) {
			if c.Op != dispatch.OpAdvance {
				return dispatch.Reply{}, false
			}
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, c.To)
			return dispatch.Reply{}, false
		}
		st.mu.Unlock()
		st.order("trip", "r3")
		st.step("trip", enRoute, "d3")
		p := st.enter(dispatch.RoleDriver, "d3")
		steps := []dispatch.State{arrived, onTrip, completed}
		for i, to := range steps {
			p.send(frame{"type": "trip.advance", "id": fmt.Sprint("a", i), "order_id": "trip", "to": to})
		}
		for i := range steps {
			p.answer(fmt.Sprint("a", i))
		}
		if !slices.Equal(seen, steps) {
			t.Errorf("got %v, want %v", seen, steps)
		}
	})
	st.run(t, "a_panic_costs_its_own_socket_only", func(t *testing.T) {
		st.mu.Lock()
		st.judge = func(context.Context, dispatch.Command) (dispatch.Reply, bool) { panic("a defect") }
		st.mu.Unlock()
		p, other := st.enter(dispatch.RoleRider, "r4"), st.enter(dispatch.RoleRider, "r5")
		p.send(create("k"))
		if _, code := p.closed(); code != closeInternal {
			t.Errorf("got close %d, want %d", code, closeInternal)
		}
		other.sync("s")
	})
}
