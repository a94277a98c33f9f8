package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
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
	// Pickup and Trip are travel times for an assignment by hand; zero when not known. Source says who estimated Pickup,
	// "" when nobody did.
	Pickup, Trip time.Duration
	Source       string
}

// Candidates answers the Seek of the same Round.
type Candidates struct {
	Round int64
	Pairs []Candidate
	Trips []Trip
	// Removed are drivers near enough whom filters of the search took out; for explanations alone.
	Removed []Removed
	// Hurry: the search is overloaded or ran out of time; the round is to be decided quickly rather than best.
	Hurry bool
}

// Candidate is a driver near enough to an order to be considered.
type Candidate struct {
	Order  dispatch.OrderID
	Driver dispatch.DriverID
	// Pickup is the time until the driver is at the pickup, Wait included; Source says who estimated it.
	Pickup time.Duration
	Source string
	// Wait is the time until the driver's present trip ends, for one that is asked before that; 0 for a free one.
	Wait time.Duration
	// Accept is the probability, above 0 and up to 1, that the driver accepts; 0 when it is not known.
	Accept float64
	// Leaves is the value of the place where the driver is, as time earned there; 0 when it is not known.
	Leaves time.Duration
}

// Removed is a driver near an order whom a filter of the search took out; By is one of dispatch's Filter names.
type Removed struct {
	Order  dispatch.OrderID
	Driver dispatch.DriverID
	By     string
}

// Trip is the estimated travel time of an order from its pickup through its stops.
type Trip struct {
	Order    dispatch.OrderID
	Duration time.Duration
	// Gains is the value of the drop-off's place, in the unit of Candidate.Leaves; 0 when it is not known.
	Gains time.Duration
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
	// MaxPickup is the greatest of the orders' MaxPickup; Freshness bounds the age of a driver's fix.
	MaxPickup, Freshness time.Duration
	// Chain is how long a driver's present trip may still take for it to be a candidate; 0: the free ones alone.
	Chain time.Duration
}

// Sought is one order of a Seek.
type Sought struct {
	Order        dispatch.OrderID
	Stops        []dispatch.Stop
	VehicleClass string
	// MaxPickup bounds Candidate.Pickup.
	MaxPickup time.Duration
	// Driver is the order's present driver, who is on the way to the pickup and is to be among the candidates with what
	// is left of that way, for the round to compare; "" for an order without one.
	Driver dispatch.DriverID
	// Barred are the drivers that may not be offered the order, ascending.
	Barred []dispatch.DriverID
}

// Supply tells the search whether a driver may be a candidate. It runs ahead of the commit and is a hint
// only: the core judges again.
type Supply struct {
	Driver       dispatch.DriverID
	Free         bool
	VehicleClass string
	// Ends is set for a driver that is not free but may be asked for the time after its present trip.
	Ends *Ends
}

// Ends is where and when a driver's present trip ends.
type Ends struct {
	At geo.LatLng
	// Time is the estimate that was made when the order was given; zero when it is not known.
	Time time.Time
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
	// Explained tells it order by order; nil unless the core was told to explain.
	Explained []dispatch.Explanation
	// Next is when the core wants to be stepped again; zero when nothing is due.
	Next time.Time
}

// RoundStats sums up one round, for metrics.
type RoundStats struct {
	// Orders were to be served, by Drivers candidates in Pairs pairs; Matched of them found somebody.
	Orders, Drivers, Pairs, Matched int
	// Further are those of Orders that have live offers, or a driver on the way, and only ask for more, FurtherMatched
	// those of them that found somebody.
	Further, FurtherMatched int
	// Offers were made, Forced orders assigned without asking: with the offers accepted later (Notices), the offers
	// per match and the share of accepts.
	Offers, Forced int
	// Greedy: decided in a hurry.
	Greedy bool
	// Cost is what was decided under the policy's cost terms, penalties of the unmatched included, and for each order the
	// most that terms may take off, so that it is not below 0; Pickup the sum of the pickup times of the first driver
	// chosen for each order.
	Cost, Pickup time.Duration
	// Unmatched counts the orders left without, by reason.
	Unmatched Unmatched
	// Shadow is what the policy's shadow would have decided; nil without one.
	Shadow *ShadowStats
}

// Unmatched counts orders that a round left without, by the Unmatched reasons of package dispatch.
type Unmatched struct{ NobodyNear, Filtered, Outbid int }

// ShadowStats compares a shadow's decision with the round's own.
type ShadowStats struct {
	Matched int
	// Cost is that of the shadow's decision under the policy's own terms, Pickup as in RoundStats.
	Cost, Pickup time.Duration
	// Differ counts the orders whose first driver is another, or none in one of the two.
	Differ int
}
