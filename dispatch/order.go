package dispatch

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Kind is what an order carries: people or things.
type Kind string

// The kinds of order.
const (
	KindRide     Kind = "ride"
	KindDelivery Kind = "delivery"
)

// StopType is the part a stop plays.
type StopType string

// The types of stop: the first is the pickup, the last the drop-off, those between are stops.
const (
	StopPickup  StopType = "pickup"
	StopBetween StopType = "stop"
	StopDropoff StopType = "dropoff"
)

// Bounds on an order's stops.
const (
	MinStops = 2
	MaxStops = 10
)

// DefaultVehicleClass is the class of an order or duty that names none.
const DefaultVehicleClass = "standard"

// Stop is one place of an order.
type Stop struct {
	Type StopType
	geo.LatLng
}

// Order is one order as it stands after its latest transition. The market's core owns the live value;
// everyone else holds copies. Slices are replaced, never written in place, so that a copy of the struct is
// a snapshot.
type Order struct {
	ID     OrderID
	Market MarketID
	Kind   Kind
	State  State
	// Version counts transitions from 1.
	Version int64
	Rider   RiderID
	// Driver is the present driver, "" while there is none; a closed order keeps its last.
	Driver       DriverID
	VehicleClass string
	Stops        []Stop
	// NextStop is the index of the stop last not yet left: 0 until the pickup is left, len(Stops) when
	// completed.
	NextStop    int
	RequestedAt time.Time
	// PickupAt is the wanted pickup of a scheduled order; zero for now.
	PickupAt time.Time
	// PickupETA and DropoffETA are the engine's estimates at the assignment; zero while not known.
	PickupETA, DropoffETA time.Time
	// CancelledBy is passenger, driver or provider; "" while not cancelled.
	CancelledBy string
	Reason      string

	// What follows is durable but not public.

	// SearchSince is the start of the present search; the search timeout counts from it.
	SearchSince time.Time
	// ChangedAt is when State was entered (market time).
	ChangedAt time.Time
	// Bars are the drivers not to be offered this order.
	Bars []Bar
	// Priority is the dispatcher's, 0 by default; higher is served first.
	Priority int
}

// Bar keeps a driver from being offered an order until an instant; for good when Until is zero.
type Bar struct {
	Driver DriverID
	Until  time.Time
}

// Pickup is the place of the first stop.
func (o *Order) Pickup() geo.LatLng { return o.Stops[0].LatLng }

// Dropoff is the place of the last stop.
func (o *Order) Dropoff() geo.LatLng { return o.Stops[len(o.Stops)-1].LatLng }

// Barred tells whether driver d may not be offered the order at the instant now.
func (o *Order) Barred(d DriverID, now time.Time) bool {
	return slices.ContainsFunc(o.Bars, func(b Bar) bool {
		return b.Driver == d && (b.Until.IsZero() || now.Before(b.Until))
	})
}

// WithBar gives the bars of the order and one more, without those that have run out; o is not changed.
func (o *Order) WithBar(bar Bar, now time.Time) []Bar {
	bars := make([]Bar, 0, len(o.Bars)+1)
	for _, b := range o.Bars {
		if b.Driver != bar.Driver && (b.Until.IsZero() || now.Before(b.Until)) {
			bars = append(bars, b)
		} else if b.Driver == bar.Driver && b.Until.IsZero() {
			bar = b // barred for good stays so
		}
	}
	return append(bars, bar)
}

// NewOrder is what a client asks for when it creates an order. Every field has been validated at the edge,
// the defaults are filled in.
type NewOrder struct {
	Kind         Kind
	VehicleClass string
	PickupAt     time.Time // zero: now
	Rider        RiderID
	Stops        []Stop
}
