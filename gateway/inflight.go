package gateway

import (
	"context"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
)

// inFlight is how many requests of one socket may be under way; its reader then waits. A driver or rider has
// one or two, a dispatcher's tool pipelines.
const inFlight = 16

// inflight are the requests of one socket that are under way: a bounded number, and one after the other where
// they are about the same.
type inflight struct {
	slots chan struct{} // a token each

	mu     sync.Mutex
	tails  map[string]chan struct{} // guarded by mu; the end of the last request about each thing
	closed bool                     // guarded by mu
	work   sync.WaitGroup           // added to under mu while not closed
}

func newInflight() inflight {
	return inflight{slots: make(chan struct{}, inFlight), tails: map[string]chan struct{}{}}
}

// turn is the place of one request.
type turn struct {
	in     *inflight
	about  string
	before <-chan struct{} // nil when nothing has to end first
	done   chan struct{}
}

// begin takes a place, waiting for one until ctx ends; "" is about nothing that needs an order. The caller
// has to end the turn.
func (f *inflight) begin(ctx context.Context, about string) (turn, *dispatch.Error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return turn{}, dispatch.Unavailable("the socket has ended", ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		<-f.slots
		return turn{}, dispatch.Unavailable("the server is closing this socket", nil)
	}
	f.work.Add(1)
	t := turn{in: f, about: about, done: make(chan struct{})}
	if about != "" {
		t.before = f.tails[about]
		f.tails[about] = t.done
	}
	return t, nil
}

// busy tells whether a request about the same is under way.
func (f *inflight) busy(about string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tails[about] != nil
}

// wait returns when the requests before this one about the same have ended.
func (t turn) wait() {
	if t.before != nil {
		<-t.before
	}
}

// end gives the place back.
func (t turn) end() {
	t.in.mu.Lock()
	if t.in.tails[t.about] == t.done {
		delete(t.in.tails, t.about)
	}
	t.in.mu.Unlock()
	close(t.done)
	<-t.in.slots
	t.in.work.Done()
}

// close has begin refuse from now on.
func (f *inflight) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// wait returns when no request is under way; for after close, or when nobody begins any more.
func (f *inflight) wait() { f.work.Wait() }
