package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
)

// stops gives the stops member of an order body.
func stops(list ...string) string { return `"stops":[` + strings.Join(list, ",") + `]` }

const (
	pickup  = `{"type":"pickup","lat":37.78,"lng":-122.41}`
	dropoff = `{"type":"dropoff","lat":37.75,"lng":-122.42}`
)

// TestREST_Refuses sends every kind of bad request over the real listener: the contract's status, code and
// field for each, as problem+json.
func TestREST_Refuses(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	rider, driver := p.token(dispatch.RoleRider, "r1"), p.token(dispatch.RoleDriver, "d1")
	staff, service := p.token(dispatch.RoleDispatcher, "s1"), p.token(dispatch.RoleService, "svc")
	bound := p.token(dispatch.RoleRider, "r1", "nyc")
	mine := p.rest("POST", "/v1/orders", rider, rideBody, "Idempotency-Key", "mine").body["id"].(string)
	foreign := p.token(dispatch.RoleRider, "r2")
	ok := stops(pickup, dropoff)
	for _, c := range []struct {
		method, path, token, body string
		key                       string
		status                    int
		code, field               string
	}{
		{"GET", "/v1/nowhere", rider, "", "", 404, "not_found", ""},
		{"GET", "/nowhere", "", "", "", 404, "not_found", ""},
		{"DELETE", "/v1/orders", rider, "", "", 405, "unsupported", ""},
		{"GET", "/v1/orders", "", "", "", 401, "unauthenticated", ""},
		{"GET", "/v1/orders", "rubbish", "", "", 401, "unauthenticated", ""},
		{"GET", "/v1/orders?colour=red", rider, "", "", 400, "bad_request", "colour"},
		{"GET", "/v1/orders?limit=0", rider, "", "", 400, "bad_request", "limit"},
		{"GET", "/v1/orders?limit=501", rider, "", "", 400, "bad_request", "limit"},
		{"GET", "/v1/orders?state=flying", rider, "", "", 400, "bad_request", "state"},
		{"GET", "/v1/orders?cursor=%21", rider, "", "", 400, "bad_request", "cursor"},
		{"GET", "/v1/orders/" + mine, foreign, "", "", 404, "not_found", ""},
		{"GET", "/v1/orders/" + mine, bound, "", "", 404, "not_found", ""},
		{"GET", "/v1/orders/" + mine + "/events", foreign, "", "", 404, "not_found", ""},
		{"GET", "/v1/orders/nope", rider, "", "", 404, "not_found", ""},
		{"POST", "/v1/orders", rider, rideBody, "", 400, "bad_request", "Idempotency-Key"},
		{"POST", "/v1/orders", rider, rideBody, "a b", 400, "bad_request", "Idempotency-Key"},
		{"POST", "/v1/orders", driver, rideBody, "k", 403, "forbidden", ""},
		{"POST", "/v1/orders", bound, rideBody, "k", 403, "forbidden", "/market"},
		{"POST", "/v1/orders", service, rideBody, "k", 400, "bad_request", "/rider_id"},
		{"POST", "/v1/orders", rider, `{"rider_id":"r2","kind":"ride",` + ok + `}`, "k", 400, "bad_request", "/rider_id"},
		{"POST", "/v1/orders", rider, `{`, "k", 400, "bad_request", ""},
		{"POST", "/v1/orders", rider, `[]`, "k", 400, "bad_request", ""},
		{"POST", "/v1/orders", rider, rideBody + `{}`, "k", 400, "bad_request", ""},
		{"POST", "/v1/orders", rider, `{` + ok + `}`, "k", 400, "bad_request", "/kind"},
		{"POST", "/v1/orders", rider, `{"kind":"ride"}`, "k", 400, "bad_request", "/stops"},
		{"POST", "/v1/orders", rider, `{"kind":"flight",` + ok + `}`, "k", 400, "bad_request", "/kind"},
		{"POST", "/v1/orders", rider, `{"Kind":"ride",` + ok + `}`, "k", 400, "bad_request", "/Kind"},
		{"POST", "/v1/orders", rider, `{"kind":"ride","kind":"ride",` + ok + `}`, "k", 400, "bad_request", "/kind"},
		{"POST", "/v1/orders", rider, `{"kind":"ride","colour":1,` + ok + `}`, "k", 400, "bad_request", "/colour"},
		{"POST", "/v1/orders", rider, "{\"kind\":\"r\xff\"," + ok + "}", "k", 400, "bad_request", "/kind"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(pickup) + `}`, "k", 400, "bad_request", "/stops"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(dropoff, pickup) + `}`, "k", 400, "bad_request", "/stops/0/type"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(pickup, pickup) + `}`, "k", 400, "bad_request", "/stops/1/type"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(`{"type":"pickup","lat":91,"lng":0}`, dropoff) + `}`, "k", 400, "bad_request", "/stops/0/lat"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(`{"type":"pickup","lat":"1","lng":0}`, dropoff) + `}`, "k", 400, "bad_request", "/stops/0/lat"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(`{"type":"pickup","lat":1e999,"lng":0}`, dropoff) + `}`, "k", 400, "bad_request", "/stops/0/lat"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(`{"type":"pickup","lat":1}`, dropoff) + `}`, "k", 400, "bad_request", "/stops/0/lng"},
		{"POST", "/v1/orders", rider, `{"kind":"ride",` + stops(`{"type":"pickup","lat":10,"lng":10}`, dropoff) + `}`, "k", 400, "bad_request", "/stops/0"},
		{"POST", "/v1/orders", rider, `{"market":"mars","kind":"ride",` + ok + `}`, "k", 400, "bad_request", "/market"},
		{"POST", "/v1/orders", rider, `{"kind":"ride","pickup_at":"tomorrow",` + ok + `}`, "k", 400, "bad_request", "/pickup_at"},
		{"POST", "/v1/orders", rider, `{"kind":"ride","x":"` + strings.Repeat("x", 70_000) + `"}`, "k", 413, "too_large", ""},
		{"POST", "/v1/orders/" + mine + "/cancel", foreign, `{}`, "", 404, "not_found", ""},
		{"POST", "/v1/orders/" + mine + "/cancel", rider, `{"why":"x"}`, "", 400, "bad_request", "/why"},
		{"POST", "/v1/orders/" + mine + "/assign", rider, `{"driver_id":"d1"}`, "", 403, "forbidden", ""},
		{"POST", "/v1/orders/" + mine + "/assign", staff, `{"driver_id":"nobody"}`, "", 404, "not_found", "/driver_id"},
		{"POST", "/v1/orders/" + mine + "/assign", staff, `{}`, "", 400, "bad_request", "/driver_id"},
		{"POST", "/v1/orders/" + mine + "/unassign", staff, `{}`, "", 409, "illegal_transition", ""},
		{"POST", "/v1/orders/" + mine + "/search", staff, `{}`, "", 409, "illegal_transition", ""},
		{"POST", "/v1/orders/" + mine + "/priority", staff, `{"priority":1000000}`, "", 400, "bad_request", "/priority"},
		{"POST", "/v1/orders/" + mine + "/advance", staff, `{"to":"completed"}`, "", 409, "illegal_transition", ""},
		{"POST", "/v1/orders/" + mine + "/advance", staff, `{"to":"heaven"}`, "", 400, "bad_request", "/to"},
		{"POST", "/v1/offers/nope/accept", driver, `{}`, "", 404, "not_found", ""},
		{"POST", "/v1/offers/nope/accept", rider, `{}`, "", 403, "forbidden", ""},
		{"POST", "/v1/telemetry", driver, `{"points":[]}`, "", 400, "bad_request", "/points"},
		{"POST", "/v1/telemetry", rider, `{"points":[]}`, "", 403, "forbidden", ""},
		{"GET", "/v1/drivers/nobody", staff, "", "", 404, "not_found", ""},
		{"GET", "/v1/drivers/d2", driver, "", "", 404, "not_found", ""},
		{"GET", "/v1/drivers/d2", rider, "", "", 403, "forbidden", ""},
		{"GET", "/v1/drivers/nearby?lat=91&lng=0", staff, "", "", 400, "bad_request", "lat"},
		{"GET", "/v1/drivers/nearby?lng=0", staff, "", "", 400, "bad_request", "lat"},
		{"GET", "/v1/markets/mars", rider, "", "", 404, "not_found", ""},
	} {
		name := fmt.Sprintf("%s %s %.60s", c.method, c.path, c.body)
		headers := []string{}
		if c.key != "" {
			headers = []string{"Idempotency-Key", c.key}
		}
		a := p.rest(c.method, c.path, c.token, c.body, headers...)
		if a.status != c.status || a.body["code"] != c.code {
			t.Errorf("%s\n  answered %d %s\n  want %d %s", name, a.status, a.raw, c.status, c.code)
			continue
		}
		if field, _ := a.body["field"].(string); field != c.field {
			t.Errorf("%s\n  names field %q, want %q (%s)", name, field, c.field, a.raw)
		}
		if got := a.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s\n  is told as %q", name, got)
		}
		if a.body["status"] != float64(c.status) {
			t.Errorf("%s\n  says status %v in %s", name, a.body["status"], a.raw)
		}
	}
	plain := p.rest("POST", "/v1/orders", rider, "", "Content-Type", "text/plain", "Idempotency-Key", "t")
	if plain.status != 415 && plain.status != 400 {
		t.Errorf("text/plain answered %d %s", plain.status, plain.raw)
	}
	if a := p.rest("DELETE", "/v1/orders", rider, ""); a.header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
}

