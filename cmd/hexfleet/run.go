package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/gateway"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/store"
)

// How long a drain may take: sockets first, then the markets; together under the 25 s that the contract
// gives a SIGTERM, and under the 30 s after which supervisors kill.
const (
	drainSockets = 15 * time.Second
	drainMarkets = 5 * time.Second
	// drainStore is for a store that hangs: it is left behind then.
	drainStore = 2 * time.Second
)

// readHeaderTimeout bounds how long a connection may take to say what it wants.
const readHeaderTimeout = 10 * time.Second

// server is a running hexfleet: every room, wired. Its fields are set by startServer and not changed.
type server struct {
	log      *slog.Logger
	scheme   string
	listener net.Listener
	// undo takes down what was put up, last first.
	undo    []func()
	node    *node.Node
	gateway *gateway.Server
	// registry has the metrics of all rooms.
	registry *prometheus.Registry
	markets  atomic.Pointer[dispatch.Markets]
	// draining is set once: /readyz then says no.
	draining atomic.Bool
	// failed brings the error of a listener that stopped by itself. Capacity 2: the public and the admin one.
	failed chan error
}

// startServer puts the rooms up, from the store to the edge, and serves. On an error what stands is taken
// down again.
func startServer(ctx context.Context, c *serveCmd, markets dispatch.Markets, log *slog.Logger) (_ *server, err error) {
	s := &server{log: log, scheme: "http", failed: make(chan error, 2)}
	s.markets.Store(&markets)
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.onStop(func() { _ = s.listener.Close() }) // an HTTP server may have closed it before

	secret, err := c.readOrMake()
	if err != nil {
		return nil, err
	}
	keys, err := auth.NewHMAC(secret)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", c.path(), err)
	}
	wall := dispatch.Wall{}
	journal, err := openJournal(ctx, c, markets, log)
	if err != nil {
		return nil, err
	}
	s.onStop(func() { s.closeStore(journal) })
	conn, err := s.connectBus(c)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	s.registry = registry
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		conn.Collector())
	archive, _ := journal.Journal.(node.Archive)
	learning, _ := journal.Journal.(node.Learning)
	router, err := c.router(log, registry)
	if err != nil {
		return nil, err
	}
	s.node = node.New(node.Config{
		Markets: markets, Store: failStore(journal), Bus: conn, ETA: router, Clock: journal.clock, Wall: wall, Log: log,
		Registry: registry, Shared: journal.shared, OwnBus: c.NATSURL == "", Patience: journal.patience, Agree: journal.agree,
		Archive: archive, Learning: learning, Keep: c.keep(c.TimeScale), Record: recording(c.Record, log, registry),
		Explain: true,
	})
	if err := s.node.Start(ctx); err != nil {
		return nil, err
	}
	s.onStop(s.stopNode)
	s.gateway, err = gateway.New(gateway.Config{
		Orders: failOrders(s.node), History: journal, Positions: s.node, Feed: conn, Board: s.node, Explain: s.node, Audit: journal.audit,
		Markets: func() dispatch.Markets { return *s.markets.Load() },
		Auth:    keys, Market: journal.clock, Wall: wall, Log: log, Registry: registry,
		HideMetrics: c.AdminListen != "", Ready: func() error { return s.ready(journal) }, Standing: s.node.Standing,
		AllowedOrigins: c.AllowedOrigins,
	})
	if err != nil {
		return nil, err
	}
	if err := s.gateway.Start(ctx); err != nil {
		return nil, err
	}
	s.onStop(s.gateway.Close)
	if c.AdminListen != "" {
		if err := s.serveAdmin(c.AdminListen, registry); err != nil {
			return nil, err
		}
	}
	if err := s.serve(c); err != nil {
		return nil, err
	}
	if journal.shared {
		// Before the sockets are drained, which takes seconds: another server leads meanwhile, and whoever comes to it
		// from here is served.
		s.onStop(s.stopNode)
	}
	return s, nil
}

