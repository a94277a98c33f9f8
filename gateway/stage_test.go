package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/geo"
)

// patience bounds every wait of these tests; none passes because of it.
const patience = 20 * time.Second

var stageSecret = []byte(strings.Repeat("s", auth.MinSecret))

// stage is a server on a real listener, and the rest of the system played by a small journal in memory: what
// is committed is readable at once, and published after it.
type stage struct {
	t      testing.TB
	srv    *Server
	http   *httptest.Server
	wall   dispatch.Clock
	market *dispatch.MarketClock

	// tight has connections opened with small buffers in the kernel, so that a slow reader is felt soon.
	tight atomic.Bool

	// publishing keeps events in order on their way to the listener.
	publishing sync.Mutex

	mu       sync.Mutex
	listener *dispatch.Listener
	orders   map[dispatch.OrderID][]dispatch.Event
	seq      map[dispatch.MarketID][]dispatch.Event
	offers   []dispatch.Offer
	duty     map[dispatch.DriverID]dispatch.Duty
	board    *dispatch.Board // nil: away
	answers  map[string]dispatch.Reply
	puts     []put
	commands int
	// lose tells which events are not published.
	lose func(seq int64) bool
	// judge stands in for the core when it is set.
	judge func(context.Context, dispatch.Command) (dispatch.Reply, bool)
	// away fails or holds up the reads of the history.
	away func(ctx context.Context, what string, m dispatch.MarketID) error
}

type put struct {
	market dispatch.MarketID
	driver dispatch.DriverID
	fixes  []geo.Fix
}

// newStage starts a server; change may be nil.
func newStage(t testing.TB, change func(*Config)) *stage {
	t.Helper()
	now := time.Now().UTC()
	st := &stage{
		t: t, market: dispatch.NewMarketClock(dispatch.Anchor{Wall: now, Market: now, Scale: 1}),
		orders: map[dispatch.OrderID][]dispatch.Event{}, seq: map[dispatch.MarketID][]dispatch.Event{},
		duty: map[dispatch.DriverID]dispatch.Duty{}, answers: map[string]dispatch.Reply{},
	}
	keys, err := auth.NewHMAC(stageSecret)
	if err != nil {
		t.Fatal(err)
	}
	markets := dispatch.Markets{stageMarket(t, "east", 20), stageMarket(t, "west", 0)}
	c := Config{
		Orders: st, History: st, Positions: st, Feed: st, Board: st, Auth: keys,
		Markets: func() dispatch.Markets { return markets },
		Market:  st.market, Wall: dispatch.Wall{},
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)),
		Registry: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&c)
	}
	st.wall = c.Wall
	if st.srv, err = New(c); err != nil {
		t.Fatal(err)
	}
	if err := st.srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.http = httptest.NewUnstartedServer(st.srv.Handler())
	st.http.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if st.tight.Load() {
			_ = c.(*net.TCPConn).SetWriteBuffer(4096)
		}
		return ctx
	}
	st.http.Start()
	t.Cleanup(func() {
		st.srv.Close()
		st.http.Close()
	})
	return st
}

// stageMarket is a square of ten degrees whose west edge is at lng.
func stageMarket(t testing.TB, id dispatch.MarketID, lng float64) dispatch.Market {
	t.Helper()
	area, err := geo.ParseArea([]byte(fmt.Sprintf(
		`{"type":"Polygon","coordinates":[[[%[1]g,0],[%[2]g,0],[%[2]g,10],[%[1]g,10],[%[1]g,0]]]}`, lng, lng+10)))
	if err != nil {
		t.Fatal(err)
	}
	return dispatch.Market{ID: id, Name: string(id), Timezone: "UTC", Area: area, Policy: dispatch.DefaultPolicy()}
}

// run is t.Run for the peers of the stage too.
func (st *stage) run(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		outer := st.t
		st.t = t
		defer func() { st.t = outer }()
		f(t)
	})
}

// order makes a new order of a rider.
func (st *stage) order(id dispatch.OrderID, rider dispatch.RiderID) dispatch.Order {
	return st.orderIn(id, rider, "west")
}

func (st *stage) orderIn(id dispatch.OrderID, rider dispatch.RiderID, m dispatch.MarketID) dispatch.Order {
	return st.commit(dispatch.Order{
		ID: id, Market: m, Kind: dispatch.KindRide, State: dispatch.StateSearching, Rider: rider,
		VehicleClass: dispatch.DefaultVehicleClass, RequestedAt: st.market.Now(),
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 1, Lng: 1}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 2, Lng: 2}},
		},
	}, "")
}

// step takes an order on to a state, with the driver it then has.
func (st *stage) step(id dispatch.OrderID, to dispatch.State, driver dispatch.DriverID) dispatch.Order {
	st.mu.Lock()
	o := *last(st.orders[id]).Order
	st.mu.Unlock()
	gone := o.Driver
	o.State, o.Driver = to, driver
	if driver != "" {
		gone = ""
	}
	return st.commit(o, gone)
}

