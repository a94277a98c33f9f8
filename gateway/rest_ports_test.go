package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/geo"
)

const restSecret = "rest-secret-rest-secret-rest-secret"

// restPorts stands in for the core behind the edge: it keeps what it was asked and answers from its maps. The
// real core answers in the tests of cmd/hexfleet.
type restPorts struct {
	mu       sync.Mutex
	commands []dispatch.Command // guarded by mu
	filters  []dispatch.OrderFilter
	fixes    []geo.Fix
	put      dispatch.MarketID

	// Immutable while the server runs.
	reply  func(dispatch.Command) dispatch.Reply
	orders []dispatch.Order // newest first
	events []dispatch.Event
	duty   map[dispatch.DriverID]dispatch.Duty
	broken error
	// markets are the default ones when nil.
	markets dispatch.Markets
}

func (f *restPorts) Do(_ context.Context, c dispatch.Command) dispatch.Reply {
	f.mu.Lock()
	f.commands = append(f.commands, c)
	f.mu.Unlock()
	return f.reply(c)
}

func (f *restPorts) asked() []dispatch.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

func (f *restPorts) Order(_ context.Context, id dispatch.OrderID) (dispatch.Order, error) {
	if f.broken != nil {
		return dispatch.Order{}, f.broken
	}
	for _, o := range f.orders {
		if o.ID == id {
			return o, nil
		}
	}
	return dispatch.Order{}, dispatch.Errorf(dispatch.CodeNotFound, "", "no order %s in the store", id)
}

func (f *restPorts) OrderEvents(_ context.Context, _ dispatch.OrderID, after int64, limit int) ([]dispatch.Event, error) {
	var out []dispatch.Event
	for _, e := range f.events {
		if e.Version > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (f *restPorts) Orders(_ context.Context, q dispatch.OrderFilter) ([]dispatch.Order, error) {
	f.mu.Lock()
	f.filters = append(f.filters, q)
	f.mu.Unlock()
	var out []dispatch.Order
	for _, o := range f.orders {
		switch {
		case q.Rider != "" && o.Rider != q.Rider, q.Driver != "" && o.Driver != q.Driver:
		case q.Market != "" && o.Market != q.Market, q.After != "" && o.ID >= q.After:
		case len(q.States) > 0 && !slices.Contains(q.States, o.State), len(out) == q.Limit:
		case len(q.Markets) > 0 && !slices.Contains(q.Markets, o.Market):
		default:
			out = append(out, o)
		}
	}
	return out, nil
}

func (f *restPorts) OwnOrders(context.Context, dispatch.Actor, time.Time) ([]dispatch.Order, error) {
	return nil, nil
}

func (f *restPorts) Duty(_ context.Context, d dispatch.DriverID) (dispatch.Duty, error) {
	duty, known := f.duty[d]
	if !known {
		return dispatch.Duty{}, dispatch.Errorf(dispatch.CodeNotFound, "", "no duty")
	}
	return duty, nil
}

func (f *restPorts) OrderOffers(context.Context, dispatch.OrderID) ([]dispatch.Offer, error) {
	return nil, nil
}

func (f *restPorts) LiveOffers(context.Context, dispatch.DriverID) ([]dispatch.Offer, error) {
	return nil, nil
}

func (f *restPorts) MarketEvents(context.Context, dispatch.MarketID, int64, int) ([]dispatch.Event, error) {
	return nil, nil
}

func (f *restPorts) Cursor(context.Context, dispatch.MarketID) (int64, error) { return 0, nil }

func (f *restPorts) Put(m dispatch.MarketID, _ dispatch.DriverID, fixes []geo.Fix) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put, f.fixes = m, append(f.fixes, fixes...)
}

func (f *restPorts) Driver(ctx context.Context, d dispatch.DriverID) (dispatch.Driver, *geo.Fix, error) {
	duty, err := f.Duty(ctx, d)
	return dispatch.Driver{Duty: duty, State: dispatch.DriverAvailable}, nil, err
}

func (f *restPorts) Nearby(_ context.Context, m dispatch.MarketID, p geo.LatLng, limit int) ([]Near, error) {
	near := Near{Fix: geo.Fix{LatLng: p}, Distance: 12}
	near.Driver.Duty = dispatch.Duty{Driver: "d1", Market: m}
	return slices.Repeat([]Near{near}, min(limit, 2)), nil
}

func (f *restPorts) Subscribe(dispatch.Listener) (stop func(), err error) { return func() {}, nil }

// restServer runs a real Server over f.
func restServer(t *testing.T, f *restPorts) *httptest.Server {
	t.Helper()
	keys, err := auth.NewHMAC([]byte(restSecret))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if f.markets == nil {
		f.markets = dispatch.DefaultMarkets()
	}
	s, err := New(Config{
		Orders: f, History: f, Positions: f, Feed: f, Board: f, Explain: f, Markets: func() dispatch.Markets { return f.markets }, Auth: keys,
		Market: dispatch.NewMarketClock(dispatch.Anchor{Wall: now, Market: now, Scale: 2}), Wall: dispatch.Wall{},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registry: prometheus.NewRegistry(),
		Ready: func() error { return f.broken },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() { h.Close(); s.Close() })
	return h
}

// restToken mints a token such as "rider r1" or "driver d1 sf,nyc".
func restToken(t *testing.T, who string) string {
	t.Helper()
	words := strings.Fields(who)
	claims := auth.Claims{Role: dispatch.Role(words[0]), Sub: words[1]}
	if len(words) > 2 {
		for m := range strings.SplitSeq(words[2], ",") {
			claims.Markets = append(claims.Markets, dispatch.MarketID(m))
		}
	}
	token, err := auth.Mint([]byte(restSecret), claims, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// restAnswer is what a call was answered.
type restAnswer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// restDo sends one request; headers are "Name: value". who "" sends no token. A body brings its content type
// unless a header names one.
func restDo(t *testing.T, h *httptest.Server, who, call, body string, headers ...string) restAnswer {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+restToken(t, who))
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
		if name == "Content-Type" {
			req.Header.Set(name, value)
		}
	}
	resp, err := h.Client().Do(req)
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	out := restAnswer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if strings.HasSuffix(resp.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		if err := json.Unmarshal(raw, &out.body); err != nil {
			t.Fatalf("%s: %s: %v", call, raw, err)
		}
	}
	return out
}
