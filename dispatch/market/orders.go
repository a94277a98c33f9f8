package market

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// change is one transition about to happen to an order.
type change struct {
	to     dispatch.State
	by     dispatch.Actor
	kind   dispatch.EventType // "" for the state entered
	driver dispatch.DriverID  // of the event
	offer  dispatch.OfferID
	reason string
}

// transition writes one transition: the order's next version, the event with the order as it then stands,
// and the timers of the new state. edit changes what else the order says. The caller has judged it; a step
// that the table does not hold is a defect.
func (c *Core) transition(o *dispatch.Order, ch change, edit func(o *dispatch.Order)) {
	from := o.State
	if from == dispatch.StateEnRouteToPickup && ch.to != from {
		c.withdraw(o.ID, "taken") // a better driver is not asked any more
	}
	if ch.kind == "" {
		if !dispatch.May(ch.by.Role, from, ch.to) {
			panic("market: no transition from " + string(from) + " to " + string(ch.to) + " by " + string(ch.by.Role))
		}
		ch.kind = dispatch.Entered(ch.to)
		o.ChangedAt = c.now
	}
	o.State = ch.to
	o.Version++
	if edit != nil {
		edit(o)
	}
	for _, b := range c.unsaid[o.ID] {
		o.Bars = o.WithBar(b, c.now)
	}
	delete(c.unsaid, o.ID)
	if from != ch.to {
		c.arm(o)
		c.moved(o.Driver)
	}
	snapshot := *o
	c.emit(dispatch.Event{
		Type: ch.kind, By: dispatch.By{Role: ch.by.Role, Sub: ch.by.Sub}, Version: o.Version,
		Order: &snapshot, From: from, To: ch.to, Driver: ch.driver, Offer: ch.offer, Reason: ch.reason,
	})
}

// emit numbers an event and gives it out.
func (c *Core) emit(e dispatch.Event) {
	c.seq++
	e.Market, e.Seq, e.At = c.id, c.seq, c.now
	if e.By.Role == dispatch.RoleEngine {
		e.Policy = c.version
	}
	c.out.Events = append(c.out.Events, e)
}

// moved notes that a driver has come to another part of its trip, which tells when it may be asked for the next.
func (c *Core) moved(id dispatch.DriverID) {
	if id != "" && c.policy.Chain.Within > 0 {
		if _, ok := c.drivers[id]; ok {
			c.touch(id)
		}
	}
}

func (c *Core) create(cmd *dispatch.Command) dispatch.Reply {
	n := cmd.New
	if _, exists := c.orders[cmd.Order]; exists {
		return refuse(dispatch.CodeConflict, "", "an order of this id exists")
	}
	o := &dispatch.Order{
		ID: cmd.Order, Market: c.id, Kind: n.Kind, Rider: n.Rider, VehicleClass: n.VehicleClass,
		Stops: n.Stops, RequestedAt: c.now, PickupAt: n.PickupAt, SearchSince: c.now,
	}
	c.orders[o.ID] = o
	to := dispatch.StateSearching
	if n.PickupAt.After(c.now) {
		to = dispatch.StateScheduled
	}
	c.transition(o, change{to: to, by: cmd.By}, nil)
	return done(o)
}

// begin starts the search for a scheduled order; at is what its timer was set to.
func (c *Core) begin(id dispatch.OrderID, at time.Time) {
	o, ok := c.orders[id]
	if !ok || o.State != dispatch.StateScheduled || !at.Equal(o.PickupAt.Add(-c.policy.Lead)) {
		return
	}
	c.transition(o, change{to: dispatch.StateSearching, by: dispatch.Engine()}, func(o *dispatch.Order) {
		o.SearchSince = c.now
	})
}

// timeOut gives up a search. An order that is offered when its time is over is given up when it comes back;
// at is what its timer was set to.
func (c *Core) timeOut(id dispatch.OrderID, at time.Time) {
	o, ok := c.orders[id]
	if !ok || o.State != dispatch.StateSearching || !at.Equal(o.SearchSince.Add(c.policy.SearchTimeout)) {
		return
	}
	c.transition(o, change{to: dispatch.StateNoDriver, by: dispatch.Engine()}, nil)
}

