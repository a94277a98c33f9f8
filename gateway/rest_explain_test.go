package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Explained implements the port: two rounds of every order.
func (f *restPorts) Explained(_ context.Context, m dispatch.MarketID, id dispatch.OrderID) ([]dispatch.Explanation, error) {
	if m == "nyc" {
		return nil, dispatch.Unavailable("away", nil)
	}
	return []dispatch.Explanation{
		{Market: m, Order: id, Round: 1, At: restNoon, Mode: dispatch.ModeBatch, Unmatched: dispatch.UnmatchedNobodyNear},
		{Market: m, Order: id, Round: 2, At: restNoon.Add(2 * time.Second), Mode: dispatch.ModeBatch, Optimal: true, Chosen: []dispatch.DriverID{"d1"},
			Candidates: []dispatch.Considered{{Driver: "d1", Cost: time.Minute, Offered: true, Terms: []dispatch.CostTerm{{Name: "pickup", Cost: time.Minute}}}}},
	}, nil
}

func TestREST_explain(t *testing.T) {
	f := &restPorts{orders: []dispatch.Order{
		{ID: "o1", Market: "sf", Rider: "r1", Driver: "d1", State: dispatch.StateEnRouteToPickup}, {ID: "o2", Market: "nyc", Rider: "r1"},
	}}
	h := restServer(t, f)
	for _, who := range []string{"dispatcher s", "dispatcher s sf", "service s", "admin a"} {
		got := restDo(t, h, who, "GET /v1/orders/o1/explain", "")
		if got.status != 200 || !strings.HasPrefix(got.raw, `{"order_id":"o1","rounds":[{"at":"2026-05-01T12:00:00.000Z","candidates":[],"chosen":null,`) ||
			!strings.Contains(got.raw, `"candidates":[{"driver_id":"d1","cost_s":60,"terms":{"pickup":60},"filtered_by":null,"offered":true,"price_s":0}],"chosen":"d1"`) ||
			!strings.HasSuffix(got.raw, `"offers":[]}`) {
			t.Errorf("%s: %d %s", who, got.status, got.raw)
		}
	}
	for _, c := range []struct {
		who, order string
		status     int
	}{
		{"rider r1", "o1", 403}, {"driver d1", "o1", 403}, {"rider r1", "o9", 403}, {"", "o1", 401},
		{"dispatcher s nyc", "o1", 404}, {"dispatcher s", "o9", 404}, {"dispatcher s", "no+id", 404},
		{"dispatcher s", "o1?x=1", 400}, {"dispatcher s", "o2", 503},
	} {
		call := strings.Replace("GET /v1/orders/"+c.order+"/explain", "?x=1/explain", "/explain?x=1", 1)
		if got := restDo(t, h, c.who, call, ""); got.status != c.status {
			t.Errorf("%s by %q: %d %s, want %d", call, c.who, got.status, got.raw, c.status)
		}
	}
	foreign, unknown := restDo(t, h, "dispatcher s nyc", "GET /v1/orders/o1/explain", ""), restDo(t, h, "dispatcher s", "GET /v1/orders/o9/explain", "")
	if foreign.raw != unknown.raw {
		t.Errorf("another's is told %s, what is unknown %s", foreign.raw, unknown.raw)
	}
}
