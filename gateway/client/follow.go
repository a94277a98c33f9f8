package client

import (
	"cmp"
	"slices"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// follow is what is known of one order.
type follow struct {
	// version is that of the last event heard, or of the last state told without one: a resume asks for what
	// comes after it.
	version int64
	// watched is set by Watch: the order is then followed whoever's it is.
	watched bool
	// present is set by a Watch from the present on, until its answer tells the version.
	present bool
}

// resume names the orders to go on with, at most as many as one message may; the others come as they stand.
// It is never nil.
func (c *Client) resume() []wire.ResumeFrom {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make([]wire.ResumeFrom, 0, len(c.follows))
	for id, f := range c.follows {
		entries = append(entries, wire.ResumeFrom{OrderID: id, AfterVersion: f.version})
	}
	slices.SortFunc(entries, func(a, b wire.ResumeFrom) int { return cmp.Compare(a.OrderID, b.OrderID) })
	return entries[:min(len(entries), wire.MaxResume)]
}

func (c *Client) unfollow(id wire.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.follows, id)
}

// followRequestLocked notes what a request asks to follow; mu is held.
func (c *Client) followRequestLocked(req Request) {
	switch m := req.(type) {
	case *wire.OrderWatch:
		f := c.follows[m.OrderID]
		f.present = !f.watched && f.version == 0 && m.AfterVersion == nil
		f.watched = true
		if m.AfterVersion != nil {
			f.version = max(f.version, *m.AfterVersion)
		}
		c.follows[m.OrderID] = f
	case *wire.OrderUnwatch:
		delete(c.follows, m.OrderID)
	}
}

// followAckLocked follows the order of an answer. Its events may still be on their way, so an order known
// from nothing else is resumed from just before; mu is held.
func (c *Client) followAckLocked(o *wire.Order) {
	f, known := c.follows[o.ID]
	switch {
	case f.present:
		f.present, f.version = false, o.Version
	case known || !c.mineLocked(o):
		return
	default:
		f.version = o.Version - 1
	}
	c.follows[o.ID] = f
}

// followUpdate moves an order's version on, and lets go of one that is over for good or, unless it is
// watched, no longer the client's.
func (c *Client) followUpdate(m *wire.OrderUpdate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.follows[m.Order.ID]
	watched := f.watched && !over(m.Order.State)
	if !watched && !c.mineLocked(&m.Order) {
		delete(c.follows, m.Order.ID)
		return
	}
	f.version = max(f.version, m.Order.Version)
	c.follows[m.Order.ID] = f
}

// over tells whether nothing can follow a state.
func over(state string) bool {
	switch state {
	case "completed", "cancelled", "returned":
		return true
	}
	return false
}

// mineLocked tells whether the order is open and the client a party of it; mu is held.
func (c *Client) mineLocked(o *wire.Order) bool {
	if over(o.State) || o.State == "no_driver" {
		return false
	}
	switch c.welcome.Role {
	case "driver":
		return o.DriverID != nil && *o.DriverID == c.welcome.Sub
	case "rider":
		return o.RiderID != nil && *o.RiderID == c.welcome.Sub
	}
	return false
}