// reopen starts the search again for an order that found no driver.
func (c *Core) reopen(cmd *dispatch.Command, o *dispatch.Order) dispatch.Reply {
	if !dispatch.May(cmd.By.Role, o.State, dispatch.StateSearching) || o.State != dispatch.StateNoDriver {
		return illegal(o, dispatch.StateSearching)
	}
	if len(o.Stops) == 0 {
		return refuse(dispatch.CodeIllegalTransition, "", "the places of the order were erased")
	}
	c.orders[o.ID] = o // it may have been read from the journal
	c.transition(o, change{to: dispatch.StateSearching, by: cmd.By}, func(o *dispatch.Order) {
		o.SearchSince = c.now
	})
	return done(o)
}

func (c *Core) advance(cmd *dispatch.Command, o *dispatch.Order) dispatch.Reply {
	if !dispatch.MayAdvance(cmd.By.Role, o, cmd.To) {
		return illegal(o, cmd.To)
	}
	c.transition(o, change{to: cmd.To, by: cmd.By, driver: o.Driver}, func(o *dispatch.Order) {
		switch cmd.To {
		case dispatch.StateEnRouteToStop, dispatch.StateEnRouteToDropoff:
			o.NextStop++
		case dispatch.StateCompleted:
			o.NextStop = len(o.Stops)
		}
	})
	if o.State.Closed() {
		c.release(o.Driver, o.ID)
	}
	return done(o)
}

// cancel ends an order, or, when its driver cancels before the pickup, looks for another driver.
func (c *Core) cancel(cmd *dispatch.Command, o *dispatch.Order) dispatch.Reply {
	to, by := dispatch.StateCancelled, "provider"
	switch cmd.By.Role {
	case dispatch.RoleRider:
		by = "passenger"
	case dispatch.RoleEngine: // it saw the driver not come; since then it may have arrived, or be another
		if o.State != dispatch.StateEnRouteToPickup || cmd.Driver != o.Driver {
			return illegal(o, dispatch.StateSearching)
		}
		return c.redispatch(cmd, o)
	case dispatch.RoleDriver:
		if cmd.Reason != reasonNoShow {
			return c.redispatch(cmd, o)
		}
		by = "driver"
		if wait := o.ChangedAt.Add(c.policy.NoShow).Sub(c.now); o.State == dispatch.StateArrivedAtPickup && wait > 0 {
			return refuse(dispatch.CodeIllegalTransition, "",
				"no_show may be reported %d s after the arrival, %d s from now",
				int(c.policy.NoShow/time.Second), int((wait+time.Second-1)/time.Second))
		}
	}
	if !dispatch.May(cmd.By.Role, o.State, to) {
		return illegal(o, to)
	}
	c.withdraw(o.ID, "cancelled")
	driver := o.Driver
	c.transition(o, change{to: to, by: cmd.By, driver: driver, reason: cmd.Reason}, func(o *dispatch.Order) {
		o.CancelledBy, o.Reason = by, cmd.Reason
	})
	c.release(driver, o.ID)
	return done(o)
}

const reasonNoShow = "no_show"

// unassign takes the driver off an order that waits for it, for another to be found.
func (c *Core) unassign(cmd *dispatch.Command, o *dispatch.Order) dispatch.Reply {
	return c.redispatch(cmd, o)
}

// redispatch takes the driver off before the pickup, bars it from this order for good, and starts a new
// search on the same order id.
func (c *Core) redispatch(cmd *dispatch.Command, o *dispatch.Order) dispatch.Reply {
	to := dispatch.StateSearching
	if !o.State.Assigned() || !dispatch.May(cmd.By.Role, o.State, to) {
		return illegal(o, to)
	}
	driver := o.Driver
	c.transition(o, change{to: to, by: cmd.By, driver: driver, reason: cmd.Reason}, func(o *dispatch.Order) {
		o.Bars = o.WithBar(dispatch.Bar{Driver: driver}, c.now)
		o.Driver, o.PickupETA, o.DropoffETA = "", time.Time{}, time.Time{}
		o.SearchSince = c.now
	})
	c.release(driver, o.ID)
	c.hasten()
	return done(o)
}

