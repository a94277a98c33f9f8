package fleet

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// answerWithin is how long a request on a living connection may wait for its answer, wall time, before that
// counts as none.
const answerWithin = 30 * time.Second

// Party is what the checker knows of one client; guarded by the Checker's mu.
type Party struct {
	checker   *Checker
	role, sub string
	connected bool
	// told are the orders as this party was last told of them.
	told map[wire.ID]last
	// withdrawn are the offers that ended without the driver's doing.
	withdrawn map[wire.ID]bool
	requests  map[wire.ID]*asked
}

// last is the last word that a party heard of an order on its socket.
type last struct {
	version int64
	mine    bool // by then it was a party
	working bool // a driver was at work
	// at is when the state was entered, market time, zero when that was not told; heard the wall instant of
	// the news.
	at, heard time.Time
}

// asked is one request.
type asked struct {
	kind string
	// sent and answers count the frames of this connection.
	sent, answers int
	at            time.Time
	// final is the answer that must not change: "" before it.
	final string
}

// Party makes the checker listen to one more client.
func (c *Checker) Party(role, sub string) *Party {
	return &Party{
		checker: c, role: role, sub: sub,
		told: map[wire.ID]last{}, withdrawn: map[wire.ID]bool{}, requests: map[wire.ID]*asked{},
	}
}

// Sent hears of a request frame before it is written; now is wall time.
func (p *Party) Sent(now time.Time, kind string, id wire.ID) {
	p.checker.mu.Lock()
	defer p.checker.mu.Unlock()
	a := p.requests[id]
	if a == nil {
		a = &asked{kind: kind}
		p.requests[id] = a
	}
	a.sent++
	a.at = now
}

// Heard hears what the client heard, in its order.
func (p *Party) Heard(m client.Message) {
	c := p.checker
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.(type) {
	case *wire.Welcome:
		p.connected = true
		if m.Role != p.role || string(m.Sub) != p.sub {
			c.broken.add(Private, "", "%s %s was welcomed as %s %s", p.role, p.sub, m.Role, m.Sub)
		}
	case *client.Disconnected:
		p.connected = false
		for _, a := range p.requests {
			a.sent, a.answers = 0, 0
		}
	case *client.Lost:
		delete(p.told, m.OrderID)
	case *wire.Ack:
		p.ack(m)
	case *wire.Error:
		if m.ID != nil {
			p.answer(*m.ID, "error "+m.Code, kept(m.Code))
		}
	case *wire.OrderUpdate:
		p.update(m)
	case *wire.Offer:
		p.offer(m)
	case *wire.OfferWithdrawn:
		p.withdrawn[m.OfferID] = true
	case *wire.DriverPosition:
		p.position(m)
	case *client.Unknown:
		if m.Err != nil {
			c.broken.add(Streamed, "", "%s %s could not read a message: %v", p.role, p.sub, m.Err)
		}
	}
}

// kept are the refusals that a repeat must be given again.
func kept(code string) bool {
	switch code {
	case "taken", "expired", "illegal_transition":
		return true
	}
	return false
}

func (p *Party) ack(m *wire.Ack) {
	c := p.checker
	text := "ack"
	if m.Order != nil {
		c.state(m.Order)
		r := c.record(m.Order.ID)
		r.acked = max(r.acked, m.Order.Version)
		text = fmt.Sprintf("ack of %s, version %d, %s, digest %x", m.Order.ID, m.Order.Version, m.Order.State, digest(m.Order))
		p.mayKnow(m.Order)
	}
	if m.ID == nil {
		c.broken.add(Answered, "", "%s %s was sent an ack without an id", p.role, p.sub)
		return
	}
	a := p.requests[*m.ID]
	if a != nil && a.kind == wire.TypeOfferAccept && (m.Order == nil || deref(m.Order.DriverID) != p.sub) {
		c.broken.add(Single, orderID(m.Order), "driver %s accepted, but the order is not its own", p.sub)
	}
	p.answer(*m.ID, text, a == nil || a.kind != wire.TypeOrderWatch)
}

// digest tells whole orders apart.
func digest(o *wire.Order) uint64 {
	h := fnv.New64a()
	if data, err := wire.Encode(o); err == nil { // it was decoded: it can be encoded
		_, _ = h.Write(data) // it never fails
	}
	return h.Sum64()
}

func orderID(o *wire.Order) wire.ID {
	if o == nil {
		return ""
	}
	return o.ID
}

