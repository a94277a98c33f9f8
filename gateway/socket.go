package gateway

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	// writeWait is how long one frame may take to leave; then the socket is slow.
	writeWait = 10 * time.Second
	// lingerWait is how long a close frame may take to leave, and how long the other side is listened to after
	// it: closing a connection with unread bytes resets it, and the reset may overtake the frames that tell
	// why.
	lingerWait = 2 * time.Second
	// silentBeats is after how many heartbeats without a sign of life a socket is closed.
	silentBeats = 2.5
	// hardLimit is the announced frame size at which even lingering ends. Frames above wire.MaxBytes are
	// never read whole, whatever this says.
	hardLimit = 16 << 20
)

// errTooLarge tells that a frame is above wire.MaxBytes.
var errTooLarge = errors.New("frame above the size limit")

// socket is one WebSocket connection: one goroutine reads, one writes, and outbox is the only way from the
// rest of the server to the writer. Who may say what is the session's; the socket knows frames only.
type socket struct {
	conn *websocket.Conn // read by the reader, written by the writer; deadlines and control frames by both
	out  *outbox
	wall dispatch.Clock
	beat time.Duration
	met  *metrics
	// ended is closed when the reader has ended.
	ended chan struct{}

	mu        sync.Mutex
	silence   time.Duration // guarded by mu; the longest silence allowed
	lingering bool          // guarded by mu; the close frame is out, the deadline stands
	alarm     time.Time     // guarded by mu; wall instant of ring, zero: none
	ring      func()        // guarded by mu
}

func newSocket(conn *websocket.Conn, wall dispatch.Clock, beat time.Duration, met *metrics) *socket {
	k := &socket{
		conn: conn, out: newOutbox(), wall: wall, beat: beat, met: met, ended: make(chan struct{}),
		silence: time.Duration(silentBeats * float64(beat)),
	}
	conn.SetReadLimit(hardLimit)
	conn.SetPongHandler(func(string) error { k.heard(); return nil })
	conn.SetPingHandler(func(data string) error {
		k.heard()
		_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		return nil // a pong that finds no way out shows in the next write
	})
	// The answer to a close frame is the writer's: it knows what is still queued.
	conn.SetCloseHandler(func(int, string) error { return nil })
	return k
}

// heard moves the read deadline on: the other side gave a sign of life.
func (k *socket) heard() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.lingering {
		_ = k.conn.SetReadDeadline(time.Now().Add(k.silence))
	}
}

// setSilence sets the longest silence, from now on.
func (k *socket) setSilence(d time.Duration) {
	k.mu.Lock()
	k.silence = d
	k.mu.Unlock()
	k.heard()
}

// setAlarm has ring called by the writer at the wall instant at, instead of any alarm set before.
func (k *socket) setAlarm(at time.Time, ring func()) {
	k.mu.Lock()
	k.alarm, k.ring = at, ring
	k.mu.Unlock()
	k.out.nudge()
}

// read gives the next frame. The deadline is renewed first: time the reader spent on the frame before is not
// the client's silence.
func (k *socket) read() (kind int, data []byte, err error) {
	k.heard()
	kind, r, err := k.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	data, err = io.ReadAll(io.LimitReader(r, wire.MaxBytes+1))
	if err != nil {
		return 0, nil, err
	}
	if len(data) > wire.MaxBytes {
		return 0, nil, errTooLarge
	}
	k.heard()
	return kind, data, nil
}

// discard reads until the connection ends or the linger deadline passes.
func (k *socket) discard() {
	for {
		if _, _, err := k.conn.NextReader(); err != nil {
			return
		}
	}
}

// hangUp ends the socket for a read error.
func (k *socket) hangUp(err error) {
	if ce, ok := errors.AsType[*websocket.CloseError](err); ok && ce.Code != websocket.CloseAbnormalClosure {
		k.out.end(closing{code: closeNormal})
		return
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		k.out.end(closing{code: closeSilent, reason: "silent"})
		return
	}
	k.out.end(closing{code: websocket.CloseAbnormalClosure, silent: true})
}

// cut ends a socket without writing what is queued. A write under way has wait left to finish: only after it
// can the close frame tell why.
func (k *socket) cut(code int, reason string, wait time.Duration) {
	k.out.end(closing{code: code, reason: reason, hasty: true})
	_ = k.conn.NetConn().SetWriteDeadline(time.Now().Add(wait))
}

// write is the writer goroutine: frames, pings and the alarm, until the outbox ends. It closes the
// connection, and returns once the reader has ended too.
func (k *socket) write() {
	code := k.writeAll()
	k.met.closes.WithLabelValues(codeLabel(code)).Inc()
	_ = k.conn.Close()
	<-k.ended
}

// writeAll gives the code with which the socket was closed.
func (k *socket) writeAll() int {
	beat, stopBeat := k.wall.After(k.wall.Now().Add(k.beat))
	defer func() { stopBeat() }()
	var alarm <-chan time.Time
	var armed time.Time
	stopAlarm := func() {}
	defer func() { stopAlarm() }()
	for {
		k.mu.Lock()
		at, ring := k.alarm, k.ring
		k.mu.Unlock()
		if !at.Equal(armed) {
			stopAlarm()
			armed = at
			alarm, stopAlarm = k.wall.After(at)
		}
		select {
		case <-k.out.wake:
		case <-alarm:
			alarm = nil
			ring()
		case <-beat:
			beat, stopBeat = k.wall.After(k.wall.Now().Add(k.beat))
			_ = k.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		}
		frames, end := k.out.take()
		if err := k.flush(frames); err != nil {
			k.out.end(closing{silent: true})
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				return closeSlow
			}
			return websocket.CloseAbnormalClosure
		}
		k.out.flushed()
		if end != nil {
			return k.bye(*end)
		}
	}
}

// flush writes frames, or as many of them as there is still a reason to.
func (k *socket) flush(frames [][]byte) error {
	for _, frame := range frames {
		if k.out.hasty() {
			return nil
		}
		// A board frame may be as long as eight others: it has their time.
		wait := writeWait * time.Duration(1+len(frame)/wire.MaxBytes)
		_ = k.conn.SetWriteDeadline(time.Now().Add(wait))
		if err := k.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
			return err
		}
	}
	return nil
}

// bye writes the close frame and lets the other side answer it.
func (k *socket) bye(end closing) int {
	if end.silent {
		return end.code
	}
	frame := websocket.FormatCloseMessage(end.code, end.reason)
	if k.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(lingerWait)) == nil {
		k.mu.Lock()
		k.lingering = true
		_ = k.conn.SetReadDeadline(time.Now().Add(lingerWait))
		k.mu.Unlock()
		<-k.ended
	}
	return end.code
}
