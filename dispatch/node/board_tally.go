package node

import (
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

const (
	// matchWindow is the span of market time over which waits for a driver are told.
	matchWindow = 5 * time.Minute
	// matchLimit is how many of the latest waits are kept: 5 minutes of 13 matches a second. With more the
	// window is shorter, and the percentiles are as good.
	matchLimit = 4096
)

// tally counts what a market did since this node began to lead it.
type tally struct {
	mu sync.Mutex
	// counts are the orders that entered a state; created those that began. Guarded by mu.
	counts          map[dispatch.State]int64
	created, rounds int64 // guarded by mu
	// matches are the latest, oldest first. Guarded by mu.
	matches []matched
}

// matched is one order that found a driver.
type matched struct {
	at   time.Time // market time
	wait time.Duration
}

func newTally() *tally { return &tally{counts: map[dispatch.State]int64{}} }

// events follows what was committed.
func (t *tally) events(events []dispatch.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range events {
		e := &events[i]
		if e.Order == nil || e.From == e.To {
			continue
		}
		if e.From == "" {
			t.created++
		}
		t.counts[e.To]++
		if e.To == dispatch.StateEnRouteToPickup {
			t.matches = append(t.matches, matched{e.At, e.At.Sub(e.Order.SearchSince)})
		}
	}
	if over := len(t.matches) - matchLimit; over > 0 {
		t.matches = slices.Delete(t.matches, 0, over)
	}
}

// round counts a matching round.
func (t *tally) round() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rounds++
}

// counters tells the counts, and the waits of the window that ends at the market instant now.
func (t *tally) counters(now time.Time, into *dispatch.BoardCounters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	into.Created, into.Rounds = t.created, t.rounds
	into.Completed, into.Returned = t.counts[dispatch.StateCompleted], t.counts[dispatch.StateReturned]
	into.Cancelled, into.NoDriver = t.counts[dispatch.StateCancelled], t.counts[dispatch.StateNoDriver]
	since := now.Add(-matchWindow)
	t.matches = slices.DeleteFunc(t.matches, func(m matched) bool { return m.at.Before(since) })
	waits := make([]time.Duration, len(t.matches))
	for i, m := range t.matches {
		waits[i] = m.wait
	}
	slices.Sort(waits)
	into.Matches = len(waits)
	into.MatchP50, into.MatchP95 = percentile(waits, 50), percentile(waits, 95)
}

// percentile is the nearest-rank percentile of ascending values, 0 when there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*p+99)/100-1]
}
