package fleet_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// always asks for rides so that there are a few open at any time.
func always() fleet.Asking {
	n := 0
	return func(_ time.Time, _ time.Duration, open int) (riders []fleet.RiderPlan) {
		for ; open < 4; open++ {
			n++
			riders = append(riders, fleet.RiderPlan{
				ID: fmt.Sprint("r", n), Kind: "ride", Stops: []wire.Stop{{Type: "pickup"}, {Type: "dropoff", Lat: 0.005}},
			})
		}
		return riders
	}
}

// playUntil lets an endless fleet play in the city until what is waited for has come, and stops it.
func playUntil(t *testing.T, city *tinyCity, come func(fleet.Progress) bool) fleet.Progress {
	t.Helper()
	cfg := config(t, city.url)
	cfg.Plan.Riders = nil
	e, err := fleet.NewEndless(cfg, city.market(), always())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	limit := time.After(time.Minute)
	for !come(e.Progress()) {
		select {
		case err := <-done:
			t.Fatalf("it ended by itself: %v; %+v", err, e.Progress())
		case <-limit:
			t.Fatalf("after a minute: %+v", e.Progress())
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped, it says %v", err)
	}
	return e.Progress()
}

func TestEndless_Run(t *testing.T) {
	t.Run("an_honest_server", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		p := playUntil(t, city, func(p fleet.Progress) bool { return p.Orders.Completed >= 20 && p.OnDuty == 5 })
		if p.Broken != 0 || p.Refused != 0 || p.Orders.Sent < 20 {
			t.Errorf("got %+v, want nothing broken or refused", p)
		}
		city.mu.Lock()
		defer city.mu.Unlock()
		if len(city.onDuty) != 0 {
			t.Errorf("%v were left on duty", city.onDuty)
		}
	})
	t.Run("a_server_that_forgets_is_found_out_on_the_way", func(t *testing.T) {
		t.Parallel()
		city := newTinyCity(t)
		city.forget = true
		playUntil(t, city, func(p fleet.Progress) bool { return p.Broken > 0 })
	})
}

func TestNewEndless_what_it_refuses(t *testing.T) {
	market := wire.Market{ID: "lab", TimeScale: 1}
	if _, err := fleet.NewEndless(config(t, "http://x"), market, always()); err == nil {
		t.Error("a plan with riders was taken")
	}
	cfg := config(t, "http://x")
	cfg.Plan.Riders = nil
	if _, err := fleet.NewEndless(cfg, market, nil); err == nil {
		t.Error("nobody to ask for riders was taken")
	}
}
