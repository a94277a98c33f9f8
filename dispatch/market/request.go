package market

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// queueLen bounds the commands that wait to be stepped. At 200 transitions a commit of a few milliseconds it
// is some tens of milliseconds of work; what comes above it is answered overloaded at once.
const queueLen = 1024

// newOrdersUpTo is how full the queue may be for a new order to join it: the rest is kept for those who work
// on orders accepted before, whose accepts and completions come first when not all can be served.
const newOrdersUpTo = queueLen / 2

// Do queues one command and waits for its answer, which comes after the commit. read is the wall instant before
// the asker began to read: whether its key has an answer, and what is Known. When ctx ends first, or the store
// does not answer in time, the command may still take effect: the answer is then unavailable, and the same key is
// safe to repeat.
func (l *Loop) Do(ctx context.Context, read time.Time, do Do) dispatch.Reply {
	r := &request{
		do: do, reply: make(chan dispatch.Reply, 1), read: read, queued: l.cfg.Wall.Now(),
		gone: ctx.Done(), outage: l.outage.Load(),
	}
	select {
	case <-l.quit:
		return away()
	case <-r.outage.begun:
		return silent()
	default:
	}
	if do.Command.Op == dispatch.OpCreate && len(l.queue) >= newOrdersUpTo {
		return dispatch.Reply{Err: overloaded(newOrdersUpTo, "new orders")}
	}
	select {
	case l.queue <- r:
	default:
		return dispatch.Reply{Err: overloaded(queueLen, "commands")}
	}
	select {
	case reply := <-r.reply:
		return reply
	case <-ctx.Done():
		return dispatch.Reply{Err: dispatch.Unavailable("no answer in time", ctx.Err())}
	case <-r.outage.begun:
		return r.or(silent())
	case <-l.done:
		return r.or(away())
	}
}

func overloaded(limit int, what string) *dispatch.Error {
	e := dispatch.Errorf(dispatch.CodeOverloaded, "", "the market has %d commands waiting, its limit for %s", limit, what)
	e.RetryAfter = time.Second
	return e
}

func away() dispatch.Reply {
	return dispatch.Reply{Err: dispatch.Unavailable("the market is closing here", nil)}
}

// request is one command on its way through the loop.
type request struct {
	do     Do
	reply  chan dispatch.Reply // capacity 1: answered once, never blocking the loop
	read   time.Time           // wall; before the asker read what do says is known, and looked for its key
	queued time.Time           // wall
	gone   <-chan struct{}     // closed when the asker waits no longer
	outage *outage             // the asker waits no longer once it has begun
}

// or gives the answer when it came just before the asker was to be told something else.
func (r *request) or(other dispatch.Reply) dispatch.Reply {
	select {
	case reply := <-r.reply:
		return reply
	default:
		return other
	}
}

// stale tells that a queued request must not be stepped any more: its asker has gone, and may have asked again;
// or its key may have been answered and forgotten since the journal was asked for it. Nothing has happened under
// it yet, so that its key is safe to repeat.
func (r *request) stale(now time.Time) bool {
	select {
	case <-r.gone:
		return true
	case <-r.outage.begun:
		return true
	default:
		return r.do.Command.Key.ID != "" && now.Sub(r.read) >= rememberFor/2
	}
}
