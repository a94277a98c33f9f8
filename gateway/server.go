package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// DefaultHeartbeat is the time between two pings of the server when Config names none: short enough to
// outlive the idle timeouts of common proxies (60 s) even when two pings are lost.
const DefaultHeartbeat = 15 * time.Second

// Config is what a Server is given. Every field without a stated zero value is required.
type Config struct {
	Orders    Orders
	History   History
	Positions Positions
	Feed      Feed
	// Board shows markets to staff; nil: board.watch is unavailable.
	Board Board
	// Explain tells how rounds dealt with orders; nil: only their offers are told.
	Explain Explainer
	// Audit keeps refused accesses; nil: they are counted only.
	Audit Audit
	// Markets gives the markets as they stand; called often, so it must be cheap.
	Markets func() dispatch.Markets
	Auth    *auth.Keys
	// Market is the market clock, Wall the wall clock (heartbeats, token expiry, drain).
	Market *dispatch.MarketClock
	Wall   dispatch.Clock
	Log    *slog.Logger
	// Registry is given the gateway's metrics; it is also what /metrics tells.
	Registry *prometheus.Registry
	// HideMetrics keeps /metrics off this handler, for a server whose operators have a listener of their own.
	HideMetrics bool
	// Ready tells why the server should not be given traffic; nil means always ready.
	Ready func() error
	// Standing tells which markets this node leads and for which it stands by; nil means that it leads all.
	Standing func() (leads, standsBy []dispatch.MarketID)
	// AllowedOrigins are the browser origins (scheme://host[:port], or "*") that may open a socket, besides
	// the server's own host. Requests without an Origin header are no browser's and always pass.
	AllowedOrigins []string
	// Heartbeat is the time between two pings of the server, wall time; 0 means DefaultHeartbeat.
	Heartbeat time.Duration
}

// validate fills in the defaults and names what is missing.
func (c *Config) validate() error {
	missing := ""
	switch {
	case c.Orders == nil:
		missing = "Orders"
	case c.History == nil:
		missing = "History"
	case c.Positions == nil:
		missing = "Positions"
	case c.Feed == nil:
		missing = "Feed"
	case c.Markets == nil:
		missing = "Markets"
	case c.Auth == nil:
		missing = "Auth"
	case c.Market == nil:
		missing = "Market"
	case c.Wall == nil:
		missing = "Wall"
	case c.Log == nil:
		missing = "Log"
	case c.Registry == nil:
		missing = "Registry"
	}
	if missing != "" {
		return errors.New("gateway config: " + missing + " is required")
	}
	if c.Heartbeat < 0 {
		return errors.New("gateway config: Heartbeat must not be negative")
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.Ready == nil {
		c.Ready = func() error { return nil }
	}
	if c.Standing == nil {
		c.Standing = c.leadsAll
	}
	return nil
}

// leadsAll is the standing of a node alone.
func (c *Config) leadsAll() (leads, standsBy []dispatch.MarketID) {
	for _, m := range c.Markets() {
		leads = append(leads, m.ID)
	}
	return leads, nil
}

// Server is the edge of one node: REST, sockets, and the hub that turns what markets publish into frames.
// Its life is New, Start, then Drain or Close.
type Server struct {
	cfg     Config // immutable after New
	edge    *edge
	metrics *metrics
	duties  *duties
	hub     *hub
	sockets *sockets
	plates  *plates
	tickets *tickets
	audit   *auditor
	page    *boardPage
	handler http.Handler
}

// New makes a server that is not yet told anything; it registers its metrics.
func New(c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: c, edge: newEdge(c), plates: newPlates(c.Board), tickets: newTickets(c.Wall), audit: newAuditor(c)}
	s.metrics = newMetrics(c.Registry)
	s.duties = newDuties(c.History)
	s.hub = newHub(c, s.metrics, s.duties)
	s.sockets = newSockets(s)
	page, err := newBoardPage()
	if err != nil {
		return nil, err
	}
	s.page = page
	mux := http.NewServeMux()
	s.registerREST(mux)
	mux.HandleFunc("GET /v1/ws", s.sockets.serve)
	s.handler = mux
	return s, nil
}

// Handler serves REST and the socket.
func (s *Server) Handler() http.Handler { return s.handler }

// Start subscribes the hub to the feed; sockets may be served before, but are told nothing live until then.
func (s *Server) Start(ctx context.Context) error {
	s.audit.begin()
	return s.hub.start(ctx)
}

// Drain ends all sockets in good order (P13): it takes no new ones, tells the open ones to come back
// elsewhere, lets the requests under way be answered, and closes in waves with code 4001. It returns when
// the last is gone or ctx ends. Close still has to be called.
func (s *Server) Drain(ctx context.Context) error { return s.sockets.drain(ctx) }

// Close cuts what sockets are left and stops the hub; it waits for every goroutine of the server. It is
// idempotent, and works on a server that was never started.
func (s *Server) Close() {
	s.sockets.close()
	s.hub.stop()
	s.audit.close()
}
