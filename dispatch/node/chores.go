package node

import (
	"context"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

const (
	// silentFor is the market time without telemetry after which a driver without an order is taken off
	// duty.
	silentFor = 30 * time.Minute
	// sweepEvery is the market time between two looks at who is silent.
	sweepEvery = time.Minute
	// pruneEvery and keepFor are wall time: how often what is over is forgotten, and when it is.
	pruneEvery = time.Hour
	keepFor    = 24 * time.Hour
)

// chores is the goroutine of what a node does now and then.
type chores struct {
	node *Node
	once sync.Once
	quit chan struct{}
	wg   sync.WaitGroup
}

func newChores(n *Node) *chores { return &chores{node: n, quit: make(chan struct{})} }

func (c *chores) start() {
	c.wg.Go(func() { c.every(c.node.cfg.Clock, sweepEvery, c.sweep) })
	c.wg.Go(func() { c.every(c.node.cfg.Wall, pruneEvery, c.prune) })
}

// stop ends the chores and waits for them. It may be called more than once, and without start.
func (c *chores) stop() {
	c.once.Do(func() { close(c.quit) })
	c.wg.Wait()
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

// sweep takes silent drivers without an order off duty.
func (c *chores) sweep(ctx context.Context) {
	n := c.node
	oldest := n.cfg.Clock.Now().Add(-silentFor)
	for _, m := range n.cfg.Markets {
		l := n.leaders[m.ID]
		for _, d := range l.fleet.idle() {
			if l.lastHeard(&d).After(oldest) {
				continue
			}
			r := l.loop.Do(ctx, market.Do{Command: dispatch.Command{
				Op: dispatch.OpDuty, By: dispatch.Engine(), Market: m.ID, Driver: d.Driver,
				Duty: &dispatch.DutyRequest{Online: false}, Reason: "silent",
			}})
			if r.Err != nil {
				n.cfg.Log.Warn("silent driver not taken off duty", "market", m.ID, "driver", d.Driver, "error", r.Err)
			}
		}
	}
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
