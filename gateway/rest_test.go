package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// restOrder is order n of rider r1, assigned to driver d1.
func restOrder(n int) dispatch.Order {
	return dispatch.Order{
		ID: dispatch.OrderID(fmt.Sprintf("o%d", n)), Market: "sf", Kind: dispatch.KindRide, Version: 1,
		State: dispatch.StateEnRouteToPickup, Rider: "r1", Driver: "d1", VehicleClass: "standard",
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.78, Lng: -122.41}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.75, Lng: -122.42}},
		},
	}
}

func TestServer_postOrder(t *testing.T) {
	first := restOrder(1)
	f := &restPorts{reply: func(dispatch.Command) dispatch.Reply { return dispatch.Reply{Order: &first} }}
	h := restServer(t, f)
	t.Run("a new order is 201 with its location", func(t *testing.T) {
		got := restDo(t, h, "rider r1", "POST /v1/orders", restRide, restKey, "X-Request-Id: q1")
		if got.status != 201 || got.header.Get("Location") != "/v1/orders/o1" || got.body["id"] != "o1" {
			t.Errorf("got %d %v %s", got.status, got.header, got.raw)
		}
		if got.header.Get("X-Request-Id") != "q1" {
			t.Errorf("X-Request-Id %q, want q1", got.header.Get("X-Request-Id"))
		}
		c := f.asked()[0]
		if c.Op != dispatch.OpCreate || c.Market != "sf" || c.By.Sub != "r1" || c.Key.ID != "k1" || c.New == nil ||
			c.New.Rider != "r1" || c.New.VehicleClass != "standard" || len(c.New.Stops) != 2 || len(c.Order) != 36 {
			t.Errorf("command %+v %+v", c, c.New)
		}
	})
	t.Run("a dispatcher orders for a rider", func(t *testing.T) {
		body := `{"kind":"ride","rider_id":"r7","market":"sf",` + restStops + `}`
		if got := restDo(t, h, "dispatcher x", "POST /v1/orders", body, restKey); got.status != 201 {
			t.Fatalf("got %d %s", got.status, got.raw)
		}
		if all := f.asked(); all[len(all)-1].New.Rider != "r7" {
			t.Errorf("for %s, want r7", all[len(all)-1].New.Rider)
		}
	})
	t.Run("content, not formatting, is the key's", func(t *testing.T) {
		before := len(f.asked())
		for _, body := range []string{restRide, `{ ` + restStops + `, "market":null, "kind":"ride" }`, strings.Replace(restRide, "ride", "delivery", 1)} {
			restDo(t, h, "rider r1", "POST /v1/orders", body, restKey)
		}
		c := f.asked()[before:]
		if c[0].Key != c[1].Key || c[0].Key == c[2].Key {
			t.Errorf("keys %v", []dispatch.Key{c[0].Key, c[1].Key, c[2].Key})
		}
	})
}

