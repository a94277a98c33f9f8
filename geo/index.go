package geo

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Index knows where each driver was last seen and finds the nearest ones. Drivers are filed by the H3 cell of
// their fix, which is computed on H3's own lattice (lattice.go); a search looks at the query's cell and on outward
// until nothing that is left can matter (bound.go). Its answers are exact: those of a scan of the whole fleet.
//
//	roster   a record for each handle, ids     64 bytes a driver, and 13 to 19 for ids
//	arena    words, one a driver, by cell        8 bytes a driver, and what cells have to spare
//	atlas    tiles of 8 x 8 cells
//
// It is safe for many writers and readers. A write locks its driver's record and, if the driver changes its cell, the
// two cells, in this order; a search locks nothing: it checks afterwards that what it read did not change meanwhile, and
// reads again if it did. An answer holds each driver once, as it was at an instant during the search. The index keeps nothing on disk and starts no
// goroutine.
type Index struct {
	lattice *lattice
	roster  *roster
	arena   *arena
	atlas   *atlas
	steps   []step // immutable, as what follows
	// cosRing and sinRing are of the length of ring cells in the plane.
	cosRing, sinRing float64

	searches sync.Pool    // *search
	asked    atomic.Int64 // calls to H3
	// calm counts the searches that were disturbed too often: while there is one, nobody moves between cells.
	calm atomic.Int32
	// swept is how far Expire has come.
	swept atomic.Uint32
}

// NewIndex makes an empty index over cells of an H3 resolution, 0 to 15; any other is a defect and panics.
// Cells should hold some ten drivers where they crowd: 9 (edge 200 m) for up to some 100,000 in a city, 10 (76 m) for a
// million (docs/bench/index.md).
func NewIndex(resolution int) *Index {
	if resolution < 0 || resolution > maxResolution {
		panic(fmt.Sprintf("geo: index of resolution %d", resolution))
	}
	l := newLattice(resolution)
	words := newArena()
	x := &Index{lattice: l, roster: newRoster(), arena: words, atlas: newAtlas(l, words), steps: newSteps()}
	x.sinRing, x.cosRing = math.Sincos(min(math.Pi, ring*l.spacing))
	x.searches.New = func() any { return newSearch(x) }
	return x
}

// Join takes up a driver and gives its handle; one that is in the index keeps its own. It is not found before its first
// Update.
func (x *Index) Join(id string) Handle {
	x.roster.mu.Lock()
	defer x.roster.mu.Unlock()
	if h, known := x.roster.findLocked(id); known {
		return h
	}
	return x.roster.addLocked(id)
}

// Leave forgets a driver; it says false when the handle is no longer anyone's.
func (x *Index) Leave(h Handle) bool {
	x.roster.mu.Lock()
	defer x.roster.mu.Unlock()
	r := x.roster.of(h)
	if r == nil || !r.lock(h) {
		return false
	}
	if s, ok := x.spotOf(r); ok {
		x.withdraw(r, s)
	}
	r.clear(h.generation())
	x.roster.removeLocked(h.Index())
	return true
}

// Remove is Leave by id.
func (x *Index) Remove(id string) bool {
	h, known := x.Find(id)
	return known && x.Leave(h)
}

// Find gives the handle of a driver in the index.
func (x *Index) Find(id string) (Handle, bool) {
	x.roster.mu.RLock()
	defer x.roster.mu.RUnlock()
	return x.roster.findLocked(id)
}

// Len counts the drivers, those without a fix too.
func (x *Index) Len() int {
	x.roster.mu.RLock()
	defer x.roster.mu.RUnlock()
	return x.roster.lenLocked()
}

// Update files a fix. It says false, and changes nothing, when the handle is no longer anyone's, or the fix is not
// newer than the stored one, is no place (LatLng.Validate) or from beyond the years 1678 to 2262.
func (x *Index) Update(h Handle, f Fix) bool {
	at, ok := nanos(f.At)
	if !ok || f.Validate() != nil {
		return false
	}
	r := x.roster.of(h)
	if r == nil {
		return false
	}
	for r.lock(h) {
		newer := at > r.at.Load()
		done := !newer || x.refresh(h, r, &f, at) || x.fileLocked(h, r, &f, at)
		r.unlock()
		if done {
			return newer
		}
		for x.calm.Load() > 0 {
			runtime.Gosched()
		}
	}
	return false
}

// Get gives a driver's last fix; ok is false when it has none or is not in the index.
func (x *Index) Get(id string) (f Fix, ok bool) {
	h, known := x.Find(id)
	if !known {
		return Fix{}, false
	}
	return x.Last(h)
}

// Last is Get by handle.
func (x *Index) Last(h Handle) (f Fix, ok bool) {
	r := x.roster.of(h)
	if r == nil || !r.lock(h) {
		return Fix{}, false
	}
	defer r.unlock()
	if f, ok = r.fix(); !ok {
		return Fix{}, false
	}
	return f, true
}

// ID is what a driver is called; ok is false when the handle is no longer anyone's.
func (x *Index) ID(h Handle) (id string, ok bool) { return x.roster.id(h) }

// Describe changes what searches may choose a driver by; it says false when the handle is no longer anyone's. change
// must be quick, and must not call the index.
func (x *Index) Describe(h Handle, change func(*Traits)) bool {
	r := x.roster.of(h)
	if r == nil || !r.lock(h) {
		return false
	}
	defer r.unlock()
	t := unpackTraits(r.traits.Load())
	change(&t)
	r.traits.Store(t.pack())
	return true
}

// Expire sets aside drivers whose fix is older than before: searches do not come by them any more, whatever their
// FreshSince, until the next Update. Last still knows them. A call looks at no more than so many drivers, so that its cost
// is bounded, and goes on where the last one ended; it tells how many it set aside.
func (x *Index) Expire(before time.Time, most int) int {
	limit, ok := nanos(before)
	if !ok {
		return 0
	}
	x.roster.mu.RLock()
	made := x.roster.made
	x.roster.mu.RUnlock()
	aside := 0
	for range min(most, int(made)) {
		index := x.swept.Add(1) % made
		r := x.roster.record(index)
		if r.at.Load() < limit && r.cell.Load() != nowhere && x.setAside(newHandle(index, uint32(r.state.Load()>>32)), r, limit) {
			aside++
		}
	}
	return aside
}

func (x *Index) setAside(h Handle, r *record, limit int64) bool {
	if !r.lock(h) {
		return false
	}
	defer r.unlock()
	s, somewhere := x.spotOf(r)
	if !somewhere || r.at.Load() >= limit {
		return false
	}
	x.withdraw(r, s)
	return true
}

// H3Calls counts the calls to H3 that places too near to the edge of a cell have cost.
func (x *Index) H3Calls() int64 { return x.asked.Load() }

// nanos are unix nanoseconds, which last from 1678 to 2262; the end is cut to whole years, and never is not one.
func nanos(t time.Time) (int64, bool) {
	const most = math.MaxInt64/1_000_000_000 - 1
	if s := t.Unix(); s < -most || s > most {
		return 0, false
	}
	return t.UnixNano(), true
}
