package dispatch

import (
	"sync"
	"time"
)

// Clock tells time. Two run in a server, both passed in: the wall clock (sockets, tokens, heartbeats,
// leases, the life of idempotency keys) and the market clock (windows, TTLs, timeouts, freshness, event
// times), which may be scaled.
type Clock interface {
	// Now is the present instant, UTC.
	Now() time.Time
	// After fires once the clock shows t; at once when it already does. stop releases the timer.
	After(t time.Time) (fire <-chan time.Time, stop func())
}

// Wall is the wall clock.
type Wall struct{}

// Now implements Clock; the monotonic reading is kept.
func (Wall) Now() time.Time { return time.Now().UTC() }

// After implements Clock.
func (Wall) After(t time.Time) (<-chan time.Time, func()) {
	timer := time.NewTimer(time.Until(t))
	return timer.C, func() { timer.Stop() }
}

// Anchor ties market time to wall time: the market clock shows Market when the wall clock shows Wall, and
// runs Scale times as fast. It is kept in the store, so that a restart goes on from it.
type Anchor struct {
	Wall, Market time.Time
	// Scale is market seconds a wall second, 0 < Scale <= MaxScale.
	Scale float64
}

// MaxScale is the fastest market clock accepted; above it a round would be shorter than a commit.
const MaxScale = 1000

// At is the market time at the wall instant w.
func (a Anchor) At(w time.Time) time.Time {
	return a.Market.Add(time.Duration(float64(w.Sub(a.Wall)) * a.Scale))
}

// Resume gives the anchor with which a server that starts at the wall instant now goes on: the stored one
// when the scale is the same, else a new one at the present market time. latest is the last market instant
// that anyone was told: when the wall clock was set back, market time goes on from there.
func (a Anchor) Resume(now, latest time.Time, scale float64) Anchor {
	present := now
	if a.Scale != 0 {
		present = a.At(now)
	}
	if present.Before(a.Market) {
		present = a.Market
	}
	if present.Before(latest) {
		present = latest
	}
	if a.Scale == scale && present.Equal(a.At(now)) {
		return a
	}
	return Anchor{Wall: now, Market: present, Scale: scale}
}

// MarketClock is market time over the wall clock. It never goes back while the process lives.
type MarketClock struct {
	anchor Anchor
	base   time.Time // wall instant with a monotonic reading, immutable
	wall   time.Time // the same instant without it, immutable
}

// NewMarketClock starts the market clock of anchor.
func NewMarketClock(a Anchor) *MarketClock {
	now := time.Now()
	return &MarketClock{anchor: a, base: now, wall: now.Round(0).UTC()}
}

// Now implements Clock. It follows the monotonic clock, so that a step of the wall clock is not seen.
func (c *MarketClock) Now() time.Time {
	return c.anchor.At(c.wall.Add(time.Since(c.base))).UTC()
}

// After implements Clock.
func (c *MarketClock) After(t time.Time) (<-chan time.Time, func()) {
	timer := time.NewTimer(c.Wall(t.Sub(c.Now())))
	return timer.C, func() { timer.Stop() }
}

// Wall converts a span of market time to wall time.
func (c *MarketClock) Wall(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.anchor.Scale)
}

// Scale is market seconds a wall second.
func (c *MarketClock) Scale() float64 { return c.anchor.Scale }

// Manual is a clock for tests, moved by hand. Timers fire inside Advance.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*manualTimer]struct{}
}

type manualTimer struct {
	at   time.Time
	fire chan time.Time
}

// NewManual starts a hand-moved clock at t.
func NewManual(t time.Time) *Manual {
	return &Manual{now: t.UTC(), timers: map[*manualTimer]struct{}{}}
}

// Now implements Clock.
func (c *Manual) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After implements Clock.
func (c *Manual) After(t time.Time) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &manualTimer{at: t, fire: make(chan time.Time, 1)}
	if !t.After(c.now) {
		timer.fire <- c.now
		return timer.fire, func() {}
	}
	c.timers[timer] = struct{}{}
	return timer.fire, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, timer)
	}
}

// Advance moves the clock on by d and fires what has become due.
func (c *Manual) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for t := range c.timers {
		if !t.at.After(c.now) {
			t.fire <- c.now
			delete(c.timers, t)
		}
	}
}