// TestServer_commands: each call asks the core for what it says, and answers with the order.
func TestServer_commands(t *testing.T) {
	order := restOrder(1)
	f := &restPorts{reply: func(dispatch.Command) dispatch.Reply { return dispatch.Reply{Order: &order} }}
	h := restServer(t, f)
	for _, c := range []struct {
		who, call, body string
		want            dispatch.Command
		ack             bool
	}{
		{"rider r1", "/v1/orders/o1/cancel", `{"reason":"late"}`, dispatch.Command{Op: dispatch.OpCancel, Order: "o1", Reason: "late"}, false},
		{"driver d1", "/v1/orders/o1/cancel", ``, dispatch.Command{Op: dispatch.OpCancel, Order: "o1"}, false},
		{"dispatcher x", "/v1/orders/o1/assign", `{"driver_id":"d2"}`, dispatch.Command{Op: dispatch.OpAssign, Order: "o1", Driver: "d2"}, false},
		{"admin x", "/v1/orders/o1/unassign", ``, dispatch.Command{Op: dispatch.OpUnassign, Order: "o1"}, false},
		{"dispatcher x", "/v1/orders/o1/priority", `{"priority":-5}`, dispatch.Command{Op: dispatch.OpPriority, Order: "o1", Priority: -5}, false},
		{"dispatcher x", "/v1/orders/o1/search", `{}`, dispatch.Command{Op: dispatch.OpSearch, Order: "o1"}, false},
		{"dispatcher x", "/v1/orders/o1/advance", `{"to":"completed","proof":{"any":1}}`, dispatch.Command{Op: dispatch.OpAdvance, Order: "o1", To: "completed"}, false},
		{"driver d1", "/v1/offers/f1/accept", ``, dispatch.Command{Op: dispatch.OpAccept, Offer: "f1", Driver: "d1"}, true},
		{"driver d1", "/v1/offers/f1/decline", `{"reason":"far"}`, dispatch.Command{Op: dispatch.OpDecline, Offer: "f1", Driver: "d1", Reason: "far"}, true},
	} {
		t.Run(strings.ReplaceAll(c.who+c.call, " ", "_"), func(t *testing.T) {
			got := restDo(t, h, c.who, "POST "+c.call, c.body, restKey)
			if got.status != 200 {
				t.Fatalf("got %d %s", got.status, got.raw)
			}
			told := got.body
			if c.ack {
				if told["type"] != "ack" || told["id"] != "k1" {
					t.Errorf("no ack: %s", got.raw)
				}
				told, _ = told["order"].(map[string]any)
			}
			if told["id"] != "o1" || told["rider_id"] != "r1" {
				t.Errorf("got %s", got.raw)
			}
			all := f.asked()
			asked := all[len(all)-1]
			if asked.Key.ID != "k1" || asked.By.Sub != strings.Fields(c.who)[1] {
				t.Errorf("command %+v", asked)
			}
			if told := got.header.Get("X-Request-Id"); told == "" || asked.RequestID != told {
				t.Errorf("request %q, told as %q", asked.RequestID, told)
			}
			asked.Key, asked.By, asked.RequestID = dispatch.Key{}, dispatch.Actor{}, ""
			if fmt.Sprint(asked) != fmt.Sprint(c.want) {
				t.Errorf("asked %+v\nwant  %+v", asked, c.want)
			}
		})
	}
	t.Run("a driver that declined does not learn the rider", func(t *testing.T) {
		got := restDo(t, h, "driver d9", "POST /v1/offers/f1/decline", "")
		told, _ := got.body["order"].(map[string]any)
		if got.status != 200 || told["id"] != "o1" || told["rider_id"] != nil || got.body["id"] != nil {
			t.Errorf("got %d %s", got.status, got.raw)
		}
	})
}

func TestServer_getOrders(t *testing.T) {
	f := &restPorts{}
	for n := 5; n > 0; n-- {
		f.orders = append(f.orders, restOrder(n))
	}
	f.orders[1].Rider, f.orders[2].Driver, f.orders[3].State = "r2", "d2", dispatch.StateCompleted // o4, o3, o2
	h := restServer(t, f)
	list := func(t *testing.T, who, query string) (ids []string, next string) {
		t.Helper()
		got := restDo(t, h, who, "GET /v1/orders"+query, "")
		items, isList := got.body["items"].([]any)
		if got.status != 200 || !isList {
			t.Fatalf("%s: got %d %s", query, got.status, got.raw)
		}
		for _, item := range items {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		next, _ = got.body["next_cursor"].(string)
		return ids, next
	}
	for _, c := range []struct{ who, query, want string }{
		{"rider r1", "", "o5 o3 o2 o1"},
		{"rider r1", "?rider_id=r1", "o5 o3 o2 o1"},
		{"rider r1", "?rider_id=r2", ""},
		{"driver d1", "", "o5 o4 o2 o1"},
		{"driver d1", "?driver_id=d2", ""},
		{"dispatcher x", "", "o5 o4 o3 o2 o1"},
		{"dispatcher x", "?rider_id=r2", "o4"},
		{"service x", "?driver_id=d2&market=sf", "o3"},
		{"service x", "?state=completed,searching", "o2"},
		{"service x nyc", "", ""},
		{"service x nyc", "?market=sf", ""},
	} {
		t.Run(strings.ReplaceAll(c.who, " ", "_")+c.query, func(t *testing.T) {
			if ids, _ := list(t, c.who, c.query); strings.Join(ids, " ") != c.want {
				t.Errorf("got %v, want %s", ids, c.want)
			}
		})
	}
	t.Run("a span of time is asked for", func(t *testing.T) {
		list(t, "dispatcher x", "?from=2008-05-31T08:10:00.5%2B02:00&to=2008-06-01T00:00:00Z")
		f.mu.Lock()
		defer f.mu.Unlock()
		asked := f.filters[len(f.filters)-1]
		from, to := time.Date(2008, 5, 31, 6, 10, 0, 5e8, time.UTC), time.Date(2008, 6, 1, 0, 0, 0, 0, time.UTC)
		if asked.From != from || asked.To != to {
			t.Errorf("asked from %v to %v", asked.From, asked.To)
		}
	})
	t.Run("erased places are an empty list", func(t *testing.T) {
		f.orders[0].Stops = nil
		if got := restDo(t, h, "dispatcher x", "GET /v1/orders/"+string(f.orders[0].ID), ""); !strings.Contains(got.raw, `"stops":[]`) {
			t.Errorf("got %d %s", got.status, got.raw)
		}
	})
	t.Run("pages meet", func(t *testing.T) {
		var all []string
		for query := "?limit=2"; query != ""; {
			ids, next := list(t, "dispatcher x", query)
			all = append(all, ids...)
			if query = ""; next != "" {
				query = "?limit=2&cursor=" + url.QueryEscape(next)
			}
			if len(all) > 5 {
				break
			}
		}
		if !slices.Equal(all, []string{"o5", "o4", "o3", "o2", "o1"}) {
			t.Errorf("got %v", all)
		}
	})
}

func TestServer_getOrderEvents(t *testing.T) {
	order := restOrder(1)
	f := &restPorts{orders: []dispatch.Order{order}}
	for v := int64(1); v <= 5; v++ {
		f.events = append(f.events, dispatch.Event{Market: "sf", Version: v, Order: &order, Type: "order.searching"})
	}
	h := restServer(t, f)
	var versions []float64
	for query := "?limit=2"; query != "" && len(versions) < 9; {
		got := restDo(t, h, "rider r1", "GET /v1/orders/o1/events"+query, "")
		if got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.raw)
		}
		for _, item := range got.body["items"].([]any) {
			versions = append(versions, item.(map[string]any)["version"].(float64))
		}
		query = ""
		if next, more := got.body["next_cursor"].(string); more {
			query = "?limit=2&cursor=" + url.QueryEscape(next)
		}
	}
	if !slices.Equal(versions, []float64{1, 2, 3, 4, 5}) {
		t.Errorf("got versions %v", versions)
	}
}

