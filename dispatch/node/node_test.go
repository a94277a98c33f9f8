package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// city is a node with a real journal and a real bus, on a market clock moved by hand.
type city struct {
	t     *testing.T
	node  *node.Node
	clock *dispatch.Manual
	store store.Journal
	bus   *bus.Conn
	// notices and positions are what the bus brought.
	notices   chan *dispatch.Notice
	positions chan *dispatch.Position
	metrics   *prometheus.Registry
	log       *written
}

var begin = time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)

// patience bounds hangs; no test judges a speed.
const patience = 20 * time.Second

func newCity(t *testing.T) *city {
	t.Helper()
	dir := t.TempDir()
	said := &written{}
	log := slog.New(slog.NewJSONHandler(said, nil))
	c := &city{t: t, log: said, clock: dispatch.NewManual(begin), metrics: prometheus.NewRegistry(),
		notices: make(chan *dispatch.Notice, 64), positions: make(chan *dispatch.Position, 64)}
	journal, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Wall: dispatch.Wall{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	c.store = journal
	server, err := bus.StartServer(bus.ServerConfig{Dir: dir + "/nats", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	c.bus = conn
	stop, err := conn.Subscribe(dispatch.Listener{
		Event:     func(*dispatch.Event) {},
		Notice:    func(n *dispatch.Notice) { c.notices <- n },
		Position:  func(p *dispatch.Position) { c.positions <- p },
		Published: func(dispatch.MarketID, int64) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c.node = node.New(node.Config{
		Markets: dispatch.DefaultMarkets(), Store: journal, Bus: conn, ETA: eta.Default(),
		Clock: c.clock, Wall: dispatch.Wall{}, Log: log, Registry: c.metrics, Archive: journal,
	})
	if err := c.node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // where the store is away, nothing can be published
		defer cancel()
		c.node.Stop(ctx)
	})
	return c
}

// do asks for a command and fails on a refusal.
func (c *city) do(cmd dispatch.Command) dispatch.Reply {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	r := c.node.Do(ctx, cmd)
	if r.Err != nil {
		c.t.Fatalf("%s: %v", cmd.Op, r.Err)
	}
	return r
}

func driver(id string) dispatch.Actor { return dispatch.Actor{Role: dispatch.RoleDriver, Sub: id} }

func duty(id string, market dispatch.MarketID, online bool) dispatch.Command {
	return dispatch.Command{Op: dispatch.OpDuty, By: driver(id), Driver: dispatch.DriverID(id), Market: market,
		Duty: &dispatch.DutyRequest{Online: online, VehicleClass: "standard", Capacity: 1}}
}

func fix(lat, lng float64, at time.Time) geo.Fix {
	return geo.Fix{LatLng: geo.LatLng{Lat: lat, Lng: lng}, At: at,
		HeadingDeg: math.NaN(), SpeedMps: math.NaN(), AccuracyM: math.NaN()}
}

func ride(id string, key string) dispatch.Command {
	return dispatch.Command{
		Op: dispatch.OpCreate, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Market: "sf",
		Order: dispatch.OrderID(id), Key: dispatch.Key{ID: key},
		New: &dispatch.NewOrder{Kind: dispatch.KindRide, VehicleClass: "standard", Rider: "r1", Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.78, Lng: -122.41}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.75, Lng: -122.42}},
		}},
	}
}

// notice waits for what the bus tells a driver.
func (c *city) notice() *dispatch.Notice {
	c.t.Helper()
	select {
	case n := <-c.notices:
		return n
	case <-time.After(patience):
		c.t.Fatal("no notice came")
		return nil
	}
}

