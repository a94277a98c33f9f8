package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Close codes of the contract.
const (
	// CloseDrain asks to come back after the time that the drain message told.
	CloseDrain = 4001
	// CloseSlow cut a client that did not read in time.
	CloseSlow = 4008
	// CloseReplaced tells a driver that it has a newer socket.
	CloseReplaced = 4009
	// closeLowest is the first close code of the protocol's own: what is below is an HTTP status.
	closeLowest = 4000
	// closeFinal is the first of the codes after which a client does not come back; closeEnd is beyond the last.
	closeFinal, closeEnd = 4500, 5000
)

// silentHeartbeats is how many heartbeats a silent server is waited for; the contract's figure for silent
// clients.
const silentHeartbeats = 2.5

// run connects until the client is closed or refused for good, then fails what is pending.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	attempt, resumed := 0, false
	for {
		s := &session{client: c, resumed: resumed}
		err := s.live(ctx)
		resumed = resumed || s.greeted
		if s.greeted && s.stable.Load() {
			attempt = 0
		}
		wait := c.backoff(attempt)
		if s.drain != nil {
			wait = jitterAbove(time.Duration(s.drain.RetryAfterMs) * time.Millisecond)
		} else {
			wait = max(wait, s.retryAfter)
			attempt++
		}
		stop, final := errors.AsType[*StopError](err)
		if ctx.Err() != nil {
			final, err = true, ErrClosed
		} else if final {
			err = stop
		}
		if s.greeted || final {
			c.hear(&Disconnected{Code: closeCode(err), Final: final, Err: err})
		}
		if final {
			c.end(err)
			return
		}
		c.cfg.Log.Debug("connection lost", "url", c.cfg.URL, "err", err, "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			c.end(ErrClosed)
			return
		}
	}
}

// backoff is the wait before the next attempt: full jitter (Brooker, Exponential Backoff And Jitter, AWS
// Architecture Blog 2015).
func (c *Client) backoff(attempt int) time.Duration {
	most := c.cfg.MaxBackoff
	if attempt < 16 { // beyond it the shift could overflow
		most = min(most, c.cfg.MinBackoff<<attempt)
	}
	return rand.N(most + 1)
}

// jitterAbove is d and at most half as much again, so that a drained server's clients do not come as one.
func jitterAbove(d time.Duration) time.Duration {
	d = min(max(d, 0), time.Minute)
	return d + rand.N(d/2+1)
}

func closeCode(err error) int {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*StopError](err); ok && e.Code >= closeLowest {
		return e.Code
	}
	return 0
}

// end fails what is pending; from now on every request fails.
func (c *Client) end(err error) {
	c.mu.Lock()
	c.err = err
	left := c.pendingLocked()
	clear(c.pending)
	c.mu.Unlock()
	for _, r := range left {
		r.stopTimer()
		r.done(nil, err)
	}
}

// dial opens the socket; refusals that no repeat can mend are a *StopError. retryAfter is the server's wish.
func (c *Client) dial(ctx context.Context, token string) (conn *websocket.Conn, retryAfter time.Duration, err error) {
	header := http.Header{}
	if c.header {
		header.Set("Authorization", "Bearer "+token)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, resp, err := c.dialer.DialContext(ctx, c.cfg.URL, header)
	if err == nil {
		return conn, 0, nil
	}
	if resp != nil {
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		retryAfter = min(time.Duration(max(seconds, 0))*time.Second, time.Minute)
		if s := resp.StatusCode; s >= 400 && s < 500 && s != http.StatusTooManyRequests && s != http.StatusRequestTimeout {
			return nil, 0, &StopError{Code: s, Detail: http.StatusText(s)}
		}
	}
	return nil, retryAfter, fmt.Errorf("dial: %w", err)
}

// greet sends the token, unless it went with the header, and waits for the welcome. resume is nil on the
// first connection.
func (s *session) greet(token string, resume []wire.ResumeFrom) (*wire.Welcome, error) {
	c := s.client
	if err := s.conn.SetReadDeadline(deadline(c.cfg.Timeout)); err != nil {
		return nil, fmt.Errorf("greet: %w", err)
	}
	if !c.header {
		if err := c.put(s.conn, &wire.Auth{Type: wire.TypeAuth, Token: token, Resume: resume}); err != nil {
			return nil, fmt.Errorf("greet: %w", err)
		}
	}
	for {
		m, err := s.read()
		if err != nil {
			return nil, fmt.Errorf("greet: %w", err)
		}
		if welcome, ok := m.(*wire.Welcome); ok {
			if c.header && resume != nil {
				err = c.put(s.conn, &wire.Resume{Type: wire.TypeResume, Resume: resume})
			}
			return welcome, err
		}
		c.hear(m) // an error that says why the close is about to come
	}
}

// deadline is the instant d from now, for a socket.
func deadline(d time.Duration) time.Time { return time.Now().Add(d) }
