// Package store is WHAT HAPPENED: the contract of the durable order history, kept by one package a backend.
// The SQL commit is the only acknowledgement in the system: an order is told to anyone only after the batch
// that holds its transition was committed. The package owns no state; it may import dispatch and geo.
//
// Not promised: that a reader sees a batch before Commit returned, or that Events of two markets are in any
// common order.
package store

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// KeepFor is how long an idempotency key and an ended offer are known, in wall time.
const KeepFor = 24 * time.Hour

// ClaimFor is how long a claim of a driver stands that no driver.online followed, in wall time.
const ClaimFor = 30 * time.Second

// Journal is the whole contract; storetest.Run exercises it for every backend. Callers declare the few
// methods they need. All methods are safe for concurrent use. An unknown id is a *dispatch.Error with
// CodeNotFound; a store that is away is a *dispatch.Error with CodeUnavailable, but for Commit, whose
// errors are dispatch.ErrFenced, dispatch.ErrRefused, or ambiguous.
type Journal interface {
	Leads
	Duties
	History
	Relay
	Audit

	// Anchor gives the stored anchor of the market clock, the zero Anchor when there is none.
	Anchor(ctx context.Context) (dispatch.Anchor, error)
	// SetAnchor stores it.
	SetAnchor(ctx context.Context, a dispatch.Anchor) error
	// Latest gives the latest market instant that a commit of any market has told, the zero time when there
	// is none: the market clock never goes back behind it.
	Latest(ctx context.Context) (time.Time, error)
	// Prune forgets keys and ended offers that ended before the wall instant before; it gives how many.
	Prune(ctx context.Context, before time.Time) (int64, error)
	// Ping proves that the store answers.
	Ping(ctx context.Context) error
	// Close waits for what is under way and resigns.
	Close() error
}

// Leads is what a market's leader needs. A journal is opened by one node, whose markets its leases are.
type Leads interface {
	// Renew keeps the markets that this node leads for dispatch.LeaseFor more, counted on the store's clock from
	// some instant between the call and its return. A backend that one process alone can open has nothing to do.
	Renew(ctx context.Context) error
	// Resign ends the leases of this node at once, so that another need not wait for them to run out. The next
	// Renew makes it a node again.
	Resign(ctx context.Context) error
	// Lead takes the market with a new epoch and gives the batch it stands at. It waits for a commit still
	// in flight and bars those of earlier epochs. The market's row is made when there is none. The error is
	// dispatch.ErrHeld while another node leads it, and has renewed within dispatch.LeaseFor; what the node that
	// leads it takes anew is never refused. It renews too.
	Lead(ctx context.Context, m dispatch.MarketID) (dispatch.Lease, error)
	// Recover reads what a new leader starts from.
	Recover(ctx context.Context, m dispatch.MarketID) (dispatch.Recovery, error)
	// Commit makes b durable: power loss does not take it back. On success the market's row stands at
	// (b.Epoch, b.Batch+1).
	Commit(ctx context.Context, b *dispatch.Batch) error
}

// Duties is the claim of a driver, which no single market can judge.
type Duties interface {
	// Claim reserves the driver for market m in a small transaction of its own. Held names the other market in
	// which it is on duty, or off duty but still at work on an order, or for which a claim of less than
	// ClaimFor stands; the claim is then not made. For a market that another node leads it is unavailable.
	Claim(ctx context.Context, d dispatch.DriverID, m dispatch.MarketID) (dispatch.Claim, error)
	// Duty gives the driver's latest duty.
	Duty(ctx context.Context, d dispatch.DriverID) (dispatch.Duty, error)
}

// History is what is read, always committed.
type History interface {
	// Order gives an order as it stands.
	Order(ctx context.Context, id dispatch.OrderID) (dispatch.Order, error)
	// OrderAt gives an order as it stood after version v.
	OrderAt(ctx context.Context, id dispatch.OrderID, v int64) (dispatch.Order, error)
	// OrderEvents gives at most limit events of an order with versions above after, ascending.
	OrderEvents(ctx context.Context, id dispatch.OrderID, after int64, limit int) ([]dispatch.Event, error)
	// Orders gives at most f.Limit orders, newest first (descending by id).
	Orders(ctx context.Context, f dispatch.OrderFilter) ([]dispatch.Order, error)
	// OwnOrders gives the open orders of a rider or driver and those closed at or after the market instant
	// since, ascending by id, in the markets of its token. (A driver's are those whose present, or last,
	// driver it is.)
	OwnOrders(ctx context.Context, by dispatch.Actor, since time.Time) ([]dispatch.Order, error)
	// Offer gives an offer, live or ended in the last KeepFor.
	Offer(ctx context.Context, id dispatch.OfferID) (dispatch.Offer, error)
	// OrderOffers gives the offers of an order, live or ended in the last KeepFor, ascending by (CreatedAt, ID).
	OrderOffers(ctx context.Context, id dispatch.OrderID) ([]dispatch.Offer, error)
	// LiveOffers gives the live offers of a driver.
	LiveOffers(ctx context.Context, d dispatch.DriverID) ([]dispatch.Offer, error)
	// Answer gives what is kept under the key of a sub; false when nothing is.
	Answer(ctx context.Context, sub, key string) (dispatch.Answer, bool, error)
}

// Relay is what the relay to the bus needs.
type Relay interface {
	// MarketEvents gives at most limit events of a market with seq above after, ascending and dense.
	MarketEvents(ctx context.Context, m dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error)
	// Cursor gives the seq of the last event that the bus has acknowledged.
	Cursor(ctx context.Context, m dispatch.MarketID) (int64, error)
	// SetCursor moves it; it never goes back.
	SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error
}
