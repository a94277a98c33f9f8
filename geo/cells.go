package geo

import (
	"math"
	"slices"
)

// view is a tile as a search sees it: the h of a word is a (x - atX)^2 + b (y - atY)^2, a lower bound but for epsilon
// and the grid's blur.
type view struct {
	tile     *tile
	ok       bool // else words tell nothing
	atX, atY float64
	a, b     float64
}

func (s *search) view(t *tile) view {
	v := view{tile: t}
	b := &t.grid
	if !b.ok || s.near < 0 || math.Abs(s.origin.Lat-t.lat)+b.spanLat > nearDeg || math.Abs(s.origin.Lng-t.lng)+b.spanLng > nearDeg {
		return v
	}
	v.ok = true
	s.blurDeg = max(s.blurDeg, b.blurDeg)
	v.atX, v.atY = t.steps(s.origin.LatLng, s.x.lattice.perLat)
	v.atX, v.atY = v.atX+halfSteps, v.atY+halfSteps
	v.a, v.b = b.stepLat*b.stepLat, b.stepLng*b.stepLng*s.origin.cos*b.leastCos
	return v
}

func (v *view) h(word uint32) float64 {
	dx, dy := float64(int32(word>>16))-v.atX, float64(int32(word&0xffff))-v.atY
	return v.a*dx*dx + v.b*dy*dy
}

// within is the greatest h of words whose places may be within an angle.
func (v *view) within(deg float64) float64 {
	if !v.ok {
		return math.Inf(1)
	}
	deg = deg*(1+epsilon) + v.tile.grid.blurDeg
	return deg * deg
}

// glance is a cell that is looked at.
type glance struct {
	view  *view
	head  *cellHead
	seq   uint32
	first uint32
	n     uint32
}

// hint is what a word tells: a driver and a lower bound of its h.
type hint struct {
	h     float64
	index uint32
}

// groupSize is how many cells are looked at together: so the processor waits for the memory of all at once, and not for one
// after the other as it has to when each decides what comes next.
const groupSize = 12

// groupDrivers, times as many as are kept, are as many drivers as a group needs: a word more costs less than the records of
// drivers that words of the next cell would have told to be too far.
const groupDrivers = 3

// lookAtGroup looks at the cells of the group and empties it; ok is false when one was changed meanwhile.
func (s *search) lookAtGroup() (ok bool) {
	if s.patient {
		ok = s.lookPatiently()
	} else {
		ok = s.lookTogether()
	}
	s.group = s.group[:0]
	return ok
}

// lookPatiently takes the cells one by one and locks each.
func (s *search) lookPatiently() (ok bool) {
	for _, g := range s.group {
		g.head.lock()
		g.n, g.first = g.head.n.Load(), g.head.first.Load()
		ok := s.hint(&g) && s.takeHints()
		g.head.unlock()
		if !ok {
			return false
		}
	}
	return true
}

func (s *search) lookTogether() (ok bool) {
	near, ok := s.approach()
	return ok && s.read(near)
}

// approach gives the cells of the group that are not too far as a whole, as they are now; ok is false when one is changed
// just now.
func (s *search) approach() (near []glance, ok bool) {
	sum := uint64(0)
	near = s.group[:0]
	for _, g := range s.group {
		if g.seq = g.head.seq.Load(); g.seq&1 != 0 {
			return nil, false
		}
		if g.view.h(g.head.middle) > g.view.within(s.radius+g.view.tile.reachDeg) {
			continue
		}
		if g.n, g.first = g.head.n.Load(), g.head.first.Load(); g.n > 0 {
			sum += s.x.arena.word(g.first).Load()
			near = append(near, g)
		}
	}
	s.warm += sum
	return near, true
}

// read looks at cells and checks that they are as they were when it approached them.
func (s *search) read(near []glance) (ok bool) {
	for i := range near {
		if !s.hint(&near[i]) {
			return false
		}
	}
	if !s.takeHints() {
		return false
	}
	for i := range near {
		if near[i].head.seq.Load() != near[i].seq {
			return false
		}
	}
	return true
}

// hint notes the words of a cell that may count.
func (s *search) hint(g *glance) (ok bool) {
	chunks := *s.x.arena.chunks.Load()
	limit := g.view.within(s.radius)
	v := *g.view
	first, end := g.first, g.first+g.n
	for first < end {
		i := first % chunkWords
		n := min(end-first, chunkWords-i)
		if int(first/chunkWords) >= len(chunks) {
			return false
		}
		words := chunks[first/chunkWords][i : i+n]
		for i := range words {
			w := words[i].Load()
			if h := v.h(uint32(w)); h <= limit && w != noWord {
				s.hints = append(s.hints, hint{h, wordIndex(w)})
			}
		}
		first += n
	}
	return true
}

// takeHints considers the drivers that were noted. While there is no limit yet it takes some of the nearest first, with
// which it may find that the rest is too far.
func (s *search) takeHints() (ok bool) {
	near := len(s.hints)
	if !s.full && near > s.keep {
		near = s.nearer()
	}
	ok = s.take(s.hints[:near]) && s.take(s.hints[near:])
	s.hints = s.hints[:0]
	return ok
}

// nearer moves at least keep of the hints with the least h to the front, if not many more are as near, and tells how many.
// It counts them in classes; those of the cells around the query are even in h when the drivers stand evenly.
func (s *search) nearer() int {
	const classes = 128
	var count [classes + 1]uint32
	scale := classes / (9 * s.cellDeg * s.cellDeg)
	for i := range s.hints {
		count[min(classes, int(s.hints[i].h*scale))]++
	}
	sum, class := 0, 0
	for ; class < classes && sum < s.keep; class++ {
		sum += int(count[class])
	}
	most, n := float64(class)/scale, 0
	for i := range s.hints {
		if h := s.hints[i]; h.h < most {
			s.hints[i], s.hints[n] = s.hints[n], h
			n++
		}
	}
	return n
}

// take considers drivers, unless they are beyond the limit. It first reads a little of all their records.
func (s *search) take(hints []hint) (ok bool) {
	most := s.hintLimit()
	sum, n := uint64(0), 0
	for i := range hints {
		if h := hints[i]; h.h <= most {
			hints[n] = h
			n++
			sum += s.x.roster.record(h.index).state.Load()
		}
	}
	s.warm += sum
	for _, h := range hints[:n] {
		if h.h <= most {
			if !s.consider(h.index) {
				return false
			}
			most = s.hintLimit()
		}
	}
	return true
}

// hintLimit is the greatest h of hints that may count.
func (s *search) hintLimit() float64 {
	limit := s.radius*(1+epsilon) + s.blurDeg
	return limit * limit
}

// consider keeps a driver if it counts and is near enough; ok is false when its record changes all the time.
func (s *search) consider(index uint32) (ok bool) {
	r := s.x.roster.record(index)
	for spins := range 110 {
		state := r.state.Load()
		c := candidate{
			at:  LatLng{Lat: math.Float64frombits(r.lat.Load()), Lng: math.Float64frombits(r.lng.Load())},
			ns:  r.at.Load(),
			who: newHandle(index, uint32(state>>32)),
		}
		traits := r.traits.Load()
		if state&1 != 0 || r.state.Load() != state {
			relax(spins)
			continue
		}
		if c.ns < s.since || !s.sieve.keeps(traits) {
			return true
		}
		if c.h = s.h(c.at.Lat, c.at.Lng); c.h > s.limit || len(s.q.Barred) > 0 && slices.Contains(s.q.Barred, c.who) {
			return true
		}
		s.push(&c)
		return true
	}
	return false
}
