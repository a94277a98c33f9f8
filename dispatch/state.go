package dispatch

import "slices"

// State is where an order stands.
type State string

// The states of the contract.
const (
	StateScheduled        State = "scheduled"
	StateSearching        State = "searching"
	StateOffered          State = "offered"
	StateEnRouteToPickup  State = "en_route_to_pickup"
	StateArrivedAtPickup  State = "arrived_at_pickup"
	StateEnRouteToStop    State = "en_route_to_stop"
	StateArrivedAtStop    State = "arrived_at_stop"
	StateEnRouteToDropoff State = "en_route_to_dropoff"
	StateArrivedAtDropoff State = "arrived_at_dropoff"
	StateCompleted        State = "completed"
	StateReturning        State = "returning"
	StateReturned         State = "returned"
	StateCancelled        State = "cancelled"
	StateNoDriver         State = "no_driver"
)

// States lists every state, in the order of an order's life.
func States() []State {
	return []State{
		StateScheduled, StateSearching, StateOffered, StateEnRouteToPickup, StateArrivedAtPickup,
		StateEnRouteToStop, StateArrivedAtStop, StateEnRouteToDropoff, StateArrivedAtDropoff,
		StateCompleted, StateReturning, StateReturned, StateCancelled, StateNoDriver,
	}
}

// Closed tells whether an order in this state is over: for good, but for no_driver, which a dispatcher may
// reopen.
func (s State) Closed() bool {
	switch s {
	case StateCompleted, StateCancelled, StateReturned, StateNoDriver:
		return true
	}
	return false
}

// PickedUp tells whether the pickup has been left and the trip is not yet over.
func (s State) PickedUp() bool {
	switch s {
	case StateEnRouteToStop, StateArrivedAtStop, StateEnRouteToDropoff, StateArrivedAtDropoff, StateReturning:
		return true
	}
	return false
}

// Assigned tells whether an order in this state has a driver working on it.
func (s State) Assigned() bool {
	return s == StateEnRouteToPickup || s == StateArrivedAtPickup || s.PickedUp()
}

// Rule is one row of the transition table: who may cause which step.
type Rule struct {
	From State // "" for the creation
	To   State
	By   []Role
}

// Transitions is the one transition table; the core judges by it and the stores repeat it. Admin may do
// what a dispatcher may and is not listed.
func Transitions() []Rule {
	const (
		rider, driver, staff, service, engine = RoleRider, RoleDriver, RoleDispatcher, RoleService, RoleEngine
	)
	by := func(roles ...Role) []Role { return roles }
	return []Rule{
		{"", StateSearching, by(rider, service, staff)},
		{"", StateScheduled, by(rider, service, staff)},
		{StateScheduled, StateSearching, by(engine)},
		{StateSearching, StateOffered, by(engine)},
		{StateSearching, StateNoDriver, by(engine)},
		{StateNoDriver, StateSearching, by(staff)},
		{StateOffered, StateSearching, by(engine)},
		{StateSearching, StateEnRouteToPickup, by(staff, engine)},
		{StateOffered, StateEnRouteToPickup, by(driver, staff)},
		{StateScheduled, StateEnRouteToPickup, by(staff)},
		{StateEnRouteToPickup, StateArrivedAtPickup, by(driver)},
		{StateArrivedAtPickup, StateEnRouteToStop, by(driver)},
		{StateArrivedAtPickup, StateEnRouteToDropoff, by(driver)},
		{StateEnRouteToStop, StateArrivedAtStop, by(driver)},
		{StateArrivedAtStop, StateEnRouteToStop, by(driver)},
		{StateArrivedAtStop, StateEnRouteToDropoff, by(driver)},
		{StateEnRouteToDropoff, StateArrivedAtDropoff, by(driver)},
		{StateEnRouteToDropoff, StateCompleted, by(driver, staff)},
		{StateArrivedAtDropoff, StateCompleted, by(driver, staff)},
		{StateEnRouteToDropoff, StateReturning, by(driver, staff)},
		{StateArrivedAtDropoff, StateReturning, by(driver, staff)},
		{StateReturning, StateReturned, by(driver, staff)},
		{StateEnRouteToPickup, StateSearching, by(driver, staff, engine)},
		{StateArrivedAtPickup, StateSearching, by(driver, staff, engine)},
		{StateScheduled, StateCancelled, by(rider, service, staff)},
		{StateSearching, StateCancelled, by(rider, service, staff)},
		{StateOffered, StateCancelled, by(rider, service, staff)},
		{StateEnRouteToPickup, StateCancelled, by(rider, service, staff)},
		{StateArrivedAtPickup, StateCancelled, by(rider, driver, service, staff)},
		{StateEnRouteToStop, StateCancelled, by(staff)},
		{StateArrivedAtStop, StateCancelled, by(staff)},
		{StateEnRouteToDropoff, StateCancelled, by(staff)},
		{StateArrivedAtDropoff, StateCancelled, by(staff)},
		{StateReturning, StateCancelled, by(staff)},
	}
}

// May tells whether the table lets role take an order from one state to another.
func May(role Role, from, to State) bool {
	if role == RoleAdmin {
		role = RoleDispatcher
	}
	return slices.Contains(permitted[step{from, to}], role)
}

type step struct{ from, to State }

// permitted is Transitions by its steps, for May, which every transition asks; immutable.
var permitted = func() map[step][]Role {
	by := map[step][]Role{}
	for _, r := range Transitions() {
		by[step{r.From, r.To}] = r.By
	}
	return by
}()

// MayAdvance tells whether role may take order o on to the state to as a step of its trip: the table
// allows it, the kind has such a state, and the stop ahead is of that type.
func MayAdvance(role Role, o *Order, to State) bool {
	if !May(role, o.State, to) {
		return false
	}
	switch to {
	case StateArrivedAtPickup, StateArrivedAtStop, StateArrivedAtDropoff, StateCompleted:
		return true
	case StateEnRouteToStop:
		return o.Stops[o.NextStop+1].Type == StopBetween
	case StateEnRouteToDropoff:
		return o.Stops[o.NextStop+1].Type == StopDropoff
	case StateReturning, StateReturned:
		return o.Kind == KindDelivery
	}
	return false // searching, cancelled and the rest have commands of their own
}
