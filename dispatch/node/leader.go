package node

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// indexResolution is the H3 resolution of the index: cells of 0.1 km2, right for up to 100,000 drivers in a city
// (docs/bench/index.md); a round of 1,000 orders among 5,000 finds its candidates in a fifth less than with 10.
const indexResolution = 9

// leader is one market while it is led here: the loop and what stands around it. Each time the market is taken
// there is a new one, whose index is empty until drivers say where they are. Immutable after start, but for the
// board.
type leader struct {
	node   *Node
	market dispatch.Market
	policy *atomic.Pointer[dispatch.Policy] // the seat's
	zones  *atomic.Pointer[geo.Zones]       // the seat's
	term   *term                            // in which the market was taken
	loop   *market.Loop
	index  *geo.Index
	fleet  *fleet
	relay  *bus.Relay
	tally  *tally
	// learner has the travel times.
	learner *learner
	finder  *finder
	boards  boards
	// book has the explanations.
	book *book
	// record is nil when nothing is recorded.
	record Recording
	// watch is the sweep's.
	watch      *watch
	acceptance acceptance
	// since is the market instant from which this node leads; set by start, before anyone reads it.
	since time.Time
}

func newLeader(s *seat, t *term) *leader {
	n, m := s.node, s.market
	m.Policy = *s.policy.Load()
	x := geo.NewIndex(indexResolution)
	l := &leader{
		node: n, market: m, policy: &s.policy, zones: &s.zones, term: t,
		index: x, fleet: newFleet(x), tally: newTally(), learner: newLearner(&n.cfg, &m), watch: newWatch(),
		book: newBook(n.explain.count),
	}
	l.finder = &finder{leader: l, budget: findBudget}
	l.relay = bus.NewRelay(bus.RelayConfig{
		Market: m.ID, Source: &leadersSource{Source: n.cfg.Store, term: t}, Conn: n.cfg.Bus, Clock: n.cfg.Wall,
		Log: n.cfg.Log.With("market", m.ID), Registerer: n.cfg.Registry,
	})
	cfg := market.Config{
		Market: m, Journal: n.cfg.Store, Finder: l.finder, Clock: n.cfg.Clock, Wall: n.cfg.Wall,
		Told: l.told, Recovered: l.recovered, Supply: l.fleet.supply.hint,
		Valid: t.valid, Patience: n.cfg.Patience, Log: n.cfg.Log, Probe: l.probe(),
	}
	if n.cfg.Record != nil {
		l.record = n.cfg.Record(m.ID)
		cfg.Record = l.record
	}
	if n.cfg.Explain {
		cfg.Explained = l.book.add
	}
	l.loop = market.NewLoop(cfg)
	return l
}

func (l *leader) start(ctx context.Context, lease dispatch.Lease) error {
	l.since = l.node.cfg.Clock.Now()
	if err := l.learner.begin(ctx, l.since); err != nil {
		l.node.cfg.Log.Warn("travel times begin anew", "market", l.market.ID, "error", err)
	}
	if err := l.loop.Start(ctx, lease); err != nil {
		return err
	}
	return l.relay.Start(ctx)
}

// stop ends the loop before the relay, so that the last commit is published too.
func (l *leader) stop(ctx context.Context) {
	l.loop.Stop()
	l.endRecording()
	l.node.explain.write(ctx, l.book)
	l.relay.Stop(ctx)
}

func (l *leader) endRecording() {
	if l.record != nil {
		l.record.Close()
	}
}

// abandon ends what is another's to go on with: the bus is not waited for.
func (l *leader) abandon() {
	l.loop.Stop()
	l.endRecording()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.relay.Stop(ctx)
}

// leadersSource is the history as a relay may use it: the cursor is the present leader's to move.
type leadersSource struct {
	bus.Source
	term *term
}

// SetCursor implements bus.Source.
func (s *leadersSource) SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error {
	if !s.term.valid() {
		return dispatch.Unavailable("market "+string(m)+" is not led here any more", nil)
	}
	return s.Source.SetCursor(ctx, m, seq)
}

// told lets out what was committed: the fleet first, so that whoever is answered next finds it so.
func (l *leader) told(t market.Told) {
	for _, id := range l.fleet.told(t) {
		l.leave(id)
	}
	if len(t.Events) > 0 {
		l.relay.Kick()
	}
	for i := range t.Notices {
		l.notice(&t.Notices[i])
		if err := l.node.cfg.Bus.Notice(&t.Notices[i]); err != nil {
			l.node.cfg.Log.Warn("offer not published", "market", l.market.ID, "offer", t.Notices[i].Offer.ID, "error", err)
		}
	}
	l.node.metrics.events(l.market.ID, t.Events)
	l.tally.events(t.Events)
	l.countChained(t.Events)
}

// notice hears what a driver is told of an offer.
func (l *leader) notice(n *dispatch.Notice) {
	l.acceptance.told(&n.Offer)
	l.node.metrics.notice(n)
}

// leave forgets a driver who is no longer of the fleet.
func (l *leader) leave(id dispatch.DriverID) {
	l.index.Remove(string(id))
	l.acceptance.forget(id)
}

// countChained counts the orders that were given to drivers at work on another; the fleet has heard of them.
func (l *leader) countChained(events []dispatch.Event) {
	for i := range events {
		e := &events[i]
		if e.Order == nil || e.To != dispatch.StateEnRouteToPickup || e.From == e.To {
			continue
		}
		if d, ok := l.fleet.get(e.Order.Driver); ok && len(d.Orders) > 1 {
			l.node.metrics.decisions.chained.WithLabelValues(string(l.market.ID)).Inc()
		}
	}
}

// recovered starts over from the journal.
func (l *leader) recovered(r dispatch.Recovery) {
	for _, id := range l.fleet.reset(r) {
		l.leave(id)
	}
}

// probe hears the loop's figures for the metrics and the tally.
func (l *leader) probe() market.Probe {
	p := l.node.metrics.probe(l.market.ID)
	tell := p.Round
	p.Round = func(s market.RoundStats, took time.Duration) {
		l.tally.round()
		tell(s, took)
	}
	waited := p.Waited
	p.Waited = func(d time.Duration) {
		l.finder.haste.waited(d, l.node.cfg.Wall.Now())
		waited(d)
	}
	return p
}
