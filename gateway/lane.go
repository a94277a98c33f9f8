package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

const (
	// laneLimit is how many events of one market may wait for delivery: twenty commit groups of about 200.
	// More than that is thrown away and read from the history: a full lane is a hole.
	laneLimit = 4096
	// page is how many events are read from the history at once.
	page = 256
	// retryMin and retryMax bound the pause before the history is asked again.
	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second
)

// lane delivers the events of one market to the sockets: each once, densely by seq, whatever the feed
// repeats or loses. What is missing is read from the history; events that come meanwhile wait in the
// queue, and a queue that overflows only makes the hole larger.
type lane struct {
	market dispatch.MarketID
	hub    *hub
	// at is the seq of the last event delivered; written by the lane's goroutine and, before that delivers
	// anything, by begin.
	at atomic.Int64
	// wake holds a token when there is something to look at.
	wake chan struct{}

	mu    sync.Mutex
	known bool              // guarded by mu; begin was called
	queue []*dispatch.Event // guarded by mu
	// want is the highest seq that is known to exist, by an event or by what the leader says it has
	// published. Guarded by mu.
	want int64
}

func newLane(m dispatch.MarketID, h *hub) *lane {
	return &lane{market: m, hub: h, wake: make(chan struct{}, 1)}
}

// begin sets where the lane starts: it delivers what comes after seq.
func (l *lane) begin(seq int64) {
	l.mu.Lock()
	if !l.known {
		l.known = true
		l.at.Store(seq)
	}
	l.mu.Unlock()
	l.nudge()
}

// push queues an event; it never blocks.
func (l *lane) push(e *dispatch.Event) {
	l.mu.Lock()
	if len(l.queue) >= laneLimit {
		l.queue = nil
	}
	l.queue = append(l.queue, e)
	l.want = max(l.want, e.Seq)
	l.mu.Unlock()
	l.nudge()
}

// published tells that every event up to seq has been published.
func (l *lane) published(seq int64) {
	l.mu.Lock()
	l.want = max(l.want, seq)
	l.mu.Unlock()
	l.nudge()
}

func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take gives what has been queued and the seq that is known to exist; nothing before begin.
func (l *lane) take() (queue []*dispatch.Event, want int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known {
		return nil, 0
	}
	queue, l.queue = l.queue, nil
	return queue, l.want
}

// run is the lane's goroutine.
func (l *lane) run(ctx context.Context) {
	var buf []*session
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		queue, want := l.take()
		for _, e := range queue {
			if e.Seq > l.at.Load()+1 {
				buf = l.fill(ctx, e.Seq-1, buf)
			}
			buf = l.deliver(e, buf)
		}
		if want > l.at.Load() {
			buf = l.fill(ctx, want, buf)
		}
	}
}

// deliver passes on an event that is next; repeats are dropped.
func (l *lane) deliver(e *dispatch.Event, buf []*session) []*session {
	if e.Seq != l.at.Load()+1 {
		return buf
	}
	buf = l.hub.deliver(e, buf)
	l.at.Store(e.Seq)
	return buf
}

// fill delivers what lies between the last event and upTo, included, from the history, however long that
// takes to answer: the order of a market's events is worth more than their haste.
func (l *lane) fill(ctx context.Context, upTo int64, buf []*session) []*session {
	l.hub.met.holes.WithLabelValues(string(l.market)).Inc()
	wait := retryMin
	for l.at.Load() < upTo {
		before := l.at.Load()
		events, err := l.hub.cfg.History.MarketEvents(ctx, l.market, before, page)
		for i := range events {
			buf = l.deliver(&events[i], buf)
		}
		if l.at.Load() > before {
			wait = retryMin
			continue
		}
		if ctx.Err() != nil {
			return buf
		}
		l.hub.cfg.Log.Warn("hole in a market's events is not filled yet",
			"market", l.market, "after", before, "up_to", upTo, "err", err)
		if !pause(ctx, l.hub.cfg.Wall, wait) {
			return buf
		}
		wait = min(2*wait, retryMax)
	}
	return buf
}
