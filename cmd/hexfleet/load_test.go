package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// data gives a file of the development data beside the repository; false where there is none.
func data(t *testing.T, name string) (string, bool) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "data", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Logf("no %s here: playing seeded demand instead", path)
		return "", false
	}
	return path, true
}

// loadReport is what load --json says, as far as these tests look at it.
type loadReport struct {
	Orders struct {
		Sent, Acked, Aged int
		PickedUp          int `json:"picked_up"`
		AgedPickedUp      int `json:"aged_picked_up"`
	}
	Broken []struct {
		Promise string
		OrderID string `json:"order_id"`
		Detail  string
	}
	OrderAckMs struct{ P50, P95, P99, Max float64 } `json:"order_ack_ms"`
}

// load runs hexfleet load against p to its end, while meanwhile runs beside it.
func load(t *testing.T, p *process, meanwhile func(), args ...string) loadReport {
	t.Helper()
	cmd := hexfleet(append([]string{"load", "--url", p.url, "--data-dir", p.dir, "--json"}, args...)...)
	var progress bytes.Buffer
	cmd.Stderr = &progress
	done := make(chan struct{})
	go func() {
		defer close(done)
		if meanwhile != nil {
			meanwhile()
		}
	}()
	out, err := cmd.Output()
	<-done
	if err != nil {
		t.Errorf("load: %v\n%s\n%s", err, out, progress.String())
	}
	var r loadReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("load said %q: %v", out, err)
	}
	for _, b := range r.Broken {
		t.Errorf("broken promise %s, order %s: %s", b.Promise, b.OrderID, b.Detail)
	}
	t.Logf("%+v", r)
	return r
}

// TestLoad_TenMinutesOfSanFrancisco plays the ten recorded minutes of a Friday night at twenty times their
// speed: real trips, real drivers on shift.
func TestLoad_TenMinutesOfSanFrancisco(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--time-scale", "20")
	args := []string{"--drivers", "300", "--rate", "8", "--duration", "30s", "--seed", "1"}
	want := 200
	if trips, ok := data(t, "sf/ci_10min_trips.csv.gz"); ok {
		sessions, _ := data(t, "sf/sessions.csv.gz")
		args = []string{"--trips", trips, "--sessions", sessions,
			"--from", "2008-05-31T06:10:00Z", "--to", "2008-05-31T06:20:00Z"}
		want = 291
	}
	r := load(t, p, nil, args...)
	if r.Orders.Acked < want {
		t.Errorf("%d orders acknowledged, want %d", r.Orders.Acked, want)
	}
	if r.Orders.Aged == 0 || r.Orders.AgedPickedUp*10 < r.Orders.Aged*9 {
		t.Errorf("%d of %d orders at least one search timeout old were picked up, want 90 %%",
			r.Orders.AgedPickedUp, r.Orders.Aged)
	}
}

// TestLoad_ThroughAKill is the Friday night at a small size: drivers who decline, ignore, give orders back and
// wait in vain, riders who lose patience, a network that cuts and delays, and a server that is killed in the
// midst of it and started again on the same data dir and port. The clients resume by themselves, and no
// promise is broken.
func TestLoad_ThroughAKill(t *testing.T) {
	t.Parallel()
	dir, listen := t.TempDir(), freePort(t)
	p := serve(t, dir, "--listen", listen, "--time-scale", "20")
	r := load(t, p, func() {
		until(t, "the demand is in full swing", func() bool {
			return len(p.done("GET", "/v1/orders?limit=500&state=en_route_to_dropoff,completed", "")["items"].([]any)) >= 5
		})
		p.kill()
		serve(t, dir, "--listen", listen, "--time-scale", "20")
	}, "--drivers", "80", "--rate", "2", "--duration", "20s", "--seed", "7", "--cut", "0.5", "--lag", "50ms",
		"--decline", "0.1", "--ignore", "0.05", "--driver-cancel", "0.05", "--no-show", "0.05", "--patience", "4m")
	if r.Orders.Acked < 20 || r.Orders.PickedUp < r.Orders.Acked/2 {
		t.Errorf("%d orders were acknowledged, %d picked up", r.Orders.Acked, r.Orders.PickedUp)
	}
}
