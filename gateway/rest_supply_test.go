package gateway

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

var restNoon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// Board implements the port; no test of REST asks for it.
func (f *restPorts) Board(context.Context, dispatch.MarketID) (*dispatch.Board, error) {
	return nil, dispatch.Unavailable("away", nil)
}

// Supply implements the port: one cell of sf, and nyc is led elsewhere.
func (f *restPorts) Supply(_ context.Context, m dispatch.MarketID) (*dispatch.Supply, error) {
	if m != "sf" {
		return nil, dispatch.Unavailable("market "+string(m)+" is not led here", nil)
	}
	return &dispatch.Supply{Market: m, At: restNoon, Since: restNoon, Cells: []dispatch.SupplyCell{
		{Cell: 0x88283082a9fffff, Available: 3, Busy: 2, Open: 4, Waiting: 1, Created5: 2, Created15: 5, Multiplier: 1.5},
	}}, nil
}

func TestREST_supply(t *testing.T) {
	h := restServer(t, &restPorts{})
	const path = "GET /v1/markets/%s/supply"
	for _, who := range []string{"service s", "dispatcher s sf", "admin a"} {
		got := restDo(t, h, who, fmt.Sprintf(path, "sf"), "")
		const want = `{"market":"sf","at":"2026-05-01T12:00:00.000Z","since":"2026-05-01T12:00:00.000Z","resolution":8,"cells":` +
			`{"cell":["88283082a9fffff"],"available":[3],"busy":[2],"open":[4],"waiting":[1],"created_5m":[2],"created_15m":[5],"multiplier":[1.5]}}`
		if got.status != 200 || got.raw != want {
			t.Errorf("%s: %d %s", who, got.status, got.raw)
		}
	}
	for _, c := range []struct {
		who, market string
		status      int
	}{
		{"rider r1", "sf", 403}, {"driver d1", "sf", 403}, {"", "sf", 401},
		{"service s nyc", "sf", 404}, {"service s", "mars", 404}, {"service s", "nyc", 503}, {"service s", "sf?limit=1", 400},
	} {
		call := strings.Replace(fmt.Sprintf(path, c.market), "?limit=1/supply", "/supply?limit=1", 1)
		if got := restDo(t, h, c.who, call, ""); got.status != c.status {
			t.Errorf("%s by %q: %d %s, want %d", call, c.who, got.status, got.raw, c.status)
		}
	}
}

func TestREST_zones(t *testing.T) {
	const zones = `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"rush","kind":"surge","multiplier":1.5},` +
		`"geometry":{"type":"Polygon","coordinates":[[[-122.5,37.7],[-122.4,37.7],[-122.4,37.8],[-122.5,37.7]]]}}]}`
	zs, err := geo.ParseZones([]byte(zones))
	if err != nil {
		t.Fatal(err)
	}
	ms := dispatch.DefaultMarkets()
	for i := range ms {
		if ms[i].ID == "sf" {
			ms[i].Zones = zs
		}
	}
	h := restServer(t, &restPorts{markets: ms})
	if got := restDo(t, h, "rider r1", "GET /v1/markets/sf", ""); got.status != 200 || !strings.Contains(got.raw, `"zones":`+zones) {
		t.Errorf("sf is %s", got.raw)
	}
	for _, call := range []string{"GET /v1/markets/nyc", "GET /v1/markets"} {
		if got := restDo(t, h, "rider r1", call, ""); got.status != 200 || strings.Contains(got.raw, "zones") {
			t.Errorf("%s: %s", call, got.raw)
		}
	}
}

// TestAsyncAPI_supply: the subject is the bus's, and a message has what REST tells, and its part.
func TestAsyncAPI_supply(t *testing.T) {
	var doc struct {
		Channels map[string]struct {
			Address  string `json:"address"`
			Messages map[string]struct {
				Payload schema `json:"payload"`
			} `json:"messages"`
		} `json:"channels"`
	}
	if err := json.Unmarshal(asyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	channel := doc.Channels["supply"]
	if want := strings.Replace(bus.SupplySubject("M"), "M", "{market}", 1); channel.Address != want {
		t.Errorf("the address is %s, the subject %s", channel.Address, want)
	}
	var got []string
	payload := channel.Messages["supply"].Payload
	for name := range payload.Properties {
		got = append(got, name)
	}
	want := append(members(reflect.TypeFor[wire.Supply]()), "part", "parts")
	slices.Sort(got)
	slices.Sort(want)
	required := slices.Sorted(slices.Values(payload.Required))
	if !slices.Equal(got, want) || !slices.Equal(required, want) {
		t.Errorf("described %v, required %v, told %v", got, required, want)
	}
}
