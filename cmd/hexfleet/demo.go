package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// demoMarket is where the demo plays: the market whose demand is fitted.
const demoMarket = "sf"

// demoStaff is whom the printed link and staff token speak for.
const demoStaff = "staff"

// How busy the city is. The market clock is the real one, and its night must not look dead: the share of
// drivers with an order goes from demoQuiet, in the quietest hour, to demoBusy in the busiest.
const (
	demoQuiet = 0.60
	demoBusy  = 0.70
	// demoCatchUp is the market time in which the share comes up to that, at the start and whenever it is off.
	demoCatchUp = 90 * time.Second
	// demoPickup is about how long a driver needs to the pickup at this density, market time; it only sets the
	// rate about which demoCatchUp corrects.
	demoPickup = 150 * time.Second
)

// How drivers and riders behave; market time but for demoPing.
const (
	demoThink   = 3 * time.Second
	demoService = 25 * time.Second
	// demoNoShow is what drivers wait longer than the market asks: their clock may be a little ahead.
	demoNoShow = 5 * time.Second
	// demoPing is wall time: short enough that the board moves smoothly.
	demoPing = 2 * time.Second
	// demoCruising is how long drivers have been cruising at most when the demo starts.
	demoCruising = 20 * time.Minute
	// demoHaunts is how many places free drivers cruise to: pickups of all hours.
	demoHaunts = 4000
	// demoCut is the share of drivers whose network is cut each wall minute.
	demoCut = 0.01
	// demoImpatient is the share of riders that cancel when no driver is found within demoPatience.
	demoImpatient = 0.05
	demoPatience  = 12 * time.Second
)

// demo is the city of serve --demo: drivers and riders over real sockets against the server's own address.
type demo struct {
	city *fleet.Endless
	// mint makes a token of the server's.
	mint func(role, sub string) (string, error)
	url  string

	cancel context.CancelFunc
	done   chan struct{} // closed when the city has ended
}

// startDemo lets the city go; it goes on until stop. A city that cannot go on is logged, the server stays.
func startDemo(ctx context.Context, s *server, c *serveCmd) (*demo, error) {
	secret, err := c.read()
	if err != nil {
		return nil, err
	}
	d := &demo{url: dialable(s), done: make(chan struct{})}
	d.mint = func(role, sub string) (string, error) {
		claims := auth.Claims{Role: dispatch.Role(role), Sub: sub}
		return auth.Mint(secret, claims, auth.DefaultMaxTTL, dispatch.Wall{}.Now())
	}
	// The server dials itself: its certificate need not name the address that it listens on.
	self := &tls.Config{InsecureSkipVerify: true}
	api := &fleet.API{
		URL: d.url, Token: func() (string, error) { return d.mint("service", "hexfleet-demo") },
		HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: self}, Timeout: 30 * time.Second},
	}
	market, err := api.Market(ctx, demoMarket)
	if err != nil {
		return nil, fmt.Errorf("start the demo: %w", err)
	}
	demand, err := sim.SanFrancisco()
	if err != nil {
		return nil, fmt.Errorf("start the demo: %w", err)
	}
	riders := newDemoRiders(demand, c.DemoDrivers, market.ServerTime.Time)
	conduct := demoConduct(market)
	d.city, err = fleet.NewEndless(fleet.Config{
		URL: d.url, Token: d.mint, API: api, Market: demoMarket, SearchTimeout: seconds(market.Policy.SearchTimeoutS),
		Plan: riders.drivers(c.DemoDrivers, market.ServerTime.Time), Conduct: conduct,
		Network: fleet.Network{Cut: demoCut, Repeat: repeatShare}, Clock: dispatch.Wall{}, Log: quiet(s.log),
		Dialer: &websocket.Dialer{
			ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, WriteBufferPool: &sync.Pool{}, TLSClientConfig: self,
		},
	}, market, riders.ask)
	if err != nil {
		return nil, fmt.Errorf("start the demo: %w", err)
	}
	d.tell(s.registry)
	playing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	go func() {
		defer close(d.done)
		if err := d.city.Run(playing); err != nil {
			s.log.Error("the demo cannot go on", "error", err)
		}
	}()
	return d, nil
}

// tell registers what operators may see of the city.
func (d *demo) tell(registry *prometheus.Registry) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hexfleet_demo_broken_promises", Help: "Promises that the demo's fleet has seen broken.",
	}, func() float64 { return float64(d.broken()) }))
	for what, count := range map[string]func(fleet.Orders) int{
		"sent":      func(o fleet.Orders) int { return o.Sent },
		"completed": func(o fleet.Orders) int { return o.Completed },
		"cancelled": func(o fleet.Orders) int { return o.Cancelled },
		"no_driver": func(o fleet.Orders) int { return o.NoDriver },
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hexfleet_demo_orders_total", Help: "Orders of the demo's riders: sent, and as they ended.",
			ConstLabels: prometheus.Labels{"what": what},
		}, func() float64 { return float64(count(d.progress().Orders)) }))
	}
}

// stop takes the drivers off duty and waits for the city's end, some seconds at most.
func (d *demo) stop() {
	d.cancel()
	<-d.done
}

// progress tells how the city stands.
func (d *demo) progress() fleet.Progress { return d.city.Progress() }

// broken counts the promises that the fleet has seen broken so far; cheap.
func (d *demo) broken() int { return d.city.Broken() }

