package node

import (
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// The states that the index knows of a driver.
const (
	// stateFree: it may be a candidate for its vehicle class, as the core knows it.
	stateFree = 1 << iota
	// stateOnDuty: it is on duty, as committed.
	stateOnDuty
	// stateSuspect: its position is not believed at present (sanity.go).
	stateSuspect
)

// supply tells the index who is free, as the core of the market knows it: that runs ahead of the commit, and only
// guides the search. Safe for concurrent use.
type supply struct {
	index *geo.Index

	mu sync.Mutex
	// free are the drivers that are free, by vehicle class. It outlasts their time in the index: a driver that goes
	// off duty and comes back may be free again before the index hears that it went.
	free map[dispatch.DriverID]uint16
	// ends are the drivers at work that may be asked for the time after: where their trips end, and for which class. A
	// driver is in one of the two at most.
	ends map[dispatch.DriverID]ending
	// classes numbers the vehicle classes, from 1 on, the last number being all others.
	classes map[string]uint16
}

func newSupply(x *geo.Index) supply {
	return supply{index: x, free: map[dispatch.DriverID]uint16{}, ends: map[dispatch.DriverID]ending{}, classes: map[string]uint16{}}
}

// join takes a driver into the index.
func (s *supply) join(id dispatch.DriverID) geo.Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.index.Join(string(id))
	if class, free := s.free[id]; free {
		s.describe(h, class)
	}
	return h
}

// describe tells that a driver is free for a class, or, with 0, for none.
func (s *supply) describe(h geo.Handle, class uint16) {
	s.index.Describe(h, func(t *geo.Traits) {
		t.Class = class
		t.States &^= stateFree
		if class != 0 {
			t.States |= stateFree
		}
	})
}

// reset forgets what was told of a core that was dropped.
func (s *supply) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.free {
		if h, known := s.index.Find(string(id)); known {
			s.describe(h, 0)
		}
	}
	clear(s.free)
	clear(s.ends)
}

// hint takes who became free or busy.
func (s *supply) hint(changes []market.Supply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		class := uint16(0)
		if c.Free {
			class = s.numberLocked(c.VehicleClass)
			s.free[c.Driver] = class
		} else {
			delete(s.free, c.Driver)
		}
		if c.Ends != nil {
			s.ends[c.Driver] = ending{driver: c.Driver, class: s.numberLocked(c.VehicleClass), at: c.Ends.At}
		} else {
			delete(s.ends, c.Driver)
		}
		if h, known := s.index.Find(string(c.Driver)); known {
			s.describe(h, class)
		}
	}
}

func (s *supply) numberLocked(class string) uint16 {
	n, known := s.classes[class]
	if !known {
		if n = math.MaxUint16; len(s.classes) < math.MaxUint16-1 {
			n = uint16(len(s.classes) + 1)
			s.classes[class] = n
		}
	}
	return n
}

// wanted is the filter for free drivers of a vehicle class whose position is believed.
func (s *supply) wanted(class string) geo.Filter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return geo.Filter{Class: s.numberLocked(class), States: stateFree, NotStates: stateSuspect}
}

// isFree tells whether a driver may be a candidate.
func (s *supply) isFree(id dispatch.DriverID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, free := s.free[id]
	return free
}

// ending gives the drivers at work that may be asked for the time after, in no order.
func (s *supply) ending() []ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(make([]ending, 0, len(s.ends)), maps.Values(s.ends))
}

// mark sets or clears states of a driver.
func (s *supply) mark(h geo.Handle, states uint8, on bool) {
	s.index.Describe(h, func(t *geo.Traits) {
		if t.States &^= states; on {
			t.States |= states
		}
	})
}
