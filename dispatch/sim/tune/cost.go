package tune

import "time"

// Objective is what a day costs: seconds for each order that was requested. Lower is better.
type Objective struct {
	// Wait weighs the wait of a served order, Deadhead what was driven to its pickup; each at least 0.
	Wait, Deadhead float64
	// Unserved is what an order costs that was not served, at least 0.
	Unserved time.Duration
}

// DefaultObjective takes a second of a rider's wait for as dear as one of a driver's empty way. An order that is not
// served costs an hour. The solver's studies charge 20 min for one that is left unmatched, and so does the clairvoyant
// (sim.OrderWorth), but against the way alone; here a way counts twice, once for the rider who waits meanwhile, and the
// longest search is added: of a market with the default policy a served order costs 35 min at most. Whatever charges less
// than that finds that far orders are better not served.
func DefaultObjective() Objective {
	return Objective{Wait: 1, Deadhead: 1, Unserved: time.Hour}
}

// Day is what a policy made of a day.
type Day struct {
	// Served <= Requested.
	Requested, Served int
	// Wait and Deadhead are means over the served orders.
	Wait, Deadhead time.Duration
}

// ServedShare is the share of the requested orders that were served; 0 of none.
func (d Day) ServedShare() float64 {
	if d.Requested == 0 {
		return 0
	}
	return float64(d.Served) / float64(d.Requested)
}

// Cost is what a day costs, in seconds for each requested order; 0 without one.
func (o Objective) Cost(d Day) float64 {
	if d.Requested == 0 {
		return 0
	}
	share := d.ServedShare()
	return share*(o.Wait*d.Wait.Seconds()+o.Deadhead*d.Deadhead.Seconds()) + (1-share)*o.Unserved.Seconds()
}
