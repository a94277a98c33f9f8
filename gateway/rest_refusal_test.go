package gateway

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	restStops = `"stops":[{"type":"pickup","lat":37.78,"lng":-122.41},{"type":"dropoff","lat":37.75,"lng":-122.42}]`
	restRide  = `{"kind":"ride",` + restStops + `}`
	restPoint = `{"points":[{"lat":37.78,"lng":-122.41,"timestamp":"2008-05-31T06:10:00Z"}]}`
	restKey   = "Idempotency-Key: k1"
)

// TestServer_REST_refusals is bad input for each call: what the contract says of it.
func TestServer_REST_refusals(t *testing.T) {
	f := &restPorts{
		reply: func(dispatch.Command) dispatch.Reply {
			t.Error("the core was asked")
			return dispatch.Reply{Order: &dispatch.Order{}}
		},
		orders: []dispatch.Order{{ID: "o1", Market: "sf", Rider: "r1", Driver: "d1", State: dispatch.StateSearching}},
		duty:   map[dispatch.DriverID]dispatch.Duty{"d1": {Driver: "d1", Market: "sf", Version: 1, Online: true}},
	}
	h := restServer(t, f)
	large := `{"reason":"` + strings.Repeat("a", wire.MaxBytes) + `"}`
	for _, c := range []struct {
		name, who, call, body string
		status                int
		code, field           string
		headers               []string
	}{
		{"size before token", "", "POST /v1/orders", large, 413, "too_large", "", nil},
		{"size before route", "", "POST /v1/nowhere", large, 413, "too_large", "", nil},
		{"no token", "", "GET /v1/orders/o1", "", 401, "unauthenticated", "", nil},
		{"bad token", "", "GET /v1/orders/o1", "", 401, "unauthenticated", "", []string{"Authorization: Bearer x"}},
		{"another scheme", "", "GET /v1/orders/o1", "", 401, "unauthenticated", "Authorization", []string{"Authorization: Basic x"}},
		{"two tokens", "rider r1", "GET /v1/orders/o1", "", 401, "unauthenticated", "Authorization", []string{"Authorization: Bearer x"}},
		{"token in the URL is no token", "", "GET /v1/orders?token=x", "", 401, "unauthenticated", "", nil},
		{"token before route", "", "GET /v1/nowhere", "", 401, "unauthenticated", "", nil},
		{"token before method", "", "DELETE /v1/orders", "", 401, "unauthenticated", "", nil},
		{"unknown route", "rider r1", "GET /v1/nowhere", "", 404, "not_found", "", nil},
		{"unknown route without token", "", "GET /nowhere", "", 404, "not_found", "", nil},
		{"route below a known one", "rider r1", "GET /v1/orders/o1/what", "", 404, "not_found", "", nil},
		{"other method", "rider r1", "DELETE /v1/orders", "", 405, "unsupported", "", nil},
		{"other method on the socket", "rider r1", "POST /v1/ws", "", 405, "unsupported", "", nil},
		{"other method on health", "", "POST /healthz", "", 405, "unsupported", "", nil},
		{"method before role", "driver d1", "PUT /v1/orders", "", 405, "unsupported", "", nil},
		{"unknown parameter", "rider r1", "GET /v1/orders/o1?x=1", "", 400, "bad_request", "x", nil},
		{"malformed query", "rider r1", "GET /v1/orders?limit=%zz", "", 400, "bad_request", "", nil},

		{"role before body", "driver d1", "POST /v1/orders", `nonsense`, 403, "forbidden", "", nil},
		{"content type", "rider r1", "POST /v1/orders", restRide, 415, "unsupported", "Content-Type", []string{"Content-Type: text/plain"}},
		{"charset", "rider r1", "POST /v1/orders", restRide, 415, "unsupported", "Content-Type", []string{"Content-Type: application/json; charset=latin1"}},
		{"no body", "rider r1", "POST /v1/orders", "", 400, "bad_request", "", []string{restKey}},
		{"list", "rider r1", "POST /v1/orders", "[]", 400, "bad_request", "", []string{restKey}},
		{"unknown member", "rider r1", "POST /v1/orders", `{"kind":"ride","x":1,` + restStops + `}`, 400, "bad_request", "/x", []string{restKey}},
		{"id in a body", "rider r1", "POST /v1/orders", `{"kind":"ride","id":"k1",` + restStops + `}`, 400, "bad_request", "/id", []string{restKey}},
		{"type in a body", "rider r1", "POST /v1/orders", `{"kind":"ride","type":"order.create",` + restStops + `}`, 400, "bad_request", "/type", []string{restKey}},
		{"body before key", "rider r1", "POST /v1/orders", `{"kind":"ride"}`, 400, "bad_request", "/stops", nil},
		{"rider before key", "service s", "POST /v1/orders", restRide, 400, "bad_request", "/rider_id", nil},
		{"no key", "rider r1", "POST /v1/orders", restRide, 400, "bad_request", "Idempotency-Key", nil},
		{"empty key", "rider r1", "POST /v1/orders", restRide, 400, "bad_request", "Idempotency-Key", []string{"Idempotency-Key: "}},
		{"malformed key", "rider r1", "POST /v1/orders", restRide, 400, "bad_request", "Idempotency-Key", []string{"Idempotency-Key: a b"}},
		{"long key", "rider r1", "POST /v1/orders", restRide, 400, "bad_request", "Idempotency-Key", []string{"Idempotency-Key: " + strings.Repeat("a", 65)}},
		{"two keys", "rider r1", "POST /v1/orders", restRide, 400, "bad_request", "Idempotency-Key", []string{restKey, "Idempotency-Key: k2"}},
		{"for another rider", "rider r1", "POST /v1/orders", `{"kind":"ride","rider_id":"r2",` + restStops + `}`, 400, "bad_request", "/rider_id", []string{restKey}},
		{"dispatcher without rider", "dispatcher x", "POST /v1/orders", restRide, 400, "bad_request", "/rider_id", []string{restKey}},
		{"admin without rider", "admin x", "POST /v1/orders", restRide, 400, "bad_request", "/rider_id", []string{restKey}},
		{"unknown market", "rider r1", "POST /v1/orders", `{"market":"mars","kind":"ride",` + restStops + `}`, 400, "bad_request", "/market", []string{restKey}},
		{"market without the pickup", "rider r1", "POST /v1/orders", `{"market":"nyc","kind":"ride",` + restStops + `}`, 400, "bad_request", "/stops/0", []string{restKey}},
		{"pickup in no market", "rider r1", "POST /v1/orders", strings.Replace(restRide, "37.78", "10", 1), 400, "bad_request", "/stops/0", []string{restKey}},
		{"market of no token", "rider r1 nyc", "POST /v1/orders", restRide, 403, "forbidden", "/market", []string{restKey}},

		{"cancel with a member", "rider r1", "POST /v1/orders/o1/cancel", `{"order_id":"o1"}`, 400, "bad_request", "/order_id", nil},
		{"cancel with a long reason", "rider r1", "POST /v1/orders/o1/cancel", `{"reason":"` + strings.Repeat("a", 257) + `"}`, 400, "bad_request", "/reason", nil},
		{"cancel what no id can name", "rider r1", "POST /v1/orders/a%20b/cancel", `{}`, 404, "not_found", "", nil},
		{"cancel with a bad key", "rider r1", "POST /v1/orders/o1/cancel", `{}`, 400, "bad_request", "Idempotency-Key", []string{"Idempotency-Key: é"}},
		{"key before ownership", "rider r1", "POST /v1/orders/a%20b/cancel", `{}`, 400, "bad_request", "Idempotency-Key", []string{"Idempotency-Key: a b"}},
		{"assign by a service", "service s", "POST /v1/orders/o1/assign", `{"driver_id":"d1"}`, 403, "forbidden", "", nil},
		{"assign nobody", "dispatcher x", "POST /v1/orders/o1/assign", `{}`, 400, "bad_request", "/driver_id", nil},
		{"assign without body", "dispatcher x", "POST /v1/orders/o1/assign", "", 400, "bad_request", "", nil},
		{"unassign by a driver", "driver d1", "POST /v1/orders/o1/unassign", `{}`, 403, "forbidden", "", nil},
		{"unassign with a number", "dispatcher x", "POST /v1/orders/o1/unassign", `{"reason":5}`, 400, "bad_request", "/reason", nil},
		{"priority by a rider", "rider r1", "POST /v1/orders/o1/priority", `{"priority":1}`, 403, "forbidden", "", nil},
		{"priority too high", "dispatcher x", "POST /v1/orders/o1/priority", `{"priority":101}`, 400, "bad_request", "/priority", nil},
		{"no priority", "dispatcher x", "POST /v1/orders/o1/priority", `{}`, 400, "bad_request", "/priority", nil},
		{"search by a rider", "rider r1", "POST /v1/orders/o1/search", `{}`, 403, "forbidden", "", nil},
		{"search with a member", "dispatcher x", "POST /v1/orders/o1/search", `{"reason":"x"}`, 400, "bad_request", "/reason", nil},
		{"advance by a driver", "driver d1", "POST /v1/orders/o1/advance", `{"to":"completed"}`, 403, "forbidden", "", nil},
		{"advance to nowhere", "dispatcher x", "POST /v1/orders/o1/advance", `{"to":"flying"}`, 400, "bad_request", "/to", nil},
		{"accept by a rider", "rider r1", "POST /v1/offers/f1/accept", ``, 403, "forbidden", "", nil},
		{"accept with a member", "driver d1", "POST /v1/offers/f1/accept", `{"offer_id":"f1"}`, 400, "bad_request", "/offer_id", nil},
		{"decline by an admin", "admin x", "POST /v1/offers/f1/decline", ``, 403, "forbidden", "", nil},
		{"decline what no id can name", "driver d1", "POST /v1/offers/%2F/decline", ``, 404, "not_found", "", nil},
		{"telemetry by a service", "service s", "POST /v1/telemetry", restPoint, 403, "forbidden", "", nil},
		{"telemetry for another", "driver d1", "POST /v1/telemetry", `{"driver_id":"d2",` + restPoint[1:], 400, "bad_request", "/driver_id", nil},
		{"telemetry of nothing", "driver d1", "POST /v1/telemetry", `{"points":[]}`, 400, "bad_request", "/points", nil},

		{"another's order", "rider r2", "GET /v1/orders/o1", "", 404, "not_found", "", nil},
		{"another driver's order", "driver d2", "GET /v1/orders/o1", "", 404, "not_found", "", nil},
		{"order elsewhere", "dispatcher x nyc", "GET /v1/orders/o1", "", 404, "not_found", "", nil},
		{"another's events", "rider r2", "GET /v1/orders/o1/events", "", 404, "not_found", "", nil},
		{"no such order", "rider r1", "GET /v1/orders/o9", "", 404, "not_found", "", nil},
		{"page of 0", "rider r1", "GET /v1/orders?limit=0", "", 400, "bad_request", "limit", nil},
		{"page of 501", "rider r1", "GET /v1/orders?limit=501", "", 400, "bad_request", "limit", nil},
		{"page of words", "rider r1", "GET /v1/orders/o1/events?limit=many", "", 400, "bad_request", "limit", nil},
		{"made-up cursor", "rider r1", "GET /v1/orders?cursor=abc", "", 400, "bad_request", "cursor", nil},
		{"cursor of another list", "rider r1", "GET /v1/orders/o1/events?cursor=b3JkZXJzIDU", "", 400, "bad_request", "cursor", nil},
		{"unknown state", "rider r1", "GET /v1/orders?state=searching,lost", "", 400, "bad_request", "state", nil},
		{"malformed rider", "service s", "GET /v1/orders?rider_id=a%20b", "", 400, "bad_request", "rider_id", nil},
		{"time of words", "service s", "GET /v1/orders?from=yesterday", "", 400, "bad_request", "from", nil},
		{"time without a zone", "service s", "GET /v1/orders?to=2008-05-31T06:10:00", "", 400, "bad_request", "to", nil},
		{"time before 1970", "service s", "GET /v1/orders?to=1969-12-31T23:59:59Z", "", 400, "bad_request", "to", nil},
		{"from after to", "service s", "GET /v1/orders?from=2008-05-31T06:10:00.001Z&to=2008-05-31T06:10:00Z", "", 400, "bad_request", "from", nil},
		{"parameter twice", "service s", "GET /v1/orders?limit=1&limit=2", "", 400, "bad_request", "limit", nil},
		{"empty parameter", "service s", "GET /v1/orders?market=", "", 400, "bad_request", "market", nil},
		{"another driver", "driver d2", "GET /v1/drivers/d1", "", 404, "not_found", "", nil},
		{"driver by a rider", "rider r1", "GET /v1/drivers/d1", "", 403, "forbidden", "", nil},
		{"driver elsewhere", "dispatcher x nyc", "GET /v1/drivers/d1", "", 404, "not_found", "", nil},
		{"no such driver", "dispatcher x", "GET /v1/drivers/d9", "", 404, "not_found", "", nil},
		{"nearby by a driver", "driver d1", "GET /v1/drivers/nearby?lat=1&lng=1", "", 403, "forbidden", "", nil},
		{"nearby without lat", "service s", "GET /v1/drivers/nearby?lng=1", "", 400, "bad_request", "lat", nil},
		{"nearby off the map", "service s", "GET /v1/drivers/nearby?lat=1&lng=181", "", 400, "bad_request", "lng", nil},
		{"nearby NaN", "service s", "GET /v1/drivers/nearby?lat=NaN&lng=1", "", 400, "bad_request", "lat", nil},
		{"nearby in no market", "service s", "GET /v1/drivers/nearby?lat=10&lng=10", "", 400, "bad_request", "lat", nil},
		{"nearby in an unknown market", "service s", "GET /v1/drivers/nearby?lat=10&lng=10&market=mars", "", 400, "bad_request", "market", nil},
		{"nearby elsewhere", "service s nyc", "GET /v1/drivers/nearby?lat=37.78&lng=-122.41", "", 404, "not_found", "", nil},
		{"no such market", "rider r1", "GET /v1/markets/mars", "", 404, "not_found", "", nil},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			got := restDo(t, h, c.who, c.call, c.body, c.headers...)
			wantProblem(t, got, c.status, c.code, c.field)
		})
	}
}

