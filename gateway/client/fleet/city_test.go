package fleet_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// scale is how fast the market clock of a tinyCity runs.
const scale = 100

// tinyCity is a server of the protocol in a hundred lines over real sockets: it offers each order to the
// first free driver and keeps its history in memory. Its faults are for the tests to set.
type tinyCity struct {
	t     *testing.T
	url   string
	begun time.Time
	// deaf leaves requests of this type unanswered; forget loses every history; cut ends each driver's first
	// connection at its first step of a trip, before the answer.
	deaf        string
	forget, cut bool
	// twoSockets lets a driver have several.
	twoSockets bool

	mu      sync.Mutex
	sockets map[string]*websocket.Conn // by sub
	onDuty  map[string]bool            // by driver; not while it is off duty
	free    []string                   // drivers on duty without an order
	waiting []wire.ID
	orders  map[wire.ID]*wire.Order
	history map[wire.ID][]wire.Event
	offers  map[string]wire.ID // by offer id
	answers map[string]any     // by request id
	wasCut  map[string]bool
	batches []int // the sizes of the telemetry messages
	seq     int64
}

func newTinyCity(t *testing.T) *tinyCity {
	c := &tinyCity{
		t: t, begun: time.Now(), sockets: map[string]*websocket.Conn{}, orders: map[wire.ID]*wire.Order{},
		history: map[wire.ID][]wire.Event{}, offers: map[string]wire.ID{}, answers: map[string]any{},
		wasCut: map[string]bool{}, onDuty: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ws", c.socket)
	mux.HandleFunc("GET /v1/orders/{id}/events", c.events)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *tinyCity) now() wire.Time {
	return wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(scale * time.Since(c.begun)))
}

func (c *tinyCity) market() wire.Market {
	return wire.Market{ID: "lab", ServerTime: c.now(), TimeScale: scale}
}

func (c *tinyCity) events(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forget {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	data, err := wire.Encode(wire.List[wire.Event]{Items: c.history[wire.ID(r.PathValue("id"))]})
	if err != nil {
		c.t.Error(err)
	}
	_, _ = w.Write(data)
}

func (c *tinyCity) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	var auth wire.Auth
	if conn.ReadJSON(&auth) != nil {
		return
	}
	role, sub, _ := strings.Cut(auth.Token, " ") // the token of this server says who
	c.mu.Lock()
	if before := c.sockets[sub]; before != nil && !c.twoSockets {
		_ = before.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4009, "replaced"), time.Now().Add(time.Second))
		_ = before.Close()
	}
	c.sockets[sub] = conn
	c.send(sub, wire.Welcome{
		Type: wire.TypeWelcome, Session: "s", Role: role, Sub: wire.ID(sub), HeartbeatS: 15, ServerTime: c.now(), TimeScale: scale,
	})
	for _, from := range auth.Resume {
		for _, e := range c.history[from.OrderID][from.AfterVersion:] {
			c.send(sub, wire.OrderUpdate{Type: wire.TypeOrder, Order: *c.orders[from.OrderID], Event: &e})
		}
	}
	for _, o := range c.orders {
		if len(auth.Resume) == 0 && o.DriverID != nil && string(*o.DriverID) == sub {
			c.send(sub, wire.OrderUpdate{Type: wire.TypeOrder, Order: *o})
		}
	}
	c.mu.Unlock()
	for {
		var m map[string]any
		if conn.ReadJSON(&m) != nil || !c.heard(role, sub, m) {
			return
		}
	}
}

// send writes to a party that is connected; mu is held, which also serialises writers.
func (c *tinyCity) send(sub string, message any) {
	if conn := c.sockets[sub]; conn != nil {
		data, err := wire.Encode(message)
		if err != nil {
			c.t.Error(err)
		}
		_ = conn.WriteMessage(websocket.TextMessage, data)
	}
}

// heard answers one request; false cuts the connection.
func (c *tinyCity) heard(role, sub string, m map[string]any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, _ := m["id"].(string)
	kind := m["type"].(string)
	if points, ok := m["points"].([]any); ok {
		c.batches = append(c.batches, len(points))
	}
	if id == "" || kind == c.deaf {
		return true
	}
	if answer, again := c.answers[id]; again {
		c.send(sub, answer)
		return true
	}
	answer := c.judge(role, sub, kind, id, m)
	c.answers[id] = answer
	if c.cut && kind == wire.TypeTripAdvance && !c.wasCut[sub] {
		c.wasCut[sub] = true
		delete(c.sockets, sub)
		return false
	}
	c.send(sub, answer)
	c.match()
	return true
}

