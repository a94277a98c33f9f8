package geo

import (
	"slices"
	"time"
)

// Query asks for the drivers nearest to a place.
type Query struct {
	At LatLng
	// K is how many at most; nothing is found for 0 or less.
	K int
	// Within is the greatest distance that counts, itself included; 0 means any.
	Within Meters
	// FreshSince is the oldest fix that counts; the zero time means any.
	FreshSince time.Time
	// Keep chooses among the drivers; nil keeps all. It runs under the index's lock and must be quick and
	// not call the index.
	Keep func(id string) bool
}

// Neighbor is a driver that a query found.
type Neighbor struct {
	ID       string
	Fix      Fix
	Distance Meters
}

// Nearest finds the K nearest drivers that the query keeps, nearest first, ties in id order; the same
// drivers give the same answer, however they came into the index. It finds nothing around what is no place.
func (x *Index) Nearest(q Query) []Neighbor {
	if q.K <= 0 || q.At.Validate() != nil {
		return nil
	}
	home := cellAt(q.At, x.resolution)
	reach := x.lattice.from(q.At)
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := search{Query: q}
	if q.K >= len(x.drivers) {
		return x.scanLocked(&s)
	}
	disk := 0 // cells of the disk of k rings
	for k := 0; ; k++ {
		if disk += max(1, 6*k); disk > len(x.cells) {
			return x.scanLocked(&s) // cheaper than the empty cells of the next ring
		}
		bound, trusted := reach.outside(k)
		if !trusted {
			return x.scanLocked(&s)
		}
		ring, whole := home.ring(k)
		if !whole {
			return x.scanLocked(&s)
		}
		for _, c := range ring {
			s.look(x.cells[cell(c)])
		}
		if s.settled(bound) {
			return s.found
		}
	}
}

// scanLocked is the way that is always right: every driver.
func (x *Index) scanLocked(s *search) []Neighbor {
	s.found = s.found[:0]
	for _, in := range x.cells {
		s.look(in)
	}
	s.trim()
	return s.found
}

// search is a query on its way. Owned by one call of Nearest.
type search struct {
	Query
	// found holds the best so far, and perhaps more; after trim at most K, in order.
	found []Neighbor
	// limit is the distance of the K-th at the last trim, once there were K (full): nothing farther matters.
	limit Meters
	full  bool
}

// look takes up the drivers of one cell.
func (s *search) look(in []*record) {
	for _, r := range in {
		if r.fix.At.Before(s.FreshSince) {
			continue
		}
		d := Distance(s.At, r.fix.LatLng)
		if s.full && d > s.limit || s.Within > 0 && d > s.Within {
			continue
		}
		if s.Keep != nil && !s.Keep(r.id) {
			continue
		}
		s.found = append(s.found, Neighbor{ID: r.id, Fix: r.fix, Distance: d})
		if len(s.found) >= 2*s.K+64 {
			s.trim()
		}
	}
}

// trim leaves the best K, in order.
func (s *search) trim() {
	slices.SortFunc(s.found, byDistance)
	if len(s.found) >= s.K {
		clear(s.found[s.K:])
		s.found = s.found[:s.K]
		s.limit, s.full = s.found[s.K-1].Distance, true
	}
}

// settled tells whether nothing at least bound away can change the answer. A driver as far as the K-th
// could still come before it by its id, hence the strict comparisons.
func (s *search) settled(bound Meters) bool {
	s.trim()
	return s.full && s.limit < bound || s.Within > 0 && s.Within < bound
}
