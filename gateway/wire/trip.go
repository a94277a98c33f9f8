package wire

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TripAdvance takes a trip on to its next state. Proof is taken as it comes and not yet kept.
type TripAdvance struct {
	Type    string         `json:"type,omitzero"`
	ID      ID             `json:"id,omitzero"`
	OrderID ID             `json:"order_id"`
	To      string         `json:"to"`
	Proof   jsontext.Value `json:"proof,omitzero"`
}

// Validate implements the limits of the contract. Whether the state can be entered is the core's to judge.
func (m *TripAdvance) Validate() *dispatch.Error {
	if m.Proof.Kind() == 'n' {
		m.Proof = nil
	}
	if e := required("/order_id", m.OrderID); e != nil {
		return e
	}
	if m.To == "" {
		return bad("/to", "required")
	}
	if !slices.Contains(dispatch.States(), dispatch.State(m.To)) {
		return bad("/to", "must be a state of an order")
	}
	return nil
}

// OrderAssign gives an order to a driver (REST only).
type OrderAssign struct {
	OrderID  ID `json:"order_id"`
	DriverID ID `json:"driver_id"`
}

// Validate implements the limits of the contract.
func (m *OrderAssign) Validate() *dispatch.Error {
	return first(required("/order_id", m.OrderID), required("/driver_id", m.DriverID))
}

// OrderUnassign takes an order from its driver and searches again (REST only).
type OrderUnassign struct {
	OrderID ID     `json:"order_id"`
	Reason  string `json:"reason,omitzero"`
}

// Validate implements the limits of the contract.
func (m *OrderUnassign) Validate() *dispatch.Error {
	return first(required("/order_id", m.OrderID), validReason(m.Reason))
}

// OrderPriority sets how an order ranks in the search (REST only); nil is left out, which is refused.
type OrderPriority struct {
	OrderID  ID   `json:"order_id"`
	Priority *int `json:"priority"`
}

// Validate implements the limits of the contract.
func (m *OrderPriority) Validate() *dispatch.Error {
	if e := required("/order_id", m.OrderID); e != nil {
		return e
	}
	if m.Priority == nil {
		return bad("/priority", "required")
	}
	if *m.Priority < -dispatch.MaxPriority || *m.Priority > dispatch.MaxPriority {
		return bad("/priority", "must be from %d to %d", -dispatch.MaxPriority, dispatch.MaxPriority)
	}
	return nil
}

// OrderSearch reopens the search for an order without a driver (REST only).
type OrderSearch struct {
	OrderID ID `json:"order_id"`
}

// Validate implements the limits of the contract.
func (m *OrderSearch) Validate() *dispatch.Error { return required("/order_id", m.OrderID) }

// pointer is the JSON pointer of an element.
func pointer(list string, i int) string { return list + "/" + strconv.Itoa(i) }