func TestNode_Do(t *testing.T) {
	t.Run("offers_the_nearest_driver_and_tells_its_position", func(t *testing.T) {
		c := newCity(t)
		c.do(duty("far", "sf", true))
		c.do(duty("near", "sf", true))
		c.node.Put("sf", "far", []geo.Fix{fix(37.79, -122.40, begin)})
		c.node.Put("sf", "near", []geo.Fix{fix(37.781, -122.411, begin)})
		c.do(ride("o1", "k1"))
		n := c.notice()
		if n.Offer.Driver != "near" || n.Order == nil || n.Order.ID != "o1" {
			t.Fatalf("told %+v", n)
		}
		accept := dispatch.Command{Op: dispatch.OpAccept, By: driver("near"), Offer: n.Offer.ID, Key: dispatch.Key{ID: "a"}}
		r := c.do(accept)
		if r.Order.Driver != "near" || r.Order.PickupETA.IsZero() || !r.Order.DropoffETA.After(r.Order.PickupETA) {
			t.Errorf("accepted %+v", r.Order)
		}
		d, at, err := c.node.Driver(t.Context(), "near")
		if err != nil || d.State != dispatch.DriverReserved || at == nil {
			t.Errorf("the driver is %+v at %v, %v", d, at, err)
		}
		c.node.Put("sf", "near", []geo.Fix{fix(37.7805, -122.4105, begin.Add(time.Second))})
		select {
		case p := <-c.positions:
			if p.Order != "o1" || p.Rider != "r1" || p.PickupETA.IsZero() {
				t.Errorf("position told %+v", p)
			}
		case <-time.After(patience):
			t.Error("no position came")
		}
	})

	t.Run("gives_a_repeated_key_the_first_answer", func(t *testing.T) {
		c := newCity(t)
		first := c.do(ride("o1", "k1"))
		again := c.do(ride("o2", "k1"))
		if again.Order.ID != first.Order.ID || again.Order.Version != 1 {
			t.Errorf("the repeat told %+v", again.Order)
		}
		other := ride("o3", "k1")
		other.Key.Digest[0] = 1
		if r := c.node.Do(t.Context(), other); dispatch.CodeOf(r.Err) != dispatch.CodeConflict {
			t.Errorf("other content was answered %v", r.Err)
		}
	})

	t.Run("keeps_a_driver_to_one_market", func(t *testing.T) {
		c := newCity(t)
		c.do(duty("d1", "sf", true))
		if r := c.node.Do(t.Context(), duty("d1", "nyc", true)); dispatch.CodeOf(r.Err) != dispatch.CodeConflict {
			t.Errorf("the second market answered %v", r.Err)
		}
		if r := c.node.Do(t.Context(), duty("d1", "nyc", false)); dispatch.CodeOf(r.Err) != dispatch.CodeConflict {
			t.Errorf("going off duty where it is not answered %v", r.Err)
		}
		c.do(duty("d1", "sf", false))
		c.do(duty("d1", "nyc", true))
	})

	t.Run("answers_unknown_ids_with_not_found", func(t *testing.T) {
		c := newCity(t)
		for _, cmd := range []dispatch.Command{
			{Op: dispatch.OpCancel, By: driver("d1"), Order: "nowhere"},
			{Op: dispatch.OpAccept, By: driver("d1"), Offer: "nowhere"},
		} {
			if r := c.node.Do(t.Context(), cmd); dispatch.CodeOf(r.Err) != dispatch.CodeNotFound {
				t.Errorf("%s was answered %v", cmd.Op, r.Err)
			}
		}
	})
}

func TestNode_Put(t *testing.T) {
	c := newCity(t)
	c.node.Put("sf", "d1", []geo.Fix{fix(37.78, -122.41, begin)})
	c.do(duty("d1", "sf", true))
	if d, at, err := c.node.Driver(t.Context(), "d1"); err != nil || at != nil || d.State != dispatch.DriverNonContactable {
		t.Errorf("a point sent before duty counts: %+v at %v, %v", d, at, err)
	}
	c.node.Put("sf", "d1", []geo.Fix{
		fix(37.78, -122.41, begin), fix(37.79, -122.41, begin.Add(-time.Second)), fix(37.80, -122.41, begin.Add(31*time.Second))})
	if _, at, _ := c.node.Driver(t.Context(), "d1"); at == nil || at.Lat != 37.78 {
		t.Errorf("stale and future points count: the driver is at %v", at)
	}
	near, err := c.node.Nearby(t.Context(), "sf", geo.LatLng{Lat: 37.78, Lng: -122.41}, 5)
	if err != nil || len(near) != 1 || near[0].Driver.Duty.Driver != "d1" {
		t.Errorf("nearby told %+v, %v", near, err)
	}
	c.do(duty("d1", "sf", false))
	if near, _ := c.node.Nearby(t.Context(), "sf", geo.LatLng{Lat: 37.78, Lng: -122.41}, 5); len(near) != 0 {
		t.Errorf("a driver off duty is nearby: %+v", near)
	}
}

