package node

import (
	"sync"
	"sync/atomic"

	"github.com/hexfleet/hexfleet/dispatch"
)

// sighting is where one member of the fleet was seen, and whether that is believed. It begins with the driver's
// duty and is gone with it: what was seen before a break says nothing.
type sighting struct {
	mu    sync.Mutex // held while points are taken into the index, so that they come there in order
	track track      // guarded by mu
	// gone: the driver left the fleet; points that are under way still are dropped. Guarded by mu.
	gone bool
	// doubted is track.suspect for those who only read; written under mu.
	doubted atomic.Bool
}

// leave ends the sighting once the points under way are taken.
func (s *sighting) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
}

// doubt keeps a driver from being found by searches, or lets it be found again.
func (s *supply) doubt(id dispatch.DriverID, suspect bool) {
	if suspect {
		s.suspects.Store(id, struct{}{})
	} else {
		s.suspects.Delete(id)
	}
}

// trusted tells whether a driver's position may be relied on for an offer.
func (s *supply) trusted(id dispatch.DriverID) bool {
	_, doubted := s.suspects.Load(id)
	return !doubted
}
