package node

import (
	"cmp"
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
)

const (
	// explainFor is how long (market time) the leader remembers every round of an order: as long as its core does a
	// closed order. Older ones come from the store, which keeps fewer.
	explainFor = 10 * time.Minute
	// explainRounds is how many rounds of an order a leader remembers, and how many are told.
	explainRounds = 100
	// explainBytes bounds what a market's rounds take in memory, and what waits to be written: some 10,000 rounds of
	// an order with 16 candidates each.
	explainBytes = 32 << 20
	// explainAtOnce is how many are written in one transaction: some 10 ms of the store, which has commits to do.
	explainAtOnce = 256
	// explainEvery is the market time after which a round that again found nobody is kept in the store, of an order
	// whose search goes on as it did: a search of five minutes has 150 rounds that say the same.
	explainEvery = 30 * time.Second
)

// book remembers how the rounds of a market dealt with its orders, while this node leads it, and collects what is to be
// written of that. Bounded: what came first goes first.
type book struct {
	count func(what string, n int)

	mu sync.Mutex
	// rounds are the explanations remembered (*dispatch.Explanation), in the order in which they came; bytes is what they
	// take. Guarded by mu.
	rounds *list.List
	bytes  int
	// orders are those with a round that is remembered. Guarded by mu.
	orders map[dispatch.OrderID]*chapter
	// waiting are those to be written, of waitingBytes. Guarded by mu.
	waiting      []dispatch.Explanation
	waitingBytes int
}

// chapter is what a book has of one order.
type chapter struct {
	rounds []*list.Element
	// kept is the instant of the last round that was to be written, unmatched why it found nobody.
	kept      time.Time
	unmatched string
}

func newBook(count func(what string, n int)) *book {
	return &book{count: count, rounds: list.New(), orders: map[dispatch.OrderID]*chapter{}}
}

// add takes the explanations of a round; it does not block.
func (b *book) add(es []dispatch.Explanation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range es {
		e := &es[i]
		c := b.orders[e.Order]
		if c == nil {
			c = &chapter{}
			b.orders[e.Order] = c
		}
		b.writeLocked(c, e)
		c.rounds = append(c.rounds, b.rounds.PushBack(e))
		b.bytes += sizeOf(e)
		if len(c.rounds) > explainRounds {
			b.dropLocked(c.rounds[0])
		}
	}
	for b.bytes > explainBytes {
		b.dropLocked(b.rounds.Front())
	}
}

// writeLocked has a round written, unless it says again what the last one did.
func (b *book) writeLocked(c *chapter, e *dispatch.Explanation) {
	if len(e.Chosen) == 0 && !c.kept.IsZero() && e.Unmatched == c.unmatched && e.At.Before(c.kept.Add(explainEvery)) {
		return
	}
	c.kept, c.unmatched = e.At, e.Unmatched
	size := sizeOf(e)
	if b.waitingBytes+size > explainBytes {
		b.count("dropped", 1)
		return
	}
	b.waiting = append(b.waiting, *e)
	b.waitingBytes += size
}

// dropLocked forgets a round.
func (b *book) dropLocked(el *list.Element) {
	e := b.rounds.Remove(el).(*dispatch.Explanation)
	b.bytes -= sizeOf(e)
	c := b.orders[e.Order]
	c.rounds = slices.DeleteFunc(c.rounds, func(other *list.Element) bool { return other == el })
	if len(c.rounds) == 0 {
		delete(b.orders, e.Order)
	}
}

// sizeOf is about what an explanation takes in memory.
func sizeOf(e *dispatch.Explanation) int {
	size := 256
	for i := range e.Candidates {
		size += 128 + 32*len(e.Candidates[i].Terms)
	}
	return size
}

// of gives what is remembered of an order, ascending.
func (b *book) of(id dispatch.OrderID) []dispatch.Explanation {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.orders[id]
	if c == nil {
		return nil
	}
	es := make([]dispatch.Explanation, len(c.rounds))
	for i, el := range c.rounds {
		es[i] = *el.Value.(*dispatch.Explanation)
	}
	return es
}

