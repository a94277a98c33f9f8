package dispatch

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Sample is where the driver of an order was at an instant: of what drivers send, the little that is kept. A
// driver at work on several orders has a sample for each of them, alike but for Order and State.
type Sample struct {
	Driver DriverID
	Order  OrderID
	Market MarketID
	// State is the order's at the time.
	State State
	// Fix is the point that was sent; its AccuracyM is not kept, and reads back as NaN.
	geo.Fix
}

// SampleEvery is the market time between two samples of a driver at least. Devices send a point each few seconds,
// so that they are 12 to 15 s apart: of a trip of 20 minutes a hundred are kept.
const SampleEvery = 12 * time.Second

// SampleFilter chooses samples; empty fields do not restrict. They come ascending by (At, Order).
type SampleFilter struct {
	Market MarketID
	Order  OrderID
	Driver DriverID
	// From and To bound At: From <= At < To. Zero is unbounded.
	From, To time.Time
	// After is the last sample of the page before, nil for the first page.
	After *Sample
	Limit int
}
