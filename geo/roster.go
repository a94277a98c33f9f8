package geo

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Handle is a driver of an index between its Join and its Leave; the zero Handle is nobody. A handle of a driver
// that has left is refused, also when its place in memory is another's.
type Handle uint64

func newHandle(index, generation uint32) Handle { return Handle(generation)<<32 | Handle(index) }

// Index is a small number that no other driver of the index has at the same time; those of drivers that have left are
// given out again.
func (h Handle) Index() uint32 { return uint32(h) }

func (h Handle) generation() uint32 { return uint32(h >> 32) }

// record is one driver, in 64 bytes, a cache line: an update within a cell needs this and one word of the cell.
//
// state is its lock and its sequence number: who holds the lock alone writes the rest, but for word, which is the
// cell's. Searches read without the lock and compare state before and after; motion is read under the lock only.
type record struct {
	// state is the generation, times 2^32, and a number that is odd while the record is locked.
	state    atomic.Uint64
	lat, lng atomic.Uint64 // math.Float64bits
	at       atomic.Int64  // unix nanoseconds, never when there was no fix
	traits   atomic.Uint64 // Traits.pack
	// cell is the number of the cell that the driver is in, or nowhere.
	cell atomic.Uint32
	// word is where in the cell's memory the driver's word is. Written under the cell's lock.
	word   atomic.Uint32
	motion motion
}

// motion is what only Last gives back, to seven digits.
type motion struct{ headingDeg, speedMps, accuracyM float32 }

const (
	// never is the instant of a driver's fix before its first.
	never = math.MinInt64
	// nowhere is the cell of drivers that cannot be found: those without a fix, the expired, and who has left.
	nowhere = 1<<32 - 1
)

// lock locks the record if it is still the handle's.
func (r *record) lock(h Handle) bool {
	for spins := 0; ; spins++ {
		s := r.state.Load()
		if uint32(s>>32) != h.generation() {
			return false
		}
		if s&1 == 0 && r.state.CompareAndSwap(s, s+1) {
			return true
		}
		relax(spins)
	}
}

// unlock ends what lock began. The number wraps within its 32 bits.
func (r *record) unlock() {
	s := r.state.Load()
	r.state.Store(s&^math.MaxUint32 | uint64(uint32(s)+1))
}

// fix gives the fix back; the caller holds the lock.
func (r *record) fix() (Fix, bool) {
	at := r.at.Load()
	return Fix{
		LatLng: LatLng{Lat: math.Float64frombits(r.lat.Load()), Lng: math.Float64frombits(r.lng.Load())},
		At:     time.Unix(0, at).UTC(), HeadingDeg: widened(r.motion.headingDeg),
		SpeedMps: widened(r.motion.speedMps), AccuracyM: widened(r.motion.accuracyM),
	}, at != never
}

// set takes a fix; the caller holds the lock.
func (r *record) set(f *Fix, at int64) {
	r.lat.Store(math.Float64bits(f.Lat))
	r.lng.Store(math.Float64bits(f.Lng))
	r.at.Store(at)
	r.motion = motion{headingDeg: float32(f.HeadingDeg), speedMps: float32(f.SpeedMps), accuracyM: float32(f.AccuracyM)}
}

// roster is who is in the index. It costs 64 bytes a driver for the record, 8 for the id's pointer, and 5 to 11 for the
// table of ids.
type roster struct {
	seed maphash.Seed
	// chunks only grows; its elements stay. Replaced under mu.
	chunks atomic.Pointer[[]*rosterChunk]

	// mu guards what follows, and is held by Join and Leave throughout.
	mu sync.RWMutex
	// table finds drivers by id: open addressing with linear probing, index+1 of the driver or 0, at most 3/4 full.
	table []uint32
	// made counts the indexes that were ever given out, free those to be given out again.
	made uint32
	free []uint32
}

const rosterChunkSize = 1024

// rosterChunk is the drivers of some neighbouring indexes.
type rosterChunk struct {
	records [rosterChunkSize]record
	// ids are what the drivers are called. Written under roster.mu, before the generation that it is for is given out.
	ids [rosterChunkSize]atomic.Pointer[string]
}

