package node

import (
	"sync"
	"sync/atomic"

	"github.com/hexfleet/hexfleet/geo"
)

// sighting is where one member of the fleet was seen, and whether that is believed. It begins with the driver's
// duty and is gone with it: what was seen before a break says nothing.
type sighting struct {
	handle geo.Handle // the driver's in the index; immutable

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
