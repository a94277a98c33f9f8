package dispatch

import (
	"errors"
	"time"
)

// AuditEntry is one line of the audit log: what staff or an operator did or was refused, or an access that was
// refused to anyone. It holds no name and no place: the store keeps riders and drivers, as Actor and in Object, by
// a digest of their own.
type AuditEntry struct {
	// At is wall time; zero for what a commit makes durable, whose instant the store sets.
	At time.Time
	// Actor is who asked; the zero By when no token told.
	Actor By
	// Action is the operation asked for: a command's Op, or what the refused request is called at the edge.
	Action string
	// Object is what it was about, as kind:id ("order:…", "offer:…", "driver:…", "rider:…", "market:…"); "" when that
	// is not known.
	Object string
	// Outcome is the refusal; "" for what was done.
	Outcome Code
	// Before and After are how the order stood; the same when it was refused, zero when it is about none.
	Before, After Standing
	// RequestID is that of the request, as its asker was told it; "" when there is none.
	RequestID string
	// Count is how many such accesses the entry stands for; 0 counts as 1.
	Count int64
}

// Standing is all that the audit log says of an order: its state and version. The rest is in the history.
type Standing struct {
	State   State
	Version int64
}

// StandingOf tells how an order stands; the zero Standing for nil.
func StandingOf(o *Order) Standing {
	if o == nil {
		return Standing{}
	}
	return Standing{o.State, o.Version}
}

// RoleOperator is who works with the command line on the machine itself; it never stands in a token.
const RoleOperator Role = "operator"

// AuditChain names one chain of the audit log: entries that are numbered and hashed one after the other.
type AuditChain string

// The chains beside those of the markets.
const (
	ChainAccess   AuditChain = "access"   // accesses that the edges refused
	ChainOperator AuditChain = "operator" // what operators did by command line
)

// MarketChain is the chain of what staff did to a market's orders. A market whose id is that of another chain
// cannot share it, for its name begins otherwise.
func MarketChain(m MarketID) AuditChain { return AuditChain("market:" + m) }

// ErrNoAccess is the inner cause of a refusal that hides one of access: the asker is told not_found though what it
// asked for may be there and another's. For errors.Is; it is never shown.
var ErrNoAccess = errors.New("access refused")

// Hidden is not_found for what is another's, in the words that what is unknown has.
func Hidden(what string) *Error {
	e := Errorf(CodeNotFound, "", "%s", what)
	e.Err = ErrNoAccess
	return e
}

// AccessRefused tells whether e refuses access: no good token, a role that may not, or what is another's.
func AccessRefused(e *Error) bool {
	return e != nil && (e.Code == CodeUnauthenticated || e.Code == CodeForbidden || errors.Is(e.Err, ErrNoAccess))
}
