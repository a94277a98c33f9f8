package node

import (
	"sync/atomic"
	"time"
)

// overdue is the wall time that a command waits for its market's loop when the market is overloaded: longer than a
// commit of a slow disk, far shorter than anyone's patience. overdueFor is how long (wall) one such wait tells.
const (
	overdue    = 250 * time.Millisecond
	overdueFor = time.Second
)

// Why a round is in a hurry, as metrics tell it.
const (
	hurryBudget = "budget" // the search ran out of its time
	hurryQueue  = "queue"  // commands wait too long
)

// haste knows whether rounds are to be decided quickly: when the search before them ran out of its time, or commands
// wait for the loop that decides them. Safe for concurrent use; its zero value is at ease.
type haste struct {
	// late is the wall instant (Unix nanoseconds) of the last command that had waited too long; 0 for none.
	late atomic.Int64
	// on: the last round was in a hurry.
	on atomic.Bool
}

// waited takes how long a command waited that is stepped at the wall instant now.
func (h *haste) waited(d time.Duration, now time.Time) {
	if d >= overdue {
		h.late.Store(now.UnixNano())
	}
}

// judge tells whether a round is in a hurry, of whose orders some were not searched for. It is said in the log when
// that begins.
func (h *haste) judge(l *leader, orders, left int) bool {
	why := ""
	switch late := h.late.Load(); {
	case left > 0:
		why = hurryBudget
	case late != 0 && l.node.cfg.Wall.Now().Sub(time.Unix(0, late)) < overdueFor:
		why = hurryQueue
	}
	if why == "" {
		h.on.Store(false)
		return false
	}
	l.node.metrics.decisions.hurries.WithLabelValues(string(l.market.ID), why).Inc()
	if !h.on.Swap(true) {
		l.node.cfg.Log.Warn("rounds are in a hurry", "market", l.market.ID, "why", why, "orders", orders, "not_searched", left)
	}
	return true
}
