package dispatch

import "time"

// Op is what a command asks for; the socket's message types and their REST twins share it.
type Op string

// The operations.
const (
	OpCreate   Op = "order.create"
	OpCancel   Op = "order.cancel"
	OpAccept   Op = "offer.accept"
	OpDecline  Op = "offer.decline"
	OpAdvance  Op = "trip.advance"
	OpDuty     Op = "duty"
	OpAssign   Op = "order.assign"
	OpUnassign Op = "order.unassign"
	OpPriority Op = "order.priority"
	OpSearch   Op = "order.search"
)

// Key is a request's idempotency key: the same key of one sub has one effect and one answer for 24 hours of
// wall time. The zero Key is none.
type Key struct {
	ID string
	// Digest is a SHA-256 of the operation and its decoded fields.
	Digest [32]byte
}

// Command is one request, decoded and valid in itself; only the core judges it. Which fields count depends
// on Op.
type Command struct {
	Op  Op
	By  Actor
	Key Key
	// Market is the one the request names or that the edge derived from it; "" when it follows from the
	// order or the offer.
	Market MarketID
	// Order is the order meant; for OpCreate the id of the new one, minted by the edge.
	Order  OrderID
	Offer  OfferID
	Driver DriverID // OpAssign, OpDuty; of the engine's OpCancel the driver to be taken off
	To     State    // OpAdvance
	Reason string
	// Priority is for OpPriority, from -MaxPriority to MaxPriority.
	Priority int
	New      *NewOrder    // OpCreate
	Duty     *DutyRequest // OpDuty
	// RequestID is told to the asker and stands in the audit log; it plays no part in what is decided.
	RequestID string
}

// MaxPriority bounds a dispatcher's priority.
const MaxPriority = 100

// DutyRequest is what a driver says of its duty; the defaults are filled in.
type DutyRequest struct {
	Online       bool
	VehicleClass string
	Capacity     int
	Tags         []string // sorted, no duplicates
}

// Reply answers a command, after the commit.
type Reply struct {
	// Order is the order after the change; nil for duty.
	Order *Order
	// Err is the refusal; nil for success.
	Err *Error
}

// Answer is what is kept under an idempotency key: code, order id and version, not a copy.
type Answer struct {
	Market MarketID
	Sub    string
	Key    Key
	Code   Code // "" for success
	Detail string
	Field  string
	// Order and Version tell the order as it then stood; "" for duty and for refusals.
	Order   OrderID
	Version int64
	At      time.Time // wall time, set by the store
}
