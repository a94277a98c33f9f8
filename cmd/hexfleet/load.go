package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// repeatShare is the share of requests that a fleet sends once more, to compare the answers (P7): enough to
// meet a kept answer of each kind in a run, too few to weigh on it.
const repeatShare = 0.02

// loadCmd plays a fleet against a running server.
type loadCmd struct {
	secretFlags
	URL    string `help:"The server." default:"http://127.0.0.1:8080"`
	Market string `help:"The market (default: the one that holds the first pickup; for made-up demand the first one listed)." placeholder:"M"`
	Seed   uint64 `help:"Seed of what is made up and of every chance." default:"1"`
	JSON   bool   `name:"json" help:"Print the report as one JSON object."`

	Drivers  int           `group:"Made-up demand" help:"How many drivers to make up (default: 100)." placeholder:"N"`
	Rate     float64       `group:"Made-up demand" help:"Orders a wall second (default: 1)." placeholder:"R"`
	Duration time.Duration `group:"Made-up demand" help:"How long orders are placed, wall time (default: 1m)." placeholder:"D"`

	recordedFlags // played at the server's time scale; free drivers cruise, see haunts
	conductFlags

	Cut   float64       `group:"Network" help:"Share of all sockets cut each wall minute, 0 to 1; each comes back within seconds, drivers with the positions of meanwhile." placeholder:"SHARE"`
	Lag   time.Duration `group:"Network" help:"Delay of what is sent, either way: anything up to this, wall time." placeholder:"D"`
	Twins float64       `group:"Network" help:"Share of drivers that log in on a second device at some time; the server must close the first." placeholder:"SHARE"`
}

const (
	// loadNoShow is what drivers wait at a pickup longer than the market asks: their clock may be a little ahead.
	loadNoShow = 5 * time.Second
	// loadPing is wall time: what a driver's app does. It is shortened where the market clock is so fast that
	// positions would go stale.
	loadPing = 4 * time.Second
)

// Run implements the command.
func (c *loadCmd) Run(ctx context.Context, std stdio) error {
	if err := c.check(); err != nil {
		return err
	}
	input, err := c.input()
	if err != nil {
		return err
	}
	secret, err := c.secretFlags.read()
	if err != nil {
		return err
	}
	mint := func(role, sub string) (string, error) {
		claims := auth.Claims{Role: dispatch.Role(role), Sub: sub}
		return auth.Mint(secret, claims, auth.DefaultMaxTTL, dispatch.Wall{}.Now())
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16} // more than the fleet reads histories at once
	defer transport.CloseIdleConnections()
	api := &fleet.API{
		URL: c.URL, HTTP: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		Token: func() (string, error) { return mint("service", "hexfleet-load") },
	}
	market, err := c.market(ctx, api, &input)
	if err != nil {
		return err
	}
	plan, err := input.plan(market)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "market %s at %gx: %d drivers, %d orders in %s of market time\n",
		market.ID, market.TimeScale, len(plan.Drivers), len(plan.Riders), plan.Length.Round(time.Second))
	run, err := fleet.New(fleet.Config{
		URL: c.URL, Token: mint, API: api, Market: string(market.ID),
		SearchTimeout: seconds(market.Policy.SearchTimeoutS), Plan: plan, Conduct: c.conduct(market, input.meals),
		Network: fleet.Network{Cut: c.Cut, Lag: c.Lag, Twins: c.Twins, Repeat: repeatShare},
		Clock:   dispatch.Wall{}, Log: slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, market)
	if err != nil {
		return err
	}
	report, failed := watch(ctx, std, run)
	if c.JSON {
		err = json.NewEncoder(std.Out).Encode(report)
	} else {
		err = printTable(std.Out, report)
	}
	switch n := len(report.Broken); {
	case failed != nil: // the report tells how far it came
		return failed
	case err != nil:
		return fmt.Errorf("print the report: %w", err)
	case n > 0:
		return fmt.Errorf("%d promises were broken", n)
	}
	return nil
}

// conduct is how the drivers behave. They drive at one speed, which the engine has to learn; couriers of meal
// instances at the one that those say.
func (c *loadCmd) conduct(m wire.Market, meals *sim.Meals) fleet.Conduct {
	a, b := geo.LatLng{}, geo.LatLng{Lat: 0.1}
	estimate := eta.Default().Estimate(a, b)
	ping := min(time.Duration(float64(loadPing)*m.TimeScale), seconds(m.Policy.FreshnessS)/2)
	conduct := fleet.Conduct{
		SpeedMps: float64(estimate.Distance) / estimate.Duration.Seconds(),
		Circuity: float64(estimate.Distance / geo.Distance(a, b)),
		Ping:     max(ping, time.Second), Think: loadThink, PickupService: loadService, DropoffService: loadService,
		NoShowAfter: seconds(m.Policy.NoShowS) + loadNoShow, Chances: c.chances(), Seed: c.Seed,
	}
	if meals != nil {
		conduct.SpeedMps, conduct.Circuity = meals.SpeedMps, 1
		conduct.PickupService, conduct.DropoffService = meals.PickupService, meals.DropoffService
	}
	return conduct
}

// market chooses where to play.
func (c *loadCmd) market(ctx context.Context, api *fleet.API, in *loadInput) (wire.Market, error) {
	if c.Market != "" {
		return api.Market(ctx, wire.ID(c.Market))
	}
	markets, err := api.Markets(ctx)
	if err != nil {
		return wire.Market{}, err
	}
	pickup, known := in.firstPickup()
	for _, m := range markets {
		area, err := geo.ParseArea(json.RawMessage(m.Area))
		if err != nil {
			return wire.Market{}, fmt.Errorf("read the area of market %s: %w", m.ID, err)
		}
		if !known || area.Contains(pickup) {
			return m, nil
		}
	}
	if !known {
		return wire.Market{}, fmt.Errorf("the server at %s has no market", c.URL)
	}
	return wire.Market{}, fmt.Errorf("no market of the server holds the first pickup (%v, %v)", pickup.Lat, pickup.Lng)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