// judge does what is asked and gives the answer; mu is held.
func (c *tinyCity) judge(role, sub, kind, id string, m map[string]any) any {
	var order *wire.Order
	switch kind {
	case wire.TypeDuty:
		delete(c.onDuty, sub)
		c.free = slices.DeleteFunc(c.free, func(d string) bool { return d == sub })
		if m["state"] == wire.DutyOnline {
			c.onDuty[sub] = true
			c.free = append(c.free, sub)
		}
		return wire.AckTo(wire.ID(id), nil)
	case wire.TypeOrderCreate:
		order = &wire.Order{
			ID: wire.ID(fmt.Sprintf("order-%d", len(c.orders)+1)), Market: "lab", Kind: "ride",
			RiderID: wireID(sub), VehicleClass: "standard", RequestedAt: c.now(),
			Stops: []wire.Stop{{Type: "pickup"}, {Type: "dropoff", Lat: 0.005}},
		}
		c.orders[order.ID] = order
		c.enter(order, "searching", role, sub)
		c.waiting = append(c.waiting, order.ID)
	case wire.TypeOfferAccept:
		order = c.orders[c.offers[m["offer_id"].(string)]]
		order.DriverID = wireID(sub)
		c.enter(order, "en_route_to_pickup", role, sub)
	case wire.TypeOfferDecline:
		order = c.orders[c.offers[m["offer_id"].(string)]]
		c.enter(order, "searching", "engine", "")
		c.waiting = append(c.waiting, order.ID)
	case wire.TypeTripAdvance:
		order = c.orders[wire.ID(m["order_id"].(string))]
		to := m["to"].(string)
		order.NextStop = map[string]int{"en_route_to_dropoff": 1, "arrived_at_dropoff": 1, "completed": 2}[to]
		c.enter(order, to, role, sub)
		if to == "completed" && c.onDuty[sub] { // who goes off duty on a trip still ends it
			c.free = append(c.free, sub)
		}
	default:
		c.t.Errorf("%s %s asked %v", role, sub, m)
	}
	snapshot := *order
	return wire.AckTo(wire.ID(id), &snapshot)
}

func wireID(s string) *wire.ID { return ptr(wire.ID(s)) }

// enter makes a transition and tells the parties; mu is held.
func (c *tinyCity) enter(o *wire.Order, state, role, sub string) {
	e := wire.Event{OrderID: o.ID, Market: "lab", Type: "order." + state, To: state, At: c.now(), By: wire.By{Role: role}}
	if o.State != "" {
		e.From = ptr(o.State)
	}
	if sub != "" {
		e.By.Sub = wireID(sub)
	}
	c.seq++
	o.Version++
	o.State, e.Version, e.Seq, e.DriverID = state, o.Version, c.seq, o.DriverID
	c.history[o.ID] = append(c.history[o.ID], e)
	c.send(string(*o.RiderID), wire.OrderUpdate{Type: wire.TypeOrder, Order: *o, Event: &e})
	if o.DriverID != nil {
		c.send(string(*o.DriverID), wire.OrderUpdate{Type: wire.TypeOrder, Order: *o, Event: &e})
	}
}

// match offers waiting orders to free drivers; mu is held.
func (c *tinyCity) match() {
	for len(c.waiting) > 0 && len(c.free) > 0 {
		o, driver := c.orders[c.waiting[0]], c.free[0]
		c.waiting, c.free = c.waiting[1:], c.free[1:]
		c.enter(o, "offered", "engine", "")
		offer := fmt.Sprintf("offer-%d", len(c.offers)+1)
		c.offers[offer] = o.ID
		told := *o
		told.RiderID = nil
		c.send(driver, wire.Offer{
			Type: wire.TypeOffer, OfferID: wire.ID(offer), Order: told,
			ExpiresAt: wire.TimeOf(c.now().Add(15 * time.Minute)),
		})
	}
}
