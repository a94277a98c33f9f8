package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Request is what Start sends: a *wire.OrderCreate, OrderCancel, OrderWatch, OrderUnwatch, OfferAccept,
// OfferDecline, TripAdvance or Duty. Its Type and ID are set by the client.
type Request any

// request is one that waits for its answer. Its fields but timer are immutable.
type request struct {
	id    wire.ID
	kind  string
	frame []byte
	seq   int64
	// told is called once, with the answer.
	told func(*wire.Order, error)
	// repeat tells that its answer is known.
	repeat bool
	// attempts and timer belong to the client's goroutine until end.
	attempts int
	timer    *time.Timer
}

func (r *request) done(order *wire.Order, err error) {
	if r.told != nil {
		r.told(order, err)
	}
}

func (r *request) stopTimer() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

// Start sends a request without waiting. done is called once, by the goroutine that calls Handle, or before
// Start returns when the client has ended: with the order of the ack (nil when the request is about none),
// or with an *Error, the server's refusal, or with ErrClosed or a *StopError. Refusals that ask to try again
// (unavailable, overloaded, rate_limited) are tried again under the same id, without end. The id is given
// back; it is a UUIDv7, different in every process and on every call.
func (c *Client) Start(req Request, done func(*wire.Order, error)) (wire.ID, error) {
	kind, id, name, err := header(req)
	if err != nil {
		return "", err
	}
	unique, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("mint request id: %w", err)
	}
	*kind, *id = name, wire.ID(unique.String())
	return *id, c.start(req, &request{id: *id, kind: name, told: done})
}

// Repeat sends a request again that Start has sent and that has been answered, under its id: the server
// gives the kept answer and does nothing. done is called as by Start; nil for one that does not care. No
// order is followed for it: the answer tells the order as it once stood.
func (c *Client) Repeat(req Request, done func(*wire.Order, error)) error {
	_, id, name, err := header(req)
	if err != nil {
		return err
	}
	if *id == "" {
		return fmt.Errorf("client: %T has not been sent yet", req)
	}
	return c.start(req, &request{id: *id, kind: name, told: done, repeat: true})
}

// start sends r, now or with the next connection.
func (c *Client) start(req Request, r *request) error {
	var err error
	if r.frame, err = wire.Encode(req); err != nil {
		return err
	}
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		r.done(nil, err)
		return nil
	}
	c.started++
	r.seq = c.started
	c.pending[r.id] = r
	conn := c.conn
	if !r.repeat {
		c.followRequestLocked(req)
	}
	c.mu.Unlock()
	if conn != nil {
		c.send(conn, r)
	}
	return nil
}

// Do sends a request and waits for its answer. When ctx ends first the answer is no longer waited for, but
// the request may take effect.
func (c *Client) Do(ctx context.Context, req Request) (*wire.Order, error) {
	type answer struct {
		order *wire.Order
		err   error
	}
	got := make(chan answer, 1) // one answer, so that the reader never waits
	id, err := c.Start(req, func(o *wire.Order, err error) { got <- answer{o, err} })
	if err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.order, a.err
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
		return nil, fmt.Errorf("await the answer to %T: %w", req, ctx.Err())
	}
}

// header gives where a request keeps its type and id, and what its type is to be.
func header(req Request) (kind *string, id *wire.ID, name string, err error) {
	switch m := req.(type) {
	case *wire.OrderCreate:
		return &m.Type, &m.ID, wire.TypeOrderCreate, nil
	case *wire.OrderCancel:
		return &m.Type, &m.ID, wire.TypeOrderCancel, nil
	case *wire.OrderWatch:
		return &m.Type, &m.ID, wire.TypeOrderWatch, nil
	case *wire.OrderUnwatch:
		return &m.Type, &m.ID, wire.TypeOrderUnwatch, nil
	case *wire.OfferAccept:
		return &m.Type, &m.ID, wire.TypeOfferAccept, nil
	case *wire.OfferDecline:
		return &m.Type, &m.ID, wire.TypeOfferDecline, nil
	case *wire.TripAdvance:
		return &m.Type, &m.ID, wire.TypeTripAdvance, nil
	case *wire.Duty:
		return &m.Type, &m.ID, wire.TypeDuty, nil
	}
	return nil, nil, "", fmt.Errorf("client: %T is no request", req)
}

