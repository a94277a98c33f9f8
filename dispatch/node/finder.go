package node

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// findBudget is the wall time a round may spend on candidates and travel times; what is not found by then
// waits for the next round.
const findBudget = 500 * time.Millisecond

// topSpeedMps bounds the search: nobody reaches a pickup within max_pickup_s from farther away than this
// speed allows (144 km/h, above any city's limit).
const topSpeedMps = 40

// sweep is how many drivers a round looks at to set aside those whose fix is too old: searches do not come by them
// any more. At ten rounds a second a fleet of 10,000 is gone through each second.
const sweep = 1024

// blockSize is how many orders a searcher takes at a time: some 0.3 ms of work, so that all end at about the same time.
const blockSize = 32

// finder answers the market's Seek from the index and the travel times. Safe for concurrent use, as searches of a core
// that was dropped may still be under way.
type finder struct {
	leader *leader
	// budget is wall time: findBudget.
	budget time.Duration
	// haste tells whether rounds are in a hurry.
	haste haste
	// searchers are free ones, *searcher.
	searchers sync.Pool
}

// Find implements market.Finder. Who searches which orders is left to chance, what is found is not: it stands in the
// orders' order.
func (f *finder) Find(ctx context.Context, s *market.Seek) market.Candidates {
	l := f.leader
	ctx, cancel := context.WithTimeout(ctx, f.budget)
	defer cancel()
	now := l.node.cfg.Clock.Now()
	l.index.Expire(now.Add(-s.Freshness), sweep)
	r := newSearch(l, s, now)
	h := newHarvest(s)
	var next, left atomic.Int64 // blocks taken, orders left out
	f.each(min(len(h.blocks), searchersOf(runtime.GOMAXPROCS(0))), func(w *searcher) {
		for i := next.Add(1) - 1; i < int64(len(h.blocks)); i = next.Add(1) - 1 {
			b := &h.blocks[i]
			for j := range b.orders {
				if ctx.Err() != nil {
					left.Add(int64(len(b.orders) - j))
					break
				}
				w.order(ctx, r, &b.orders[j], b)
			}
		}
	})
	out := h.gather(s.Round)
	out.Hurry = f.haste.judge(l, len(s.Orders), int(left.Load()))
	return out
}

// searchersOf is how many search at once on so many processors. Half of them are left to those who send positions and
// ask for orders meanwhile.
func searchersOf(processors int) int { return max(1, processors/2) }

// each has so many searchers work and waits for them.
func (f *finder) each(n int, work func(*searcher)) {
	one := func() {
		w, _ := f.searchers.Get().(*searcher)
		if w == nil {
			w = &searcher{}
		}
		defer f.searchers.Put(w)
		work(w)
	}
	var others sync.WaitGroup
	for range n - 1 {
		others.Go(one)
	}
	one()
	others.Wait()
}

// block is some orders in a row, and what was found for them.
type block struct {
	orders  []market.Sought
	pairs   []market.Candidate
	trips   []market.Trip
	removed []market.Removed
}

// harvest is what a round finds. All blocks have their pairs in one piece of memory, each with room for the most that
// may be found for it.
type harvest struct {
	blocks []block
	pairs  []market.Candidate
	trips  []market.Trip
}

func newHarvest(s *market.Seek) *harvest {
	most := s.Candidates + 1 // those asked for, and the present driver
	h := &harvest{
		blocks: make([]block, (len(s.Orders)+blockSize-1)/blockSize),
		pairs:  make([]market.Candidate, len(s.Orders)*most), trips: make([]market.Trip, len(s.Orders)),
	}
	for i := range h.blocks {
		from, to := i*blockSize, min((i+1)*blockSize, len(s.Orders))
		h.blocks[i] = block{
			orders: s.Orders[from:to], pairs: h.pairs[from*most : from*most : to*most], trips: h.trips[from:from:to],
		}
	}
	return h
}

// gather moves what was found to the front of the memory, in the orders' order: nothing is overwritten before it is moved.
func (h *harvest) gather(round int64) market.Candidates {
	out := market.Candidates{Round: round, Pairs: h.pairs[:0], Trips: h.trips[:0]}
	for i := range h.blocks {
		b := &h.blocks[i]
		out.Pairs = append(out.Pairs, b.pairs...)
		out.Trips = append(out.Trips, b.trips...)
		out.Removed = append(out.Removed, b.removed...)
	}
	return out
}

// handles gives those of the drivers that are in the index.
func (l *leader) handles(into []geo.Handle, ids []dispatch.DriverID) []geo.Handle {
	for _, id := range ids {
		if h, known := l.index.Find(string(id)); known {
			into = append(into, h)
		}
	}
	return into
}

// trip estimates the travel time through all stops; zero when it is not known.
func (l *leader) trip(ctx context.Context, stops []dispatch.Stop) time.Duration {
	var sum time.Duration
	for i := range stops[1:] {
		t, err := l.learner.Matrix(ctx, []geo.LatLng{stops[i].LatLng}, []geo.LatLng{stops[i+1].LatLng})
		if err != nil {
			return 0
		}
		sum += t[0][0].Duration
	}
	return sum
}

// estimate gives the travel times of an assignment by hand; zero where they are not known, as of an order whose
// places were erased, with the source of the first.
func (l *leader) estimate(ctx context.Context, d dispatch.DriverID, o *dispatch.Order) (pickup, trip time.Duration, source string) {
	if len(o.Stops) == 0 {
		return 0, 0, ""
	}
	if fix, ok := l.index.Get(string(d)); ok {
		t, err := l.learner.Matrix(ctx, []geo.LatLng{fix.LatLng}, []geo.LatLng{o.Pickup()})
		if err == nil {
			pickup, source = t[0][0].Duration, t[0][0].Source
		}
	}
	return pickup, l.trip(ctx, o.Stops), source
}
