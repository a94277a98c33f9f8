package node

import (
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// supply knows the free drivers of a market, as its core knows them: it runs ahead of the commit, and only guides
// the search. A search asks for every driver that it comes by, thousands in a crowded round, so that it must not
// wait for anyone: on a busy machine each wait is for all other goroutines to have had their turn. The classes are
// written by the loop's goroutine; safe for concurrent use.
type supply struct {
	classes sync.Map // dispatch.DriverID -> its vehicle class, a string; those that are free alone
	// suspects are the drivers whose position is not believed at present (sanity.go); written as telemetry comes.
	suspects sync.Map // dispatch.DriverID -> struct{}
}

// reset forgets what was told of a core that was dropped.
func (s *supply) reset() { s.classes.Clear() }

// hint takes who became free or busy.
func (s *supply) hint(changes []market.Supply) {
	for _, c := range changes {
		if c.Free {
			s.classes.Store(c.Driver, c.VehicleClass)
		} else {
			s.classes.Delete(c.Driver)
		}
	}
}

// free tells whether a driver may be a candidate for a vehicle class.
func (s *supply) free(id dispatch.DriverID, class string) bool {
	found, ok := s.classes.Load(id)
	return ok && found.(string) == class && s.trusted(id)
}
