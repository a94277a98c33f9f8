package dispatch

import (
	"errors"
	"time"
)

// Batch is what one commit makes durable: all of it or nothing. It is of one market. Commit sets the
// market's row to Batch+1 if, and only if, it stands at (Epoch, Batch): that is the fence. A batch may hold
// no event (live offers, kept answers).
type Batch struct {
	Market MarketID
	// Epoch and Batch are the market's row as the leader knows it before the commit.
	Epoch, Batch int64
	// At is the latest market instant that the batch tells; it never goes back.
	At time.Time
	// Events ascend densely by Seq. The row of an order or a duty after the commit is what the last event
	// about it says.
	Events []Event
	// Offers are those made or ended, as they then stand; an offer may stand here twice, the last counts.
	Offers  []Offer
	Answers []Answer
	// Audit are the acts of staff that the batch carries out or refuses, for the market's chain.
	Audit []AuditEntry
}

// Empty tells whether the batch has nothing to make durable.
func (b *Batch) Empty() bool {
	return len(b.Events) == 0 && len(b.Offers) == 0 && len(b.Answers) == 0 && len(b.Audit) == 0
}

// Lease is a leader's standing with a market: what its next commit has to find.
type Lease struct {
	Market MarketID
	// Epoch goes up by one each time the market is taken, also by the same node.
	Epoch int64
	// Batch counts the market's commits.
	Batch int64
	// Last is the epoch of the market's last commit, 0 when there is none: Last <= Epoch. A commit of (E, B) whose
	// outcome was not told is in when the next lease stands at Batch = B+1 with Last = E, is not in at Batch = B,
	// and else cannot be told, because another node has committed since.
	Last int64
}

// LeaseFor is how long a node that does not renew its row still holds its markets, RenewEvery how often it renews.
// Both are wall time: LeaseFor on the store's clock, for a node that pauses longer is not to be waited for.
const (
	LeaseFor   = 3 * time.Second
	RenewEvery = time.Second
)

// Recovery is what a new leader starts from: never the whole history.
type Recovery struct {
	// Seq is that of the last committed event, 0 when there is none.
	Seq int64
	// At is the latest instant (market time) that any commit of the market has told; zero when there is
	// none. A core starts no earlier.
	At time.Time
	// Orders are the open ones, Offers the live ones, Duties those on duty and those with an open order;
	// each ascending by id.
	Orders []Order
	Offers []Offer
	Duties []Duty
}

// Claim is the outcome of claiming a driver's duty for a market, before its driver.online is judged.
type Claim struct {
	// Held is the other market in which the driver is on duty, "" when the claim succeeded.
	Held MarketID
	// Version is that of the driver's last duty event, 0 when there is none.
	Version int64
}

// OrderFilter chooses orders for a list; empty fields do not restrict.
type OrderFilter struct {
	Market MarketID
	// Markets are those of the reader's token; empty means all.
	Markets []MarketID
	States  []State
	Rider   RiderID
	Driver  DriverID
	// From and To bound RequestedAt: From <= RequestedAt < To. Zero is unbounded. They find orders whose id NewID
	// made of the market time of their request, as the edge does.
	From, To time.Time
	// After is the id of the last order of the page before; orders come newest first.
	After OrderID
	Limit int
}

// ErrHeld tells that the market is led by another node, whose lease has not ended. For errors.Is, of Lead.
var ErrHeld = errors.New("market is led by another node")

// Errors of a commit, for errors.Is. Every other error of Commit is ambiguous: the batch may be in.
var (
	// ErrFenced: the market's row is not at (Epoch, Batch); another leads, or an earlier commit was lost.
	ErrFenced = errors.New("market is led by another epoch or batch")
	// ErrRefused: a constraint fired; nothing of the batch stands. A defect.
	ErrRefused = errors.New("batch refused by a constraint")
)