// dialable is where the server reaches itself: one that listens everywhere listens on the loopback too.
func dialable(s *server) string {
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		return fmt.Sprintf("%s://localhost:%d", s.scheme, a.Port)
	}
	return s.url()
}

// quiet is a logger that keeps the fleet's talk of lost networks, which are played, to itself.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(onlyErrors{log.Handler()}) }

// onlyErrors drops what is below slog.LevelError.
type onlyErrors struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h onlyErrors) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

// demoConduct is how the drivers behave: they drive at one speed, which the engine has to learn, and something
// goes wrong now and then.
func demoConduct(m wire.Market) fleet.Conduct {
	a, b := geo.LatLng{}, geo.LatLng{Lat: 0.1}
	estimate := eta.Default().Estimate(a, b)
	ping := min(time.Duration(float64(demoPing)*m.TimeScale), seconds(m.Policy.FreshnessS)/2)
	return fleet.Conduct{
		SpeedMps: float64(estimate.Distance) / estimate.Duration.Seconds(),
		Circuity: float64(estimate.Distance / geo.Distance(a, b)),
		Ping:     max(ping, time.Second), Think: demoThink, PickupService: demoService, DropoffService: demoService,
		NoShowAfter: seconds(m.Policy.NoShowS) + demoNoShow,
		Chances:     actor.Chances{Decline: 0.04, Ignore: 0.01, GiveBack: 0.01, NoShow: 0.01},
		Seed:        uint64(m.ServerTime.UnixNano()),
	}
}

// demoRiders makes the riders of the demo. Owned by the fleet's goroutine that asks, once the city runs.
type demoRiders struct {
	demand *sim.Demand
	rng    *rand.Rand
	fleet  float64 // drivers
	// ride is the mean market time from an order to its end.
	ride time.Duration
	// name begins the ids of the riders of this run.
	name string
	n    int
}

func newDemoRiders(demand *sim.Demand, drivers int, now time.Time) *demoRiders {
	d := &demoRiders{
		demand: demand, rng: rand.New(rand.NewPCG(uint64(now.UnixNano()), 0x64656d6f)), // "demo"
		fleet: float64(drivers), name: fmt.Sprintf("rider:%x:", now.Unix()),
	}
	const samples = 2000
	var way time.Duration
	for range samples {
		from, to := demand.Ride(d.rng, now)
		way += eta.Default().Estimate(from, to).Duration
	}
	d.ride = way/samples + demoThink + demoPickup + 2*demoService
	return d
}

// drivers are n that have been cruising for some minutes when the demo starts.
func (d *demoRiders) drivers(n int, now time.Time) fleet.Plan {
	var p fleet.Plan
	for range demoHaunts {
		at := now.Add(time.Duration(d.rng.Int64N(int64(24 * time.Hour))))
		p.Haunts = append(p.Haunts, d.demand.Pickup(d.rng, at))
	}
	for i := range n {
		p.Drivers = append(p.Drivers, fleet.DriverPlan{ID: fmt.Sprintf("driver-%03d", i+1), Shifts: []fleet.ShiftPlan{{
			On: -time.Duration(d.rng.Int64N(int64(demoCruising))), Open: true, At: d.demand.Pickup(d.rng, now),
		}}})
	}
	return p
}

// ask gives the riders of the next span: as many as keep the wanted share of drivers busy (Little's law), more
// or fewer while it is off.
func (d *demoRiders) ask(now time.Time, span time.Duration, open int) []fleet.RiderPlan {
	want := d.fleet * (demoQuiet + (demoBusy-demoQuiet)*d.demand.Share(now))
	rate := max(0, want/d.ride.Seconds()+(want-float64(open))/demoCatchUp.Seconds())
	if rate == 0 {
		return nil
	}
	var riders []fleet.RiderPlan
	stream := d.demand.Times(rate / d.demand.Rate(now))
	for at := now; ; {
		var from, to geo.LatLng
		if at, from, to = stream.Next(d.rng, at); at.Sub(now) >= span {
			return riders
		}
		d.n++
		p := fleet.RiderPlan{
			ID: fmt.Sprintf("%s%d", d.name, d.n), At: at.Sub(now), Kind: string(dispatch.KindRide),
			Stops: []wire.Stop{
				{Type: string(dispatch.StopPickup), Lat: from.Lat, Lng: from.Lng},
				{Type: string(dispatch.StopDropoff), Lat: to.Lat, Lng: to.Lng},
			},
		}
		if d.rng.Float64() < demoImpatient {
			p.Patience = time.Duration(d.rng.Int64N(int64(demoPatience))) + 1 // 0 is for ever
		}
		riders = append(riders, p)
	}
}

// checkDemo refuses a demo that cannot be, before anything is touched.
func (c *serveCmd) checkDemo(markets dispatch.Markets) error {
	if !c.Demo {
		return nil
	}
	if _, ok := markets.Get(demoMarket); !ok {
		return errors.New("--demo plays in the market " + demoMarket + ", which the markets file does not have")
	}
	if c.DemoDrivers < 1 || c.DemoDrivers > maxDemoDrivers {
		return usagef("--demo-drivers must be from 1 to %d, not %d", maxDemoDrivers, c.DemoDrivers)
	}
	return nil
}

// maxDemoDrivers is far above what a demo needs and still what one machine plays.
const maxDemoDrivers = 5000
