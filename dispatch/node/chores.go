package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

const (
	// silentFor is the market time without telemetry after which a driver without an order is taken off
	// duty.
	silentFor = 30 * time.Minute
	// sweepEvery is the market time between two looks at who is silent, and who does not come.
	sweepEvery = 10 * time.Second
	// pruneEvery and keepFor are wall time: how often what is over is forgotten, and when it is.
	pruneEvery = time.Hour
	// choreBudget is how long (wall) a chore waits for its market's answer.
	choreBudget = 5 * time.Second
	keepFor     = 24 * time.Hour
)

// chores is the goroutine of what a node does now and then.
type chores struct {
	node *Node
	once sync.Once
	quit chan struct{}
	wg   sync.WaitGroup
	// erased are the erasures that are done on this node's bus and not forgotten in the store; owned by the erase
	// chore's goroutine.
	erased map[string]bool
}

func newChores(n *Node) *chores {
	return &chores{node: n, quit: make(chan struct{}), erased: map[string]bool{}}
}

func (c *chores) start() {
	c.wg.Go(func() { c.every(c.node.cfg.Clock, sweepEvery, c.sweep) })
	c.wg.Go(func() { c.every(c.node.cfg.Wall, pruneEvery, c.prune) })
	c.wg.Go(func() { c.every(c.node.cfg.Wall, supplyEvery, c.node.tellSupply) })
	told := newMinutes(c.node)
	c.wg.Go(func() { c.every(c.node.cfg.Clock, time.Minute, told.log) })
	if c.node.cfg.Learning != nil {
		c.wg.Go(func() { c.every(c.node.cfg.Clock, learnEvery, c.untilStop(c.learn)) })
	}
	if c.node.cfg.Archive != nil {
		c.wg.Go(func() { c.every(c.node.cfg.Wall, flushEvery, c.node.samples.flush) })
		c.wg.Go(func() { c.every(c.node.cfg.Wall, flushEvery, c.node.explain.flush) })
		c.wg.Go(func() { c.every(c.node.cfg.Wall, retainEvery, c.untilStop(c.retain)) })
		c.wg.Go(func() { c.every(c.node.cfg.Wall, eraseEvery, c.untilStop(c.erase)) })
	}
}

// stop ends the chores and waits for them. It may be called more than once, and without start.
func (c *chores) stop() {
	c.once.Do(func() { close(c.quit) })
	c.wg.Wait()
	if c.node.cfg.Archive != nil {
		c.node.samples.flush(context.Background())
	}
}

func (c *chores) every(clock dispatch.Clock, d time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		fire, release := clock.After(clock.Now().Add(d))
		select {
		case <-fire:
			do(ctx)
		case <-c.quit:
			release()
			return
		}
	}
}

// sweep takes silent drivers without an order off duty, and sees to those who do not come to their pickups.
func (c *chores) sweep(ctx context.Context) {
	n := c.node
	now := n.cfg.Clock.Now()
	for _, m := range n.cfg.Markets {
		l, ok := n.led(m.ID)
		if !ok {
			continue
		}
		for _, d := range l.fleet.idle() {
			if l.lastHeard(&d).Before(now.Add(-silentFor)) {
				l.order(ctx, dispatch.Command{Op: dispatch.OpDuty, Driver: d.Driver,
					Duty: &dispatch.DutyRequest{Online: false}, Reason: "silent"})
			}
		}
		l.sweepWays(ctx, now)
	}
}

// sweepWays nudges drivers who do not come, and has others found for their orders.
func (l *leader) sweepWays(ctx context.Context, now time.Time) {
	under := l.fleet.coming()
	ways := make([]approach, len(under))
	for i := range under {
		u := &under[i]
		ways[i] = approach{
			order: u.order.ID, driver: u.order.Driver, pickup: u.order.Pickup(), since: u.order.ChangedAt, alone: u.alone,
			heard: l.lastHeard(&u.duty),
		}
		if ways[i].heard.Before(u.order.ChangedAt) {
			ways[i].heard = u.order.ChangedAt
		}
		if fix, ok := l.index.Get(string(u.order.Driver)); ok {
			ways[i].fix = &fix
		}
	}
	for _, a := range l.watch.look(now, l.policy.Load(), ways) {
		if !a.nudge {
			l.order(ctx, dispatch.Command{Op: dispatch.OpCancel, Order: a.order, Driver: a.driver, Reason: string(a.cause)})
			continue
		}
		l.node.metrics.decisions.nudges.WithLabelValues(string(l.market.ID), string(a.cause)).Inc()
		i := slices.IndexFunc(under, func(u coming) bool { return u.order.ID == a.order })
		if err := l.node.cfg.Bus.Nudge(under[i].order); err != nil {
			l.node.cfg.Log.Warn("driver not nudged", "market", l.market.ID, "order", a.order, "error", err)
		}
	}
}

// order has the engine itself ask for something. What it is about may have changed since it was looked at:
// then the refusal is the right answer.
func (l *leader) order(ctx context.Context, cmd dispatch.Command) {
	cmd.By, cmd.Market = dispatch.Engine(), l.market.ID
	ctx, cancel := context.WithTimeout(ctx, choreBudget)
	defer cancel()
	log := l.node.cfg.Log.With("market", l.market.ID, "op", cmd.Op, "order", cmd.Order) // no driver: logs name nobody
	if r := l.loop.Do(ctx, l.node.cfg.Wall.Now(), market.Do{Command: cmd}); r.Err != nil {
		log.Warn("engine refused", "reason", cmd.Reason, "error", r.Err)
		return
	}
	log.Info("engine acted", "reason", cmd.Reason)
}

// lastHeard is the market instant of a driver's last sign of life. A node that has just begun to lead has
// heard nobody yet: it counts from then.
func (l *leader) lastHeard(d *dispatch.Duty) time.Time {
	last := d.Since
	if l.since.After(last) {
		last = l.since
	}
	if fix, ok := l.index.Get(string(d.Driver)); ok && fix.At.After(last) {
		last = fix.At
	}
	return last
}

func (c *chores) prune(ctx context.Context) {
	n, err := c.node.cfg.Store.Prune(ctx, c.node.cfg.Wall.Now().Add(-keepFor))
	if err != nil {
		c.node.cfg.Log.Warn("prune", "error", err)
		return
	}
	c.node.cfg.Log.Info("forgot old keys and offers", "rows", n)
}
