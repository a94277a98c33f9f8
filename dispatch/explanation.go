package dispatch

import "time"

// Explanation tells how one round dealt with one order. It is written behind and may be lost; nothing is decided
// on it. Values are shared, not to be written.
type Explanation struct {
	Market MarketID
	Order  OrderID
	// Round numbers the rounds of the market's present leader, from 1.
	Round int64
	At    time.Time // market time
	Mode  Mode
	// Policy is the version of the policy that decided.
	Policy string
	// Penalty is what leaving the order unmatched was held to cost.
	Penalty time.Duration
	// Optimal: the round is an optimum, which alone has duals and prices; else Dual and each Price are without meaning.
	Optimal bool
	// Dual is what the order's being there cost the round: its driver's cost and price. At most Penalty, which it is for
	// an order without one; 0 for one that has live offers or a driver, and competes for nobody.
	Dual time.Duration
	// Candidates are the drivers considered, cheapest first; then those removed, ascending by id.
	Candidates []Considered
	// Chosen are the drivers that were offered the order, or given it; empty when it stays unmatched.
	Chosen []DriverID
	// Unmatched is why nobody was chosen, one of the Unmatched reasons; "" when somebody was.
	Unmatched string
}

// Why a round leaves an order unmatched.
const (
	UnmatchedNobodyNear = "nobody_near" // no driver within reach
	UnmatchedFiltered   = "filtered"    // all drivers near were removed by filters
	UnmatchedOutbid     = "outbid"      // the drivers near serve others better
)

// Considered is one driver of an Explanation.
type Considered struct {
	Driver DriverID
	// Cost is the sum of Terms; both are without meaning when FilteredBy is set.
	Cost  time.Duration
	Terms []CostTerm
	// Price is what this driver's being taken costs the others: by how much they would be cheaper together if the order
	// that has it were not there. 0 for a driver whom nobody else wants.
	Price time.Duration
	// FilteredBy names the filter that removed the driver, one of the Filter names; "" for a candidate.
	FilteredBy string
	Offered    bool
}

// CostTerm is one summand of a pair's cost.
type CostTerm struct {
	// Name is the term's: pickup, idle, chain, …; the policy's documentation lists them with unit and source.
	Name string
	Cost time.Duration
}

// The filters that remove a driver from a round.
const (
	FilterBusy         = "busy"          // works on an order
	FilterOffered      = "offered"       // holds a live offer
	FilterVehicleClass = "vehicle_class" // of another class
	FilterBarred       = "barred"        // barred from this order
	FilterSuspect      = "suspect"       // its points contradict each other
	FilterStale        = "stale"         // its fix is too old
	FilterOffDuty      = "off_duty"
	FilterTooFar       = "too_far" // beyond max_pickup_s, or the reach of a young order while drivers are scarce
	FilterFlooded      = "flooded" // had its offers of this minute
	FilterNoGain       = "no_gain" // not there standby_gain_s before the order's present driver
)
