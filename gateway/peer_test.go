package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
)

// frame is a message as a client sees it.
type frame map[string]any

func (f frame) str(path ...string) string {
	var v any = map[string]any(f)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

func (f frame) num(path ...string) int64 {
	var v any = map[string]any(f)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return math.MinInt64
		}
		v = m[p]
	}
	n, ok := v.(float64)
	if !ok {
		return math.MinInt64
	}
	return int64(n)
}

// peer is a client's end of a socket.
type peer struct {
	t    testing.TB
	conn *websocket.Conn
}

// dial opens a socket without saying who it is.
func (st *stage) dial(header http.Header) *peer {
	st.t.Helper()
	dialer := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		if err == nil && st.tight.Load() {
			err = c.(*net.TCPConn).SetReadBuffer(4096)
		}
		return c, err
	}}
	conn, res, err := dialer.Dial("ws"+strings.TrimPrefix(st.http.URL, "http")+"/v1/ws", header)
	if err != nil {
		st.t.Fatalf("dial: %v (%v)", err, res)
	}
	st.t.Cleanup(func() { _ = conn.Close() })
	return &peer{st.t, conn}
}

// enter opens a socket and introduces it; resume may be nil for none.
func (st *stage) enter(role dispatch.Role, sub string, resume ...any) *peer {
	st.t.Helper()
	p := st.dial(nil)
	m := frame{"type": "auth", "token": st.token(role, sub)}
	if resume != nil {
		m["resume"] = resume
	}
	p.send(m)
	if w := p.read(); w.str("type") != "welcome" {
		st.t.Fatalf("got %v, want welcome", w)
	}
	return p
}

func from(id dispatch.OrderID, version int) frame {
	return frame{"order_id": id, "after_version": version}
}

func (p *peer) send(m frame) {
	p.t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		p.t.Fatal(err)
	}
	p.sendRaw(string(data))
}

func (p *peer) sendRaw(data string) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(data)); err != nil {
		p.t.Fatal(err)
	}
}

// next reads a frame, or why there are no more.
func (p *peer) next() (frame, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	_, data, err := p.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	var m frame
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("frame %q: %w", data, err)
	}
	return m, nil
}

func (p *peer) read() frame {
	p.t.Helper()
	m, err := p.next()
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	return m
}

// answer reads up to the answer of request id.
func (p *peer) answer(id string) frame {
	p.t.Helper()
	for {
		m := p.read()
		if m.str("id") == id && (m.str("type") == "ack" || m.str("type") == "error") {
			return m
		}
	}
}

// ask sends a request and gives its answer.
func (p *peer) ask(m frame) frame {
	p.t.Helper()
	p.send(m)
	return p.answer(m["id"].(string))
}

// sync proves that everything sent to the socket before has been read: it gives the frames up to the answer of
// a request of its own.
func (p *peer) sync(id string) []frame {
	p.t.Helper()
	p.send(frame{"type": "order.watch", "id": id, "order_id": "nobody-has-this"})
	var before []frame
	for {
		m := p.read()
		if m.str("id") == id {
			return before
		}
		before = append(before, m)
	}
}

// closed reads to the end and gives the frames before it, and the close code.
func (p *peer) closed() ([]frame, int) {
	p.t.Helper()
	var before []frame
	for {
		m, err := p.next()
		if err == nil {
			before = append(before, m)
			continue
		}
		var ce *websocket.CloseError
		if !errors.As(err, &ce) {
			p.t.Fatalf("read: %v, want a close frame", err)
		}
		return before, ce.Code
	}
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// live waits until the session of a driver is told live events.
func (st *stage) live(driver dispatch.DriverID) *session {
	st.t.Helper()
	var s *session
	eventually(st.t, "the session of driver "+string(driver), func() bool {
		if s = st.srv.hub.dir.driver(driver); s == nil {
			return false
		}
		select {
		case <-s.hydrated:
			return true
		default:
			return false
		}
	})
	return s
}
