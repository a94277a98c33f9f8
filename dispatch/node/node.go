package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// Store is what a node needs of the journal; store.Journal has it.
type Store interface {
	market.Journal
	bus.Source
	Leases
	Claim(ctx context.Context, d dispatch.DriverID, m dispatch.MarketID) (dispatch.Claim, error)
	Duty(ctx context.Context, d dispatch.DriverID) (dispatch.Duty, error)
	Order(ctx context.Context, id dispatch.OrderID) (dispatch.Order, error)
	OrderAt(ctx context.Context, id dispatch.OrderID, v int64) (dispatch.Order, error)
	Offer(ctx context.Context, id dispatch.OfferID) (dispatch.Offer, error)
	Answer(ctx context.Context, sub, key string) (dispatch.Answer, bool, error)
	Prune(ctx context.Context, before time.Time) (int64, error)
}

// TravelTimes estimates how long it takes from each source to each target; eta has implementations.
type TravelTimes interface {
	Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]eta.Estimate, error)
}

// Recording is a market.Recorder of one term of a market's leadership.
type Recording interface {
	market.Recorder
	// Close ends it; it waits a moment for what is still to be written.
	Close()
}

// Config is what a Node is made of; all fields above Shared are required, but for ETA.
type Config struct {
	Markets dispatch.Markets
	Store   Store
	Bus     *bus.Conn
	// ETA is asked for travel times first; nil: what the market has learnt answers alone.
	ETA TravelTimes
	// Clock is market time, Wall real time.
	Clock, Wall dispatch.Clock
	Log         *slog.Logger
	Registry    prometheus.Registerer

	// Shared: other nodes may have the same store open, so that markets are led by lease. Else the store is this
	// process's alone, and it leads every market from Start to Stop.
	Shared bool
	// OwnBus: the bus is heard by nobody but this node's own gateway.
	OwnBus bool
	// Patience is how long (wall) anyone waits for a store that does not answer; 0: for as long as it takes.
	Patience time.Duration
	// Archive keeps samples of trips and the data of people, for as long as Keep says. nil: no samples are kept and
	// nothing is forgotten.
	Archive Archive
	Keep    Keep
	// Learning is what travel times are learnt from and kept in. nil: none are learnt.
	Learning Learning
	// Agree is asked each time a market was taken, before it is led: an error means that this node must not lead
	// at all, and is given by Failed. nil: it may.
	Agree func(context.Context) error
	// Explain: rounds are told how they dealt with each order, and the search who was removed and why.
	Explain bool
	// Record begins the recording of a term of a market's leadership. nil: none is recorded.
	Record func(dispatch.MarketID) Recording
}

// dutiesAtOnce is how many changes of duty are worked on at a time; more wait, as long as their askers do. A
// shift's whole fleet comes on duty within a second, and whatever else is asked must not stand behind it: this
// many are less than one commit group.
const dutiesAtOnce = 64

// Node leads those markets of its configuration that it can take, and stands by for the others. Immutable after
// New; what changes is owned by its lease, its seats and their leaders.
type Node struct {
	cfg     Config
	seats   map[dispatch.MarketID]*seat
	lease   *lease
	metrics *metrics
	chores  *chores
	samples *samples
	explain *explainer
	duties  chan struct{} // capacity dutiesAtOnce: holds a token for each change of duty under way
	failed  chan error    // capacity 1: the first is enough
	warned  sync.Once     // of a bus that nobody else hears
	quit    chan struct{} // closed by the first Stop
	stop    sync.Once
	work    sync.WaitGroup // the seats' goroutines
}

// New makes a node; it does nothing before Start.
func New(cfg Config) *Node {
	n := &Node{
		cfg: cfg, seats: map[dispatch.MarketID]*seat{}, metrics: newMetrics(cfg.Registry),
		duties: make(chan struct{}, dutiesAtOnce), failed: make(chan error, 1), quit: make(chan struct{}),
	}
	n.lease = newLease(leaseConfig{
		store: cfg.Store, wall: cfg.Wall, patience: cfg.Patience, log: cfg.Log, lapsed: n.metrics.lapses.Inc,
	})
	for _, m := range cfg.Markets {
		n.seats[m.ID] = newSeat(n, m)
	}
	n.chores, n.samples, n.explain = newChores(n), newSamples(n), newExplainer(n)
	cfg.Registry.MustRegister(newStanding(n))
	return n
}