// closeStore waits for the store, but not for ever.
func (s *server) closeStore(j store.Journal) {
	closed := make(chan error, 1)
	go func() { closed <- j.Close() }()
	timer := time.NewTimer(drainStore)
	defer timer.Stop()
	select {
	case err := <-closed:
		s.warn("close the store", err)
	case <-timer.C:
		s.log.Warn("the store does not close; it is left as it is", "after", drainStore)
	}
}

// stopNode ends the leading of markets; a second time it has nothing to do.
func (s *server) stopNode() {
	ctx, cancel := context.WithTimeout(context.Background(), drainMarkets)
	defer cancel()
	s.node.Stop(ctx)
}

// connectBus starts the NATS in the process, or connects to the one outside.
func (s *server) connectBus(c *serveCmd) (*bus.Conn, error) {
	if c.NATSURL != "" {
		conn, err := bus.Dial(c.NATSURL, s.log)
		if err != nil {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
		s.onStop(conn.Close)
		return conn, nil
	}
	embedded, err := bus.StartServer(bus.ServerConfig{Dir: filepath.Join(c.DataDir, "nats"), Log: s.log})
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	s.onStop(embedded.Stop)
	conn, err := embedded.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	s.onStop(conn.Close)
	return conn, nil
}

// serve begins to answer on the public listener; stop drains it.
func (s *server) serve(c *serveCmd) error {
	h := &http.Server{
		Handler: s.gateway.Handler(), ReadHeaderTimeout: readHeaderTimeout,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	begin := func() error { return h.Serve(s.listener) }
	if c.TLSCert != "" {
		s.scheme = "https"
		begin = func() error { return h.ServeTLS(s.listener, c.TLSCert, c.TLSKey) }
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := begin(); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	s.onStop(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainSockets)
		defer cancel()
		s.warn("drain the sockets", s.gateway.Drain(ctx))
		s.warn("drain requests", h.Shutdown(ctx))
		<-ended
	})
	return nil
}

// serveAdmin begins to answer on the operators' listener.
func (s *server) serveAdmin(listen string, registry *prometheus.Registry) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen for operators: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	h := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	s.onStop(func() {
		s.warn("close the operators' listener", h.Close())
		<-ended
	})
	return nil
}

// ready tells why no traffic should come; nil when it should.
func (s *server) ready(j store.Journal) error {
	if s.draining.Load() {
		return errors.New("draining")
	}
	if err := s.node.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return j.Ping(ctx)
}

// reload reads the markets' policies again; a file that cannot be taken changes nothing.
func (s *server) reload(path string) {
	ms, err := readMarkets(path)
	if err == nil {
		err = samePlaces(*s.markets.Load(), ms)
	}
	if err != nil {
		s.log.Error("markets not reloaded", "error", err)
		return
	}
	s.node.Reload(ms)
	s.markets.Store(&ms)
	s.log.Info("policies reloaded", "markets", len(ms))
}

// samePlaces refuses a reload that changes more than policies: orders are tied to their market's place.
func samePlaces(old, fresh dispatch.Markets) error {
	if len(old) != len(fresh) {
		return fmt.Errorf("a reload changes policies only: there are %d markets, the file has %d", len(old), len(fresh))
	}
	for _, m := range old {
		f, ok := fresh.Get(m.ID)
		if !ok || string(f.Area.GeoJSON()) != string(m.Area.GeoJSON()) {
			return fmt.Errorf("a reload changes policies only: market %s has gone or its area has changed", m.ID)
		}
	}
	return nil
}

// url is where the server listens.
func (s *server) url() string { return s.scheme + "://" + s.listener.Addr().String() }

func (s *server) onStop(f func()) { s.undo = append(s.undo, f) }

// stop drains and takes everything down, last first: not ready, sockets, requests, markets, bus, store.
func (s *server) stop() {
	s.draining.Store(true)
	for len(s.undo) > 0 {
		last := len(s.undo) - 1
		s.undo[last]()
		s.undo = s.undo[:last]
	}
}

func (s *server) warn(doing string, err error) {
	if err != nil {
		s.log.Warn(doing, "error", err)
	}
}