// commit makes the next version of an order durable and publishes it. takenOff is the driver of a redispatch.
func (st *stage) commit(o dispatch.Order, takenOff dispatch.DriverID) dispatch.Order {
	st.publishing.Lock()
	defer st.publishing.Unlock()
	st.mu.Lock()
	history := st.orders[o.ID]
	from := dispatch.State("")
	if len(history) > 0 {
		from = last(history).To
	}
	o.Version = int64(len(history)) + 1
	e := dispatch.Event{
		Market: o.Market, Seq: int64(len(st.seq[o.Market])) + 1, Type: dispatch.Entered(o.State),
		At: st.market.Now(), By: dispatch.By{Role: dispatch.RoleEngine}, Version: o.Version,
		Order: &o, From: from, To: o.State, Driver: cmp.Or(o.Driver, takenOff),
	}
	st.orders[o.ID] = append(history, e)
	st.seq[o.Market] = append(st.seq[o.Market], e)
	st.mu.Unlock()
	st.publish(&e)
	return o
}

func (st *stage) publish(e *dispatch.Event) {
	st.mu.Lock()
	l, lost := st.listener, st.lose != nil && st.lose(e.Seq)
	st.mu.Unlock()
	if l != nil && !lost {
		l.Event(e)
	}
}

// published tells the hub how far a market has come, as its leader does each second.
func (st *stage) published(m dispatch.MarketID) {
	st.mu.Lock()
	l, seq := st.listener, int64(len(st.seq[m]))
	st.mu.Unlock()
	l.Published(m, seq)
}

// offer makes an offer of an order to a driver, and tells the hub.
func (st *stage) offer(id dispatch.OfferID, order dispatch.OrderID, driver dispatch.DriverID) dispatch.Offer {
	st.mu.Lock()
	o := *last(st.orders[order]).Order
	f := dispatch.Offer{
		ID: id, Order: order, Market: o.Market, Driver: driver, State: dispatch.OfferLive,
		Pickup: 90 * time.Second, CreatedAt: st.market.Now(), ExpiresAt: st.market.Now().Add(time.Minute),
	}
	st.offers = append(st.offers, f)
	l := st.listener
	st.mu.Unlock()
	l.Notice(&dispatch.Notice{Offer: f, Order: &o})
	return f
}

// end ends an offer, and tells the hub.
func (st *stage) end(f dispatch.Offer, as dispatch.OfferState, reason string) {
	st.mu.Lock()
	st.offers = slices.DeleteFunc(st.offers, func(g dispatch.Offer) bool { return g.ID == f.ID })
	l := st.listener
	st.mu.Unlock()
	f.State, f.Reason, f.EndedAt = as, reason, st.market.Now()
	l.Notice(&dispatch.Notice{Offer: f})
}

func last(events []dispatch.Event) dispatch.Event { return events[len(events)-1] }

// Do implements Orders: enough of a core to be asked by sockets.
func (st *stage) Do(ctx context.Context, c dispatch.Command) dispatch.Reply {
	st.mu.Lock()
	st.commands++
	judge := st.judge
	kept, again := st.answers[c.By.Sub+"/"+c.Key.ID]
	st.mu.Unlock()
	if judge != nil {
		if r, ok := judge(ctx, c); ok {
			return r
		}
	}
	if again {
		return kept
	}
	r := st.judged(c)
	if r.Err == nil {
		st.mu.Lock()
		st.answers[c.By.Sub+"/"+c.Key.ID] = r
		st.mu.Unlock()
	}
	return r
}

func (st *stage) judged(c dispatch.Command) dispatch.Reply {
	switch c.Op {
	case dispatch.OpCreate:
		o := st.commit(dispatch.Order{
			ID: c.Order, Market: c.Market, Kind: c.New.Kind, State: dispatch.StateSearching, Rider: c.New.Rider,
			VehicleClass: c.New.VehicleClass, Stops: c.New.Stops, RequestedAt: st.market.Now(),
		}, "")
		return dispatch.Reply{Order: &o}
	case dispatch.OpDuty:
		st.setDuty(dispatch.DriverID(c.By.Sub), c.Market, c.Duty.Online)
		return dispatch.Reply{}
	case dispatch.OpAdvance, dispatch.OpCancel:
		if _, err := st.Order(context.Background(), c.Order); err != nil {
			return dispatch.Reply{Err: dispatch.Errorf(dispatch.CodeNotFound, "/order_id", "no such order")}
		}
		to := c.To
		if c.Op == dispatch.OpCancel {
			to = dispatch.StateCancelled
		}
		st.mu.Lock()
		driver := last(st.orders[c.Order]).Order.Driver
		st.mu.Unlock()
		o := st.step(c.Order, to, driver)
		return dispatch.Reply{Order: &o}
	}
	return dispatch.Reply{Err: dispatch.Errorf(dispatch.CodeNotFound, "/offer_id", "no such offer")}
}

