package node

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// minutes tells in the log what each market did: one line for each minute of market time in which something
// happened, enough to see a night by, and nothing of who rode or where. Owned by its chore's goroutine.
type minutes struct {
	node *Node
	// told is up to where each market was told, of its present leader.
	told map[dispatch.MarketID]minute
	// at is the market instant of the last look.
	at time.Time
}

// minute is what was told of a market.
type minute struct {
	leader *leader
	sums   sums
}

// sums are counts since this node began to lead a market.
type sums struct {
	created, matched, completed, cancelled, noDriver, rounds, offered int64
}

func newMinutes(n *Node) *minutes {
	return &minutes{node: n, told: map[dispatch.MarketID]minute{}, at: n.cfg.Clock.Now()}
}

// log writes a line for each market.
func (m *minutes) log(ctx context.Context) {
	now := m.node.cfg.Clock.Now()
	for _, mk := range m.node.cfg.Markets {
		l, ok := m.node.led(mk.ID)
		if !ok {
			continue
		}
		var was sums
		if told := m.told[mk.ID]; told.leader == l {
			was = told.sums
		}
		is, wait := l.tally.since(m.at)
		if is == was {
			continue
		}
		m.told[mk.ID] = minute{l, is}
		orders, _ := l.fleet.count()
		var open []any
		for _, s := range dispatch.States() {
			if orders[s] > 0 {
				open = append(open, slog.Int(string(s), orders[s]))
			}
		}
		m.node.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "market minute",
			slog.String("market", string(mk.ID)), slog.Time("market_time", now.Truncate(time.Second)),
			slog.Int64("created", is.created-was.created), slog.Int64("matched", is.matched-was.matched),
			slog.Int64("completed", is.completed-was.completed), slog.Int64("cancelled", is.cancelled-was.cancelled),
			slog.Int64("no_driver", is.noDriver-was.noDriver), slog.Int64("rounds", is.rounds-was.rounds),
			slog.Int64("offered", is.offered-was.offered), slog.Float64("match_p50_s", wait.Seconds()),
			slog.Int("drivers", l.fleet.onDuty()), slog.Group("open", open...))
	}
	m.at = now
}

// since gives the sums so far, and the median wait of those who found a driver after a market instant, 0 when
// nobody did.
func (t *tally) since(at time.Time) (sums, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := sums{
		created: t.created, matched: t.counts[dispatch.StateEnRouteToPickup],
		completed: t.counts[dispatch.StateCompleted], cancelled: t.counts[dispatch.StateCancelled],
		noDriver: t.counts[dispatch.StateNoDriver], rounds: t.rounds, offered: t.counts[dispatch.StateOffered],
	}
	var waits []time.Duration
	for _, m := range t.matches {
		if m.at.After(at) {
			waits = append(waits, m.wait)
		}
	}
	slices.Sort(waits)
	return s, percentile(waits, 50)
}

// onDuty counts the drivers on duty.
func (f *fleet) onDuty() (n int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, m := range f.drivers {
		if m.duty.Online {
			n++
		}
	}
	return n
}