// wantProblem checks a refusal and what every refusal has.
func wantProblem(t *testing.T, got restAnswer, status int, code, field string) {
	t.Helper()
	told, _ := got.body["field"].(string)
	if got.status != status || got.body["code"] != code || told != field {
		t.Errorf("got %d %s\nwant %d %s %q", got.status, got.raw, status, code, field)
	}
	if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	if got.body["status"] != float64(got.status) || got.body["title"] != http.StatusText(got.status) ||
		got.body["type"] != "about:blank" || got.body["detail"] == "" {
		t.Errorf("no whole problem: %s", got.raw)
	}
	if got.header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	switch got.status {
	case http.StatusUnauthorized:
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("WWW-Authenticate %q", got.header.Get("WWW-Authenticate"))
		}
	case http.StatusMethodNotAllowed:
		if got.header.Get("Allow") == "" {
			t.Error("405 without Allow")
		}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if got.header.Get("Retry-After") == "" || got.body["retry_after_ms"] == nil {
			t.Errorf("no time to come back: %v %s", got.header, got.raw)
		}
	}
}

// TestServer_REST_codes: every refusal of the core reaches the asker with its status, and nothing of the
// inside does.
func TestServer_REST_codes(t *testing.T) {
	for code, status := range map[dispatch.Code]int{
		dispatch.CodeBadRequest: 400, dispatch.CodeUnauthenticated: 401, dispatch.CodeForbidden: 403,
		dispatch.CodeNotFound: 404, dispatch.CodeConflict: 409, dispatch.CodeTaken: 409,
		dispatch.CodeIllegalTransition: 409, dispatch.CodeExpired: 410, dispatch.CodeTooLarge: 413,
		dispatch.CodeUnsupported: 415, dispatch.CodeRateLimited: 429, dispatch.CodeInternal: 500,
		dispatch.CodeOverloaded: 503, dispatch.CodeUnavailable: 503,
	} {
		t.Run(string(code), func(t *testing.T) {
			h := restServer(t, &restPorts{reply: func(dispatch.Command) dispatch.Reply {
				return dispatch.Reply{Err: &dispatch.Error{Code: code, Detail: "no", Err: errors.New("disk sda1")}}
			}})
			got := restDo(t, h, "rider r1", "POST /v1/orders", restRide, restKey)
			wantProblem(t, got, status, string(code), "")
			if strings.Contains(got.raw, "sda1") {
				t.Errorf("the inside is told: %s", got.raw)
			}
		})
	}
	t.Run("a panic is internal", func(t *testing.T) {
		h := restServer(t, &restPorts{reply: func(dispatch.Command) dispatch.Reply { panic("secret of sda1") }})
		got := restDo(t, h, "rider r1", "POST /v1/orders", restRide, restKey)
		wantProblem(t, got, 500, "internal", "")
		if strings.Contains(got.raw, "sda1") {
			t.Errorf("the inside is told: %s", got.raw)
		}
	})
	t.Run("an error without a code is internal", func(t *testing.T) {
		h := restServer(t, &restPorts{broken: errors.New("disk sda1")})
		got := restDo(t, h, "rider r1", "GET /v1/orders/o1", "")
		wantProblem(t, got, 500, "internal", "")
		if strings.Contains(got.raw, "sda1") {
			t.Errorf("the inside is told: %s", got.raw)
		}
		wantProblem(t, restDo(t, h, "", "GET /readyz", ""), 503, "unavailable", "")
	})
}
