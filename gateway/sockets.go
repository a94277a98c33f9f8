package gateway

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// readBuffer is a socket's own read buffer, in bytes: most frames are a ping of about 80 or a command of
// about 150. The write buffer is borrowed from a pool while a frame is written (docs of the measurement:
// 3.9 kB a connection against 16 kB with the defaults).
const readBuffer = 512

// actionOpen is what a socket that is not opened is called on record.
const actionOpen = "socket.open"

// sockets opens the sockets and knows those that are open.
type sockets struct {
	srv      *Server
	upgrader websocket.Upgrader // immutable
	// request gives the context of one command: it outlives its socket, not the server. quit ends them all.
	request func() (context.Context, context.CancelFunc)
	quit    context.CancelFunc

	// limit is how many may be open at once. Immutable after New.
	limit int

	mu     sync.Mutex
	open   map[*session]struct{} // guarded by mu
	closed bool                  // guarded by mu; no socket is taken any more
	work   sync.WaitGroup        // readers and writers; added to under mu while not closed
}

func newSockets(srv *Server) *sockets {
	ctx, quit := context.WithCancel(context.Background())
	k := &sockets{
		srv: srv, quit: quit, limit: socketLimit(), open: map[*session]struct{}{},
		request: func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, requestWait) },
	}
	k.upgrader = websocket.Upgrader{
		HandshakeTimeout: writeWait,
		ReadBufferSize:   readBuffer,
		WriteBufferPool:  &sync.Pool{},
		Subprotocols:     []string{wire.Subprotocol},
		CheckOrigin:      k.sameOrigin,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			code := dispatch.CodeBadRequest
			if status == http.StatusForbidden {
				code = dispatch.CodeForbidden
			}
			refused := dispatch.Errorf(code, "", "%s", reason.Error())
			srv.audit.refuse(access{action: actionOpen, id: w.Header().Get(requestIDHeader)}, refused)
			writeProblem(w, refused, 0)
		},
	}
	return k
}

// serve is GET /v1/ws. What can be refused before the upgrade is, as a problem; then the socket's own
// goroutines take over, and net/http has its buffers back.
func (k *sockets) serve(w http.ResponseWriter, r *http.Request) {
	id := k.srv.identify(w, r)
	p, refused := k.admit(w, r)
	if refused != nil {
		k.srv.audit.refuse(access{action: actionOpen, id: id}, refused)
		writeProblem(w, refused, 0)
		return
	}
	conn, err := k.upgrader.Upgrade(w, r, http.Header{requestIDHeader: {id}})
	if err != nil {
		return // the upgrader has answered
	}
	s := newSession(k.srv, conn)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		_ = conn.Close()
		return
	}
	k.open[s] = struct{}{}
	k.work.Go(func() {
		s.run(p)
		k.mu.Lock()
		delete(k.open, s)
		k.mu.Unlock()
	})
	k.work.Go(s.sock.write)
}

// admit judges a request for a socket; p is nil when no header names the principal.
func (k *sockets) admit(w http.ResponseWriter, r *http.Request) (p *auth.Principal, refused *dispatch.Error) {
	token, refused := bearer(r)
	if refused != nil {
		return nil, refused
	}
	if token != "" {
		named, refused := k.srv.principal(w, r)
		if refused != nil {
			return nil, refused
		}
		p = &named
	}
	if _, refused := parseQuery(r.URL.RawQuery, nil); refused != nil {
		return nil, refused
	}
	offered := websocket.Subprotocols(r)
	if len(offered) > 0 && !slices.Contains(offered, wire.Subprotocol) {
		return nil, dispatch.Errorf(dispatch.CodeUnsupported, "Sec-WebSocket-Protocol", "only %s is spoken here", wire.Subprotocol)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, dispatch.Unavailable("the server is shutting down", nil)
	}
	if len(k.open) >= k.limit {
		e := dispatch.Errorf(dispatch.CodeOverloaded, "", "the server has %d sockets open, its limit", k.limit)
		e.RetryAfter = fullRetry
		return nil, e
	}
	return p, nil
}

// sameOrigin keeps other sites' pages from opening sockets. A request without an Origin is no browser's.
func (k *sockets) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	for _, allowed := range k.srv.cfg.AllowedOrigins {
		if allowed == "*" || strings.EqualFold(strings.TrimSuffix(allowed, "/"), origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// shut takes no more sockets and gives those that are open.
func (k *sockets) shut() []*session {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	open := make([]*session, 0, len(k.open))
	for s := range k.open {
		open = append(open, s)
	}
	return open
}

// close cuts every socket and waits for their goroutines: at most lingerWait.
func (k *sockets) close() {
	for _, s := range k.shut() {
		s.sock.cut(closeDrain, "drain", lingerWait)
	}
	k.quit()
	k.work.Wait()
}

const (
	// waves is in how many steps the sockets are closed, waveEvery how far apart: clients come back over
	// 2 s, which is also what the drain costs.
	waves     = 20
	waveEvery = 100 * time.Millisecond
	// comeBack is what the first wave is told to wait before it comes back: a restart's own time.
	comeBack = time.Second
)

// drain is Server.Drain.
func (k *sockets) drain(ctx context.Context) error {
	open := k.shut()
	size := (len(open) + waves - 1) / waves
	for i, s := range open {
		after := comeBack + time.Duration(i/size)*waveEvery
		s.put(wire.TypeDrain, s.encode(wire.Drain{Type: wire.TypeDrain, RetryAfterMs: after.Milliseconds()}))
	}
	for i, s := range open {
		if i > 0 && i%size == 0 && !pause(ctx, k.srv.cfg.Wall, waveEvery) {
			break
		}
		s.retire(closeDrain, "drain")
	}
	done := make(chan struct{})
	go func() { k.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
