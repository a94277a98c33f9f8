package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// Waits of a connection, wall time.
const (
	reconnectWait = 250 * time.Millisecond
	flushTimeout  = 5 * time.Second
	// ackTimeout is how long a publish may go unacknowledged before the relay starts again from its cursor.
	ackTimeout = 5 * time.Second
)

// Conn is one connection to NATS, of the process or outside. It reconnects for ever and buffers nothing
// while it is away: a publish then fails at once, and the relay tries again from its cursor. Safe for
// concurrent use; immutable after Dial but for slow.
type Conn struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log *slog.Logger
	// slow counts how often a subscription fell behind and lost messages.
	slow atomic.Int64
}

// Dial connects to the NATS servers of url, separated by commas.
func Dial(url string, log *slog.Logger) (*Conn, error) { return dial(url, log) }

func dial(url string, log *slog.Logger, more ...nats.Option) (*Conn, error) {
	c := &Conn{log: log}
	options := append([]nats.Option{
		nats.Name("hexfleet"),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ErrorHandler(c.onError),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("bus disconnected", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("bus reconnected") }),
	}, more...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", redacted(url), err)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(ackTimeout))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	c.nc, c.js = nc, js
	return c, nil
}

// Connected tells whether the connection stands at this moment.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Close sends what is buffered and ends the connection.
func (c *Conn) Close() {
	if c.nc.IsConnected() {
		if err := c.nc.FlushTimeout(flushTimeout); err != nil {
			c.log.Warn("bus not flushed", "err", err)
		}
	}
	c.nc.Close()
}

// Collector gives the connection's metrics.
func (c *Conn) Collector() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "hexfleet_bus_slow_subscriptions_total",
		Help: "How often a subscription fell behind and lost messages; listeners heal events by seq.",
	}, func() float64 { return float64(c.slow.Load()) })
}

// onError is told what NATS cannot return to a caller: lost messages and refused permissions.
func (c *Conn) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	subject, dropped := "", 0
	if sub != nil {
		subject = sub.Subject
		dropped, _ = sub.Dropped() // an ended subscription has no count
	}
	if errors.Is(err, nats.ErrSlowConsumer) {
		c.slow.Add(1)
		c.log.Warn("bus subscription is slow, messages were dropped", "subject", subject, "dropped", dropped)
		return
	}
	c.log.Error("bus error", "subject", subject, "err", err)
}
