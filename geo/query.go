package geo

import (
	"math"
	"time"
)

// Traits are what a search may choose a driver by (Index.Describe). What classes, states and tags mean is the caller's affair.
type Traits struct {
	// Class is the one class the driver is of.
	Class uint16
	// Free is how many more it can take up.
	Free uint8
	// States and Tags are sets of bits.
	States uint8
	Tags   uint32
}

func (t Traits) pack() uint64 {
	return uint64(t.Class)<<48 | uint64(t.Free)<<40 | uint64(t.States)<<32 | uint64(t.Tags)
}

func unpackTraits(p uint64) Traits {
	return Traits{Class: uint16(p >> 48), Free: uint8(p >> 40), States: uint8(p >> 32), Tags: uint32(p)}
}

// Filter chooses drivers by their Traits; the zero Filter keeps all.
type Filter struct {
	// Class is the class asked for; 0 means any.
	Class uint16
	// Free is the least Free.
	Free uint8
	// States must all be set, and NotStates none.
	States, NotStates uint8
	// Tags must all be set.
	Tags uint32
}

// Keep tells whether the filter keeps a driver with such traits.
func (f Filter) Keep(t Traits) bool {
	return (f.Class == 0 || f.Class == t.Class) && t.Free >= f.Free &&
		t.States&f.States == f.States && t.States&f.NotStates == 0 && t.Tags&f.Tags == f.Tags
}

// sieve is a Filter ready for packed traits: these bits must have these values, and Free stand at free or above.
type sieve struct{ bits, values, free uint64 }

func (f Filter) sieve() sieve {
	s := sieve{
		bits:   uint64(f.States|f.NotStates)<<32 | uint64(f.Tags),
		values: uint64(f.States)<<32 | uint64(f.Tags),
		free:   uint64(f.Free) << 40,
	}
	if f.Class != 0 {
		s.bits |= 0xffff << 48
		s.values |= uint64(f.Class) << 48
	}
	return s
}

func (s sieve) keeps(traits uint64) bool {
	return traits&s.bits == s.values && traits&(0xff<<40) >= s.free
}

// Query asks for the drivers nearest to a place.
type Query struct {
	At LatLng
	// K is how many at most; nothing is found for 0 or less.
	K int
	// Within is the greatest distance that counts, itself included; 0 means any.
	Within Meters
	// FreshSince is the oldest fix that counts; the zero time means any that has not expired.
	FreshSince time.Time
	Filter     Filter
	// Barred are drivers that do not count; a few.
	Barred []Handle
}

// Neighbor is a driver that a query found.
type Neighbor struct {
	Handle Handle
	LatLng
	// At is when it was there, in market time.
	At       time.Time
	Distance Meters
}

// Nearest finds the K nearest drivers that count for the query, nearest first, ties in id order; the same drivers give
// the same answer, however they came into the index. It finds nothing around what is no place.
func (x *Index) Nearest(q Query) []Neighbor {
	return x.NearestInto(nil, q)
}

// NearestInto is Nearest into the memory of dst, whose elements it overwrites; it allocates only what dst has too little.
func (x *Index) NearestInto(dst []Neighbor, q Query) []Neighbor {
	dst = dst[:0]
	if q.K <= 0 || q.At.Validate() != nil {
		return dst
	}
	q.K = min(q.K, math.MaxInt/8) // a search computes with small multiples of it
	s := x.searches.Get().(*search)
	defer x.searches.Put(s)
	for tries := 0; ; tries++ {
		if tries == patience {
			x.calm.Add(1)
			defer x.calm.Add(-1)
			s.patient = true
			defer func() { s.patient = false }()
		}
		if out, ok := s.run(dst, &q); ok {
			return out
		}
	}
}

// patience is how often a search that is disturbed begins again before it asks for calm.
const patience = 4
