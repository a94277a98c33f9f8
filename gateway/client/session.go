package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// session is one connection's life; owned by the client's goroutine, but for stable.
type session struct {
	client  *Client
	conn    *websocket.Conn
	resumed bool
	greeted bool
	// stable is set once the connection has lived for MaxBackoff: the next backoff begins anew. A server that
	// greets and cuts, or two devices of one driver that replace each other, back off further and further.
	stable atomic.Bool
	// silence is how long the server may say nothing, wall time.
	silence time.Duration
	// drain is the server's announcement of close 4001; nil before it.
	drain *wire.Drain
	// retryAfter is the server's wish when it refused the upgrade.
	retryAfter time.Duration
	// asked are the orders of the resume that was sent, by their place in it.
	asked []wire.ResumeFrom
}

// live connects, greets and reads until the connection ends; the error is never nil.
func (s *session) live(ctx context.Context) error {
	c := s.client
	token, err := c.cfg.Token()
	if err != nil {
		return fmt.Errorf("get token: %w", err)
	}
	s.conn, s.retryAfter, err = c.dial(ctx, token)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	s.conn.SetReadLimit(wire.MaxBytes)
	stop := context.AfterFunc(ctx, s.goodbye)
	defer stop()
	if s.resumed {
		s.asked = c.resume()
	}
	welcome, err := s.greet(token, s.asked)
	if err != nil {
		return s.final(err)
	}
	s.greeted = true
	s.silence = time.Duration(silentHeartbeats * welcome.HeartbeatS * float64(time.Second))
	s.conn.SetPingHandler(s.pinged)
	timer := time.AfterFunc(c.cfg.MaxBackoff, func() { s.stable.Store(true) })
	defer timer.Stop()
	c.greeted(s, welcome)
	defer c.gone(s)
	for {
		if err := s.awake(); err != nil {
			return s.final(err)
		}
		m, err := s.read()
		if err != nil {
			return s.final(err)
		}
		s.heard(m)
	}
}

// goodbye ends the connection of a closed client; the reader then fails.
func (s *session) goodbye() {
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.conn.WriteControl(websocket.CloseMessage, message, deadline(time.Second))
	_ = s.conn.Close()
}

// awake gives the server its time to say something.
func (s *session) awake() error {
	if s.silence <= 0 {
		return s.conn.SetReadDeadline(time.Time{})
	}
	return s.conn.SetReadDeadline(deadline(s.silence))
}

// pinged answers the server's heartbeat.
func (s *session) pinged(payload string) error {
	if err := s.awake(); err != nil {
		return err
	}
	_ = s.conn.WriteControl(websocket.PongMessage, []byte(payload), deadline(time.Second))
	return nil // a failed write shows at the next read
}

// read gives the next message.
func (s *session) read() (Message, error) {
	_, data, err := s.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	return decode(data), nil
}

// final makes a close code that forbids to come back, or is not to be followed by it, a *StopError.
func (s *session) final(err error) error {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		if e.Code >= closeFinal && e.Code < closeEnd || e.Code == CloseReplaced && s.client.cfg.Yield {
			return &StopError{Code: e.Code, Detail: e.Text}
		}
		if e.Code == CloseDrain && s.drain == nil {
			s.drain = &wire.Drain{}
		}
		if e.Code != CloseDrain {
			s.drain = nil
		}
	}
	return err
}

// heard keeps the client's books and passes the message on: to Handle, then to the request that it answers.
func (s *session) heard(m Message) {
	c := s.client
	switch m := m.(type) {
	case *wire.Drain:
		s.drain = m
	case *wire.OrderUpdate:
		c.followUpdate(m)
	case *wire.Welcome:
		c.mu.Lock()
		c.welcome = *m
		c.mu.Unlock()
	case *wire.Ack:
		c.hear(m)
		c.answer(m.ID, m.Order, nil)
		return
	case *wire.Error:
		c.hear(m)
		if m.ID == nil {
			s.refusedResume(m)
			return
		}
		c.answer(m.ID, nil, &Error{
			Code: m.Code, Detail: m.Detail, Field: m.Field,
			RetryAfter: time.Duration(m.RetryAfterMs) * time.Millisecond,
		})
		return
	case *Unknown:
		c.cfg.Log.Warn("message not understood", "type", m.Type, "err", m.Err)
	}
	c.hear(m)
}

// refusedResume lets go of an order that the server refused to resume.
func (s *session) refusedResume(m *wire.Error) {
	rest, ok := strings.CutPrefix(m.Field, "/resume/")
	if !ok {
		return
	}
	place, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(place)
	if err != nil || i < 0 || i >= len(s.asked) {
		return
	}
	id := s.asked[i].OrderID
	s.client.unfollow(id)
	s.client.hear(&Lost{OrderID: id})
}

// hear passes m to Handle.
func (c *Client) hear(m Message) {
	if c.cfg.Handle != nil {
		c.cfg.Handle(m)
	}
}

// greeted makes the connection the client's and repeats what is pending.
func (c *Client) greeted(s *session, welcome *wire.Welcome) {
	c.mu.Lock()
	c.conn = s.conn
	c.welcome = *welcome
	again := c.pendingLocked()
	c.mu.Unlock()
	c.hear(welcome)
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
	for _, r := range again {
		r.stopTimer()
		c.send(s.conn, r)
	}
	c.hear(&Connected{Resumed: s.resumed})
}

// gone takes the connection from the client.
func (c *Client) gone(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == s.conn {
		c.conn = nil
	}
}
