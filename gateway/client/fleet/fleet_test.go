package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wall is the wall clock.
type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func (wall) After(t time.Time) (<-chan time.Time, func()) {
	timer := time.NewTimer(time.Until(t))
	return timer.C, func() { timer.Stop() }
}

// config is a fleet of five drivers and eight riders in a tiny city, thirty market seconds of orders. Its search timeout
// is longer than any test: one that waits until every order is picked up does so on a busy machine too.
func config(t *testing.T, url string) fleet.Config {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := fleet.Config{
		URL: url, Market: "lab", SearchTimeout: 24 * time.Hour, Clock: wall{}, Log: slog.New(slog.DiscardHandler),
		Token:   func(role, sub string) (string, error) { return role + " " + sub, nil },
		API:     &fleet.API{URL: url, HTTP: &http.Client{Transport: transport}, Token: func() (string, error) { return "x", nil }},
		Plan:    fleet.Plan{Length: 30 * time.Second},
		Conduct: fleet.Conduct{SpeedMps: 20, Circuity: 1, Ping: 10 * time.Second, Think: time.Second, PickupService: time.Second, DropoffService: time.Second, Seed: 1},
	}
	for i := range 5 {
		cfg.Plan.Drivers = append(cfg.Plan.Drivers, fleet.DriverPlan{
			ID: fmt.Sprint("d", i), Shifts: []fleet.ShiftPlan{{Open: true, At: geo.LatLng{Lat: 0.001}}},
		})
	}
	for i := range 8 {
		cfg.Plan.Riders = append(cfg.Plan.Riders, fleet.RiderPlan{
			ID: fmt.Sprint("r", i), At: time.Duration(i) * 3 * time.Second, Kind: "ride",
			Stops: []wire.Stop{{Type: "pickup"}, {Type: "dropoff", Lat: 0.005}},
		})
	}
	return cfg
}

func play(t *testing.T, city *tinyCity, cfg fleet.Config) (fleet.Report, error) {
	t.Helper()
	f, err := fleet.New(cfg, city.market())
	if err != nil {
		t.Fatal(err)
	}
	return f.Run(t.Context())
}

// playUntilSent has the fleet play until its riders have sent all their orders, and stops it.
func playUntilSent(t *testing.T, city *tinyCity, cfg fleet.Config) (fleet.Report, error) {
	t.Helper()
	f, err := fleet.New(cfg, city.market())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var r fleet.Report
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = f.Run(ctx)
	}()
	for f.Progress().Orders.Sent < len(cfg.Plan.Riders) {
		select {
		case <-done:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	<-done
	return r, err
}

func TestFleet_Run(t *testing.T) {
	t.Parallel()
	t.Run("an_honest_server", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		r, err := play(t, city, config(t, city.url))
		if err != nil {
			t.Fatal(err)
		}
		if r.Orders.Sent != 8 || r.Orders.Acked != 8 || r.Orders.PickedUp != 8 || len(r.Broken) != 0 {
			t.Errorf("got %+v, want 8 orders picked up, nothing broken", r)
		}
		if r.OrderAck.Max <= 0 || r.AcceptTold.Max <= 0 {
			t.Errorf("no latency was measured: %+v", r)
		}
		city.mu.Lock()
		defer city.mu.Unlock()
		if len(city.onDuty) != 0 {
			t.Errorf("%v were left on duty", city.onDuty)
		}
	})
	t.Run("sockets_cut_in_the_middle", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		city.cut = true
		r, err := play(t, city, config(t, city.url))
		city.mu.Lock()
		defer city.mu.Unlock()
		if err != nil || r.Orders.PickedUp != 8 || len(r.Broken) != 0 || len(city.wasCut) == 0 {
			t.Errorf("got %+v, %v, %d cut, want 8 orders picked up, nothing broken", r, err, len(city.wasCut))
		}
	})
	t.Run("a_server_that_forgets", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		city.forget = true
		r, err := play(t, city, config(t, city.url))
		if err != nil || len(r.Broken) != 8 || r.Broken[0].Promise != fleet.Durable {
			t.Errorf("got %+v, %v, want P1 broken for 8 orders", r.Broken, err)
		}
	})
	t.Run("a_server_that_acknowledges_no_order", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		city.deaf = wire.TypeOrderCreate
		r, err := playUntilSent(t, city, config(t, city.url))
		if err != nil || r.Orders.Sent != 8 || r.Orders.Acked != 0 {
			t.Errorf("got %+v, %v, want 8 sent and none acknowledged", r.Orders, err)
		}
	})
	t.Run("a_server_that_refuses_for_good", func(t *testing.T) {
		t.Parallel()
		refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		}))
		t.Cleanup(refuses.Close)
		_, err := play(t, newTinyCity(t), config(t, refuses.URL))
		if stop, ok := errors.AsType[*client.StopError](err); !ok || stop.Code != http.StatusUnauthorized {
			t.Errorf("got %v, want a StopError with 401", err)
		}
	})
	t.Run("a_server_that_is_not_there", func(t *testing.T) {
		t.Parallel()
		away := httptest.NewServer(http.NotFoundHandler())
		away.Close()
		cfg := config(t, away.URL)
		cfg.SearchTimeout = 10 * time.Second // of market time: it waits no longer than that
		if _, err := play(t, newTinyCity(t), cfg); err == nil || !strings.Contains(err.Error(), "8 of 8 orders") {
			t.Errorf("got %v, want that no order could be sent", err)
		}
	})
	t.Run("stopped_from_outside", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		cfg := config(t, city.url)
		cfg.Plan.Length = time.Hour
		f, err := fleet.New(cfg, city.market())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := f.Run(ctx)
			done <- err
		}()
		for f.Progress().Orders.PickedUp == 0 {
			<-time.After(time.Millisecond)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v, want none: it was asked to stop", err)
		}
		if p := f.Progress(); p.OnDuty != 0 || p.Phase != "reading history" {
			t.Errorf("got %+v, want everyone off duty and the histories read", p)
		}
	})
}

func TestNew(t *testing.T) {
	for want, change := range map[string]func(*fleet.Config){
		"SpeedMps": func(c *fleet.Config) { c.Conduct.SpeedMps = 0 },
		"Circuity": func(c *fleet.Config) { c.Conduct.Circuity = 0.9 },
		"Ping":     func(c *fleet.Config) { c.Conduct.Ping = 0 },
		"Think":    func(c *fleet.Config) { c.Conduct.Think = -1 },
		"Decline":  func(c *fleet.Config) { c.Conduct.Chances.Decline = 1.5 },
		"together": func(c *fleet.Config) { c.Conduct.Chances.Decline, c.Conduct.Chances.Ignore = 0.6, 0.6 },
		"GiveBack": func(c *fleet.Config) { c.Conduct.Chances.GiveBack = -0.1 },
		"NoShow":   func(c *fleet.Config) { c.Conduct.Chances.NoShow = 2 },
		"Cut":      func(c *fleet.Config) { c.Network.Cut = 1.1 },
		"Twins":    func(c *fleet.Config) { c.Network.Twins = -1 },
		"Lag":      func(c *fleet.Config) { c.Network.Lag = time.Minute },
		"twice":    func(c *fleet.Config) { c.Plan.Drivers = append(c.Plan.Drivers, c.Plan.Drivers[0]) },
	} {
		cfg := config(t, "http://x")
		change(&cfg)
		if _, err := fleet.New(cfg, wire.Market{TimeScale: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
	if _, err := fleet.New(config(t, "http://x"), wire.Market{}); err == nil {
		t.Error("a time scale of 0 was taken")
	}
}
