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
// served costs 20 min, what the solver's studies charge for an unmatched order and the clairvoyant for one left out
// (sim.OrderWorth). There it stands against the way alone; here the way counts twice, once for the rider who waits
// meanwhile, so that an order more than 10 min away is cheaper unserved. Whoever wants it served sets Unserved higher.
func DefaultObjective() Objective {
	return Objective{Wait: 1, Deadhead: 1, Unserved: 20 * time.Minute}
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
