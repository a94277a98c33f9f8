package bus

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests; nothing is measured by it.
const patience = 20 * time.Second

// base is the market instant of the tests' events.
var base = time.Date(2026, 11, 21, 6, 10, 0, 123456789, time.UTC)

// history is a Source in memory. With a fault set, each call fails with it.
type history struct {
	mu     sync.Mutex
	events []dispatch.Event
	cursor int64
	fault  error
	saves  int
}

func (h *history) MarketEvents(_ context.Context, _ dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault != nil {
		return nil, h.fault
	}
	from := min(after, int64(len(h.events)))
	return h.events[from:min(from+int64(limit), int64(len(h.events)))], nil
}

func (h *history) Cursor(context.Context, dispatch.MarketID) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cursor, h.fault
}

func (h *history) SetCursor(_ context.Context, _ dispatch.MarketID, seq int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault != nil {
		return h.fault
	}
	if seq < h.cursor {
		return errors.New("the cursor went back")
	}
	h.cursor = seq
	h.saves++
	return nil
}

func (h *history) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = err
}

// commit adds n events of orders and duty.
func (h *history) commit(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for range n {
		h.events = append(h.events, *anEvent(int64(len(h.events) + 1)))
	}
}

func (h *history) stored() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cursor
}

func anEvent(seq int64) *dispatch.Event {
	id := strconv.FormatInt(seq, 10)
	if seq%5 == 0 {
		return &dispatch.Event{
			Market: "sf", Seq: seq, Type: dispatch.EventDriverOnline, At: base, Version: 1,
			By: dispatch.By{Role: dispatch.RoleDriver, Sub: "d" + id},
			Duty: &dispatch.Duty{
				Driver: dispatch.DriverID("d" + id), Market: "sf", Version: 1, Online: true,
				VehicleClass: "standard", Capacity: 1, Tags: []string{"pets"}, Since: base,
			},
		}
	}
	o := anOrder()
	o.ID = dispatch.OrderID("o." + id)
	return &dispatch.Event{
		Market: "sf", Seq: seq, Type: dispatch.Entered(o.State), At: base, Version: o.Version,
		By: dispatch.By{Role: dispatch.RoleDriver, Sub: "d1"}, From: dispatch.StateOffered, To: o.State,
		Driver: o.Driver, Offer: "offer-1", Order: o,
	}
}

// anOrder has every public field set.
func anOrder() *dispatch.Order {
	return &dispatch.Order{
		ID: "o1", Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateEnRouteToPickup, Version: 3,
		Rider: "r1", Driver: "d1", VehicleClass: "standard",
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.78, Lng: -122.41}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.75, Lng: -122.42}},
		},
		NextStop: 1, RequestedAt: base, PickupAt: base.Add(time.Hour), PickupETA: base.Add(time.Minute),
		DropoffETA: base.Add(2 * time.Minute), CancelledBy: "provider", Reason: "a \"reason\"",
	}
}

// startServer gives a server in the process that ends with the test.
func startServer(t testing.TB, dir string) *EmbeddedServer {
	t.Helper()
	s, err := StartServer(ServerConfig{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t testing.TB, s *EmbeddedServer) *Conn {
	t.Helper()
	c, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// within waits for a condition that other goroutines bring about.
func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// receive takes one value of a channel.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}
