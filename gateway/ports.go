package gateway

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// Orders carries commands to the leader of their market and brings its answer, after the commit.
type Orders interface {
	// Do judges one command. A repeat of an idempotency key is given the first answer. The reply's Err is
	// set for every refusal, unavailable among them.
	Do(ctx context.Context, c dispatch.Command) dispatch.Reply
}

// Positions takes telemetry and tells where drivers are.
type Positions interface {
	// Put offers a driver's points, oldest first, to the index of the market in which it is on duty. Points
	// too far ahead, or not newer than the last fix, are dropped and counted. It never blocks for long.
	Put(m dispatch.MarketID, d dispatch.DriverID, fixes []geo.Fix)
	// Driver tells what a driver does; ok is false when it has never been on duty. at is nil without a fix.
	Driver(ctx context.Context, d dispatch.DriverID) (driver dispatch.Driver, at *geo.Fix, err error)
	// Nearby gives at most limit drivers on duty with a fresh fix, nearest first.
	Nearby(ctx context.Context, m dispatch.MarketID, p geo.LatLng, limit int) ([]Near, error)
}

// Board shows a whole market.
type Board interface {
	// Board gives the market's latest board, at most about a second old (wall): the same value while it is
	// the latest. It is shared, not to be written.
	Board(ctx context.Context, m dispatch.MarketID) (*dispatch.Board, error)
	// Supply tells how many drivers and orders a market has in each cell now.
	Supply(ctx context.Context, m dispatch.MarketID) (*dispatch.Supply, error)
}

// Near is one driver of a Nearby answer.
type Near = dispatch.Near

// Feed tells what the markets publish.
type Feed interface {
	// Subscribe calls l until stop.
	Subscribe(l dispatch.Listener) (stop func(), err error)
}

// Audit keeps refused accesses; the method is store.Audit's.
type Audit interface {
	// Record appends entries to a chain, all or none.
	Record(ctx context.Context, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error
}

// Explainer tells how rounds dealt with orders.
type Explainer interface {
	// Explained gives the latest rounds of an order of market m, ascending; none when nothing is known.
	Explained(ctx context.Context, m dispatch.MarketID, id dispatch.OrderID) ([]dispatch.Explanation, error)
}

// History reads what is committed; the methods are store.History's.
type History interface {
	Order(ctx context.Context, id dispatch.OrderID) (dispatch.Order, error)
	OrderEvents(ctx context.Context, id dispatch.OrderID, after int64, limit int) ([]dispatch.Event, error)
	Orders(ctx context.Context, f dispatch.OrderFilter) ([]dispatch.Order, error)
	OwnOrders(ctx context.Context, by dispatch.Actor, since time.Time) ([]dispatch.Order, error)
	Duty(ctx context.Context, d dispatch.DriverID) (dispatch.Duty, error)
	OrderOffers(ctx context.Context, id dispatch.OrderID) ([]dispatch.Offer, error)
	LiveOffers(ctx context.Context, d dispatch.DriverID) ([]dispatch.Offer, error)
	MarketEvents(ctx context.Context, m dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error)
	Cursor(ctx context.Context, m dispatch.MarketID) (int64, error)
}
