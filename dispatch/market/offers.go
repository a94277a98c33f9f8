package market

import (
	"slices"
	"strconv"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// offer makes one live offer of an order, searching or offered, to a driver who may be asked.
func (c *Core) offer(o *dispatch.Order, d *driver, cand *Candidate, trip time.Duration) {
	id := d.duty.Driver
	f := &dispatch.Offer{
		ID:    dispatch.OfferID(dispatch.DeriveID(c.now, "offer", string(o.ID), string(id), strconv.FormatInt(o.Version, 10))),
		Order: o.ID, Market: c.id, Driver: id, State: dispatch.OfferLive,
		Pickup: cand.Pickup, Trip: trip, Source: cand.Source,
		CreatedAt: c.now, ExpiresAt: c.now.Add(c.policy.For(o.Kind, o.VehicleClass).OfferTTL),
	}
	c.offers[f.ID] = f
	c.live[o.ID] = append(c.live[o.ID], f.ID)
	d.offer = f.ID
	c.ask(d)
	c.touch(id)
	c.timers.add(f.ExpiresAt, timerOffer, string(f.ID))
	if o.State == dispatch.StateSearching {
		c.transition(o, change{to: dispatch.StateOffered, by: dispatch.Engine(), offer: f.ID}, nil)
	}
	snapshot := *o
	c.out.Offers = append(c.out.Offers, *f)
	c.out.Notices = append(c.out.Notices, dispatch.Notice{Offer: *f, Order: &snapshot})
}

// end makes a live offer final and frees its driver's hands. It leaves the order as it is.
func (c *Core) end(f *dispatch.Offer, state dispatch.OfferState, reason string) {
	f.State, f.EndedAt, f.Reason = state, c.now, reason
	c.live[f.Order] = slices.DeleteFunc(c.live[f.Order], func(id dispatch.OfferID) bool { return id == f.ID })
	if len(c.live[f.Order]) == 0 {
		delete(c.live, f.Order)
	}
	c.driver(f.Driver).offer = ""
	c.touch(f.Driver)
	c.timers.add(c.now.Add(forgetAfter), timerForget, string(f.ID))
	c.out.Offers = append(c.out.Offers, *f)
	c.out.Notices = append(c.out.Notices, dispatch.Notice{Offer: *f})
}

// withdraw ends every live offer of an order because another was first.
func (c *Core) withdraw(order dispatch.OrderID, reason string) {
	for _, id := range slices.Clone(c.live[order]) {
		c.end(c.offers[id], dispatch.OfferWithdrawn, reason)
	}
}

// drop ends the live offer that a driver holds, if any, and lets its order be searched for again.
func (c *Core) drop(d *driver, reason string) {
	if d.offer == "" {
		return
	}
	f := c.offers[d.offer]
	c.end(f, dispatch.OfferWithdrawn, reason)
	c.unoffer(f, reason)
}

// unoffer takes an order whose last live offer has ended back to searching.
func (c *Core) unoffer(f *dispatch.Offer, reason string) {
	o := c.orders[f.Order]
	if o.State != dispatch.StateOffered || len(c.live[o.ID]) > 0 {
		return
	}
	c.transition(o, change{to: dispatch.StateSearching, by: dispatch.Engine(), offer: f.ID, reason: reason}, nil)
	c.hasten()
}

// expire ends an offer that nobody answered.
func (c *Core) expire(id dispatch.OfferID) {
	f, ok := c.offers[id]
	if !ok || f.State != dispatch.OfferLive || c.now.Before(f.ExpiresAt) {
		return
	}
	o := c.orders[f.Order]
	c.end(f, dispatch.OfferExpired, "expired")
	c.bar(o, f.Driver, c.policy.Offers.ExpiryBar)
	c.unoffer(f, "expired")
}

// answerOffer judges a driver's answer to an offer.
func (c *Core) answerOffer(cmd *dispatch.Command, known *Known) dispatch.Reply {
	f, ok := c.offers[cmd.Offer]
	if !ok && known.Offer != nil && known.Offer.ID == cmd.Offer {
		if known.Stale || known.Offer.State == dispatch.OfferLive {
			return dispatch.Reply{Err: dispatch.Unavailable("the offer ended while the request was under way; repeat it", nil)}
		}
		f, ok = known.Offer, true
	}
	if ok && (f.Driver != dispatch.DriverID(cmd.By.Sub) || !cmd.By.In(c.id)) {
		return dispatch.Reply{Err: dispatch.Hidden("no such offer")}
	}
	if !ok {
		return refuse(dispatch.CodeNotFound, "", "no such offer")
	}
	if f.State != dispatch.OfferLive {
		return c.late(cmd, known, f)
	}
	o, d := c.orders[f.Order], c.driver(f.Driver)
	if cmd.Op == dispatch.OpAccept {
		d.asked = d.asked[:max(0, len(d.asked)-1)] // whom it suits is not flooded
		c.end(f, dispatch.OfferAccepted, "")
		c.withdraw(o.ID, "taken")
		if o.Driver != "" {
			c.better(o, d, f)
		} else {
			c.give(o, d, *f, cmd.By)
		}
		return done(o)
	}
	c.end(f, dispatch.OfferDeclined, cmd.Reason)
	c.bar(o, f.Driver, c.policy.Offers.DeclineBar)
	c.unoffer(f, "declined")
	return done(o)
}

// late answers for an offer that has ended.
func (c *Core) late(cmd *dispatch.Command, known *Known, f *dispatch.Offer) dispatch.Reply {
	switch f.State {
	case dispatch.OfferAccepted:
		if cmd.Op == dispatch.OpDecline {
			return refuse(dispatch.CodeIllegalTransition, "", "the offer was accepted; cancel the order instead")
		}
		o, ok := c.orders[f.Order]
		if !ok {
			o, ok = known.Order, known.Order != nil && known.Order.ID == f.Order
		}
		if !ok || !cmd.By.MayRead(o) {
			return refuse(dispatch.CodeTaken, "", "the order is no longer this driver's")
		}
		return done(o)
	case dispatch.OfferWithdrawn:
		if d, ok := c.drivers[f.Driver]; !ok || !d.duty.Online {
			return refuse(dispatch.CodeConflict, "", "the driver is off duty")
		}
		return refuse(dispatch.CodeTaken, "", "the offer was withdrawn (%s)", f.Reason)
	}
	return refuse(dispatch.CodeExpired, "", "the offer has ended (%s)", f.State)
}
