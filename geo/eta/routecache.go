package eta

import (
	"container/list"
	"sync"
	"time"
)

// routeCache remembers answers by pair of cells and drops those that were not asked for longest. An estimate of
// no Source says that the router knows no way.
type routeCache struct {
	size int

	mu      sync.Mutex
	entries map[pair]*list.Element // of *remembered
	recent  *list.List             // front is the last one used
}

type remembered struct {
	pair     pair
	estimate Estimate
	at       time.Time
}

func newRouteCache(size int) *routeCache {
	return &routeCache{size: size, entries: map[pair]*list.Element{}, recent: list.New()}
}

// get gives what was answered since oldest.
func (c *routeCache) get(p pair, oldest time.Time) (Estimate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[p]
	if !ok {
		return Estimate{}, false
	}
	r := element.Value.(*remembered)
	if r.at.Before(oldest) {
		return Estimate{}, false
	}
	c.recent.MoveToFront(element)
	return r.estimate, true
}

func (c *routeCache) put(p pair, e Estimate, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[p]; ok {
		*element.Value.(*remembered) = remembered{p, e, at}
		c.recent.MoveToFront(element)
		return
	}
	if c.recent.Len() >= c.size {
		last := c.recent.Back()
		delete(c.entries, last.Value.(*remembered).pair)
		c.recent.Remove(last)
	}
	c.entries[p] = c.recent.PushFront(&remembered{p, e, at})
}
