package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// blocks is how many blocks a town of the history test has, each with clients of its own.
const blocks = 8

// searchFor bounds the search for an order of a history's operations; one that takes longer fails the test.
const searchFor = time.Minute

// TestChaos_Histories records what concurrent clients ask and are answered while the server is killed under them,
// and proves that there is an order in which each answer was right when it was given (P1, P2, P3, P7).
func TestChaos_Histories(t *testing.T) {
	t.Parallel()
	for _, kind := range journalKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			rng := seeded(t)
			n := times(1, 30)
			seen := map[string]int{}
			for i := range n {
				playTown(t, kind, rng, seen)
				if t.Failed() {
					return
				}
				if (i+1)%5 == 0 || i+1 == n {
					t.Logf("%s: the histories of %d blocks, a kill in each, are linearizable: %v", kind.name, (i+1)*blocks, seen)
				}
			}
			for _, what := range []string{"accept ", "assign ", "unassign ", "release ", "cancel ", "assign conflict", "assign taken"} {
				if seen[what] == 0 {
					t.Errorf("no %q was recorded: %v", what, seen)
				}
			}
		})
	}
}

// playTown plays one town through a kill and checks its histories.
func playTown(t *testing.T, kind journalKind, rng *rand.Rand, seen map[string]int) {
	dir := t.TempDir()
	at := kind.place(t, dir)
	v := &victim{t: t, binary: crashableBinary(t), dir: dir, listen: steadyPort(t, rng), args: append([]string{"--markets",
		markets(t, quick+`,"search_timeout_s":3600,"offer_ttl_s":600,"max_pickup_s":120`)}, at.args...)}
	v.start("")
	c := newCrowd(t, v)
	defer c.close()
	var town []*witness
	for i := range blocks {
		town = append(town, newWitness(c, i, rng))
	}
	begin := make(chan struct{})
	var players sync.WaitGroup
	for _, r := range town {
		r.play(begin, &players)
	}
	close(begin)
	time.Sleep(time.Duration(50+rng.IntN(200)) * time.Millisecond)
	inFlight := c.inFlight()
	v.kill()
	v.start("")
	players.Wait()
	c.report()
	for _, r := range town {
		r.check(seen)
	}
	seen["in flight at the kills"] += inFlight
	c.close()
	v.kill()
}

// witness is a block of a town, and what its clients ask and are answered.
type witness struct {
	crowd  *crowd
	id     int
	began  time.Time
	orders []wire.ID
	index  map[wire.ID]int
	names  []string // of the drivers
	seeds  []uint64
	offers []chan *wire.Offer // by driver

	mu sync.Mutex
	// history is guarded by mu.
	history []porcupine.Operation
}

// newWitness brings a block's drivers on duty, far from every other block's, and creates its orders.
func newWitness(c *crowd, id int, rng *rand.Rand) *witness {
	c.t.Helper()
	r := &witness{crowd: c, id: id, began: time.Now(), index: map[wire.ID]int{}}
	lat, lng := 37.3+0.1*float64(id), -122.4
	for i := range driversABlock {
		offers := make(chan *wire.Offer, 64) // more than are made to one driver in a game
		r.offers = append(r.offers, offers)
		r.names = append(r.names, fmt.Sprintf("driver-%d-%d", id, i))
		told := map[wire.ID]bool{} // of the client's goroutine; live offers come again after a reconnect
		one := c.dial(dispatch.RoleDriver, r.names[i], func(m client.Message) {
			if o, ok := m.(*wire.Offer); ok && !told[o.OfferID] {
				told[o.OfferID] = true
				offers <- o
			}
		})
		if _, err := c.ask(r.names[i], one, &wire.Duty{State: wire.DutyOnline, Market: "sf"}); err != nil {
			c.t.Fatal(err)
		}
		r.keepFix(one, lat, lng)
	}
	for range ordersABlock {
		_, o := c.post(dispatch.RoleDispatcher, r.staff(0), "/v1/orders", fmt.Sprintf(`{"market":"sf","kind":"ride","rider_id":"guest",
			"stops":[{"type":"pickup","lat":%[1]v,"lng":%[2]v},{"type":"dropoff","lat":%[1]v,"lng":%[2]v}]}`, lat, lng))
		r.index[o.ID] = len(r.orders)
		r.orders = append(r.orders, o.ID)
	}
	for range driversABlock + 4 {
		r.seeds = append(r.seeds, rng.Uint64())
	}
	return r
}

// keepFix tells the driver's place until the crowd leaves: a server that starts knows none.
func (r *witness) keepFix(one *client.Client, lat, lng float64) {
	r.crowd.actors.Go(func() {
		for !r.crowd.over() {
			one.Telemetry(wire.Point{Lat: lat, Lng: lng, Timestamp: wire.TimeOf(time.Now())})
			r.crowd.rest(50 * time.Millisecond)
		}
	})
}

func (r *witness) staff(i int) string { return fmt.Sprintf("staff-%d-%d", r.id, i) }

// actsAPlayer is how much one client asks; with 6 clients a block that is what can be searched in a second.
const actsAPlayer = 12

