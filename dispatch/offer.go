package dispatch

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// OfferState is where an offer stands.
type OfferState string

// The states of an offer; all but live are final.
const (
	OfferLive      OfferState = "live"
	OfferAccepted  OfferState = "accepted"
	OfferDeclined  OfferState = "declined"
	OfferExpired   OfferState = "expired"
	OfferWithdrawn OfferState = "withdrawn"
)

// Offer asks one driver to take one order. A driver holds at most one live offer.
type Offer struct {
	ID     OfferID
	Order  OrderID
	Market MarketID
	Driver DriverID
	State  OfferState
	// Pickup is the driver's travel time to the pickup when the offer was made, Trip the estimate from the
	// pickup to the drop-off; Source says where they come from (geo/eta).
	Pickup, Trip time.Duration
	Source       string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	EndedAt      time.Time // zero while live
	Reason       string
}

// Notice is what a driver is told of an offer, after the commit: the offer and, while it is live, its order
// as it stood when the offer was made.
type Notice struct {
	Offer Offer
	Order *Order // nil when the offer has ended
}

// Position is what a rider is told of the driver on its way.
type Position struct {
	Order  OrderID
	Rider  RiderID
	Driver DriverID
	Market MarketID
	Fix    geo.Fix
	// PickupETA is zero once the pickup has been left.
	PickupETA time.Time
}
