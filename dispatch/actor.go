package dispatch

import "slices"

// Role is what a token allows its bearer to be.
type Role string

// The roles of the contract; RoleEngine is the engine itself and never stands in a token.
const (
	RoleRider      Role = "rider"
	RoleDriver     Role = "driver"
	RoleDispatcher Role = "dispatcher"
	RoleService    Role = "service"
	RoleAdmin      Role = "admin"
	RoleEngine     Role = "engine"
)

// Actor is who asks: a role, a subject, and the markets it is bound to.
type Actor struct {
	Role Role
	// Sub is the token's subject; empty for the engine.
	Sub string
	// Markets bounds what the actor may touch; empty means all.
	Markets []MarketID
}

// Engine is the actor of what nobody asked for: expiries, timeouts, matches.
func Engine() Actor { return Actor{Role: RoleEngine} }

// Staff tells whether the actor may do what a dispatcher may.
func (a Actor) Staff() bool { return a.Role == RoleDispatcher || a.Role == RoleAdmin }

// In tells whether the actor's token covers market m.
func (a Actor) In(m MarketID) bool {
	return len(a.Markets) == 0 || slices.Contains(a.Markets, m)
}

// MayRead tells whether the actor may see order o: its rider, its present driver, staff and services, in
// the markets of its token. A driver with only a live offer, or one that was taken off, may not.
func (a Actor) MayRead(o *Order) bool {
	if !a.In(o.Market) {
		return false
	}
	switch a.Role {
	case RoleRider:
		return o.Rider == RiderID(a.Sub)
	case RoleDriver:
		return a.Sub != "" && o.Driver == DriverID(a.Sub)
	case RoleDispatcher, RoleService, RoleAdmin, RoleEngine:
		return true
	}
	return false
}
