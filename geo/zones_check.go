package geo

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/paulmach/orb"
)

// When is a zone's geometry sound?
//
// When it covers every place of the map once or not at all: an outer ring covers what lies in it, a hole takes
// that away again. Rings that cross themselves or another, overlapping polygons, and holes that reach out of
// their polygon all make some place be covered twice, or less than not at all. How often a place is covered
// changes only at edges. So, as in Area.Overlaps, each edge is cut where others meet it, and it is enough to
// count at a sample on each side of each piece. Counting is by winding: +1 for an outer ring, which goes around
// the place counter-clockwise once wind has put it right, -1 for a hole; a bow tie has a side of -1 or 2.
//
// Rings may touch, and slivers thinner than a tenth of a millimetre are not seen.

// maxEdgeLng is how many degrees of longitude an edge may span: beyond it, the writer meant the other way around.
const maxEdgeLng = 180

// checkZone refuses geometries that are not sound; their rings must be wound right.
func (a *Area) checkZone() error {
	var edges []segment
	far := segment{}
	whole := a.segments(func(s segment) bool {
		edges = append(edges, s)
		far = s
		return max(s[0][0], s[1][0])-min(s[0][0], s[1][0]) <= maxEdgeLng
	})
	if !whole {
		return fmt.Errorf("the edge from %v to %v spans more than %d degrees of longitude: cut it at the antimeridian into "+
			"two polygons, or put a position between", far[0], far[1], maxEdgeLng)
	}
	slices.SortFunc(edges, func(s, t segment) int { // so that those near one in longitude stand together
		return cmp.Compare(min(s[0][0], s[1][0]), min(t[0][0], t[1][0]))
	})
	widest := 0.0
	for _, s := range edges {
		b := s.bound()
		widest = max(widest, b.Max[0]-b.Min[0])
	}
	for i, s := range edges {
		for _, p := range s.samples(meeting(edges, i, widest)) {
			if n := a.covered(p); n != 0 && n != 1 {
				return fmt.Errorf("rings cross or overlap, or a hole reaches out of its polygon, near %.6f,%.6f (lng,lat)", p[0], p[1])
			}
		}
	}
	return nil
}

// meeting gives the edges that may meet edge i; they stand in order of their western ends and none is wider
// than widest.
func meeting(edges []segment, i int, widest float64) []segment {
	near := edges[i].bound().Pad(touch)
	from, _ := slices.BinarySearchFunc(edges, near.Min[0]-widest, func(s segment, west float64) int {
		return cmp.Compare(min(s[0][0], s[1][0]), west)
	})
	var out []segment
	for j := from; j < len(edges) && min(edges[j][0][0], edges[j][1][0]) <= near.Max[0]; j++ {
		if j != i && edges[j].bound().Intersects(near) {
			out = append(out, edges[j])
		}
	}
	return out
}

// covered counts how often p is covered, holes taken away, by rings that are wound right.
func (a *Area) covered(p orb.Point) (n int) {
	for _, polygon := range a.polygons {
		for _, ring := range polygon {
			n += windings(ring, p)
		}
	}
	return n
}

// windings is how often a ring goes around p counter-clockwise: the ray to the east is crossed upwards.
func windings(r orb.Ring, p orb.Point) (n int) {
	for i := 1; i < len(r); i++ {
		a, b := r[i-1], r[i]
		up := a[1] <= p[1] && b[1] > p[1]
		down := b[1] <= p[1] && a[1] > p[1]
		if !up && !down {
			continue
		}
		if p[0] < a[0]+(p[1]-a[1])*(b[0]-a[0])/(b[1]-a[1]) {
			if up {
				n++
			} else {
				n--
			}
		}
	}
	return n
}
