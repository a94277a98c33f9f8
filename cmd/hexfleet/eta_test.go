package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestServe_AsksARouter has drivers offered with the travel times of an OSRM, and with the server's own once the
// OSRM has gone.
func TestServe_AsksARouter(t *testing.T) {
	t.Parallel()
	osrm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/table/v1/driving/") {
			http.Error(w, `{"code":"InvalidUrl"}`, http.StatusBadRequest)
			return
		}
		_, sources, _ := strings.Cut(r.URL.RawQuery, "sources=")
		sources, _, _ = strings.Cut(sources, "&")
		row := strings.Repeat(",[712.6]", 1+strings.Count(sources, ";"))[1:]
		fmt.Fprintf(w, `{"code":"Ok","durations":[%s],"distances":[%s]}`, row, row)
	}))
	defer osrm.Close()
	p := town(t, "", "--eta-url", "osrm+"+osrm.URL, "--eta-budget", "400ms")
	wait := func(driver *sock, order string) float64 {
		return driver.wait("offer", func(o object) bool { return o["order"].(object)["id"] == order })["wait_time_s"].(float64)
	}
	lat, lng := north(10)
	first := onDuty(p, "d1", lat, lng)
	if got := wait(first, p.order("r1", "k1")); got < 712 || got > 713 {
		t.Errorf("%v s to the pickup, the router said 712.6", got)
	}
	for _, line := range []string{`hexfleet_eta_requests_total{outcome="ok",router="osrm"}`, `hexfleet_eta_router_resting{router="osrm"} 0`} {
		if a := p.rest("GET", "/metrics", p.token(dispatch.RoleAdmin, "a"), ""); !strings.Contains(string(a.raw), line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
	osrm.Close()
	lat, lng = north(12)
	second := onDuty(p, "d2", lat, lng)
	if got := wait(second, p.order("r2", "k2")); got < 200 || got > 500 {
		t.Errorf("%v s over 1.3 km by the server itself", got)
	}
}
