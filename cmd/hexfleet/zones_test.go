package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// zoned is a policy, and after it the zones of the markets that have it.
func zoned(features ...string) string {
	return quick + `},"zones":{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]`
}

// plaza is a zone around the pickup of every ride here.
func plaza(properties string) string {
	return `{"type":"Feature","properties":{` + properties + `},"geometry":{"type":"Polygon",
		"coordinates":[[[-122.43,37.77],[-122.40,37.77],[-122.40,37.79],[-122.43,37.79],[-122.43,37.77]]]}}`
}

// TestServe_Zones: zones come and go with SIGHUP, are told, and refuse new orders only; a file with a mistake
// changes nothing.
func TestServe_Zones(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "markets.geojson")
	writeMarkets(t, path, zoned(plaza(`"id":"rush","kind":"surge","multiplier":1.5`)))
	p := serve(t, t.TempDir(), "--markets", path)
	rider := p.token(dispatch.RoleRider, "r1")
	before := p.order("r1", "k1")
	zones := func() string {
		z, _ := p.rest("GET", "/v1/markets/sf", rider, "").body["zones"].(object)
		var ids []string
		for _, f := range z["features"].([]any) {
			ids = append(ids, f.(object)["properties"].(object)["id"].(string))
		}
		return strings.Join(ids, " ")
	}
	if got := zones(); got != "rush" {
		t.Errorf("the zones are %s", got)
	}
	supply := p.rest("GET", "/v1/markets/sf/supply", p.token(dispatch.RoleService, "svc"), "")
	if cells := supply.body["cells"].(object); len(cells["cell"].([]any)) != 1 || cells["open"].([]any)[0] != 1.0 || cells["multiplier"].([]any)[0] != 1.5 {
		t.Errorf("the supply is %s", supply.raw)
	}

	writeMarkets(t, path, zoned(plaza(`"id":"closed","kind":"no_go"`)))
	p.hup()
	until(t, "the market has the new zone", func() bool { return zones() == "closed" })
	refused := p.rest("POST", "/v1/orders", rider, rideBody, "Idempotency-Key", "k2")
	if refused.status != 400 || refused.body["code"] != "bad_request" || refused.body["field"] != "/stops/0" {
		t.Errorf("a pickup in the zone: %d %s", refused.status, refused.raw)
	}
	again := p.rest("POST", "/v1/orders", rider, rideBody, "Idempotency-Key", "k1")
	if again.status != 201 || again.body["id"] != before {
		t.Errorf("the repeat of an older order: %d %s", again.status, again.raw)
	}
	onDuty(p, "d1", pickupLat, pickupLng).accept(before)

	writeMarkets(t, path, zoned(plaza(`"id":"wrong","kind":"closed"`)))
	p.hup()
	until(t, "the log names the mistake", func() bool {
		return strings.Contains(p.logs.String(), `feature 0 (wrong): /properties/kind`)
	})
	if got := zones(); got != "closed" {
		t.Errorf("after a mistake the zones are %s", got)
	}
}
