package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
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
)

// racers is how many commands ask for the same driver at the same time.
const racers = 32

// TestChaos_Races has 32 racers ask for one driver, again and again, and wants one winner each time (P2):
// dispatchers who assign it orders, dispatchers against its own accept, and its own two devices that go on duty in
// two markets. What the answers say is compared with what the journal holds.
func TestChaos_Races(t *testing.T) {
	t.Parallel()
	for _, kind := range journalKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			r := newRace(t, kind)
			n := times(100, 10_000)
			for i := range n {
				switch {
				case i%10 < 7:
					r.assigns()
				case i%10 < 9:
					r.claims()
				default:
					r.acceptAgainstAssigns()
				}
				if t.Failed() {
					t.Fatalf("in race %d of %d", i+1, n)
				}
				if (i+1)%1000 == 0 {
					t.Logf("%s: %d races of %d for one driver, one winner each: %v", kind.name, i+1, racers, r.won)
				}
			}
			r.wantAll()
			r.end()
			readBook(t, r.journal, "sf", "nyc")
		})
	}
}

// race is a node with a real journal and a real bus, without a gateway.
type race struct {
	t       *testing.T
	node    *node.Node
	journal store.Journal
	end     func()
	rng     *rand.Rand
	offers  chan *dispatch.Offer // made to the driver that accepts
	pool    map[dispatch.MarketID][]dispatch.OrderID
	last    int // numbers the keys
	won     map[string]int
}

// The drivers that are raced for; the engine knows a place of accepter only, and so offers orders to it alone.
const (
	assigned dispatch.DriverID = "assigned"
	claimed  dispatch.DriverID = "claimed"
	accepter dispatch.DriverID = "accepter"
)

// The place of accepter and of the orders offered to it. The pools' orders begin too far away for an offer.
func nearAccepter() geo.LatLng { return geo.LatLng{Lat: 41.0, Lng: -73.7} }

