package dispatch

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// DriverState is MDS's vehicle state as far as dispatch knows it.
type DriverState string

// The driver states of the contract.
const (
	DriverNonOperational DriverState = "non_operational" // off duty
	DriverAvailable      DriverState = "available"       // on duty and free
	DriverReserved       DriverState = "reserved"        // has a live offer, or is on the way to a pickup
	DriverOnTrip         DriverState = "on_trip"         // passenger or goods aboard
	DriverStopped        DriverState = "stopped"         // waiting at a stop
	DriverNonContactable DriverState = "non_contactable" // no telemetry in time
)

// Duty is a driver's standing with a market. A driver is on duty in one market at a time.
type Duty struct {
	Driver DriverID
	Market MarketID
	// Version counts the driver's duty events, over all markets.
	Version      int64
	Online       bool
	VehicleClass string
	// Capacity is how many orders the driver may hold at once, at least 1.
	Capacity int
	Tags     []string // sorted, no duplicates; replaced, never written in place
	Since    time.Time
}

// Same tells whether two duties say the same of what a driver offers, whenever it began.
func (d *Duty) Same(e *Duty) bool {
	return d.Driver == e.Driver && d.Market == e.Market && d.Online == e.Online &&
		d.VehicleClass == e.VehicleClass && d.Capacity == e.Capacity && slices.Equal(d.Tags, e.Tags)
}

// Driver is what is told of one driver: its duty and, from the leader's memory, what it does.
type Driver struct {
	Duty  Duty
	State DriverState
	// Orders are the orders it works on, in the order they were assigned.
	Orders []OrderID
	// Suspect: its points contradict each other, so that it is given no new offers for now.
	Suspect bool
}

// StateOf gives the driver state of the order states a driver works on, worst first; online tells its duty,
// reserved that it holds a live offer.
func StateOf(online, reserved bool, orders []State) DriverState {
	state := DriverNonOperational
	if online {
		state = DriverAvailable
	}
	if reserved {
		state = DriverReserved
	}
	for _, s := range orders {
		switch s {
		case StateArrivedAtPickup, StateArrivedAtStop, StateArrivedAtDropoff:
			return DriverStopped
		case StateEnRouteToPickup:
			if state != DriverOnTrip {
				state = DriverReserved
			}
		default:
			state = DriverOnTrip
		}
	}
	return state
}

// Near is a driver and how far it is from the place asked for.
type Near struct {
	Driver   Driver
	Fix      geo.Fix
	Distance geo.Meters
}
