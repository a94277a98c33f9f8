package gateway

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// garbageLimit is the frame without a JSON object at which a socket is cut as abusive.
const garbageLimit = 20

// session is one socket and who speaks through it. Its reader goroutine takes frames in order; requests run
// beside it, those about one order (and all of one driver) in the order they came; the hub's goroutines hand
// it live events. What the client is told of each order is decided by delivery.
//
// A session goes through these phases, all in the reader:
//
//	unknown      the first frame must be auth, unless the header named the principal
//	connecting   welcomed and known to the hub; live events are held back until the present is told
//	live
type session struct {
	id   string
	srv  *Server
	sock *socket

	// Owned by the reader.
	garbage int
	last    *geo.LatLng // the last point sent on this connection
	ready   bool        // hydration has begun, and a frame may be judged

	// present makes the two who may begin the hydration, the reader and the timer of resume, one; hydrated
	// is closed when it is done.
	present  sync.Once
	hydrated chan struct{}

	requests inflight
	// work are the session's goroutines beside reader, writer and requests.
	work sync.WaitGroup

	mu       sync.Mutex
	entered  bool     // guarded by mu; the directory knows the session
	over     bool     // guarded by mu; no goroutine may be started any more
	delivery delivery // guarded by mu
	offers   offers   // guarded by mu
	// board is the watch of a board, nil when there is none. Guarded by mu.
	board *boardWatch
}

func newSession(srv *Server, conn *websocket.Conn) *session {
	return &session{
		id: dispatch.NewID(srv.cfg.Wall.Now()), srv: srv,
		sock:     newSocket(conn, srv.cfg.Wall, srv.cfg.Heartbeat, srv.metrics),
		hydrated: make(chan struct{}), requests: newInflight(),
	}
}

// run is the reader goroutine, and the life of the session; p is the principal that the header named, nil
// when it named none. It returns when nothing of the session is left but its writer.
func (s *session) run(p *auth.Principal) {
	s.talk(p)
	close(s.sock.ended)
	s.leave()
	s.requests.wait()
	s.work.Wait()
}

// talk reads until the connection is over.
func (s *session) talk(p *auth.Principal) {
	defer s.guard()
	if p != nil {
		s.welcome(*p)
		s.awaitResume()
	} else if !s.introduce() {
		s.sock.discard()
		return
	}
	for !s.ended() {
		kind, data, err := s.sock.read()
		if err != nil {
			s.lost(err)
			break
		}
		s.frame(kind, data)
	}
	s.sock.discard()
}

// guard turns a panic into a closed socket: one client's frame must not end the others'.
func (s *session) guard() {
	if cause := recover(); cause != nil {
		s.srv.cfg.Log.Error("session panicked", "session", s.id, "panic", cause, "stack", string(debug.Stack()))
		s.sock.cut(closeInternal, "internal", lingerWait)
	}
}

func (s *session) ended() bool { return s.life().Err() != nil }

// life ends when the socket takes nothing more.
func (s *session) life() context.Context { return s.sock.out.life() }

// lost ends the session for a read error.
func (s *session) lost(err error) {
	if errors.Is(err, errTooLarge) {
		s.refuse(nil, dispatch.Errorf(dispatch.CodeTooLarge, "", "a frame has at most %d bytes", wire.MaxBytes))
		s.sock.out.end(closing{code: closeTooLarge, reason: "too_large"})
		return
	}
	s.sock.hangUp(err)
}

// frame takes one frame of a session that is known.
func (s *session) frame(messageType int, data []byte) {
	kind, id, refused := s.kind(messageType, data)
	if !s.ready {
		s.ready = true
		if kind == wire.TypeResume && refused == nil && s.resumeFirst(id, data) {
			return
		}
		s.hydrate(nil, nil)
	}
	switch {
	case refused == nil:
		s.message(kind, id, data)
	default:
		s.refuse(id, refused)
		if s.garbage >= garbageLimit {
			s.sock.out.end(closing{code: closeAbusive, reason: "abusive"})
		}
	}
}

// kind takes the first look at a frame, and counts those that are no object.
func (s *session) kind(messageType int, data []byte) (string, *wire.ID, *dispatch.Error) {
	var kind string
	var id *wire.ID
	refused := &dispatch.Error{Code: dispatch.CodeBadRequest, Detail: "want a text frame, not a binary one", Err: wire.ErrNotObject}
	if messageType == websocket.TextMessage {
		kind, id, refused = wire.Kind(data)
	}
	if refused != nil && isGarbage(refused) {
		s.garbage++
		id = nil
	}
	s.srv.metrics.framesIn.WithLabelValues(kindLabel(kind)).Inc()
	return kind, id, refused
}

// principal is who speaks, by the latest token.
func (s *session) principal() auth.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivery.by
}

// enter makes the session known to the hub. A driver's older socket makes room.
func (s *session) enter(p auth.Principal) {
	s.mu.Lock()
	s.entered = true
	s.mu.Unlock()
	s.srv.metrics.sockets.WithLabelValues(string(p.Role)).Inc()
	if older := s.srv.hub.dir.enter(s, p.Actor); older != nil {
		older.sock.out.end(closing{code: closeReplaced, reason: "replaced"})
	}
}

// leave ends what the hub knows of the session.
func (s *session) leave() {
	s.mu.Lock()
	s.over = true
	entered, by := s.entered, s.delivery.by
	var follows []dispatch.OrderID
	for id, t := range s.delivery.tracks {
		if t.following {
			follows = append(follows, id)
		}
	}
	s.mu.Unlock()
	if entered {
		s.srv.metrics.sockets.WithLabelValues(string(by.Role)).Dec()
		s.srv.hub.dir.leave(s, by.Actor, follows)
	}
}

// goLocked starts a goroutine of the session unless it is over; the session's mutex is held.
func (s *session) goLocked(work func()) {
	if !s.over {
		s.work.Go(func() {
			defer s.guard()
			work()
		})
	}
}

// retire has the session take no more requests, answer those under way, and then close.
func (s *session) retire(code int, reason string) {
	s.requests.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goLocked(func() {
		s.requests.wait()
		s.sock.out.end(closing{code: code, reason: reason})
	})
}

// expire ends the session when its token has run out; the writer calls it at the instant that was set for the
// token of then.
func (s *session) expire() {
	if s.srv.cfg.Wall.Now().Before(s.principal().Expires.Add(auth.Leeway)) {
		return
	}
	s.deny(nil, dispatch.Errorf(dispatch.CodeUnauthenticated, "", "the token has expired"))
}

// within gives a context for work that ends with the socket, or after d.
func (s *session) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.life(), d)
}
