package geo

import (
	"math"
	"slices"

	"github.com/paulmach/orb"
)

// touch is the width in degrees below which two areas only touch: 1e-9 degrees are a tenth of a millimetre,
// far below what a map means and far above the rounding of coordinates.
const touch = 1e-9

// Overlaps tells whether the interiors of two areas meet; sharing edges or corners is no overlap, nor is a
// sliver thinner than a tenth of a millimetre.
//
// If the interiors meet in a region, that region's edge is made of pieces of the two areas' edges. So each
// edge is cut where the other area's edges meet it, and beside the middle of each piece, on both sides, a
// sample is taken: some sample lies in both interiors exactly when the areas overlap.
func (a *Area) Overlaps(b *Area) bool {
	if !a.bound.Intersects(b.bound) {
		return false
	}
	return a.edgeMeets(b) || b.edgeMeets(a)
}

// edgeMeets tells whether a region common to a and b has a piece of a's edge on its own edge.
func (a *Area) edgeMeets(b *Area) bool {
	var others []segment
	near := a.bound.Pad(touch)
	b.segments(func(s segment) bool {
		if s.bound().Intersects(near) {
			others = append(others, s)
		}
		return true
	})
	far := b.bound.Pad(touch)
	return !a.segments(func(s segment) bool {
		if !s.bound().Intersects(far) {
			return true
		}
		return !slices.ContainsFunc(s.samples(others), func(p orb.Point) bool {
			return a.interior(p) && b.interior(p)
		})
	})
}

// interior tells whether p lies in the area and not as close to its edge as touch.
func (a *Area) interior(p orb.Point) bool {
	return a.contains(p) && a.segments(func(s segment) bool { return s.distance(p) > touch })
}

// segments calls f for each edge until it says false, and tells whether it never did.
func (a *Area) segments(f func(segment) bool) bool {
	for _, polygon := range a.polygons {
		for _, ring := range polygon {
			for i := 1; i < len(ring); i++ {
				if ring[i-1] != ring[i] && !f(segment{ring[i-1], ring[i]}) {
					return false
				}
			}
		}
	}
	return true
}

// segment is an edge from one point to another.
type segment [2]orb.Point

func (s segment) bound() orb.Bound {
	return orb.MultiPoint{s[0], s[1]}.Bound()
}

func (s segment) length() float64 {
	return math.Hypot(s[1][0]-s[0][0], s[1][1]-s[0][1])
}

// along is how far along s the foot of p lies, 0 at its start and 1 at its end, and how far p is from its line.
func (s segment) along(p orb.Point) (t, off float64) {
	dx, dy := s[1][0]-s[0][0], s[1][1]-s[0][1]
	px, py := p[0]-s[0][0], p[1]-s[0][1]
	l := math.Hypot(dx, dy)
	return (px*dx + py*dy) / (l * l), (dx*py - dy*px) / l
}

func (s segment) distance(p orb.Point) float64 {
	t, off := s.along(p)
	switch {
	case t < 0:
		return math.Hypot(p[0]-s[0][0], p[1]-s[0][1])
	case t > 1:
		return math.Hypot(p[0]-s[1][0], p[1]-s[1][1])
	}
	return math.Abs(off)
}

// samples cuts s where the others meet it and gives a point on each side of the middle of each piece.
func (s segment) samples(others []segment) []orb.Point {
	cuts := []float64{0, 1}
	for _, o := range others {
		t0, off0 := s.along(o[0])
		t1, off1 := s.along(o[1])
		if math.Abs(off0) <= touch {
			cuts = append(cuts, t0)
		}
		if math.Abs(off1) <= touch {
			cuts = append(cuts, t1)
		}
		if off0 < 0 != (off1 < 0) {
			cuts = append(cuts, t0+(t1-t0)*off0/(off0-off1))
		}
	}
	slices.Sort(cuts)
	const beside = 4 * touch
	l := s.length()
	nx, ny := -(s[1][1]-s[0][1])/l*beside, (s[1][0]-s[0][0])/l*beside
	var samples []orb.Point
	for i := 1; i < len(cuts); i++ {
		t := (cuts[i-1] + cuts[i]) / 2
		if cuts[i-1] < 0 || cuts[i] > 1 || (cuts[i]-cuts[i-1])*l < touch {
			continue
		}
		x, y := s[0][0]+t*(s[1][0]-s[0][0]), s[0][1]+t*(s[1][1]-s[0][1])
		samples = append(samples, orb.Point{x + nx, y + ny}, orb.Point{x - nx, y - ny})
	}
	return samples
}