func newRace(t *testing.T, kind journalKind) *race {
	t.Helper()
	dir := t.TempDir()
	r := &race{t: t, rng: seeded(t), offers: make(chan *dispatch.Offer, racers), won: map[string]int{},
		pool: map[dispatch.MarketID][]dispatch.OrderID{}}
	r.journal = kind.place(t, dir).open(t)
	log := slog.New(slog.DiscardHandler)
	server, err := bus.StartServer(bus.ServerConfig{Dir: filepath.Join(dir, "nats"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	stop, err := conn.Subscribe(dispatch.Listener{Notice: func(n *dispatch.Notice) {
		if n.Order != nil {
			r.offers <- &n.Offer
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ms := slices.Clone(dispatch.DefaultMarkets())
	for i := range ms {
		ms[i].Policy.SearchTimeout, ms[i].Policy.OfferTTL, ms[i].Policy.Freshness = 24*time.Hour, time.Hour, 24*time.Hour
		ms[i].Policy.Offers.PerMinute = 0 // one driver is asked again and again
		if ms[i].ID == "nyc" {            // where offers are raced for
			ms[i].Policy.Window = 20 * time.Millisecond
		}
	}
	r.node = node.New(node.Config{Markets: ms, Store: r.journal, Bus: conn, ETA: eta.Default(),
		Clock: dispatch.Wall{}, Wall: dispatch.Wall{}, Log: log, Registry: prometheus.NewRegistry(), Shared: kind.shared})
	if err := r.node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.end = sync.OnceFunc(func() { r.node.Stop(t.Context()) })
	t.Cleanup(r.end)
	for market, driver := range map[dispatch.MarketID]dispatch.DriverID{"sf": assigned, "nyc": accepter} {
		r.must(r.duty(driver, market, true))
		for range racers {
			r.pool[market] = append(r.pool[market], r.create(market, map[dispatch.MarketID]geo.LatLng{
				"sf": {Lat: pickupLat, Lng: pickupLng}, "nyc": {Lat: 40.45, Lng: -74.2}}[market]))
		}
	}
	return r
}

// do has a command judged, under a key, and again as long as it is told to come again: a store may be slow for a moment
// where the machine has much other work.
func (r *race) do(c dispatch.Command) dispatch.Reply {
	if c.By.Role == "" {
		c.By = dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "staff"}
	}
	if c.Key.ID == "" {
		c.Key = r.key()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		reply := r.node.Do(r.t.Context(), c)
		if reply.Err == nil || reply.Err.Code != dispatch.CodeUnavailable || time.Now().After(deadline) {
			return reply
		}
	}
}

// key gives the next one; commands that are run side by side have theirs before.
func (r *race) key() dispatch.Key {
	r.last++
	return dispatch.Key{ID: fmt.Sprintf("k%d", r.last)}
}

func (r *race) must(reply dispatch.Reply) dispatch.Reply {
	r.t.Helper()
	if reply.Err != nil {
		r.t.Fatal(reply.Err)
	}
	return reply
}

func (r *race) duty(d dispatch.DriverID, m dispatch.MarketID, online bool) dispatch.Reply {
	return r.do(dispatch.Command{Op: dispatch.OpDuty, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(d)},
		Market: m, Driver: d, Duty: &dispatch.DutyRequest{Online: online, Capacity: 1, VehicleClass: dispatch.DefaultVehicleClass}})
}

func (r *race) create(m dispatch.MarketID, at geo.LatLng) dispatch.OrderID {
	r.t.Helper()
	id := dispatch.OrderID(dispatch.NewID(time.Now()))
	stops := []dispatch.Stop{{Type: dispatch.StopPickup, LatLng: at}, {Type: dispatch.StopDropoff, LatLng: at}}
	r.must(r.do(dispatch.Command{Op: dispatch.OpCreate, Market: m, Order: id, Key: r.key(), New: &dispatch.NewOrder{
		Kind: dispatch.KindRide, VehicleClass: dispatch.DefaultVehicleClass, Rider: "r1", Stops: stops}}))
	return id
}

func (r *race) unassign(id dispatch.OrderID) {
	r.t.Helper()
	r.must(r.do(dispatch.Command{Op: dispatch.OpUnassign, Order: id}))
}

// run starts all commands at once and gives who won, whoever it is; the others' refusals are given to judge.
func (r *race) run(commands []dispatch.Command, refused func(*dispatch.Error) bool) (won []int) {
	r.t.Helper()
	for i := range commands {
		commands[i].Key = r.key()
	}
	order := r.rng.Perm(len(commands))
	replies := make([]dispatch.Reply, len(commands))
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for _, i := range order {
		wg.Go(func() {
			<-begin
			replies[i] = r.do(commands[i])
		})
	}
	close(begin)
	wg.Wait()
	for i, reply := range replies {
		if reply.Err == nil {
			won = append(won, i)
		} else if !refused(reply.Err) {
			r.t.Errorf("%s was refused with %v", commands[i].Op, reply.Err)
		}
	}
	return won
}

// assigns gives one driver to 32 orders.
func (r *race) assigns() {
	r.t.Helper()
	won := r.run(r.assignments("sf", assigned, racers), isConflict)
	if len(won) != 1 {
		r.t.Fatalf("%d of %d assignments of one driver were acknowledged", len(won), racers)
	}
	winner := r.pool["sf"][won[0]]
	r.wantHolder(assigned, winner)
	r.won["assign"]++
	r.unassign(winner)
}

func (r *race) assignments(m dispatch.MarketID, d dispatch.DriverID, n int) []dispatch.Command {
	commands := make([]dispatch.Command, n)
	for i := range commands {
		commands[i] = dispatch.Command{Op: dispatch.OpAssign, Order: r.pool[m][i], Driver: d}
	}
	return commands
}

func isConflict(e *dispatch.Error) bool { return e.Code == dispatch.CodeConflict }

// acceptAgainstAssigns offers an order to a driver, who accepts while 31 others are assigned to it.
func (r *race) acceptAgainstAssigns() {
	r.t.Helper()
	id := r.create("nyc", nearAccepter())
	offer := r.offered(id)
	commands := append(r.assignments("nyc", accepter, racers-1), dispatch.Command{Op: dispatch.OpAccept, Offer: offer.ID,
		Driver: accepter, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(accepter)}})
	won := r.run(commands, func(e *dispatch.Error) bool { return isConflict(e) || e.Code == dispatch.CodeTaken })
	if len(won) != 1 {
		r.t.Fatalf("%d of %d who asked for one driver were acknowledged", len(won), racers)
	}
	winner, how := id, "accept"
	if won[0] < racers-1 {
		winner, how = r.pool["nyc"][won[0]], "assign against accept"
	}
	r.wantHolder(accepter, winner)
	r.won[how]++
	r.must(r.do(dispatch.Command{Op: dispatch.OpCancel, Order: id}))
	if winner != id {
		r.unassign(winner)
	}
}

// offered waits for the offer of an order to accepter, whose place is told until then: a leader that has just taken the
// market knows none.
func (r *race) offered(id dispatch.OrderID) *dispatch.Offer {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		r.node.Put("nyc", accepter, []geo.Fix{{LatLng: nearAccepter(), At: time.Now()}})
		select {
		case offer := <-r.offers:
			if offer.Order == id {
				return offer
			}
		case <-tick.C:
		}
	}
	r.t.Fatal("no offer came")
	return nil
}

// claims takes one driver on duty in two markets, 16 times each.
func (r *race) claims() {
	r.t.Helper()
	markets := []dispatch.MarketID{"sf", "nyc"}
	commands := make([]dispatch.Command, racers)
	for i := range commands {
		commands[i] = dispatch.Command{Op: dispatch.OpDuty, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(claimed)},
			Market: markets[i%2], Driver: claimed,
			Duty: &dispatch.DutyRequest{Online: true, Capacity: 1, VehicleClass: dispatch.DefaultVehicleClass}}
	}
	won := r.run(commands, isConflict)
	in := map[dispatch.MarketID]int{}
	for _, i := range won {
		in[commands[i].Market]++
	}
	duty, err := r.journal.Duty(r.t.Context(), claimed)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(in) != 1 || in[duty.Market] != racers/2 || !duty.Online {
		r.t.Fatalf("a driver is on duty by the answers %v, by the journal %v in %s", in, duty.Online, duty.Market)
	}
	r.won["claim of "+string(duty.Market)]++
	r.must(r.duty(claimed, duty.Market, false))
}

// wantHolder compares the winner with the journal: it alone holds the driver.
func (r *race) wantHolder(d dispatch.DriverID, winner dispatch.OrderID) {
	r.t.Helper()
	held, err := r.journal.Orders(r.t.Context(), dispatch.OrderFilter{
		Driver: d, States: []dispatch.State{dispatch.StateEnRouteToPickup}, Limit: racers})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(held) != 1 || held[0].ID != winner {
		r.t.Fatalf("order %s was acknowledged, the journal has %d orders of the driver: %v", winner, len(held), held)
	}
}

// wantAll proves that each kind of race was run, and that both markets won claims.
func (r *race) wantAll() {
	r.t.Helper()
	for _, how := range []string{"assign", "claim of sf", "claim of nyc"} {
		if r.won[how] == 0 {
			r.t.Errorf("nobody won by %s: %v", how, r.won)
		}
	}
	if r.won["accept"]+r.won["assign against accept"] == 0 {
		r.t.Errorf("no offer was raced for: %v", r.won)
	}
}
