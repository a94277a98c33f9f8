package auth

import (
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Action is something a principal asks for, or is about to be told. A command's action is its operation.
type Action string

// The actions. Where the contract's tables name other roles for a REST call than for its socket twin, the
// call has an action of its own.
const (
	Create   = Action(dispatch.OpCreate)
	Cancel   = Action(dispatch.OpCancel)
	Accept   = Action(dispatch.OpAccept)
	Decline  = Action(dispatch.OpDecline)
	Advance  = Action(dispatch.OpAdvance) // trip.advance on the socket
	Duty     = Action(dispatch.OpDuty)
	Assign   = Action(dispatch.OpAssign)
	Unassign = Action(dispatch.OpUnassign)
	Priority = Action(dispatch.OpPriority)
	Search   = Action(dispatch.OpSearch)

	PostAdvance   Action = "post.advance"   // POST /v1/orders/{id}/advance
	Telemetry     Action = "telemetry"      // on the socket
	PostTelemetry Action = "post.telemetry" // POST /v1/telemetry
	ReadOrder     Action = "read.order"     // GET, order.watch, resume, and every delivery of an order
	ReadDriver    Action = "read.driver"    // GET /v1/drivers/{id}
	Nearby        Action = "read.nearby"    // GET /v1/drivers/nearby
	ReadMarket    Action = "read.market"    // GET /v1/markets
	ReadSupply    Action = "read.supply"    // GET /v1/markets/{id}/supply
	ReadExplain   Action = "read.explain"   // GET /v1/orders/{id}/explain
	ReadOffer     Action = "read.offer"     // delivery of an offer
	ReadPosition  Action = "read.position"  // delivery of driver.position
	WatchBoard    Action = "watch.board"    // board.watch, and every delivery of a board
)

// Actions lists every action.
func Actions() []Action {
	return []Action{
		Create, Cancel, Accept, Decline, Advance, Duty, Assign, Unassign, Priority, Search,
		PostAdvance, Telemetry, PostTelemetry,
		ReadOrder, ReadDriver, Nearby, ReadMarket, ReadSupply, ReadExplain, ReadOffer, ReadPosition, WatchBoard,
	}
}

// roles tells who may ask for an action at all. Admin may do what a dispatcher may and is not listed.
func roles(a Action) []dispatch.Role {
	const (
		rider, driver, service, staff = dispatch.RoleRider, dispatch.RoleDriver, dispatch.RoleService, dispatch.RoleDispatcher
	)
	switch a {
	case Create:
		return []dispatch.Role{rider, service, staff}
	case Cancel, ReadOrder, ReadMarket:
		return []dispatch.Role{rider, driver, service, staff}
	case Accept, Decline, Advance, Duty, PostTelemetry, ReadOffer:
		return []dispatch.Role{driver}
	case Assign, Unassign, Priority, Search, PostAdvance, WatchBoard:
		return []dispatch.Role{staff}
	case Telemetry:
		return []dispatch.Role{driver, service}
	case ReadDriver:
		return []dispatch.Role{driver, service, staff}
	case Nearby, ReadSupply, ReadExplain:
		return []dispatch.Role{service, staff}
	case ReadPosition:
		return []dispatch.Role{rider}
	}
	return nil
}

// Target is what an action is about; what is not known, or does not matter, stays empty.
type Target struct {
	// Market is where it happens.
	Market dispatch.MarketID
	// Order is the order as it stands, or stood after the event told.
	Order *dispatch.Order
	// Driver is the driver asked about, spoken for, or meant by the offer.
	Driver dispatch.DriverID
}

// Allow is the one policy: it is asked before every command, every load and every delivery. A role that may
// not do this at all is forbidden, and so are creating and going on duty outside of the token's markets; what
// is outside of them otherwise, or another's, is not_found, as if it were not there. Commands about an order
// or offer are asked here for the role only; the core judges whose they are.
func Allow(p Principal, a Action, on Target) *dispatch.Error {
	role := p.Role
	if role == dispatch.RoleAdmin {
		role = dispatch.RoleDispatcher
	}
	if !slices.Contains(roles(a), role) {
		return dispatch.Errorf(dispatch.CodeForbidden, "", "role %s may not do this", p.Role)
	}
	if on.Market != "" && !p.In(on.Market) {
		if a == Create || a == Duty {
			return dispatch.Errorf(dispatch.CodeForbidden, "/market", "market %s is outside of the token's markets", on.Market)
		}
		return notFound()
	}
	if on.Order != nil && !p.MayRead(on.Order) {
		return notFound()
	}
	if on.Driver != "" && p.Role == dispatch.RoleDriver && on.Driver != dispatch.DriverID(p.Sub) {
		return notFound()
	}
	return nil
}

func notFound() *dispatch.Error { return dispatch.Hidden("there is none such") }
