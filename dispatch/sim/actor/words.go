package actor

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// The words of dispatch that actors speak.
type (
	// OrderID names an order.
	OrderID = dispatch.OrderID
	// OfferID names an offer.
	OfferID = dispatch.OfferID
	// DriverID names a driver.
	DriverID = dispatch.DriverID
	// RiderID names a rider.
	RiderID = dispatch.RiderID
	// MarketID names a market.
	MarketID = dispatch.MarketID
	// Kind is what an order carries.
	Kind = dispatch.Kind
	// State is where an order stands.
	State = dispatch.State
	// Stop is one place of an order.
	Stop = dispatch.Stop
	// StopType is the part that a stop plays.
	StopType = dispatch.StopType
	// Order is an order as told.
	Order = dispatch.Order
	// NewOrder is what a rider asks for.
	NewOrder = dispatch.NewOrder
	// Code is why a request was refused.
	Code = dispatch.Code
	// Role is who causes a transition.
	Role = dispatch.Role
)

// Legal tells whether the law lets role take an order from one state to another; an edit that keeps the
// state is staff's.
func Legal(role Role, from, to State) bool {
	if from == to && from.Assigned() {
		return role == dispatch.RoleDispatcher || role == dispatch.RoleAdmin
	}
	return dispatch.May(role, from, to)
}

// Event is what an actor hears.
type Event interface{ event() }

type (
	// Tick tells nothing but the time.
	Tick struct{}
	// Connected tells that the socket is ready, for the first time or again.
	Connected struct{}
	// OfferMade asks a driver; it may be told again after a reconnect.
	OfferMade struct {
		Offer     OfferID
		ExpiresAt time.Time
	}
	// OfferWithdrawn ends an offer.
	OfferWithdrawn struct{ Offer OfferID }
	// OrderTold tells an order as it stands; versions may come late or twice.
	OrderTold struct{ Order Order }
	// OrderLost tells that the actor is no longer a party of the order.
	OrderLost struct{ Order OrderID }
	// Answered is the answer to a command; each command that asks for one has exactly one.
	Answered struct {
		To Command
		// Code is "" for success.
		Code Code
		// Order is the order after the change; nil for duty and refusals.
		Order *Order
	}
	// EndShift sends a driver off duty now, whatever its shift says; a running order goes on.
	EndShift struct{}
)

func (Tick) event()           {}
func (Connected) event()      {}
func (OfferMade) event()      {}
func (OfferWithdrawn) event() {}
func (OrderTold) event()      {}
func (OrderLost) event()      {}
func (Answered) event()       {}
func (EndShift) event()       {}

// Command is what an actor sends. All but Telemetry are answered.
type Command interface{ command() }

type (
	// Online goes on duty.
	Online struct{ Market MarketID }
	// Offline goes off duty.
	Offline struct{}
	// Telemetry tells where the driver is.
	Telemetry struct{ Fix geo.Fix }
	// Accept takes an offer.
	Accept struct{ Offer OfferID }
	// Decline refuses an offer.
	Decline struct{ Offer OfferID }
	// Advance is a step of a trip.
	Advance struct {
		Order OrderID
		To    State
	}
	// Create orders.
	Create struct {
		Market MarketID
		New    NewOrder
	}
	// Cancel gives an order up.
	Cancel struct {
		Order  OrderID
		Reason string
	}
	// Watch asks how an order stands.
	Watch struct{ Order OrderID }
)

func (Online) command()    {}
func (Offline) command()   {}
func (Telemetry) command() {}
func (Accept) command()    {}
func (Decline) command()   {}
func (Advance) command()   {}
func (Create) command()    {}
func (Cancel) command()    {}
func (Watch) command()     {}

// alarm keeps the earliest of the instants it is told; zero while there is none.
type alarm struct{ at time.Time }

func (a *alarm) set(t time.Time) {
	if a.at.IsZero() || t.Before(a.at) {
		a.at = t
	}
}