func newRoster() *roster {
	r := &roster{seed: maphash.MakeSeed(), table: make([]uint32, 64)}
	r.chunks.Store(&[]*rosterChunk{})
	return r
}

// record gives the record at an index that was given out.
func (r *roster) record(index uint32) *record {
	return &(*r.chunks.Load())[index/rosterChunkSize].records[index%rosterChunkSize]
}

// of gives the record that a handle may be for; nil when it can be for none.
func (r *roster) of(h Handle) *record {
	chunks := *r.chunks.Load()
	if at := h.Index() / rosterChunkSize; int(at) < len(chunks) {
		return &chunks[at].records[h.Index()%rosterChunkSize]
	}
	return nil
}

func (r *roster) idAt(index uint32) *atomic.Pointer[string] {
	return &(*r.chunks.Load())[index/rosterChunkSize].ids[index%rosterChunkSize]
}

// id is what the driver is called; ok is false when it has left.
func (r *roster) id(h Handle) (id string, ok bool) {
	rec := r.of(h)
	if rec == nil {
		return "", false
	}
	p := r.idAt(h.Index()).Load()
	if p == nil || uint32(rec.state.Load()>>32) != h.generation() {
		return "", false // perhaps p is the next one's already
	}
	return *p, true
}

// findLocked gives the driver with an id. The caller holds mu.
func (r *roster) findLocked(id string) (Handle, bool) {
	for i := r.home(id); r.table[i] != 0; i = r.after(i) {
		if index := r.table[i] - 1; *r.idAt(index).Load() == id {
			return newHandle(index, uint32(r.record(index).state.Load()>>32)), true
		}
	}
	return 0, false
}

// home is where in the table an id belongs; the length is a power of two.
func (r *roster) home(id string) int {
	return int(maphash.String(r.seed, id) & uint64(len(r.table)-1))
}

func (r *roster) after(i int) int { return (i + 1) & (len(r.table) - 1) }

func (r *roster) lenLocked() int { return int(r.made) - len(r.free) }

// addLocked gives a driver that is not known a handle. It is nowhere yet.
func (r *roster) addLocked(id string) Handle {
	var index uint32
	if n := len(r.free); n > 0 {
		index = r.free[n-1]
		r.free = r.free[:n-1]
	} else {
		index = r.made
		r.made++
		if chunks := *r.chunks.Load(); int(index/rosterChunkSize) == len(chunks) {
			grown := append(slices.Clone(chunks), new(rosterChunk))
			r.chunks.Store(&grown)
		}
		r.record(index).clear(0)
	}
	r.idAt(index).Store(&id)
	if 4*r.lenLocked() > 3*len(r.table) {
		r.growLocked()
	}
	r.enterLocked(index)
	return newHandle(index, uint32(r.record(index).state.Load()>>32))
}

// clear makes the record one of the generation after the given one, without a fix.
func (r *record) clear(generation uint32) {
	r.state.Store(uint64(generation+1)<<32 | 1)
	r.at.Store(never)
	r.traits.Store(0)
	r.cell.Store(nowhere)
	r.motion = motion{}
	r.unlock()
}

func (r *roster) enterLocked(index uint32) {
	i := r.home(*r.idAt(index).Load())
	for r.table[i] != 0 {
		i = r.after(i)
	}
	r.table[i] = index + 1
}

func (r *roster) growLocked() {
	old := r.table
	r.table = make([]uint32, 2*len(old))
	for _, at := range old {
		if at != 0 {
			r.enterLocked(at - 1)
		}
	}
}

// removeLocked forgets a driver.
func (r *roster) removeLocked(index uint32) {
	i := r.home(*r.idAt(index).Load())
	for r.table[i] != index+1 {
		i = r.after(i)
	}
	// Those behind the hole move up, unless it is before where they belong: a search ends at the first empty place.
	size := len(r.table)
	for j := r.after(i); r.table[j] != 0; j = r.after(j) {
		home := r.home(*r.idAt(r.table[j] - 1).Load())
		if (j-home)&(size-1) >= (j-i)&(size-1) {
			r.table[i] = r.table[j]
			i = j
		}
	}
	r.table[i] = 0
	r.free = append(r.free, index)
}
