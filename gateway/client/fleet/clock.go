package fleet

import (
	"sync"
	"time"
)

// Clock is the wall clock.
type Clock interface {
	// Now is the present instant.
	Now() time.Time
	// After fires once the clock shows t; stop releases the timer.
	After(t time.Time) (fire <-chan time.Time, stop func())
}

// marketClock is the server's market clock as far as it has been told. A told instant is always a little
// old when it arrives, so the latest estimate is the best one; it never goes back.
type marketClock struct {
	wall Clock

	mu sync.Mutex
	// At the wall instant base the market clock showed shown; it runs scale times as fast.
	base, shown time.Time
	scale       float64
}

func newMarketClock(wall Clock, shown time.Time, scale float64) *marketClock {
	return &marketClock{wall: wall, base: wall.Now(), shown: shown, scale: scale}
}

// told hears the server's market clock.
func (c *marketClock) told(shown time.Time, scale float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.wall.Now()
	now := c.atLocked(wall)
	if shown.After(now) || scale != c.scale && scale > 0 {
		c.base, c.scale = wall, scale
		c.shown = now
		if shown.After(now) {
			c.shown = shown
		}
	}
}

// atLocked is the market time at a wall instant; mu is held.
func (c *marketClock) atLocked(wall time.Time) time.Time {
	return c.shown.Add(time.Duration(float64(wall.Sub(c.base)) * c.scale))
}

// Now is the market time.
func (c *marketClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.atLocked(c.wall.Now())
}

// wallAt is the wall instant at which the market clock will show t.
func (c *marketClock) wallAt(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Add(time.Duration(float64(t.Sub(c.shown)) / c.scale))
}

// market converts a span of wall time to market time.
func (c *marketClock) market(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(d) * c.scale)
}
