package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
)

// The relay's pace, wall time.
const (
	// chunkSize is how many events are read, and may be unacknowledged, at once.
	chunkSize = 256
	// saveEvery is the least time between two stores of the cursor: a store costs a transaction on the
	// writer that commits orders. What is published again after a crash carries the same message ids.
	saveEvery = 250 * time.Millisecond
	// tellEvery is how often the published seq is told and the history is polled, in case a kick was lost.
	tellEvery = time.Second
	// Waits after a failure, doubled up to the greatest.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Source is the history as the relay reads it; store.Relay has it.
type Source interface {
	MarketEvents(ctx context.Context, m dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error)
	Cursor(ctx context.Context, m dispatch.MarketID) (int64, error)
	SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error
}

// RelayConfig is what a relay is made of; all but Registerer is required.
type RelayConfig struct {
	Market dispatch.MarketID
	Source Source
	Conn   *Conn
	// Clock is the wall clock.
	Clock dispatch.Clock
	Log   *slog.Logger
	// Registerer takes the relay's metrics while it runs; nil for none.
	Registerer prometheus.Registerer
}

// Relay publishes the committed events of one market: in order, each at least once, with the message id
// market:seq. It reads the history after its cursor, publishes a chunk, waits for every acknowledgement and
// moves on; on any failure it starts again from the stored cursor. What the stream refused within a chunk,
// though it took a later event, is thus kept after that one: whoever reads the stream goes by seq.
type Relay struct {
	cfg  RelayConfig
	kick chan struct{} // capacity 1: one waiting kick stands for all

	// published is the greatest acknowledged seq, behind the wall instant (Unix nanoseconds) since when
	// something has been waiting, 0 while nothing is. Written by the relay's goroutine; behind also by Kick.
	published, behind atomic.Int64
	failures          prometheus.Counter
	collectors        []prometheus.Collector // immutable after NewRelay

	// stopping is closed by the first Stop, done by the goroutine.
	stopping, done chan struct{}
	mu             sync.Mutex // guards what follows
	cancel         context.CancelFunc
	stopped        bool

	// Owned by the relay's goroutine: the last acknowledged seq, the stored one (stored <= cursor), and
	// when the next store and the next telling are due.
	cursor, stored int64
	saveAt, tellAt time.Time
}

// NewRelay makes a relay; it does nothing before Start.
func NewRelay(cfg RelayConfig) *Relay {
	r := &Relay{
		cfg:      cfg,
		kick:     make(chan struct{}, 1),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	market := prometheus.Labels{"market": string(cfg.Market)}
	r.failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "hexfleet_bus_relay_failures_total", ConstLabels: market,
		Help: "How often the relay had to start again from its stored cursor.",
	})
	r.collectors = []prometheus.Collector{
		r.failures,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hexfleet_bus_relay_lag_seconds", ConstLabels: market,
			Help: "How long committed events have been waiting to be published; 0 when none is.",
		}, func() float64 { return r.Lag().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hexfleet_bus_relay_published_seq", ConstLabels: market,
			Help: "Seq of the last event acknowledged by the stream.",
		}, func() float64 { return float64(r.Published()) }),
	}
	return r
}

// Start begins to publish. The end of ctx does not end the relay, Stop does: a signal must not keep the
// last events from being published. NATS or the store may be away; the relay goes on trying.
func (r *Relay) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil || r.stopped {
		return fmt.Errorf("start relay of %s: it was started or stopped before", r.cfg.Market)
	}
	if r.cfg.Registerer != nil {
		for _, c := range r.collectors {
			if err := r.cfg.Registerer.Register(c); err != nil {
				r.unregister()
				return fmt.Errorf("start relay of %s: %w", r.cfg.Market, err)
			}
		}
	}
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go r.run(ctx)
	return nil
}

// Stop publishes what is committed, stores the cursor and ends the relay. When ctx ends before that, the
// rest is left to the next start. It may be called again, and on a relay that was not started.
func (r *Relay) Stop(ctx context.Context) {
	r.mu.Lock()
	if !r.stopped {
		r.stopped = true
		close(r.stopping)
	}
	cancel := r.cancel
	r.mu.Unlock()
	if cancel == nil {
		return
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		cancel()
		<-r.done
	}
	cancel()
	r.unregister()
}