// setDuty makes a driver's duty durable; it is not published.
func (st *stage) setDuty(d dispatch.DriverID, m dispatch.MarketID, online bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.duty[d] = dispatch.Duty{Driver: d, Market: m, Online: online, Version: st.duty[d].Version + 1, Capacity: 1}
}

// Subscribe implements Feed.
func (st *stage) Subscribe(l dispatch.Listener) (func(), error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.listener = &l
	return func() {}, nil
}

// Put implements Positions.
func (st *stage) Put(m dispatch.MarketID, d dispatch.DriverID, fixes []geo.Fix) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.puts = append(st.puts, put{m, d, fixes})
}

// Driver implements Positions.
func (st *stage) Driver(context.Context, dispatch.DriverID) (dispatch.Driver, *geo.Fix, error) {
	return dispatch.Driver{}, nil, errors.New("not played")
}

// Nearby implements Positions.
func (st *stage) Nearby(context.Context, dispatch.MarketID, geo.LatLng, int) ([]Near, error) {
	return nil, errors.New("not played")
}

// reading is asked before each read of the history.
func (st *stage) reading(ctx context.Context, what string, m dispatch.MarketID) error {
	st.mu.Lock()
	away := st.away
	st.mu.Unlock()
	if away == nil {
		return nil
	}
	return away(ctx, what, m)
}

// Order implements History.
func (st *stage) Order(ctx context.Context, id dispatch.OrderID) (dispatch.Order, error) {
	if err := st.reading(ctx, "order", ""); err != nil {
		return dispatch.Order{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.orders[id]) == 0 {
		return dispatch.Order{}, dispatch.Errorf(dispatch.CodeNotFound, "", "there is none such")
	}
	return *last(st.orders[id]).Order, nil
}

// OrderEvents implements History.
func (st *stage) OrderEvents(ctx context.Context, id dispatch.OrderID, after int64, limit int) ([]dispatch.Event, error) {
	if err := st.reading(ctx, "order events", ""); err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return window(st.orders[id], after, limit), nil
}

// MarketEvents implements History.
func (st *stage) MarketEvents(ctx context.Context, m dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error) {
	if err := st.reading(ctx, "market events", m); err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return window(st.seq[m], after, limit), nil
}

// window gives the events after a dense number, at most limit.
func window(events []dispatch.Event, after int64, limit int) []dispatch.Event {
	if after >= int64(len(events)) {
		return nil
	}
	events = events[after:]
	return slices.Clone(events[:min(limit, len(events))])
}

// Cursor implements History.
func (st *stage) Cursor(_ context.Context, m dispatch.MarketID) (int64, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return int64(len(st.seq[m])), nil
}

// Orders implements History.
func (st *stage) Orders(context.Context, dispatch.OrderFilter) ([]dispatch.Order, error) {
	return nil, errors.New("not played")
}

// OwnOrders implements History.
func (st *stage) OwnOrders(ctx context.Context, by dispatch.Actor, since time.Time) ([]dispatch.Order, error) {
	if err := st.reading(ctx, "own orders", ""); err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	var own []dispatch.Order
	for _, id := range slices.Sorted(maps.Keys(st.orders)) {
		e := last(st.orders[id])
		mine := string(e.Order.Rider) == by.Sub || string(e.Order.Driver) == by.Sub
		if mine && (!e.To.Closed() || !e.At.Before(since)) {
			own = append(own, *e.Order)
		}
	}
	return own, nil
}

// Duty implements History.
func (st *stage) Duty(ctx context.Context, d dispatch.DriverID) (dispatch.Duty, error) {
	if err := st.reading(ctx, "duty", ""); err != nil {
		return dispatch.Duty{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	duty, ok := st.duty[d]
	if !ok {
		return dispatch.Duty{}, dispatch.Errorf(dispatch.CodeNotFound, "", "there is none such")
	}
	return duty, nil
}

// OrderOffers implements History.
func (st *stage) OrderOffers(_ context.Context, id dispatch.OrderID) ([]dispatch.Offer, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(st.offers), func(f dispatch.Offer) bool { return f.Order != id }), nil
}

// LiveOffers implements History.
func (st *stage) LiveOffers(_ context.Context, d dispatch.DriverID) ([]dispatch.Offer, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(st.offers), func(f dispatch.Offer) bool { return f.Driver != d }), nil
}

// token mints a token that lives for an hour of the server's wall time.
func (st *stage) token(role dispatch.Role, sub string, change ...func(*auth.Claims)) string {
	st.t.Helper()
	c := auth.Claims{Sub: sub, Role: role}
	for _, f := range change {
		f(&c)
	}
	token, err := auth.Mint(stageSecret, c, time.Hour, st.wall.Now())
	if err != nil {
		st.t.Fatal(err)
	}
	return token
}