// Start tries to take each market once, and from then on leads what it took and tries again for what another node
// leads. On an error what was started is stopped again.
func (n *Node) Start(ctx context.Context) error {
	if n.cfg.Shared {
		if err := n.lease.start(ctx); err != nil {
			return fmt.Errorf("begin the lease: %w", err)
		}
	} else {
		n.lease.forever()
	}
	for _, m := range n.cfg.Markets {
		err := n.seats[m.ID].try(ctx)
		if n.cfg.Shared && (slow(ctx, err) || errors.Is(err, errNoTerm)) {
			n.cfg.Log.Warn("market not taken, trying on", "market", m.ID, "error", err)
			continue // its seat does
		}
		if err != nil && !errors.Is(err, dispatch.ErrHeld) {
			n.Stop(ctx)
			return fmt.Errorf("start market %s: %w", m.ID, err)
		}
	}
	if n.cfg.Shared {
		for _, s := range n.seats {
			n.work.Go(func() { s.run(n.quit) })
		}
	}
	n.chores.start()
	return nil
}

// Stop finishes the commits under way, answers them, lets the relays publish what is committed, until ctx ends, and
// then gives up the leases, so that another node need not wait for their end. It may be called more than once,
// and without Start.
func (n *Node) Stop(ctx context.Context) {
	n.stop.Do(func() { close(n.quit) })
	n.chores.stop()
	n.work.Wait()
	var leaders sync.WaitGroup
	for _, s := range n.seats {
		if l := s.leader.Load(); l != nil {
			leaders.Go(func() { l.stop(ctx) })
		}
	}
	leaders.Wait()
	n.lease.end()
	if !n.cfg.Shared {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewFor)
	defer cancel()
	if err := n.cfg.Store.Resign(ctx); err != nil {
		n.cfg.Log.Warn("leases not given up: they run out", "after", dispatch.LeaseFor, "error", err)
	}
}

// Failed brings the reason why this node must not go on; at most one.
func (n *Node) Failed() <-chan error { return n.failed }

// agree asks whether this node may lead at all. A store that is away has not said no.
func (n *Node) agree(ctx context.Context) error {
	if n.cfg.Agree == nil {
		return nil
	}
	err := n.cfg.Agree(ctx)
	if err != nil && dispatch.CodeOf(err) != dispatch.CodeUnavailable && ctx.Err() == nil {
		select {
		case n.failed <- err:
		default:
		}
	}
	return err
}

// standBy tells operators of a market that is led by another node.
func (n *Node) standBy(m dispatch.MarketID) {
	n.cfg.Log.Info("standing by: another node leads the market", "market", m)
	if n.cfg.OwnBus {
		n.warned.Do(func() {
			n.cfg.Log.Warn("events of a market that another node leads reach this node's sockets only over a NATS that both " +
				"use, else once it takes over: name one with --nats-url")
		})
	}
}

// Ready tells why this node should be given no traffic, nil when it should: every market is led here and commits,
// or is known to be led by another node, and the bus is connected. How far the relays are behind does not count:
// what they have to publish waits in the history, and metrics tell of it.
func (n *Node) Ready() error {
	select {
	case <-n.quit:
		return errors.New("the node is stopped")
	default:
	}
	for _, m := range n.cfg.Markets {
		s := n.seats[m.ID]
		l := s.leader.Load()
		if l == nil && s.standing.Load() != standsBy || l != nil && !l.loop.Leads() {
			return fmt.Errorf("market %s is not led here at present", m.ID)
		}
	}
	if n.lease.away.Load() {
		return errors.New("the lease is not renewed")
	}
	if !n.cfg.Bus.Connected() {
		return errors.New("the bus is not connected")
	}
	return nil
}

// Standing tells which markets are led here and for which this node stands by, each ascending.
func (n *Node) Standing() (led, standby []dispatch.MarketID) {
	for _, m := range n.cfg.Markets {
		switch n.seats[m.ID].standing.Load() {
		case standsLeading:
			led = append(led, m.ID)
		case standsBy:
			standby = append(standby, m.ID)
		}
	}
	return led, standby
}

// Reload gives the markets new policies and zones; markets cannot come or go while the node runs.
func (n *Node) Reload(ms dispatch.Markets) {
	for _, m := range ms {
		s, ok := n.seats[m.ID]
		if !ok {
			continue
		}
		s.policy.Store(&m.Policy)
		s.zones.Store(m.Zones)
		if l := s.leader.Load(); l != nil {
			l.loop.Reload(m.Policy)
		}
	}
}
