package sim

import (
	"math"
	"slices"

	"github.com/hexfleet/hexfleet/geo"
)

// predecessor is where and when a driver becomes free: the start of a session, or the end of a trip.
type predecessor struct {
	at geo.LatLng
	// ready and until are Unix milliseconds: an order may be given to it from ready on, before until.
	ready, until int64
	spot         spot
}

// spot is a place on the sphere of radius 1. The straight line through the sphere grows with the one on it, so that
// near here is near there, wherever on the globe.
type spot [3]float64

func spotAt(p geo.LatLng) spot {
	const rad = math.Pi / 180
	sinLat, cosLat := math.Sincos(p.Lat * rad)
	sinLng, cosLng := math.Sincos(p.Lng * rad)
	return spot{cosLat * cosLng, cosLat * sinLng, sinLat}
}

// squared is the squared distance of two spots.
func (s *spot) squared(o *spot) float64 {
	x, y, z := s[0]-o[0], s[1]-o[1], s[2]-o[2]
	return x*x + y*y + z*z
}

// thicket is a k-d tree (J. L. Bentley, Multidimensional binary search trees used for associative searching, 1975) over
// predecessors, which also knows the earliest of each branch: for an early order most branches hold only who is free
// too late. Immutable after newThicket.
type thicket struct {
	all      []predecessor
	order    []int32
	branches []branch
}

// branch holds order[from:to]; its halves are branches left and left+1, or none when left is 0.
type branch struct {
	low, high spot
	// ready and last are the earliest and the latest ready of its predecessors.
	ready, last int64
	from, to    int32
	left        int32
}

// leafSize is how many predecessors are looked at one by one.
const leafSize = 16

func newThicket(all []predecessor) *thicket {
	t := &thicket{all: all, order: make([]int32, len(all)), branches: make([]branch, 1, 1+len(all)/4)}
	for i := range t.order {
		t.order[i] = int32(i)
	}
	t.grow(0, 0, int32(len(all)))
	return t
}

// grow makes branch b of order[from:to], halved along its longest side.
func (t *thicket) grow(b, from, to int32) {
	made := branch{from: from, to: to, ready: math.MaxInt64, last: math.MinInt64}
	for axis := range made.low {
		made.low[axis], made.high[axis] = math.Inf(1), math.Inf(-1)
	}
	for _, i := range t.order[from:to] {
		p := &t.all[i]
		made.ready, made.last = min(made.ready, p.ready), max(made.last, p.ready)
		for axis, v := range p.spot {
			made.low[axis], made.high[axis] = min(made.low[axis], v), max(made.high[axis], v)
		}
	}
	if to-from > leafSize {
		axis := 0
		for a := range made.low {
			if made.high[a]-made.low[a] > made.high[axis]-made.low[axis] {
				axis = a
			}
		}
		slices.SortFunc(t.order[from:to], func(i, j int32) int {
			if a, b := t.all[i].spot[axis], t.all[j].spot[axis]; a != b {
				if a < b {
					return -1
				}
				return 1
			}
			return int(i - j)
		})
		made.left = int32(len(t.branches))
		t.branches = append(t.branches, branch{}, branch{})
		half := from + (to-from)/2
		t.grow(made.left, from, half)
		t.grow(made.left+1, half, to)
	}
	t.branches[b] = made
}

// outside is the squared distance of a spot from a branch's box.
func (b *branch) outside(s *spot) float64 {
	sum := 0.0
	for axis, v := range s {
		if d := max(b.low[axis]-v, v-b.high[axis]); d > 0 {
			sum += d * d
		}
	}
	return sum
}

// hunt is one search in a thicket: from a spot, for who is ready from earliest to latest.
type hunt struct {
	*thicket
	spot             spot
	earliest, latest int64
	// perChord is the least travel time, milliseconds for each radius of the sphere; who needs so long that it comes
	// after latest is passed by.
	perChord float64
	// within is the squared distance beyond which nobody is looked at; look may shrink it.
	within float64
	// look sees a predecessor within reach.
	look func(i int32, squared float64)
}

// run looks at the predecessors that may count, the nearer branch first.
func (h *hunt) run() { h.visit(0) }

func (h *hunt) visit(i int32) {
	b := &h.branches[i]
	if outside := b.outside(&h.spot); b.last < h.earliest || outside > h.within || h.late(b.ready, outside) {
		return
	}
	if b.left > 0 {
		first, second := b.left, b.left+1
		if h.branches[second].outside(&h.spot) < h.branches[first].outside(&h.spot) {
			first, second = second, first
		}
		h.visit(first)
		h.visit(second)
		return
	}
	for _, i := range h.order[b.from:b.to] {
		p := &h.all[i]
		if p.ready < h.earliest {
			continue
		}
		if squared := p.spot.squared(&h.spot); squared <= h.within && !h.late(p.ready, squared) {
			h.look(i, squared)
		}
	}
}

func (h *hunt) late(ready int64, squared float64) bool {
	return float64(ready)+h.perChord*math.Sqrt(squared) > float64(h.latest)
}
