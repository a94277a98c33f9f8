package actor

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// trip is what a driver knows of its orders and does for the first of them.
type trip struct {
	// orders are worked on one after the other, in the order in which they were told.
	orders []Order
	// step is what the driver is doing, due when it is done.
	step step
	due  time.Time
	// giveUp is the reason for which the order is cancelled when the step is due; "" for going on.
	giveUp string
	// unsure is the order on which the server contradicted; "" for none.
	unsure OrderID
	// done are the orders that were taken away, with the version that did it, so that a late message does
	// not bring one back.
	done map[OrderID]int64
}

// step names one leg or one wait of one order.
type step struct {
	order OrderID
	state State
	stop  int
}

// told hears how an order stands; what is older than what it knows is dropped.
func (d *Driver) told(now time.Time, o *Order) {
	at := slices.IndexFunc(d.trip.orders, func(k Order) bool { return k.ID == o.ID })
	if at >= 0 && d.trip.orders[at].Version > o.Version {
		return
	}
	if o.Driver != d.cfg.ID || o.State.Closed() || !o.State.Assigned() {
		d.drop(now, o.ID, o.Version)
		return
	}
	if gone, ok := d.trip.done[o.ID]; ok && o.Version <= gone {
		return
	}
	if at >= 0 {
		d.trip.orders[at] = *o
		return
	}
	d.trip.orders = append(d.trip.orders, *o)
	if d.fresh {
		d.place = stay(o.Stops[max(0, o.NextStop-1)].LatLng, now)
		d.idle = false
	}
}

// knows tells whether o tells nothing new of an order that is worked on.
func (t *trip) knows(o *Order) bool {
	return slices.ContainsFunc(t.orders, func(k Order) bool { return k.ID == o.ID && k.Version >= o.Version })
}

// drop forgets an order; version is the one that took it away, 0 when that is not known.
func (d *Driver) drop(now time.Time, id OrderID, version int64) {
	at := slices.IndexFunc(d.trip.orders, func(k Order) bool { return k.ID == id })
	if at < 0 {
		if version > 0 && version > d.trip.done[id] {
			d.trip.done[id] = version
		}
		return
	}
	d.trip.done[id] = max(version, d.trip.orders[at].Version)
	d.trip.orders = slices.Delete(d.trip.orders, at, at+1)
	if d.trip.step.order == id {
		d.trip.step = step{}
		d.place = stay(d.place.at(now), now)
		d.idle = true
	}
	if d.trip.unsure == id {
		d.trip.unsure = ""
	}
}

// actTrip begins the step that the first order's state calls for and, once it is done, asks for the next.
func (d *Driver) actTrip(now time.Time) {
	if d.trip.unsure != "" {
		d.ask(Watch{Order: d.trip.unsure})
		return
	}
	if len(d.trip.orders) == 0 {
		return
	}
	o := &d.trip.orders[0]
	to, goal := nextStep(o)
	if s := (step{o.ID, o.State, o.NextStop}); s != d.trip.step {
		d.trip.step, d.trip.giveUp = s, ""
		if goal != nil {
			d.setOut(now, o, *goal)
		} else {
			d.serve(now, o)
		}
	}
	if !d.due(now, d.trip.due) {
		return
	}
	if d.trip.giveUp != "" {
		d.ask(Cancel{Order: o.ID, Reason: d.trip.giveUp})
		return
	}
	if goal != nil {
		d.send(now) // the step is judged, and the next match made, from where the driver is
	}
	d.ask(Advance{Order: o.ID, To: to})
}

// The reasons for which a driver cancels.
const (
	reasonGivenBack = "driver changed its mind"
	// reasonNoShow is the contract's: it closes the order rather than search anew.
	reasonNoShow = "no_show"
)

// setOut begins the drive to goal; by chance the driver gives up on the way to a pickup.
func (d *Driver) setOut(now time.Time, o *Order, goal geo.LatLng) {
	d.drive(now, goal)
	d.trip.due = d.place.end
	if o.State == dispatch.StateEnRouteToPickup && d.happens(d.cfg.GiveBack) {
		d.trip.giveUp = reasonGivenBack
		d.trip.due = now.Add(time.Duration(d.rng.Float64() * float64(d.place.end.Sub(now))))
	}
}

// serve begins the wait at a stop; by chance nobody comes to a pickup.
func (d *Driver) serve(now time.Time, o *Order) {
	switch {
	case o.State != dispatch.StateArrivedAtPickup:
		d.trip.due = now.Add(d.cfg.DropoffService)
	case d.happens(d.cfg.NoShow):
		d.trip.giveUp, d.trip.due = reasonNoShow, now.Add(d.cfg.NoShowAfter)
	default:
		d.trip.due = now.Add(d.cfg.PickupService)
		if ready := d.cfg.Ready[o.Rider]; ready.After(d.trip.due) {
			d.trip.due = ready
		}
	}
}

// happens is true with a probability; the driver's chances go on only where there is one.
func (d *Driver) happens(p float64) bool { return p > 0 && d.rng.Float64() < p }

// nextStep gives the state that follows and the place to drive to first; nil means to wait here.
func nextStep(o *Order) (to State, goal *geo.LatLng) {
	switch o.State {
	case dispatch.StateEnRouteToPickup:
		return dispatch.StateArrivedAtPickup, &o.Stops[0].LatLng
	case dispatch.StateEnRouteToStop:
		return dispatch.StateArrivedAtStop, &o.Stops[o.NextStop].LatLng
	case dispatch.StateEnRouteToDropoff:
		return dispatch.StateArrivedAtDropoff, &o.Stops[o.NextStop].LatLng
	case dispatch.StateReturning:
		return dispatch.StateReturned, &o.Stops[0].LatLng
	case dispatch.StateArrivedAtDropoff:
		return dispatch.StateCompleted, nil
	}
	// Arrived at the pickup or at a stop between: the stop ahead says which way to leave.
	if o.Stops[o.NextStop+1].Type == dispatch.StopBetween {
		return dispatch.StateEnRouteToStop, nil
	}
	return dispatch.StateEnRouteToDropoff, nil
}