// TestNode_TakesSilentDriversOffDuty moves the market clock past the half hour.
func TestNode_TakesSilentDriversOffDuty(t *testing.T) {
	c := newCity(t)
	c.do(duty("d1", "sf", true))
	deadline := time.Now().Add(patience)
	for {
		c.clock.Advance(time.Minute)
		d, err := c.store.Duty(t.Context(), "d1")
		if err != nil {
			t.Fatal(err)
		}
		if !d.Online {
			if silent := d.Since.Sub(begin); silent < 30*time.Minute {
				t.Errorf("off duty after %s", silent)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the silent driver is still on duty")
		}
	}
}

// TestNode_RedispatchesWhenTheDriverIsLost lets an accepted driver fall silent: the order goes to another.
func TestNode_RedispatchesWhenTheDriverIsLost(t *testing.T) {
	c := newCity(t)
	c.do(duty("lost", "sf", true))
	c.node.Put("sf", "lost", []geo.Fix{fix(37.781, -122.411, begin)})
	c.do(ride("o1", ""))
	c.do(dispatch.Command{Op: dispatch.OpAccept, By: driver("lost"), Offer: c.notice().Offer.ID})
	c.do(duty("other", "sf", true))
	deadline := time.Now().Add(patience)
	for {
		c.clock.Advance(5 * time.Second)
		now := c.clock.Now()
		c.node.Put("sf", "other", []geo.Fix{fix(37.785, -122.411, now)})
		o, err := c.store.Order(t.Context(), "o1")
		if err != nil {
			t.Fatal(err)
		}
		if o.State == dispatch.StateOffered || o.State == dispatch.StateSearching {
			if silent := now.Sub(begin); silent < 300*time.Second || !o.Barred("lost", now) {
				t.Errorf("redispatched after %s, barred %v", silent, o.Bars)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the order still is %s", o.State)
		}
	}
}

func TestNode_Ready(t *testing.T) {
	t.Run("is_true_from_start_to_stop", func(t *testing.T) {
		c := newCity(t)
		if err := c.node.Ready(); err != nil {
			t.Errorf("started, it says %v", err)
		}
		c.node.Stop(t.Context())
		if c.node.Ready() == nil {
			t.Error("stopped, it says it is ready")
		}
	})
	t.Run("is_false_before_start", func(t *testing.T) {
		c := newCity(t)
		idle := node.New(node.Config{
			Markets: dispatch.DefaultMarkets(), Store: c.store, Bus: c.bus, ETA: eta.Default(), Clock: c.clock,
			Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		})
		if idle.Ready() == nil {
			t.Error("it says it is ready")
		}
	})
	t.Run("is_false_while_the_store_is_away", func(t *testing.T) {
		c := newCity(t)
		if err := c.store.Close(); err != nil {
			t.Fatal(err)
		}
		until(t, "the market says it is not led", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			c.node.Do(ctx, ride("o1", ""))
			return c.node.Ready() != nil
		})
	})
	t.Run("is_false_while_the_bus_is_away", func(t *testing.T) {
		c := newCity(t)
		c.bus.Close()
		if c.node.Ready() == nil {
			t.Error("it says it is ready")
		}
	})
}

// TestNode_LogsMinutes reads the log of a minute of market time in which an order found its driver.
func TestNode_LogsMinutes(t *testing.T) {
	c := newCity(t)
	c.do(duty("d1", "sf", true))
	c.node.Put("sf", "d1", []geo.Fix{fix(37.781, -122.411, begin)})
	c.do(ride("o1", ""))
	offer := c.notice().Offer.ID
	c.clock.Advance(4 * time.Second)
	c.do(dispatch.Command{Op: dispatch.OpAccept, By: driver("d1"), Offer: offer})
	c.do(ride("o2", ""))
	var line map[string]any
	until(t, "a minute is told", func() bool {
		c.clock.Advance(20 * time.Second)
		for text := range strings.Lines(c.log.String()) {
			if strings.Contains(text, "market minute") {
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
				if said := strings.Contains(text, "r1") || strings.Contains(text, "o1") || strings.Contains(text, "37.7"); said {
					t.Errorf("the log tells who or where: %s", text)
				}
				return true
			}
		}
		return false
	})
	want := map[string]any{"market": "sf", "created": 2.0, "matched": 1.0, "completed": 0.0, "offered": 1.0,
		"match_p50_s": 4.0, "drivers": 1.0, "open": map[string]any{"searching": 1.0, "en_route_to_pickup": 1.0}}
	for name, w := range want {
		if !reflect.DeepEqual(line[name], w) {
			t.Errorf("%s is %v, want %v; the line is %v", name, line[name], w, line)
		}
	}
	if n := strings.Count(c.log.String(), `"market":"nyc","market_time"`); n != 0 {
		t.Errorf("a market where nothing happened has %d lines", n)
	}
}

// written is a log that may be read while it is written.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// until asks again until the answer is yes.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); !yes(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// TestNode_TellsWhereItStands reads the gauges of open orders and drivers.
func TestNode_TellsWhereItStands(t *testing.T) {
	c := newCity(t)
	c.do(duty("d1", "sf", true))
	c.do(ride("o1", ""))
	c.do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: "o1"})
	c.do(ride("o2", ""))
	families, err := c.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if labels := m.GetLabel(); m.GetGauge() != nil && len(labels) == 2 {
				got[f.GetName()+" "+labels[0].GetValue()+" "+labels[1].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	want := map[string]float64{"hexfleet_open_orders sf searching": 1, "hexfleet_drivers sf available": 1}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s is %v, want %v; all: %v", name, got[name], n, got)
		}
	}
}
