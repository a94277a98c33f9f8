package gateway

import (
	"context"
	"sync"

	"github.com/gorilla/websocket"
)

// outboxLimit is how many frames may wait for one socket. A market's commit group tells about 200
// transitions at most, and one who watches them all is sent them at once: five groups behind is slow. What
// happens when it is full is put's and wait's to say.
const outboxLimit = 1024

// pacedLimit is how much of the queue senders that can wait may fill; the rest stays free for live events, so
// that telling a long past never makes a present event overflow.
const pacedLimit = outboxLimit / 2

// losableLimit is how full the queue may be for a losable frame to join it: the next one says the same,
// newer, so a socket that is behind is better off without.
const losableLimit = 16

// outbox is the bounded queue of frames between everyone who tells a socket something and the one goroutine
// that writes. The zero outbox is not usable.
type outbox struct {
	// wake holds a token when the writer has something to look at.
	wake chan struct{}
	// life ends when the outbox takes nothing more; what works for this socket alone works under it.
	life func() context.Context
	quit context.CancelFunc

	mu      sync.Mutex
	frames  [][]byte      // guarded by mu
	room    chan struct{} // guarded by mu; not nil while someone waits for room, closed by take
	closing *closing      // guarded by mu; set once
	// board is closed once the board frame that is queued or being written is out; nil while there is none.
	// taken tells that the writer has it. Guarded by mu.
	board chan struct{}
	taken bool
}

// closing is how a socket is to end.
type closing struct {
	code   int
	reason string
	// hasty: what is queued is not written any more.
	hasty bool
	// silent: the connection is broken, no close frame is due either.
	silent bool
}

func newOutbox() *outbox {
	ctx, quit := context.WithCancel(context.Background())
	return &outbox{wake: make(chan struct{}, 1), life: func() context.Context { return ctx }, quit: quit}
}

// put queues a frame that must not be lost and must not wait. When the queue is full the socket is cut as
// slow: no version may be skipped, and nobody waits for it.
func (o *outbox) put(frame []byte) (overflowed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing != nil {
		return false
	}
	if len(o.frames) >= outboxLimit {
		o.endLocked(closing{code: closeSlow, reason: "slow", hasty: true})
		return true
	}
	o.frames = append(o.frames, frame)
	o.wakeLocked()
	return false
}

// spare queues a losable frame, or drops it when the socket is behind.
func (o *outbox) spare(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing == nil && len(o.frames) < losableLimit {
		o.frames = append(o.frames, frame)
		o.wakeLocked()
	}
}

// putBoard queues a board frame; the caller has made sure by boardGone that none is on its way, so that there is
// one at most, and a slow watcher is told less often instead of more late.
func (o *outbox) putBoard(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing != nil {
		return
	}
	o.board, o.taken = make(chan struct{}), false
	o.frames = append(o.frames, frame)
	o.wakeLocked()
}

// boardGone is closed once the last board frame has been written; nil when it has, or there was none.
func (o *outbox) boardGone() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.board
}

// flushed tells that all that was taken has been written.
func (o *outbox) flushed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken {
		close(o.board)
		o.board, o.taken = nil, false
	}
}

// wait queues a frame once there is room; false when the outbox was closed first. The writer's deadline
// bounds the wait.
func (o *outbox) wait(frame []byte) bool {
	for {
		o.mu.Lock()
		if o.closing != nil {
			o.mu.Unlock()
			return false
		}
		if len(o.frames) < pacedLimit {
			o.frames = append(o.frames, frame)
			o.wakeLocked()
			o.mu.Unlock()
			return true
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-o.life().Done():
		}
	}
}

// end closes the outbox: what is queued is still written unless c is hasty, then the close frame. The first
// end counts; a later one can only add haste.
func (o *outbox) end(c closing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing == nil {
		o.endLocked(c)
		return
	}
	o.closing.hasty = o.closing.hasty || c.hasty
	o.closing.silent = o.closing.silent || c.silent
}

func (o *outbox) endLocked(c closing) {
	o.closing = &c
	o.quit()
	o.wakeLocked()
}

func (o *outbox) wakeLocked() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// nudge has the writer look again at what concerns it.
func (o *outbox) nudge() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked()
}

// take gives the writer everything queued, and how to end once that is written.
func (o *outbox) take() (frames [][]byte, end *closing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames, o.frames = o.frames, nil
	o.taken = o.board != nil
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	if o.closing != nil {
		c := *o.closing
		end = &c
	}
	return frames, end
}

// hasty tells whether to end without writing what was taken.
func (o *outbox) hasty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing != nil && (o.closing.hasty || o.closing.silent)
}

// The close codes of the contract. Those from 4000 to 4499 invite the client to come back with backoff, those
// from 4500 do not.
const (
	closeNormal          = websocket.CloseNormalClosure
	closeTooLarge        = websocket.CloseMessageTooBig
	closeInternal        = 4000 // ours: a defect
	closeDrain           = 4001
	closeSilent          = 4002 // ours: no sign of life for 2.5 heartbeats
	closeUnavailable     = 4003 // ours: the session's past cannot be read now
	closeSlow            = 4008
	closeReplaced        = 4009
	closeUnauthenticated = 4500
	closeAbusive         = 4503
)
