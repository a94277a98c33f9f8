package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// probeEvery is the wait between two signs of life asked for: a database that is back is used again so much later,
// and one that has refused a single call is asked no more often.
const probeEvery = 250 * time.Millisecond

// health knows whether the database is away. A call that fails raises doubt; its goroutine then asks for a sign of
// life and, while there is none, every call is refused at once and those under way are ended: nothing waits for a
// database that will not answer.
type health struct {
	log    *slog.Logger                // immutable
	probe  func(context.Context) error // immutable; bounded
	forget func()                      // immutable; drops connections that may be dead
	doubts chan struct{}               // capacity 1: there is doubt or there is none

	begin  sync.Once
	cancel context.CancelFunc // written once, by start or stop; ends the goroutine
	done   chan struct{}

	mu     sync.Mutex
	isAway bool               // guarded by mu
	calls  map[*call]struct{} // guarded by mu; those under way
}

// call is one that health can end.
type call struct{ cancel context.CancelFunc }

func newHealth(log *slog.Logger, probe func(context.Context) error, forget func()) *health {
	return &health{
		log: log, probe: probe, forget: forget, doubts: make(chan struct{}, 1),
		done: make(chan struct{}), calls: map[*call]struct{}{},
	}
}

func (h *health) start() {
	h.begin.Do(func() {
		var ctx context.Context
		ctx, h.cancel = context.WithCancel(context.Background())
		go h.run(ctx)
	})
}

// stop ends the goroutine and waits for it; it may be called more than once, and without start.
func (h *health) stop() {
	h.begin.Do(func() {
		h.cancel = func() {}
		close(h.done)
	})
	h.cancel()
	<-h.done
}

// doubt asks for a sign of life.
func (h *health) doubt() {
	select {
	case h.doubts <- struct{}{}:
	default: // asked for already
	}
}

// away tells that the database gave no sign of life when last asked.
func (h *health) away() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isAway
}

// enter begins a call; false when the database is away. Each that was let in must leave.
func (h *health) enter(c *call) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isAway {
		return false
	}
	h.calls[c] = struct{}{}
	return true
}

func (h *health) leave(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.calls, c)
}

func (h *health) run(ctx context.Context) {
	defer close(h.done)
	for {
		select {
		case <-h.doubts:
		case <-ctx.Done():
			return
		}
		for err := h.probe(ctx); err != nil; err = h.probe(ctx) {
			if ctx.Err() != nil {
				return
			}
			h.lost(err)
			pause(ctx)
		}
		h.back()
		pause(ctx)
	}
}

// pause waits before the next probe, no longer than ctx.
func pause(ctx context.Context) {
	timer := time.NewTimer(probeEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lost refuses further calls and ends those under way.
func (h *health) lost(err error) {
	h.mu.Lock()
	first := !h.isAway
	h.isAway = true
	for c := range h.calls {
		c.cancel()
	}
	h.mu.Unlock()
	if first {
		h.log.Warn("the database is away; until it is back every call is refused", "error", err)
	}
}

// back lets calls in again, on new connections.
func (h *health) back() {
	h.mu.Lock()
	was := h.isAway
	h.mu.Unlock()
	if !was {
		return
	}
	h.forget()
	h.mu.Lock()
	h.isAway = false
	h.mu.Unlock()
	h.log.Info("the database is back")
}
