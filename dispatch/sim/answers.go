package sim

import "github.com/hexfleet/hexfleet/dispatch"

// answers are a driver's latest answers to offers, counts that fade: each takes a part from those before. It is a
// server's way to learn who is likely to accept (dispatch/node).
type answers struct{ yes, all float64 }

// told takes what became of an offer. What was withdrawn says nothing of its driver.
func (a *answers) told(s dispatch.OfferState) {
	const stays = 1 - 1.0/20
	switch s {
	case dispatch.OfferAccepted:
		*a = answers{a.yes*stays + 1, a.all*stays + 1}
	case dispatch.OfferDeclined, dispatch.OfferExpired:
		*a = answers{a.yes * stays, a.all*stays + 1}
	}
}

// share is the probability that the driver accepts, 0 while too few answers tell.
func (a *answers) share() float64 {
	const enough, least = 4.5, 0.02 // the fifth answer; a 0 would say that nothing is known
	if a.all <= enough {
		return 0
	}
	return max(least, a.yes/a.all)
}