// TestSocket_Refuses sends bad frames over the real socket, which must stay open.
func TestSocket_Refuses(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	driver := p.dial(p.token(dispatch.RoleDriver, "d1"))
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	for _, c := range []struct {
		sock        *sock
		frame       string
		id          any
		code, field string
	}{
		{driver, `{`, nil, "bad_request", ""},
		{driver, `[]`, nil, "bad_request", ""},
		{driver, `{"type":"fly","id":"1"}`, "1", "unsupported", "/type"},
		{driver, `{"id":"2"}`, "2", "bad_request", "/type"},
		{driver, `{"type":"welcome","id":"3"}`, "3", "unsupported", "/type"},
		{driver, `{"type":"duty","id":"4","state":"asleep"}`, "4", "bad_request", "/state"},
		{driver, `{"type":"duty","id":"5","state":"online"}`, "5", "bad_request", "/market"},
		{driver, `{"type":"duty","id":"6","state":"online","market":"mars"}`, "6", "bad_request", "/market"},
		{driver, `{"type":"duty","state":"online","market":"sf"}`, nil, "bad_request", "/id"},
		{driver, `{"type":"duty","id":"7","STATE":"online","market":"sf"}`, "7", "bad_request", "/STATE"},
		{driver, `{"type":"duty","id":"8","state":"online","market":"sf","capacity":0}`, "8", "bad_request", "/capacity"},
		{driver, `{"type":"telemetry","id":"9","points":[]}`, "9", "bad_request", "/points"},
		{driver, `{"type":"telemetry","id":"10","points":[{"lat":95,"lng":0,"timestamp":"2026-01-01T00:00:00.000Z"}]}`, "10", "bad_request", "/points/0/lat"},
		{driver, `{"type":"telemetry","id":"11","points":[{"lat":5,"lng":0,"timestamp":"now"}]}`, "11", "bad_request", "/points/0/timestamp"},
		{driver, `{"type":"offer.accept","id":"12","offer_id":"nope"}`, "12", "not_found", ""},
		{driver, `{"type":"trip.advance","id":"13","order_id":"nope","to":"completed"}`, "13", "not_found", ""},
		{driver, `{"type":"trip.advance","id":"14","order_id":"nope","to":"heaven"}`, "14", "bad_request", "/to"},
		{driver, `{"type":"order.create","id":"15","kind":"ride","stops":[` + pickup + "," + dropoff + `]}`, "15", "forbidden", ""},
		{rider, `{"type":"duty","id":"16","state":"online","market":"sf"}`, "16", "forbidden", ""},
		{rider, `{"type":"order.create","id":"17","kind":"ride"}`, "17", "bad_request", "/stops"},
		{rider, `{"type":"order.watch","id":"18","order_id":"nope"}`, "18", "not_found", ""},
		{rider, `{"type":"order.cancel","id":"19","order_id":"nope"}`, "19", "not_found", ""},
		{rider, `{"type":"order.watch","id":"20","order_id":"nope","after_version":-1}`, "20", "bad_request", "/after_version"},
	} {
		c.sock.text(c.frame)
		got := c.sock.wait("error", nil)
		field, _ := got["field"].(string)
		if got["code"] != c.code || got["id"] != c.id || field != c.field {
			t.Errorf("%s\n  answered %v\n  want code %s, id %v, field %q", c.frame, got, c.code, c.id, c.field)
		}
	}
	rider.acked(object{"type": "order.create", "id": "still-here", "kind": "ride", "stops": []object{
		{"type": "pickup", "lat": 37.78, "lng": -122.41}, {"type": "dropoff", "lat": 37.75, "lng": -122.42}}})
}

