package sim

import (
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// ClairvoyantDay is a day for which is asked what a fleet could have done that knew every order beforehand.
type ClairvoyantDay struct {
	// Trips are the orders, ascending by time.
	Trips []Trip
	// Sessions are where and when drivers come on duty.
	Sessions []Session
	// Travel is the time from one place to another for who sets out at an instant, 0 or more.
	Travel func(from, to geo.LatLng, begin time.Time) time.Duration
	// Ride is how long a driver is busy with an order from its pickup on; nil for the recorded Duration.
	Ride func(*Trip) time.Duration
	// Wait is how long after its time an order may be picked up.
	Wait time.Duration
	// Predecessors is how many of the nearest predecessors of each order are looked at; 0 for all.
	Predecessors int
}

// Clairvoyant is the best that a ClairvoyantDay allows.
type Clairvoyant struct {
	// Bound tells that no schedule does better: all predecessors were looked at. Else all figures are an estimate.
	Bound bool
	// Orders of which Served have a predecessor, AfterTrips of these a trip and the others the start of a session.
	Orders, Served, AfterTrips int
	// Fleet is with how many drivers all orders could be served, were drivers to start at their first order.
	Fleet int
	// Deadhead and Line are the time and the straight line driven to the pickups of all served orders; the Means of one.
	Deadhead, MeanDeadhead time.Duration
	Line, MeanLine         geo.Meters
}

// Solve finds the schedule that serves the most orders, and of these the one with the least deadhead.
func (d *ClairvoyantDay) Solve() (Clairvoyant, error) {
	return Clairvoyant{}, errors.New("the clairvoyant reference is being built")
}
