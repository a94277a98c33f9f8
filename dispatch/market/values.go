package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Input is what a core is stepped with: a Do, Candidates, a Reload or a Tick.
type Input interface{ isInput() }

// Do is one command and what the asker's goroutine read for it.
type Do struct {
	Command dispatch.Command
	Known   Known
}

// Known is committed state read before the command was queued. The core trusts its own memory first: a row
// here counts only for what it has already forgotten.
type Known struct {
	// Stale: it was read before the core was recovered, which then remembers less than has happened since. What
	// is not in the core's memory cannot be judged, and has to be asked again.
	Stale bool
	Order *dispatch.Order
	Offer *dispatch.Offer
	// Claim is the outcome of the driver's claim; set for every duty that a driver asks for.
	Claim *dispatch.Claim
	// Pickup and Trip are travel times for an assignment by hand; zero when not known.
	Pickup, Trip time.Duration
}

// Candidates answers the Seek of the same Round.
type Candidates struct {
	Round int64
	Pairs []Candidate
	Trips []Trip
}

// Candidate is a driver near enough to an order to be considered.
type Candidate struct {
	Order  dispatch.OrderID
	Driver dispatch.DriverID
	// Pickup is the driver's travel time to the pickup; Source says who estimated it.
	Pickup time.Duration
	Source string
}

// Trip is the estimated travel time of an order from its pickup through its stops.
type Trip struct {
	Order    dispatch.OrderID
	Duration time.Duration
}

// Reload changes how the market behaves from this step on: search timeouts and lead times of orders that
// wait are counted anew, live offers keep the expiry that was told.
type Reload struct{ Policy dispatch.Policy }

// Tick lets time pass.
type Tick struct{}

func (Do) isInput()         {}
func (Candidates) isInput() {}
func (Reload) isInput()     {}
func (Tick) isInput()       {}

// Seek asks for the candidates of a round; the answer is fed back as Candidates.
type Seek struct {
	Round  int64
	Orders []Sought
	// Candidates is how many drivers to find for each order.
	Candidates int
	// MaxPickup bounds the travel time to a pickup, Freshness the age of a driver's fix.
	MaxPickup, Freshness time.Duration
}

// Sought is one order of a Seek.
type Sought struct {
	Order        dispatch.OrderID
	Stops        []dispatch.Stop
	VehicleClass string
	// Barred are the drivers that may not be offered the order, ascending.
	Barred []dispatch.DriverID
}

// Supply tells the search whether a driver may be a candidate. It runs ahead of the commit and is a hint
// only: the core judges again.
type Supply struct {
	Driver       dispatch.DriverID
	Free         bool
	VehicleClass string
}

// Effects are what a step wants done. Order of doing: Events, Offers, Answers and Audit are committed as one, then
// Reply and Notices are told. Supply and Seek need not wait for the commit.
type Effects struct {
	Events  []dispatch.Event
	Offers  []dispatch.Offer
	Answers []dispatch.Answer
	// Audit is the entry of a staff act; committed with the rest.
	Audit []dispatch.AuditEntry
	// Reply answers the Do of this step; nil for other inputs.
	Reply   *dispatch.Reply
	Notices []dispatch.Notice
	Supply  []Supply
	Seek    *Seek
	// Round tells what a round decided; nil but for Candidates.
	Round *RoundStats
	// Next is when the core wants to be stepped again; zero when nothing is due.
	Next time.Time
}

// RoundStats sums up one round, for metrics.
type RoundStats struct {
	Orders, Drivers, Pairs, Matched int
}
