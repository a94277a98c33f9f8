package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/hexfleet/hexfleet/dispatch"
)

// serveCmd runs the server. Flags whose feature is still to be built are known, and refused by check.
type serveCmd struct {
	secretFlags
	keepFlags
	etaFlags
	Listen         string   `help:"Where to listen; port 0 picks a free one (default: ${default})." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	DatabaseURL    string   `name:"database-url" env:"HEXFLEET_DATABASE_URL" help:"A Postgres database, which several servers may share (default: SQLite in the data dir)." placeholder:"URL"`
	NATSURL        string   `name:"nats-url" env:"HEXFLEET_NATS_URL" help:"An outside NATS with JetStream (default: one in the process that opens no port)." placeholder:"URL"`
	Markets        string   `help:"Markets file, GeoJSON (default: sf, nyc and lab, embedded). SIGHUP reads its policies and zones again." placeholder:"FILE"`
	TimeScale      float64  `help:"Market seconds in a wall second (default: ${default})." default:"1" placeholder:"X"`
	TLSCert        string   `name:"tls-cert" env:"HEXFLEET_TLS_CERT" help:"Certificate chain, PEM." placeholder:"FILE"`
	TLSKey         string   `name:"tls-key" env:"HEXFLEET_TLS_KEY" help:"The certificate's key, PEM." placeholder:"FILE"`
	AdminListen    string   `help:"Serve metrics and profiles here instead, for operators only." placeholder:"HOST:PORT"`
	AllowedOrigins []string `help:"Origins of other hosts whose pages may open sockets, separated by commas." placeholder:"ORIGIN"`
	Demo           bool     `help:"Play a moving San Francisco on the server; its data dir is a fresh temporary one unless named."`
	LogFormat      string   `help:"${enum} (default: ${default})." default:"text" enum:"text,json"`

	RedisURL       string   `name:"redis-url" env:"HEXFLEET_REDIS_URL" hidden:""`
	JWKSURL        string   `name:"jwks-url" env:"HEXFLEET_JWKS_URL" hidden:""`
	TrustedProxies []string `hidden:""`

	Record string `help:"Write to this folder all that the markets' cores are given, for 'hexfleet replay': places and ids of people among it (docs/privacy.md)." placeholder:"DIR"`

	DemoDrivers int `help:"How many drivers --demo has." default:"400" hidden:""`
}

// check refuses what cannot be, before anything is touched.
func (c *serveCmd) check() error {
	if !(c.TimeScale > 0 && c.TimeScale <= dispatch.MaxScale) {
		return usagef("--time-scale must be more than 0 and at most %d, not %v", dispatch.MaxScale, c.TimeScale)
	}
	if err := checkDatabaseURL(c.DatabaseURL); err != nil {
		return err
	}
	if err := c.keepFlags.check(); err != nil {
		return err
	}
	if err := c.etaFlags.check(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usagef("--tls-cert and --tls-key go together")
	}
	for _, listen := range []string{c.Listen, c.AdminListen} {
		if _, _, err := net.SplitHostPort(listen); listen != "" && err != nil {
			return usagef("%q is not HOST:PORT: %v", listen, err)
		}
	}
	for _, later := range []struct {
		flag string
		set  bool
	}{
		{"--redis-url", c.RedisURL != ""}, {"--jwks-url", c.JWKSURL != ""},
		{"--trusted-proxies", len(c.TrustedProxies) > 0},
	} {
		if later.set {
			return usagef("%s is not built yet", later.flag)
		}
	}
	return nil
}

// Run implements the command: until ctx ends, then a drain.
func (c *serveCmd) Run(ctx context.Context, std stdio) error {
	if err := c.check(); err != nil {
		return err
	}
	markets, err := readMarkets(c.Markets)
	if err != nil {
		return err
	}
	if err := c.checkDemo(markets); err != nil {
		return err
	}
	if err := makeRecordDir(c.Record); err != nil {
		return err
	}
	named := c.DataDir != ""
	remove, err := c.makeDataDir()
	if err != nil {
		return err
	}
	s, err := startServer(ctx, c, markets, newLog(std.Err, c.LogFormat))
	if err != nil {
		remove()
		return err
	}
	defer func() {
		s.stop()
		remove()
	}()
	if _, err := fmt.Fprintf(std.Out, "listening on %s\n", s.url()); err != nil {
		s.log.Warn("standard output is closed", "error", err)
	}
	if c.Demo {
		if err := s.demonstrate(ctx, c, std, named); err != nil && ctx.Err() == nil {
			return err
		}
	}
	hup := make(chan os.Signal, 1) // one pending reload is enough
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			s.reload(c.Markets)
		case err := <-s.failed:
			return fmt.Errorf("serve: %w", err)
		case err := <-s.node.Failed():
			return fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			s.log.Info("draining")
			return nil
		}
	}
}

// makeDataDir makes the data dir, which for a demo that names none is a fresh temporary one; remove undoes
// that.
func (c *serveCmd) makeDataDir() (remove func(), err error) {
	if c.Demo && c.DataDir == "" {
		if c.DataDir, err = os.MkdirTemp("", "hexfleet-demo-"); err != nil {
			return nil, fmt.Errorf("make the data dir: %w", err)
		}
		return func() { _ = os.RemoveAll(c.DataDir) }, nil // what stays is in the system's temporary folder
	}
	c.DataDir = c.dir()
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data dir: %w", err)
	}
	return func() {}, nil
}

// demonstrate starts the demo and tells people of it; a stop ends it before the server.
func (s *server) demonstrate(ctx context.Context, c *serveCmd, std stdio, keeps bool) error {
	d, err := startDemo(ctx, s, c)
	if err != nil {
		return err
	}
	s.onStop(d.stop)
	board := d.url + "/#ticket=" + s.gateway.StaffTicket(dispatch.RoleDispatcher, demoStaff)
	return d.print(std.Err, c, board, keeps)
}
