package geo

import (
	"math"
	"math/bits"
	"slices"
)

// ring is how far out a search goes cell by cell, in cells.
const ring = 32

// aroundSide is the tiles on a side that cells within ring of one in the middle tile can be in.
const aroundSide = 2*((tileSide-1+ring)/tileSide) + 1

// step is a cell of the list, as seen from the query's: how far in u and v, and its distance in spacings.
type step struct {
	u, v     int32
	distance float64
}

// newSteps lists the cells within ring, by distance.
func newSteps() []step {
	var out []step
	for u := int32(-ring); u <= ring; u++ {
		for v := int32(-ring); v <= ring; v++ {
			d := math.Sqrt(float64(u*u + u*v + v*v))
			if d <= ring*math.Sqrt(3)/2 { // what is not in the list is farther
				out = append(out, step{u, v, d})
			}
		}
	}
	slices.SortFunc(out, func(a, b step) int {
		switch {
		case a.distance < b.distance:
			return -1
		case a.distance > b.distance:
			return 1
		}
		return 0
	})
	return out
}

// look fills the heap; ok is false when the search was disturbed.
func (s *search) look() (ok bool) {
	complete, ok := s.lookAround()
	if complete || !ok {
		return ok
	}
	return s.lookEverywhere()
}

// lookAround goes from cell to cell, by bound 2 of bound.go; complete tells whether that was enough.
func (s *search) lookAround() (complete, ok bool) {
	l := s.x.lattice
	home := l.nearest(s.vector)
	f := &l.faces[home]
	cu, cv := round(f.at(s.vector))
	inside := f.inside(s.vector) - slackAngle
	shrink := shrink(s.vector.dot(f.center), s.x.cosRing, s.x.sinRing)
	u0, v0 := cu>>tileBits-aroundSide/2, cv>>tileBits-aroundSide/2
	for steps := s.x.steps; len(steps) > 0; {
		radius := s.radius * (math.Pi / 180)
		if (steps[0].distance*l.spacing-2*l.edge)*shrink-slackAngle > radius {
			return radius < inside, true
		}
		n, drivers := 0, 0
		for n < len(steps) && n < groupSize && drivers < groupDrivers*s.keep {
			u, v := cu+steps[n].u, cv+steps[n].v
			n++
			slot := &s.around[(u>>tileBits-u0)*aroundSide+(v>>tileBits-v0)]
			if *slot == 0 {
				s.viewAt(tileOf(home, u, v))
				*slot = uint8(len(s.views))
			}
			view := &s.views[*slot-1]
			if cell := cellIn(u, v); view.tile.occupied.Load()&(1<<cell) != 0 {
				head := &view.tile.cells[cell]
				s.group = append(s.group, glance{view: view, head: head})
				drivers += int(head.n.Load())
			}
		}
		if !s.lookAtGroup() {
			return false, false
		}
		steps = steps[n:]
	}
	return false, true
}

// viewAt adds a tile to the views.
func (s *search) viewAt(k tileKey) {
	t := s.x.atlas.find(k)
	if t == nil {
		s.views = append(s.views, view{tile: s.x.atlas.absent})
		return
	}
	s.see(t)
	s.views = append(s.views, s.view(t))
}

// distant is a tile and a lower bound on its distance in radians.
type distant struct {
	tile *tile
	from float64
}

// lookEverywhere takes the tiles of all faces, the nearest first, within the radius that was found so far.
func (s *search) lookEverywhere() (ok bool) {
	bounded := s.full
	s.kept, s.order, s.full, s.queue = s.kept[:0], s.order[:0], false, s.queue[:0]
	for _, t := range *s.x.atlas.numbered.Load() {
		if t == nil {
			continue
		}
		from := s.from(t)
		if from > s.radius*(math.Pi/180) {
			continue
		}
		if s.see(t); t.occupied.Load() != 0 {
			s.queue = append(s.queue, distant{t, from})
		}
	}
	for i := len(s.queue)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
	for len(s.queue) > 0 && s.queue[0].from <= s.radius*(math.Pi/180) {
		next, last := s.queue[0].tile, len(s.queue)-1
		s.queue[0] = s.queue[last]
		s.queue = s.queue[:last]
		s.sink(0)
		if !s.lookInto(next) {
			return false
		}
	}
	// The radius was that of drivers found before: if some went farther, in their cells, it was too small.
	return !bounded || s.full
}

// from is a lower bound on the distance of all that is in a tile, in radians: a chord is shorter than its arc.
func (s *search) from(t *tile) float64 {
	d := s.vector.plus(-1, t.middle)
	return math.Sqrt(d.dot(d)) - t.radius - slackAngle
}

// sink restores the order of the queue, a heap, below i.
func (s *search) sink(i int) {
	for {
		j := 2*i + 1
		if j >= len(s.queue) {
			return
		}
		if j+1 < len(s.queue) && s.queue[j+1].from < s.queue[j].from {
			j++
		}
		if s.queue[i].from <= s.queue[j].from {
			return
		}
		s.queue[i], s.queue[j] = s.queue[j], s.queue[i]
		i = j
	}
}

// lookInto looks at the cells of a tile.
func (s *search) lookInto(t *tile) (ok bool) {
	s.views = append(s.views[:0], s.view(t))
	for left := t.occupied.Load(); left != 0; left &= left - 1 {
		s.group = append(s.group, glance{view: &s.views[0], head: &t.cells[bits.TrailingZeros64(left)]})
		if len(s.group) == groupSize && !s.lookAtGroup() {
			return false
		}
	}
	return s.lookAtGroup()
}