// assign gives an order to a driver by a dispatcher's hand; a barred driver may be given it too.
func (c *Core) assign(cmd *dispatch.Command, known *Known, o *dispatch.Order) dispatch.Reply {
	d, ok := c.drivers[cmd.Driver]
	if !ok || !d.duty.Online {
		return refuse(dispatch.CodeNotFound, "/driver_id", "no such driver on duty in market %s", c.id)
	}
	if o.State.Assigned() {
		return refuse(dispatch.CodeTaken, "", "the order has a driver; unassign it first")
	}
	if !dispatch.May(cmd.By.Role, o.State, dispatch.StateEnRouteToPickup) {
		return illegal(o, dispatch.StateEnRouteToPickup)
	}
	if d.full() {
		return refuse(dispatch.CodeConflict, "/driver_id", "the driver holds %d orders, its capacity", len(d.orders))
	}
	c.withdraw(o.ID, "assigned")
	c.drop(d, "assigned")
	c.give(o, d, dispatch.Offer{Pickup: known.Pickup, Trip: known.Trip, Source: known.Source}, cmd.By)
	return done(o)
}

// force gives a searching order to a driver who is not asked.
func (c *Core) force(o *dispatch.Order, d *driver, cand *Candidate, trip time.Duration) {
	c.give(o, d, dispatch.Offer{Pickup: cand.Pickup, Trip: trip, Source: cand.Source}, dispatch.Engine())
}

// give makes d the driver of o. offer brings the estimates; its id is empty for an assignment without one. A pickup time
// of 0 is that of a driver at the place where a source is named, and else not known.
func (c *Core) give(o *dispatch.Order, d *driver, offer dispatch.Offer, by dispatch.Actor) {
	id := d.duty.Driver
	ch := change{to: dispatch.StateEnRouteToPickup, by: by, driver: id, offer: offer.ID}
	c.transition(o, ch, func(o *dispatch.Order) {
		o.Driver = id
		if offer.Pickup <= 0 && offer.Source == "" {
			return
		}
		o.PickupETA = c.now.Add(offer.Pickup)
		if offer.Trip > 0 {
			o.DropoffETA = o.PickupETA.Add(offer.Trip)
		}
	})
	d.orders = append(d.orders, o.ID)
	c.touch(id)
}

func (c *Core) prioritise(cmd *dispatch.Command, o *dispatch.Order) dispatch.Reply {
	if o.State.Closed() {
		return refuse(dispatch.CodeIllegalTransition, "", "the order is closed (%s)", o.State)
	}
	ch := change{to: o.State, by: cmd.By, kind: dispatch.EventOrderEdited, driver: o.Driver, reason: cmd.Reason}
	c.transition(o, ch, func(o *dispatch.Order) { o.Priority = cmd.Priority })
	return done(o)
}

// release lets a driver go from an order; a driver of "" is none.
func (c *Core) release(id dispatch.DriverID, order dispatch.OrderID) {
	d, ok := c.drivers[id]
	if !ok {
		return
	}
	d.orders = slices.DeleteFunc(d.orders, func(o dispatch.OrderID) bool { return o == order })
	if len(d.orders) == 0 {
		d.idle = c.now
	}
	if !d.duty.Online && len(d.orders) == 0 {
		c.timers.add(c.now.Add(forgetAfter), timerLeave, string(id))
	}
	c.touch(id)
}

func illegal(o *dispatch.Order, to dispatch.State) dispatch.Reply {
	return refuse(dispatch.CodeIllegalTransition, "", "an order that is %s may not become %s by this request", o.State, to)
}