// Kick tells that something was committed. It never blocks.
func (r *Relay) Kick() {
	r.behind.CompareAndSwap(0, r.cfg.Clock.Now().UnixNano())
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Published gives the seq up to which the stream has acknowledged the market's events; it never goes back.
func (r *Relay) Published() int64 { return r.published.Load() }

// Lag gives how long (wall time) committed events have been waiting to be published, 0 when none is.
func (r *Relay) Lag() time.Duration {
	since := r.behind.Load()
	if since == 0 {
		return 0
	}
	return max(0, r.cfg.Clock.Now().Sub(time.Unix(0, since)))
}

func (r *Relay) unregister() {
	if r.cfg.Registerer == nil {
		return
	}
	for _, c := range r.collectors {
		r.cfg.Registerer.Unregister(c)
	}
}

// run relays until it was stopped and is done, starting again after each failure.
func (r *Relay) run(ctx context.Context) {
	defer close(r.done)
	wait := minBackoff
	for {
		before := r.Published()
		err := r.relay(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			r.cfg.Log.Warn("relay stopped before all was published", "cursor", r.stored, "err", err)
			return
		}
		r.failures.Inc()
		r.behind.CompareAndSwap(0, r.cfg.Clock.Now().UnixNano())
		if r.Published() > before {
			wait = minBackoff
		}
		r.cfg.Log.Warn("relay starts again from its cursor", "cursor", r.stored, "wait", wait, "err", err)
		r.pause(ctx, wait)
		wait = min(2*wait, maxBackoff)
	}
}

// pause waits; the first Stop cuts it short.
func (r *Relay) pause(ctx context.Context, d time.Duration) {
	fire, stop := r.cfg.Clock.After(r.cfg.Clock.Now().Add(d))
	defer stop()
	stopping := r.stopping
	if r.draining() {
		stopping = nil
	}
	select {
	case <-fire:
	case <-stopping:
	case <-ctx.Done():
	}
}

func (r *Relay) draining() bool {
	select {
	case <-r.stopping:
		return true
	default:
		return false
	}
}

// relay publishes from the stored cursor on; nil when the relay was stopped and nothing is left.
func (r *Relay) relay(ctx context.Context) error {
	if err := r.cfg.Conn.EnsureStream(ctx); err != nil {
		return err
	}
	cursor, err := r.cfg.Source.Cursor(ctx, r.cfg.Market)
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	r.cursor, r.stored = cursor, cursor
	r.published.Store(max(r.Published(), cursor))
	if err := r.survey(ctx); err != nil {
		return err
	}
	for {
		draining := r.draining()
		n, err := r.chunk(ctx)
		if err != nil {
			return err
		}
		if draining && n < chunkSize {
			return r.save(ctx)
		}
		if err := r.due(ctx); err != nil {
			return err
		}
		if n < chunkSize {
			if len(r.kick) == 0 {
				r.behind.Store(0)
			}
			if err := r.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// chunk reads and publishes the next events and waits until all are acknowledged; it gives their number.
func (r *Relay) chunk(ctx context.Context) (int, error) {
	events, err := r.cfg.Source.MarketEvents(ctx, r.cfg.Market, r.cursor, chunkSize)
	if err != nil {
		return 0, fmt.Errorf("read events after %d: %w", r.cursor, err)
	}
	acks := make([]jetstream.PubAckFuture, len(events))
	for i := range events {
		if want := r.cursor + int64(i) + 1; events[i].Seq != want {
			return 0, fmt.Errorf("read events: the history holds seq %d where %d is due", events[i].Seq, want)
		}
		if acks[i], err = r.publish(&events[i]); err != nil {
			return 0, err
		}
	}
	if err := r.await(ctx, events, acks); err != nil {
		return 0, err
	}
	if len(events) == 0 {
		return 0, nil
	}
	return len(events), r.cfg.Conn.published(r.cfg.Market, r.Published())
}

// await moves the cursor up to the first event that was refused. It hears of all before it gives that error: what
// is still under way when the relay starts again might be taken then, ahead of what was refused.
func (r *Relay) await(ctx context.Context, events []dispatch.Event, acks []jetstream.PubAckFuture) error {
	var first error
	for i, ack := range acks {
		var err error
		select {
		case <-ack.Ok():
		case err = <-ack.Err():
		case <-ctx.Done():
			err = ctx.Err()
		}
		switch {
		case first != nil:
		case err != nil:
			first = fmt.Errorf("publish %s: %w", MessageID(r.cfg.Market, events[i].Seq), err)
		default:
			r.acked(events[i].Seq)
		}
	}
	return first
}

// publish sends one event. NATS must not retry it by itself: later events would overtake it.
func (r *Relay) publish(e *dispatch.Event) (jetstream.PubAckFuture, error) {
	b, err := EncodeEvent(e)
	if err != nil {
		return nil, err
	}
	ack, err := r.cfg.Conn.js.PublishMsgAsync(
		&nats.Msg{Subject: EventSubject(e), Data: b},
		jetstream.WithMsgID(MessageID(e.Market, e.Seq)),
		jetstream.WithExpectStream(StreamName),
		jetstream.WithRetryAttempts(0),
	)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", MessageID(e.Market, e.Seq), err)
	}
	return ack, nil
}

// acked moves the cursor.
func (r *Relay) acked(seq int64) {
	if r.cursor == r.stored {
		r.saveAt = r.cfg.Clock.Now().Add(saveEvery)
	}
	r.cursor = seq
	r.published.Store(max(r.Published(), seq))
}

// due stores the cursor and tells the published seq when it is time to.
func (r *Relay) due(ctx context.Context) error {
	now := r.cfg.Clock.Now()
	if r.cursor > r.stored && !now.Before(r.saveAt) {
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	if now.Before(r.tellAt) {
		return nil
	}
	r.tellAt = now.Add(tellEvery)
	return r.cfg.Conn.published(r.cfg.Market, r.Published())
}

// save stores the cursor.
func (r *Relay) save(ctx context.Context) error {
	if r.cursor == r.stored {
		return nil
	}
	if err := r.cfg.Source.SetCursor(ctx, r.cfg.Market, r.cursor); err != nil {
		return fmt.Errorf("store cursor %d: %w", r.cursor, err)
	}
	r.stored = r.cursor
	return nil
}

// wait returns on a kick, a Stop, or when something is due.
func (r *Relay) wait(ctx context.Context) error {
	until := r.tellAt
	if r.cursor > r.stored && r.saveAt.Before(until) {
		until = r.saveAt
	}
	fire, stop := r.cfg.Clock.After(until)
	defer stop()
	select {
	case <-r.kick:
	case <-fire:
	case <-r.stopping:
	case <-ctx.Done():
		return errors.Join(errors.New("relay cut short"), ctx.Err())
	}
	return nil
}