// mayKnow checks that an order told in an answer is the party's own.
func (p *Party) mayKnow(o *wire.Order) {
	if p.role == "rider" && deref(o.RiderID) != p.sub {
		p.checker.broken.add(Private, o.ID, "rider %s was answered with the order of %s", p.sub, deref(o.RiderID))
	}
}

// answer counts one answer of a request; stays tells that a repeat must be given the same.
func (p *Party) answer(id wire.ID, text string, stays bool) {
	c := p.checker
	a := p.requests[id]
	if a == nil {
		c.broken.add(Answered, "", "%s %s was answered %q to a request that it never sent: %s", p.role, p.sub, text, id)
		return
	}
	a.answers++
	if a.answers > a.sent {
		c.broken.add(Answered, "", "%s %s was answered %d times to %s, sent %d times on this connection",
			p.role, p.sub, a.answers, a.kind, a.sent)
	}
	if a.final != "" && text != a.final {
		c.broken.add(Answered, "", "%s %s: %s was answered %q, then %q", p.role, p.sub, a.kind, a.final, text)
	}
	if stays {
		a.final = text
	}
	a.at = time.Time{} // answered
}

// update checks an order message: the version is the next, and the party may know it.
func (p *Party) update(m *wire.OrderUpdate) {
	c := p.checker
	o := &m.Order
	c.state(o)
	before, known := p.told[o.ID]
	mine := p.isMine(o)
	if !mine && !(before.mine && m.Event != nil) {
		c.broken.add(Private, o.ID, "%s %s was told version %d, which is not its to know", p.role, p.sub, o.Version)
	}
	if m.Event == nil {
		if known && o.Version < before.version {
			c.broken.add(Lawful, o.ID, "%s %s was told version %d after %d", p.role, p.sub, o.Version, before.version)
		}
	} else {
		p.eventTold(m, before, known)
	}
	if p.role == "driver" && !mine {
		delete(p.told, o.ID) // it may be told again from an event that gives it back
	} else {
		now := last{max(before.version, o.Version), mine, actor.State(o.State).Assigned(), time.Time{}, c.wall.Now()}
		if m.Event != nil {
			now.at = m.Event.At.Time
		}
		p.told[o.ID] = now
	}
	if p.role == "rider" {
		r := c.record(o.ID)
		r.rider = max(r.rider, o.Version)
	}
}

// eventTold checks the event of an order message.
func (p *Party) eventTold(m *wire.OrderUpdate, before last, known bool) {
	c, o, e := p.checker, &m.Order, m.Event
	c.event(e)
	if e.OrderID != o.ID || e.Version != o.Version || e.To != o.State {
		c.broken.add(Lawful, o.ID, "event %d to %s came with the order at %d, %s", e.Version, e.To, o.Version, o.State)
	}
	switch {
	case known && e.Version <= before.version:
		c.broken.add(Lawful, o.ID, "%s %s was told event %d after version %d", p.role, p.sub, e.Version, before.version)
	case known && e.Version > before.version+1, !known && p.role == "rider" && e.Version != 1:
		c.broken.add(Complete, o.ID, "%s %s was told event %d after version %d", p.role, p.sub, e.Version, before.version)
	}
}

// isMine tells whether the party is one of the order as told.
func (p *Party) isMine(o *wire.Order) bool {
	switch p.role {
	case "rider":
		return deref(o.RiderID) == p.sub
	case "driver":
		return deref(o.DriverID) == p.sub
	}
	return true
}

func (p *Party) offer(m *wire.Offer) {
	c := p.checker
	if p.role != "driver" {
		c.broken.add(Private, m.Order.ID, "%s %s was sent an offer", p.role, p.sub)
	}
	if m.Order.RiderID != nil {
		c.broken.add(Private, m.Order.ID, "the offer to driver %s names its rider", p.sub)
	}
	if p.withdrawn[m.OfferID] {
		c.broken.add(Lawful, m.Order.ID, "offer %s was made to %s after its withdrawal", m.OfferID, p.sub)
	}
}

// Finish checks that no request waits for an answer that is overdue; now is wall time.
func (p *Party) Finish(now time.Time) {
	p.checker.mu.Lock()
	defer p.checker.mu.Unlock()
	for id, a := range p.requests {
		if p.connected && a.sent > 0 && !a.at.IsZero() && now.Sub(a.at) > answerWithin {
			p.checker.broken.add(Answered, "", "%s %s: %s %s was not answered in %v", p.role, p.sub, a.kind, id, now.Sub(a.at))
		}
	}
}
