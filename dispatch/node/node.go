package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// Config is what a Node is made of; all fields are required.
type Config struct {
	Markets dispatch.Markets
	Store   Store
	Bus     *bus.Conn
	ETA     TravelTimes
	// Clock is market time, Wall real time.
	Clock, Wall dispatch.Clock
	Log         *slog.Logger
	Registry    prometheus.Registerer
}

// dutiesAtOnce is how many changes of duty are worked on at a time; more wait, as long as their askers do. A
// shift's whole fleet comes on duty within a second, and whatever else is asked must not stand behind it: this
// many are less than one commit group.
const dutiesAtOnce = 64

// Node leads every market of its configuration. Immutable after New; what changes is owned by its leaders.
type Node struct {
	cfg     Config
	leaders map[dispatch.MarketID]*leader
	metrics *metrics
	chores  *chores
	duties  chan struct{} // capacity dutiesAtOnce: holds a token for each change of duty under way
}

// New makes a node; it does nothing before Start.
func New(cfg Config) *Node {
	n := &Node{cfg: cfg, leaders: map[dispatch.MarketID]*leader{}, metrics: newMetrics(cfg.Registry),
		duties: make(chan struct{}, dutiesAtOnce)}
	for _, m := range cfg.Markets {
		n.leaders[m.ID] = newLeader(n, m)
	}
	n.chores = newChores(n)
	cfg.Registry.MustRegister(newStanding(n))
	return n
}

// Start takes each market and begins to lead it. On an error what was started is stopped again.
func (n *Node) Start(ctx context.Context) error {
	for _, m := range n.cfg.Markets {
		if err := n.leaders[m.ID].start(ctx); err != nil {
			n.Stop(ctx)
			return fmt.Errorf("start market %s: %w", m.ID, err)
		}
	}
	n.chores.start()
	return nil
}

// Stop finishes the commits under way, answers them, and lets the relays publish what is committed, until
// ctx ends. It may be called without Start.
func (n *Node) Stop(ctx context.Context) {
	n.chores.stop()
	for _, m := range n.cfg.Markets {
		n.leaders[m.ID].stop(ctx)
	}
}

// Ready tells why this node should be given no traffic, nil when it should: every market is led and commits,
// and the bus is connected. How far the relays are behind does not count: what they have to publish waits in
// the history, and metrics tell of it.
func (n *Node) Ready() error {
	for _, m := range n.cfg.Markets {
		if !n.leaders[m.ID].loop.Leads() {
			return fmt.Errorf("market %s is not led here at present", m.ID)
		}
	}
	if !n.cfg.Bus.Connected() {
		return errors.New("the bus is not connected")
	}
	return nil
}

// Reload gives the markets that are led here new policies; markets cannot come or go while the node runs.
func (n *Node) Reload(ms dispatch.Markets) {
	for _, m := range ms {
		if l, ok := n.leaders[m.ID]; ok {
			l.policy.Store(&m.Policy)
			l.loop.Reload(m.Policy)
		}
	}
}

// Do judges one command at its market's leader. A repeat of an idempotency key is given the first answer.
func (n *Node) Do(ctx context.Context, c dispatch.Command) dispatch.Reply {
	if c.Op == dispatch.OpDuty {
		select {
		case n.duties <- struct{}{}:
			defer func() { <-n.duties }()
		case <-ctx.Done():
			return failed(ctx.Err())
		}
	}
	if c.Key.ID != "" {
		kept, known, err := n.cfg.Store.Answer(ctx, c.By.Sub, c.Key.ID)
		if err != nil {
			return failed(err)
		}
		if known {
			return n.repeat(ctx, &c, &kept)
		}
	}
	known, err := n.route(ctx, &c)
	if err != nil {
		return failed(err)
	}
	l, ok := n.leaders[c.Market]
	if !ok {
		return dispatch.Reply{Err: dispatch.Unavailable("market "+string(c.Market)+" is not led here", nil)}
	}
	if c.Op == dispatch.OpDuty {
		claim, err := n.claim(ctx, &c)
		if err != nil {
			return failed(err)
		}
		known.Claim = &claim
	}
	if c.Op == dispatch.OpAssign && known.Order != nil {
		known.Pickup, known.Trip = l.estimate(ctx, c.Driver, known.Order)
	}
	return l.loop.Do(ctx, market.Do{Command: c, Known: known})
}

// claim asks the store, which alone sees every market, for the driver: to go online it is claimed; to go
// offline it must not be on duty elsewhere, or the driver would be told what is not so.
func (n *Node) claim(ctx context.Context, c *dispatch.Command) (dispatch.Claim, error) {
	if c.Duty.Online {
		return n.cfg.Store.Claim(ctx, c.Driver, c.Market)
	}
	duty, err := n.cfg.Store.Duty(ctx, c.Driver)
	if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		return dispatch.Claim{}, nil // never on duty: nothing to end
	}
	if err != nil {
		return dispatch.Claim{}, err
	}
	claim := dispatch.Claim{Version: duty.Version}
	if duty.Online && duty.Market != c.Market {
		claim.Held = duty.Market
	}
	return claim, nil
}

// repeat tells the answer that is kept under the command's key.
func (n *Node) repeat(ctx context.Context, c *dispatch.Command, kept *dispatch.Answer) dispatch.Reply {
	if kept.Key.Digest != c.Key.Digest {
		return dispatch.Reply{Err: dispatch.KeyReused()}
	}
	if kept.Code != "" {
		return dispatch.Reply{Err: &dispatch.Error{Code: kept.Code, Detail: kept.Detail, Field: kept.Field}}
	}
	if kept.Order == "" {
		return dispatch.Reply{}
	}
	o, err := n.cfg.Store.OrderAt(ctx, kept.Order, kept.Version)
	if err != nil {
		return failed(err)
	}
	return dispatch.Reply{Order: &o}
}

// route finds the market of a command from what it is about, and reads that for the core. An id that is
// unknown here may still be known to nobody else: the core answers for it, so that unknown and foreign
// answer alike.
func (n *Node) route(ctx context.Context, c *dispatch.Command) (market.Known, error) {
	var known market.Known
	if c.Op == dispatch.OpAccept || c.Op == dispatch.OpDecline {
		offer, err := n.cfg.Store.Offer(ctx, c.Offer)
		if dispatch.CodeOf(err) == dispatch.CodeNotFound {
			return known, dispatch.Errorf(dispatch.CodeNotFound, "", "no such offer")
		}
		if err != nil {
			return known, err
		}
		known.Offer = &offer
		c.Market = offer.Market
		if offer.State != dispatch.OfferAccepted {
			return known, nil
		}
		return known, n.readOrder(ctx, offer.Order, &known)
	}
	if c.Op == dispatch.OpCreate || c.Op == dispatch.OpDuty {
		return known, nil
	}
	if err := n.readOrder(ctx, c.Order, &known); err != nil {
		return known, err
	}
	c.Market = known.Order.Market
	return known, nil
}

func (n *Node) readOrder(ctx context.Context, id dispatch.OrderID, known *market.Known) error {
	o, err := n.cfg.Store.Order(ctx, id)
	if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		return dispatch.Errorf(dispatch.CodeNotFound, "", "no such order")
	}
	if err != nil {
		return err
	}
	known.Order = &o
	return nil
}

// failed tells an error of the store as a refusal; what has no code of its own is told as unavailable.
func failed(err error) dispatch.Reply {
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		return dispatch.Reply{Err: e}
	}
	return dispatch.Reply{Err: dispatch.Unavailable("the store is away", err)}
}
