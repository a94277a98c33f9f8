package geo

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Index knows where each driver was last seen and finds the nearest ones. Drivers are filed by the H3 cell
// of their fix; a search looks at the query's cell and then at one ring of cells after another, until
// nothing outside can matter (bound.go). Its answers are exact: those of a scan of the whole fleet.
//
// It is safe for many writers and readers. It promises no order between them but that each call sees a
// whole state. It keeps nothing on disk.
type Index struct {
	resolution int
	lattice    lattice // immutable

	// mu guards what follows, and the records themselves.
	mu      sync.RWMutex
	drivers map[string]*record
	// cells holds the drivers by cell, in no order; never an empty slice, so that its length counts the
	// occupied cells.
	cells map[cell][]*record
}

// record is one driver: cells[at][slot] is the record itself. Guarded by Index.mu.
type record struct {
	id   string
	fix  Fix
	at   cell
	slot int
}

// NewIndex makes an empty index over cells of an H3 resolution, 0 to 15; any other is a defect and panics.
// Cells should hold a few drivers each: 8 (edge about 530 m) or 9 (200 m) suit a city.
func NewIndex(resolution int) *Index {
	if resolution < 0 || resolution > maxResolution {
		panic(fmt.Sprintf("geo: index of resolution %d", resolution))
	}
	return &Index{
		resolution: resolution,
		lattice:    newLattice(resolution),
		drivers:    map[string]*record{},
		cells:      map[cell][]*record{},
	}
}

// Update files a fix. It says false, and changes nothing, when the fix is not newer than the stored one or
// is no place (LatLng.Validate).
func (x *Index) Update(id string, f Fix) bool {
	if f.Validate() != nil {
		return false
	}
	at := cellAt(f.LatLng, x.resolution) // before the lock: it is the dear part
	x.mu.Lock()
	defer x.mu.Unlock()
	r, known := x.drivers[id]
	switch {
	case !known:
		r = &record{id: id}
		x.drivers[id] = r
		x.enterLocked(r, at)
	case !f.At.After(r.fix.At):
		return false
	case r.at != at:
		x.leaveLocked(r)
		x.enterLocked(r, at)
	}
	r.fix = f
	return true
}

// Remove forgets a driver; one that is not known is no error.
func (x *Index) Remove(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r, known := x.drivers[id]; known {
		x.leaveLocked(r)
		delete(x.drivers, id)
	}
}

// Get gives a driver's last fix.
func (x *Index) Get(id string) (Fix, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r, known := x.drivers[id]
	if !known {
		return Fix{}, false
	}
	return r.fix, true
}

// Len counts the drivers.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.drivers)
}

// Expire forgets the drivers whose fix is older than before and gives their ids, ascending.
func (x *Index) Expire(before time.Time) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ids []string
	for id, r := range x.drivers {
		if r.fix.At.Before(before) {
			x.leaveLocked(r)
			delete(x.drivers, id)
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (x *Index) enterLocked(r *record, at cell) {
	r.at, r.slot = at, len(x.cells[at])
	x.cells[at] = append(x.cells[at], r)
}

func (x *Index) leaveLocked(r *record) {
	in := x.cells[r.at]
	last := in[len(in)-1]
	in[r.slot], last.slot = last, r.slot
	in[len(in)-1] = nil
	if len(in) == 1 {
		delete(x.cells, r.at)
		return
	}
	x.cells[r.at] = in[:len(in)-1]
}

// byDistance is the order of neighbours: nearest first, ties by id.
func byDistance(a, b Neighbor) int {
	return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
}