func TestServer_reads(t *testing.T) {
	f := &restPorts{
		orders: []dispatch.Order{restOrder(1)},
		duty:   map[dispatch.DriverID]dispatch.Duty{"d1": {Driver: "d1", Market: "sf", Version: 1, Online: true}},
	}
	h := restServer(t, f)
	for _, c := range []struct{ who, call, want string }{
		{"rider r1", "/v1/orders/o1", `"id":"o1"`},
		{"driver d1", "/v1/orders/o1", `"rider_id":"r1"`},
		{"driver d1", "/v1/drivers/d1", `"state":"available"`},
		{"service s", "/v1/drivers/d1", `"fix":null`},
		{"service s", "/v1/drivers/nearby?lat=37.78&lng=-122.41&limit=1", `"distance_m":12`},
		{"dispatcher s sf", "/v1/drivers/nearby?lat=37.78&lng=-122.41&market=sf", `"next_cursor":null`},
		{"rider r1", "/v1/markets", `"id":"lab"`},
		{"rider r1", "/v1/markets?limit=1", `"next_cursor":"`},
		{"driver d1 nyc", "/v1/markets/sf", `"time_scale":2`},
		{"", "/healthz", `"ok"`},
		{"", "/readyz", `{"status":"ready","leads":["lab","nyc","sf"],"stands_by":[]}`},
		{"", "/metrics", "hexfleet_http_requests_total"},
		{"", "/openapi.json", `"openapi"`},
		{"", "/asyncapi.json", `"asyncapi"`},
	} {
		t.Run(strings.ReplaceAll(c.who, " ", "_")+c.call, func(t *testing.T) {
			got := restDo(t, h, c.who, "GET "+c.call, "")
			if got.status != 200 || !strings.Contains(got.raw, c.want) {
				t.Errorf("got %d %s, want %s", got.status, got.raw, c.want)
			}
			head := restDo(t, h, c.who, "HEAD "+c.call, "")
			if head.status != 200 || head.raw != "" || head.header.Get("Content-Type") != got.header.Get("Content-Type") {
				t.Errorf("HEAD: got %d %v %q", head.status, head.header, head.raw)
			}
		})
	}
}

func TestServer_postTelemetry(t *testing.T) {
	f := &restPorts{duty: map[dispatch.DriverID]dispatch.Duty{
		"d1": {Driver: "d1", Market: "sf", Version: 1, Online: true},
	}}
	h := restServer(t, f)
	for _, who := range []string{"driver d3", "driver d1 nyc"} {
		if got := restDo(t, h, who, "POST /v1/telemetry", restPoint); got.status != 204 || len(f.fixes) != 0 {
			t.Errorf("%s, who was never on duty there: got %d %s, kept %v", who, got.status, got.raw, f.fixes)
		}
	}
	got := restDo(t, h, "driver d1", "POST /v1/telemetry", restPoint)
	if got.status != 204 || got.raw != "" || f.put != "sf" || len(f.fixes) != 1 || f.fixes[0].Lat != 37.78 {
		t.Errorf("got %d %s, kept %v in %q", got.status, got.raw, f.fixes, f.put)
	}
}
