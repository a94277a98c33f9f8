package wire

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Offer asks a driver to take an order. The order's rider_id is null.
type Offer struct {
	Type    string `json:"type"`
	OfferID ID     `json:"offer_id"`
	Order   Order  `json:"order"`
	// WaitTimeS is the way to the pickup by this driver's ETA, in seconds of market time.
	WaitTimeS float64 `json:"wait_time_s"`
	ExpiresAt Time    `json:"expires_at"`
	// ExpiresInMs is wall time from when the message was made, at least 0.
	ExpiresInMs int64 `json:"expires_in_ms"`
}

// OfferFrom tells a live offer. now is market time, scale market seconds a wall second.
func OfferFrom(f *dispatch.Offer, o *dispatch.Order, now time.Time, scale float64) Offer {
	order := OrderFrom(o)
	order.RiderID, order.DriverID = nil, nil // not this driver's to know, nor who else is on the way
	left := max(0, f.ExpiresAt.Sub(now))
	return Offer{
		Type: TypeOffer, OfferID: ID(f.ID), Order: order, WaitTimeS: seconds(f.Pickup),
		ExpiresAt: TimeOf(f.ExpiresAt), ExpiresInMs: int64(float64(left.Milliseconds()) / scale),
	}
}

// OfferWithdrawn tells a driver that its offer is over without its doing.
type OfferWithdrawn struct {
	Type    string `json:"type"`
	OfferID ID     `json:"offer_id"`
	Reason  string `json:"reason"`
}

// OfferWithdrawnFrom tells an ended offer. An offer whose end has no reason of its own tells its state.
func OfferWithdrawnFrom(f *dispatch.Offer) OfferWithdrawn {
	reason := f.Reason
	if reason == "" {
		reason = string(f.State)
	}
	return OfferWithdrawn{Type: TypeOfferWithdrawn, OfferID: ID(f.ID), Reason: reason}
}

// OfferAccept takes an offer.
type OfferAccept struct {
	Type    string `json:"type,omitzero"`
	ID      ID     `json:"id,omitzero"`
	OfferID ID     `json:"offer_id"`
	Reason  string `json:"reason,omitzero"`
}

// Validate implements the limits of the contract.
func (m *OfferAccept) Validate() *dispatch.Error {
	return first(required("/offer_id", m.OfferID), validReason(m.Reason))
}

// OfferDecline refuses an offer.
type OfferDecline struct {
	Type    string `json:"type,omitzero"`
	ID      ID     `json:"id,omitzero"`
	OfferID ID     `json:"offer_id"`
	Reason  string `json:"reason,omitzero"`
}

// Validate implements the limits of the contract.
func (m *OfferDecline) Validate() *dispatch.Error { return (*OfferAccept)(m).Validate() }
