package sim

import (
	"cmp"
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

// thicket is a k-d tree (J. L. Bentley, Multidimensional binary search trees used for associative searching, 1975) of
// predecessors by place and time: time counts as far as one drives in it, so that who is too far to come in time is left
// out a branch at once. Immutable after newThicket.
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

// grow makes branch b of order[from:to].
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
		t.sort(t.order[from:to], &made)
		made.left = int32(len(t.branches))
		t.branches = append(t.branches, branch{}, branch{})
		half := from + (to-from)/2
		t.grow(made.left, from, half)
		t.grow(made.left+1, half, to)
	}
	t.branches[b] = made
}

// sort sorts a branch's predecessors along its longest side.
func (t *thicket) sort(order []int32, b *branch) {
	const timely = 10 / 1000. / float64(geo.EarthRadius) // 10 m/s, a usual speed
	longest, axis := float64(b.last-b.ready)*timely, -1
	for a := range b.low {
		if side := b.high[a] - b.low[a]; side > longest {
			longest, axis = side, a
		}
	}
	slices.SortFunc(order, func(i, j int32) int {
		p, q := &t.all[i], &t.all[j]
		if axis < 0 {
			return cmp.Or(cmp.Compare(p.ready, q.ready), cmp.Compare(i, j))
		}
		return cmp.Or(cmp.Compare(p.spot[axis], q.spot[axis]), cmp.Compare(i, j))
	})
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
	// among are those that count; nil for all.
	among *subset
	// look sees a predecessor within reach; false ends the hunt.
	look func(i int32, squared float64) bool
}

// run looks at the predecessors that may count, the nearer branch first.
func (h *hunt) run() { h.visit(0) }

func (h *hunt) visit(i int32) bool {
	b := &h.branches[i]
	if b.last < h.earliest || h.among != nil && h.among.count[i] == 0 {
		return true
	}
	if outside := b.outside(&h.spot); outside > h.within || h.late(b.ready, outside) {
		return true
	}
	if b.left > 0 {
		first, second := b.left, b.left+1
		if h.branches[second].outside(&h.spot) < h.branches[first].outside(&h.spot) {
			first, second = second, first
		}
		return h.visit(first) && h.visit(second)
	}
	for _, i := range h.order[b.from:b.to] {
		p := &h.all[i]
		if p.ready < h.earliest || h.among != nil && !h.among.has[i] {
			continue
		}
		if squared := p.spot.squared(&h.spot); squared <= h.within && !h.late(p.ready, squared) && !h.look(i, squared) {
			return false
		}
	}
	return true
}

func (h *hunt) late(ready int64, squared float64) bool {
	return float64(ready)+h.perChord*math.Sqrt(squared) > float64(h.latest)
}

// subset is some of a thicket's predecessors, counted by branch. Owned by who made it.
type subset struct {
	*thicket
	has   []bool
	count []int32 // of each branch
	place []int32 // of each predecessor in the thicket's order
}

// newSubset makes an empty one.
func newSubset(t *thicket) *subset {
	s := &subset{thicket: t, has: make([]bool, len(t.all)), count: make([]int32, len(t.branches)), place: make([]int32, len(t.all))}
	for at, i := range t.order {
		s.place[i] = int32(at)
	}
	return s
}

// empty takes all out.
func (s *subset) empty() {
	clear(s.has)
	clear(s.count)
}

func (s *subset) put(i int32)  { s.has[i] = true; s.add(i, 1) }
func (s *subset) take(i int32) { s.has[i] = false; s.add(i, -1) }

// add counts a predecessor in its branches.
func (s *subset) add(i, n int32) {
	for b := int32(0); ; {
		s.count[b] += n
		left := s.branches[b].left
		if left == 0 {
			return
		}
		if b = left; s.place[i] >= s.branches[left].to {
			b++
		}
	}
}
