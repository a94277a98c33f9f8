package node

import (
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// How the probability of a yes is learnt.
const (
	// minAnswers is from how many answers on a driver's share is believed; until then nothing is known.
	minAnswers = 5
	// answersKept is about how many answers the share is taken over, the latest counting most.
	answersKept = 20
	// leastShare is told of drivers who never accept: a probability of 0 would say that nothing is known.
	leastShare = 0.02
)

// acceptance is what share of its latest offers each driver of the market accepts, by the answers that this leader has
// seen: a hint for the costs of a round, lost with the leader. It owns its map; the zero value is ready.
type acceptance struct {
	mu      sync.RWMutex
	drivers map[dispatch.DriverID]answers // guarded by mu
}

// answers are counts that fade: each answer takes a part from those before.
type answers struct{ yes, all float64 }

// told hears what became of an offer. What was withdrawn says nothing of its driver.
func (a *acceptance) told(f *dispatch.Offer) {
	yes := 0.0
	switch f.State {
	case dispatch.OfferAccepted:
		yes = 1
	case dispatch.OfferDeclined, dispatch.OfferExpired:
	default:
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	const stays = 1 - 1.0/answersKept
	if a.drivers == nil {
		a.drivers = map[dispatch.DriverID]answers{}
	}
	n := a.drivers[f.Driver]
	a.drivers[f.Driver] = answers{yes: n.yes*stays + yes, all: n.all*stays + 1}
}

// forget drops a driver who has left the fleet.
func (a *acceptance) forget(d dispatch.DriverID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.drivers, d)
}

// expect tells of each candidate how likely it accepts, where that is known.
func (a *acceptance) expect(found []market.Candidate) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(a.drivers) == 0 {
		return
	}
	// all comes near to answersKept and is above 4.5 from the fifth answer on.
	const enough = minAnswers - 0.5
	for i := range found {
		if n := a.drivers[found[i].Driver]; n.all > enough {
			found[i].Accept = max(leastShare, n.yes/n.all)
		}
	}
}