// pendingLocked gives the unanswered requests in the order in which they were started; mu is held.
func (c *Client) pendingLocked() []*request {
	all := make([]*request, 0, len(c.pending))
	for _, r := range c.pending {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *request) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// send writes a request; a failure ends the connection, and the request is repeated on the next one.
func (c *Client) send(conn *websocket.Conn, r *request) {
	if c.cfg.Sent != nil {
		c.cfg.Sent(r.kind, r.id)
	}
	if err := c.putFrame(conn, r.frame); err != nil {
		_ = conn.Close()
	}
}

// put writes a message.
func (c *Client) put(conn *websocket.Conn, message any) error {
	frame, err := wire.Encode(message)
	if err != nil {
		return err
	}
	return c.putFrame(conn, frame)
}

func (c *Client) putFrame(conn *websocket.Conn, frame []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	if err := conn.SetWriteDeadline(deadline(c.cfg.Timeout)); err != nil {
		return err
	}
	return conn.WriteMessage(websocket.TextMessage, frame)
}

// answer gives an answer to its request; one that nobody waits for is dropped.
func (c *Client) answer(id *wire.ID, order *wire.Order, refusal *Error) {
	if id == nil {
		return
	}
	c.mu.Lock()
	r := c.pending[*id]
	if r == nil {
		c.mu.Unlock()
		return
	}
	if refusal != nil && temporary(refusal.Code) {
		wait := max(refusal.RetryAfter, c.backoff(r.attempts))
		r.attempts++
		r.timer = time.AfterFunc(wait, func() { c.again(*id) })
		c.mu.Unlock()
		return
	}
	delete(c.pending, *id)
	if order != nil && !r.repeat {
		c.followAckLocked(order)
	}
	c.mu.Unlock()
	if refusal != nil {
		r.done(nil, refusal)
		return
	}
	r.done(order, nil)
}

// temporary tells whether the same request may succeed in a while.
func temporary(code string) bool {
	switch code {
	case "unavailable", "overloaded", "rate_limited":
		return true
	}
	return false
}

// again repeats a request that was refused for now. Without a connection the next greeting repeats it.
func (c *Client) again(id wire.ID) {
	c.mu.Lock()
	r, conn := c.pending[id], c.conn
	c.mu.Unlock()
	if r != nil && conn != nil {
		c.send(conn, r)
	}
}

// CreateOrder orders; the order comes as it was when it was created.
func (c *Client) CreateOrder(ctx context.Context, order wire.OrderCreate) (*wire.Order, error) {
	return c.Do(ctx, &order)
}

// Cancel ends an order or, from a driver, gives it back.
func (c *Client) Cancel(ctx context.Context, order wire.ID, reason string) (*wire.Order, error) {
	return c.Do(ctx, &wire.OrderCancel{OrderID: order, Reason: reason})
}

// Watch follows an order: every event after version after, then the live ones; from the present on when
// after is nil.
func (c *Client) Watch(ctx context.Context, order wire.ID, after *int64) (*wire.Order, error) {
	return c.Do(ctx, &wire.OrderWatch{OrderID: order, AfterVersion: after})
}

// Accept takes an offer.
func (c *Client) Accept(ctx context.Context, offer wire.ID) (*wire.Order, error) {
	return c.Do(ctx, &wire.OfferAccept{OfferID: offer})
}

// Decline refuses an offer.
func (c *Client) Decline(ctx context.Context, offer wire.ID, reason string) (*wire.Order, error) {
	return c.Do(ctx, &wire.OfferDecline{OfferID: offer, Reason: reason})
}

// Advance takes a trip to its next state.
func (c *Client) Advance(ctx context.Context, order wire.ID, to string) (*wire.Order, error) {
	return c.Do(ctx, &wire.TripAdvance{OrderID: order, To: to})
}

// Duty goes on or off duty.
func (c *Client) Duty(ctx context.Context, duty wire.Duty) error {
	_, err := c.Do(ctx, &duty)
	return err
}

// Telemetry tells where the driver is, newest point last. It is not answered and not repeated: without a
// connection it is dropped, and false is given.
func (c *Client) Telemetry(points ...wire.Point) bool {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return false
	}
	if err := c.put(conn, &wire.Telemetry{Type: wire.TypeTelemetry, Points: points}); err != nil {
		_ = conn.Close()
		return false
	}
	return true
}
