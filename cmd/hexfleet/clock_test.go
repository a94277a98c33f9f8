package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// glance reads the market clock, and between which instants of the wall it was read.
func glance(p *process) (market, before, after time.Time) {
	p.t.Helper()
	before = time.Now()
	market = p.now()
	return market, before, time.Now()
}

// wantPace checks that the market clock runs scale times as fast, without judging how fast the machine is:
// the true span lies between the shortest and the longest that the glances allow.
func wantPace(t *testing.T, p *process, scale float64) (last time.Time) {
	t.Helper()
	m1, before1, after1 := glance(p)
	var m2, before2, after2 time.Time
	until(t, "half a second passes", func() bool {
		m2, before2, after2 = glance(p)
		return before2.Sub(after1) > 500*time.Millisecond
	})
	span := m2.Sub(m1).Seconds()
	least, most := before2.Sub(after1).Seconds()*scale, after2.Sub(before1).Seconds()*scale
	if rounding := 0.002; span < least-rounding || span > most+rounding {
		t.Errorf("at scale %v the market clock ran %v s, want %v to %v", scale, span, least, most)
	}
	return m2
}

// TestClock_RunsAndNeverGoesBack kills the server and starts it again with the same and with other scales.
func TestClock_RunsAndNeverGoesBack(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--time-scale", "20")
	var last time.Time
	for i, scale := range []string{"20", "20", "1", "0.5", "50", "1"} {
		if i > 0 {
			p = p.again("--time-scale", scale)
		}
		rider := p.open(http.Header{"Authorization": {"Bearer " + p.token(dispatch.RoleRider, "r1")}})
		welcome := rider.wait("welcome", nil)
		if now := timeOf(t, welcome["server_time"]); now.Before(last) {
			t.Errorf("start %d at scale %s: the market clock went back %s", i, scale, last.Sub(now))
		}
		factor := map[string]float64{"20": 20, "1": 1, "0.5": 0.5, "50": 50}[scale]
		if welcome["time_scale"] != factor {
			t.Errorf("start %d: welcome tells %v, want the scale %s", i, welcome, scale)
		}
		last = wantPace(t, p, factor)
		o := p.create("r1", "k-"+string(rune('a'+i)), rideBody)
		if at := timeOf(t, o["requested_at"]); at.Before(last) {
			t.Errorf("start %d: an order was requested %s before a clock already told", i, last.Sub(at))
		}
	}
	// Wall time stays wall time.
	if beat := p.dial(p.staff()).all[0]["heartbeat_s"]; beat != 15.0 {
		t.Errorf("heartbeat_s is %v", beat)
	}
}

// TestReload_OnHangUp changes policies of a running server, and offers it files that it must refuse.
func TestReload_OnHangUp(t *testing.T) {
	t.Parallel()
	path := markets(t, quick+`,"offer_ttl_s":20`)
	p := serve(t, t.TempDir(), "--markets", path)
	driver := onDuty(p, "d1", pickupLat, pickupLng)
	ttl := func(order string) time.Duration {
		t.Helper()
		driver.offered(order)
		offer := driver.find("offer", func(f object) bool { return f["order"].(object)["id"] == order })
		made := p.history(order)[1]
		driver.acked(object{"type": "offer.accept", "id": "a-" + order, "offer_id": offer["offer_id"]})
		driver.advance(order, "arrived_at_pickup", "en_route_to_dropoff", "completed")
		return timeOf(t, offer["expires_at"]).Sub(timeOf(t, made["at"])).Round(time.Second)
	}
	policy := func() object {
		t.Helper()
		return p.done("GET", "/v1/markets/sf", "")["policy"].(object)
	}
	wantFields(t, "the policy", policy(), object{"offer_ttl_s": 20.0, "window_ms": 100.0})
	if got := ttl(p.order("r1", "k1")); got != 20*time.Second {
		t.Errorf("an offer lives for %s, want 20 s", got)
	}
	writeMarkets(t, path, `"window_ms":150,"freshness_s":86400,"offer_ttl_s":40,"mode":"nearest"`)
	p.hup()
	until(t, "the policy is told", func() bool { return policy()["offer_ttl_s"] == 40.0 })
	wantFields(t, "the policy", policy(), object{"window_ms": 150.0, "mode": "nearest", "max_pickup_s": 900.0})
	if got := ttl(p.order("r1", "k2")); got != 40*time.Second {
		t.Errorf("an offer lives for %s, want 40 s", got)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"no JSON":            `{"type":`,
		"an unknown key":     strings.ReplaceAll(string(good), `"offer_ttl_s":40`, `"offer_ttl_s":50,"surge":2`),
		"a bad value":        strings.ReplaceAll(string(good), `"offer_ttl_s":40`, `"offer_ttl_s":0`),
		"another area":       strings.ReplaceAll(strings.ReplaceAll(string(good), "38.2", "38.3"), `_s":40`, `_s":50`),
		"a market less":      strings.ReplaceAll(strings.ReplaceAll(string(good), `"nyc"`, `"boston"`), `_s":40`, `_s":50`),
		"overlapping places": strings.ReplaceAll(strings.ReplaceAll(string(good), "-122.7", "-60"), `_s":40`, `_s":50`),
	}
	n := 0
	for name, text := range bad {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.hup()
		n++
		until(t, name+" is refused", func() bool { return strings.Count(p.logs.String(), "markets not reloaded") == n })
		wantFields(t, name, policy(), object{"offer_ttl_s": 40.0, "window_ms": 150.0})
	}
	if got := ttl(p.order("r1", "k3")); got != 40*time.Second {
		t.Errorf("after bad files an offer lives for %s, want 40 s", got)
	}
}

// TestServe_AdminListen shows metrics to operators only.
func TestServe_AdminListen(t *testing.T) {
	t.Parallel()
	admin := freePort(t)
	p := serve(t, t.TempDir(), "--admin-listen", admin)
	p.refused("not_found", "", "GET", "/metrics", "", "")
	p.refused("not_found", "", "GET", "/debug/pprof/", "", "")
	public := p.url
	p.url = "http://" + admin
	for path, says := range map[string]string{
		"/metrics": "hexfleet_bus_relay_lag_seconds", "/debug/pprof/goroutine?debug=1": "goroutine profile",
	} {
		if a := p.rest("GET", path, "", ""); a.status != 200 || !strings.Contains(a.raw, says) {
			t.Errorf("%s answered %d %.200s", path, a.status, a.raw)
		}
	}
	if a := p.rest("GET", "/v1/markets", p.staff(), ""); a.status != 404 {
		t.Errorf("the operators' listener answered %d %s", a.status, a.raw)
	}
	p.url = public
	if a := p.rest("GET", "/readyz", "", ""); a.status != 200 {
		t.Errorf("/readyz answered %d %s", a.status, a.raw)
	}
}