// TestSocket_Closes shows the close codes of the contract.
func TestSocket_Closes(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	token := p.token(dispatch.RoleDriver, "d1")
	closes := func(name string, want int, do func(s *sock), s *sock) {
		t.Helper()
		do(s)
		for {
			frame, code := s.next()
			if code == 0 {
				s.seen = append(s.seen, frame)
				continue
			}
			if code != want {
				t.Errorf("%s: closed with %d, want %d", name, code, want)
			}
			return
		}
	}
	closes("bad token", 4500, func(s *sock) { s.send(object{"type": "auth", "token": "x"}) }, p.open(nil))
	closes("no auth first", 4500, func(s *sock) { s.send(object{"type": "duty", "id": "1", "state": "offline"}) }, p.open(nil))
	closes("abuse", 4503, func(s *sock) {
		for range 20 {
			s.text("rubbish")
		}
	}, p.dial(token))
	closes("too large", 1009, func(s *sock) { s.text(`{"type":"` + strings.Repeat("x", 70_000) + `"}`) }, p.dial(token))
	closes("replaced", 4009, func(*sock) { p.dial(token) }, p.dial(token))

	_, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/v1/ws",
		http.Header{"Authorization": {"Bearer x"}})
	if err == nil || resp.StatusCode != 401 {
		t.Errorf("a bad token in the header: %v, %v", resp, err)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
	_, resp, err = dialer.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/v1/ws", nil)
	if err == nil || resp.StatusCode != 415 {
		t.Errorf("an unknown subprotocol: %v, %v", resp, err)
	}
}

// TestServe_TellsMarketsAndHealth reads what anyone may read.
func TestServe_TellsMarketsAndHealth(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--time-scale", "5")
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		if a := p.rest("GET", path, "", ""); a.status != 200 || !json.Valid([]byte(a.raw)) {
			t.Errorf("%s answered %d %s", path, a.status, a.raw)
		}
	}
	if a := p.rest("GET", "/metrics", "", ""); !strings.Contains(a.raw, "hexfleet_telemetry_fixes_total") {
		t.Errorf("metrics told %.200s", a.raw)
	}
	a := p.rest("GET", "/v1/markets/sf", p.token(dispatch.RoleRider, "r1"), "")
	if a.body["time_scale"] != 5.0 || a.body["policy"].(object)["window_ms"] != 2000.0 {
		t.Errorf("the market is %s", a.raw)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", a.body["server_time"].(string)); err != nil {
		t.Error(err)
	}
	var area bytes.Buffer
	if err := json.NewEncoder(&area).Encode(a.body["area"]); err != nil || !strings.Contains(area.String(), "Polygon") {
		t.Errorf("the area is %s, %v", area.String(), err)
	}
}