// play starts the block's clients: its drivers, who take offers and give orders back, and dispatchers.
func (r *witness) play(begin <-chan struct{}, players *sync.WaitGroup) {
	for i, seed := range r.seeds {
		rng := rand.New(rand.NewPCG(seed, 0))
		players.Go(func() {
			<-begin
			for range actsAPlayer {
				if i < driversABlock {
					r.drives(i, rng)
				} else {
					r.dispatches(i, rng)
				}
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
		})
	}
}

// drives takes an offer when one comes soon, and sometimes gives the order back.
func (r *witness) drives(i int, rng *rand.Rand) {
	select {
	case o := <-r.offers[i]:
		order := r.index[o.Order.ID]
		got := r.does(i, act{"accept", order, i}, dispatch.RoleDriver, r.names[i], "/v1/offers/"+string(o.OfferID)+"/accept", `{}`)
		if got.code == "" && rng.IntN(2) == 0 {
			r.does(i, act{"release", order, i}, dispatch.RoleDriver, r.names[i], r.path(order)+"/cancel", `{}`)
		}
	case <-time.After(150 * time.Millisecond):
		r.reads(i, rng.IntN(ordersABlock))
	}
}

// dispatches does something to some order; the last two orders are never cancelled, so that there is always one
// to race for.
func (r *witness) dispatches(i int, rng *rand.Rand) {
	order := rng.IntN(ordersABlock)
	switch n := rng.IntN(20); {
	case n < 8:
		driver := rng.IntN(driversABlock)
		r.does(i, act{"assign", order, driver}, dispatch.RoleDispatcher, r.staff(i), r.path(order)+"/assign",
			fmt.Sprintf(`{"driver_id":%q}`, r.names[driver]))
	case n < 13:
		r.does(i, act{"unassign", order, -1}, dispatch.RoleDispatcher, r.staff(i), r.path(order)+"/unassign", `{}`)
	case n < 15 && order < 2:
		r.does(i, act{"cancel", order, -1}, dispatch.RoleDispatcher, r.staff(i), r.path(order)+"/cancel", `{}`)
	default:
		r.reads(i, order)
	}
}

func (r *witness) path(order int) string { return "/v1/orders/" + string(r.orders[order]) }

// does asks for an act under a key, over a kill if need be, and records it.
func (r *witness) does(client int, a act, role dispatch.Role, sub, path, body string) outcome {
	call := time.Since(r.began).Nanoseconds()
	status, o, code := r.crowd.request(role, sub, path, body)
	var out outcome
	if status/100 == 2 {
		out = r.outcome(&o)
	} else {
		out.code = code
	}
	r.record(client, a, out, call)
	return out
}

// reads reads an order and records it.
func (r *witness) reads(client, order int) {
	call := time.Since(r.began).Nanoseconds()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		o, err := r.read(order)
		if err == nil {
			r.record(client, act{"read", order, -1}, r.outcome(o), call)
			return
		}
	}
	r.crowd.wrong("order %s could not be read", r.orders[order])
}

func (r *witness) read(order int) (*wire.Order, error) {
	req, err := http.NewRequestWithContext(context.Background(), "GET", r.crowd.url+r.path(order), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.crowd.token(dispatch.RoleDispatcher, r.staff(0)))
	resp, err := r.crowd.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	o := new(wire.Order)
	return o, json.NewDecoder(resp.Body).Decode(o)
}

// outcome gives an order as the model knows it.
func (r *witness) outcome(o *wire.Order) outcome {
	out := outcome{version: o.Version, driver: -1}
	switch dispatch.State(o.State) {
	case dispatch.StateSearching, dispatch.StateOffered:
		out.phase = phaseOpen
	case dispatch.StateEnRouteToPickup:
		out.phase = phaseHeld
	default:
		out.phase = phaseOver
	}
	if o.DriverID != nil && out.phase == phaseHeld {
		for i, name := range r.names {
			if name == string(*o.DriverID) {
				out.driver = i
			}
		}
	}
	return out
}

func (r *witness) record(client int, a act, o outcome, call int64) {
	back := time.Since(r.began).Nanoseconds()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: client, Input: a, Output: o, Call: call, Return: back})
}

// check looks for an order of the block's operations, and counts them.
func (r *witness) check(seen map[string]int) {
	t := r.crowd.t
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(blockModel(), r.history, searchFor)
	if result != porcupine.Ok {
		t.Errorf("block %d: %d operations: %s\n%s", r.id, len(r.history), result, r.explain(info))
	}
	for _, o := range r.history {
		seen[o.Input.(act).op+" "+o.Output.(outcome).code]++
	}
}

// explain tells the longest order of operations that could be found, how the block then stands, and the earliest
// operations that fit nowhere behind it; times are microseconds since the town began.
func (r *witness) explain(info porcupine.LinearizationInfo) string {
	var best []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, found := range partition {
			if len(found) > len(best) {
				best = found
			}
		}
	}
	var text strings.Builder
	line := func(what string, o porcupine.Operation) {
		fmt.Fprintf(&text, "%s %7d to %7d, client %d: %+v -> %+v\n", what, o.Call/1000, o.Return/1000, o.ClientId, o.Input, o.Output)
	}
	b := freshBlock()
	type mark struct {
		call   int64
		client int
	}
	done := map[mark]bool{}
	for _, o := range best {
		b.step(o.Input.(act), o.Output.(outcome))
		done[mark{o.Call, o.ClientId}] = true
		line("fits", o)
	}
	fmt.Fprintf(&text, "the block then is %+v\n", b)
	left := slices.DeleteFunc(slices.Clone(r.history), func(o porcupine.Operation) bool { return done[mark{o.Call, o.ClientId}] })
	slices.SortFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for _, o := range left[:min(10, len(left))] {
		line("left", o)
	}
	return text.String()
}
