package node

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// supplyEvery is the wall time between two publications of a market's supply: prices follow minutes.
const supplyEvery = 5 * time.Second

// Supply tells how many drivers and orders a market has in each cell now.
func (n *Node) Supply(_ context.Context, m dispatch.MarketID) (*dispatch.Supply, error) {
	l, ok := n.led(m)
	if !ok {
		return nil, notLed(m)
	}
	return l.supply(), nil
}

func (l *leader) supply() *dispatch.Supply {
	now := l.node.cfg.Clock.Now()
	return &dispatch.Supply{
		Market: l.market.ID, At: now, Since: l.since,
		Cells: l.fleet.demand.told(now, l.policy.Load().Freshness, l.zones.Load()),
	}
}

// tellSupply publishes the supply of each market that is led here. It is losable: the next comes soon.
func (n *Node) tellSupply(context.Context) {
	for _, m := range n.cfg.Markets {
		l, ok := n.led(m.ID)
		if !ok {
			continue
		}
		if err := n.cfg.Bus.Supply(l.supply()); err != nil {
			n.cfg.Log.Debug("supply not published", "market", m.ID, "error", err)
		}
	}
}

// checkStops refuses a new order that the market's zones do not allow. It is asked once it is known that the order is
// no repeat of one that was made before the zones were.
func (l *leader) checkStops(c *dispatch.Command) *dispatch.Error {
	if c.Op != dispatch.OpCreate {
		return nil
	}
	return dispatch.CheckStops(l.zones.Load(), c.New.Stops)
}