// rest takes what waits to be written, and forgets rounds of before the instant.
func (b *book) rest(before time.Time) []dispatch.Explanation {
	b.mu.Lock()
	defer b.mu.Unlock()
	for el := b.rounds.Front(); el != nil && el.Value.(*dispatch.Explanation).At.Before(before); el = b.rounds.Front() {
		b.dropLocked(el)
	}
	waiting := b.waiting
	b.waiting, b.waitingBytes = nil, 0
	return waiting
}

// forget drops the rounds of orders, and those that name a driver.
func (b *book) forget(d dispatch.DriverID, orders []dispatch.OrderID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for el, next := b.rounds.Front(), (*list.Element)(nil); el != nil; el = next {
		next = el.Next()
		e := el.Value.(*dispatch.Explanation)
		named := d != "" && (slices.Contains(e.Chosen, d) ||
			slices.ContainsFunc(e.Candidates, func(c dispatch.Considered) bool { return c.Driver == d }))
		if named || slices.Contains(orders, e.Order) {
			b.dropLocked(el)
		}
	}
}

// explainer writes the books behind: no round waits for the store. It serves all markets of a node.
type explainer struct {
	node    *Node
	written *prometheus.CounterVec
	writing sync.Mutex // held by who writes, so that flush returns only when all before it is written
}

func newExplainer(n *Node) *explainer {
	x := &explainer{node: n, written: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "hexfleet", Name: "explanations_total",
		Help: "Explanations of rounds, one an order: kept, or dropped for want of a store or of memory.",
	}, []string{"what"})}
	n.cfg.Registry.MustRegister(x.written)
	return x
}

func (x *explainer) count(what string, n int) { x.written.WithLabelValues(what).Add(float64(n)) }

// flush writes what waits of all markets.
func (x *explainer) flush(ctx context.Context) {
	for _, m := range x.node.cfg.Markets {
		if l, ok := x.node.led(m.ID); ok {
			x.write(ctx, l.book)
		}
	}
}

// write writes what waits of a market. What cannot be written is dropped, as samples are.
func (x *explainer) write(ctx context.Context, b *book) {
	if x.node.cfg.Archive == nil {
		return
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	batch := b.rest(x.node.cfg.Clock.Now().Add(-explainFor))
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	for some := range slices.Chunk(batch, explainAtOnce) {
		if err := x.node.cfg.Archive.AddExplanations(ctx, some); err != nil {
			x.count("dropped", len(batch))
			x.node.cfg.Log.Warn("explanations not kept", "explanations", len(batch), "error", err)
			return
		}
		x.count("kept", len(some))
		batch = batch[len(some):]
	}
}

// erase takes a driver, or orders, out of what is kept.
func (x *explainer) erase(ctx context.Context, d dispatch.DriverID, pseudonym string, orders []dispatch.OrderID) error {
	x.flush(ctx)
	for _, m := range x.node.cfg.Markets {
		if l, ok := x.node.led(m.ID); ok {
			l.book.forget(d, orders)
		}
	}
	_, err := x.node.cfg.Archive.EraseExplanations(ctx, d, pseudonym, orders)
	return err
}

// Explained tells how rounds dealt with an order of market m, the latest, ascending: what the leader remembers, when it
// is here, and what is kept, which lags a few seconds behind. With the store away the leader tells what it remembers.
func (n *Node) Explained(ctx context.Context, m dispatch.MarketID, id dispatch.OrderID) ([]dispatch.Explanation, error) {
	var es []dispatch.Explanation
	if l, ok := n.led(m); ok {
		es = l.book.of(id)
	}
	if n.cfg.Archive == nil {
		return es, nil
	}
	kept, err := n.cfg.Archive.Explanations(ctx, id, explainRounds)
	if err != nil && len(es) == 0 {
		return nil, err
	}
	es = append(kept, es...)
	order := func(a, b dispatch.Explanation) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Round, b.Round))
	}
	slices.SortStableFunc(es, order)
	es = slices.CompactFunc(es, func(a, b dispatch.Explanation) bool { return order(a, b) == 0 })
	return es[max(0, len(es)-explainRounds):], nil
}
