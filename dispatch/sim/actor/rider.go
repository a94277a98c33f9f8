package actor

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// RiderConfig is one rider's wish. Instants and spans are market time.
type RiderConfig struct {
	ID     RiderID
	Market MarketID
	// At is when the rider orders.
	At  time.Time
	New NewOrder
	// Patience is how long the rider waits for a driver before it cancels; zero for ever.
	Patience time.Duration
	// Quit is how long after its order the rider cancels, with a driver or without one, unless it has been picked up;
	// zero: never.
	Quit time.Duration
}

// Rider orders once and follows its order; it cancels when its patience ends before a driver is found, or when it changes
// its mind before the pickup.
type Rider struct {
	cfg     RiderConfig
	ordered bool
	// refused is why the order was refused; "" otherwise.
	refused Code
	order   *Order
	// early are orders told before the acknowledgement says which one is the rider's.
	early  []*Order
	giveUp time.Time
	quit   time.Time
	asked  bool
	wake   alarm
}

// NewRider makes a rider that has not ordered yet.
func NewRider(cfg RiderConfig) *Rider {
	r := &Rider{cfg: cfg}
	r.wake.set(cfg.At)
	return r
}

// Wake is the instant at which the rider wants a Tick; zero for none.
func (r *Rider) Wake() time.Time { return r.wake.at }

// Order is the rider's order as last told; nil before it is acknowledged.
func (r *Rider) Order() *Order { return r.order }

// Refused is why the order was refused; "" when it was not.
func (r *Rider) Refused() Code { return r.refused }

// Done tells that nothing is left to follow: the order is over, or was refused.
func (r *Rider) Done() bool {
	return r.refused != "" || r.order != nil && r.order.State.Closed()
}

// Next is the rider's answer to what it hears at now; now never goes back.
func (r *Rider) Next(now time.Time, ev Event) []Command {
	r.wake = alarm{}
	switch e := ev.(type) {
	case OrderTold:
		r.told(&e.Order)
	case Answered:
		r.answered(now, e)
	}
	if !r.ordered {
		if now.Before(r.cfg.At) {
			r.wake.set(r.cfg.At)
			return nil
		}
		r.ordered = true
		return []Command{Create{Market: r.cfg.Market, New: r.cfg.New}}
	}
	return r.actCancel(now)
}

func (r *Rider) told(o *Order) {
	if r.order == nil && r.ordered && r.refused == "" {
		r.early = append(r.early, o)
		return
	}
	if r.order != nil && r.order.ID == o.ID && r.order.Version < o.Version {
		r.order = o
	}
}

func (r *Rider) answered(now time.Time, e Answered) {
	switch e.To.(type) {
	case Create:
		r.refused = e.Code
		if e.Order != nil {
			r.order = e.Order
		}
		for _, o := range r.early {
			r.told(o)
		}
		r.early = nil
		if r.cfg.Patience > 0 {
			r.giveUp = now.Add(r.cfg.Patience)
		}
		if r.cfg.Quit > 0 {
			r.quit = now.Add(r.cfg.Quit)
		}
	case Cancel:
		if e.Order != nil {
			r.told(e.Order)
		}
	}
}

// actCancel cancels an order that no driver has taken in time, or that the rider does not want any more.
func (r *Rider) actCancel(now time.Time) []Command {
	if r.order == nil || r.asked {
		return nil
	}
	reason := ""
	switch r.order.State {
	case dispatch.StateSearching, dispatch.StateOffered:
		if r.due(now, r.giveUp) {
			reason = "waited too long"
		}
	case dispatch.StateScheduled, dispatch.StateEnRouteToPickup, dispatch.StateArrivedAtPickup:
	default:
		return nil
	}
	if r.due(now, r.quit) && reason == "" {
		reason = "changed its mind"
	}
	if reason == "" {
		return nil
	}
	r.asked = true
	return []Command{Cancel{Order: r.order.ID, Reason: reason}}
}

// due tells whether an instant has come, and sets the alarm when it has not; a zero one never comes.
func (r *Rider) due(now, at time.Time) bool {
	if !at.IsZero() && now.Before(at) {
		r.wake.set(at)
	}
	return !at.IsZero() && !now.Before(at)
}
