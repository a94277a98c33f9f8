package geo

import (
	"slices"

	"github.com/paulmach/orb"
)

// How is a place found in many polygons, exactly and at once?
//
// Naively: each polygon casts a ray from the place to the east and counts the edges that it crosses (odd is
// inside). That looks at every edge of every zone whose box holds the place.
//
// H3 cells are no shortcut here: to find the cell of a place costs more than all of what follows, the sides of
// a cell are no straight lines in degrees as a zone's are, and children do not lie within their parents. So
// the box of all zones is cut into four blocks of degrees, and these again, until few edges cross a block. A
// block that lies wholly in a zone says so once, for all blocks below it; where edges cross a leaf, it keeps
// these edges and what the ray test needs to know of all others.
//
// What is that? Take a block [x0,x1] x [y0,y1], a place (x,y) in it and the half-open rule: the ray crosses an
// edge with ends a, b when (a.y > y) != (b.y > y) and the edge is to the east at y. Edges that meet the block
// are tested one by one. An edge that does not is at the height of the block either all to the west, and
// never counts, or all to the east, and counts when (a.y > y) != (b.y > y): all such edges together give the
// parity of the number of their ends above y. An end that two of them share cancels out. Ends above the block
// always count and ends below it never do, so one bit sums these up; what is left are the ends of edges that
// go on into the block ("toggles"). Hence the answer is
//
//	inside XOR (toggles above y) XOR (edges of the block crossed by the ray)
//
// and equals that of the naive test bit for bit: the coordinates of ends are compared, never computed with,
// and what is computed, where an edge is at y, is the same expression in both. An edge counts as one that
// meets the block when it comes within touch of it, a thousand times the rounding of that expression.

const (
	// leafEdges is how many edges a leaf may have; more are cheaper to part than to test.
	leafEdges = 16
	// treeDepth bounds the blocks: 1/2^20 of the box of all zones.
	treeDepth = 20
	// stuckLimit is how often in a row a block may be cut without getting rid of a quarter of its edges: those
	// of zones that share them, or meet in a point, cannot be parted.
	stuckLimit = 3
)

// zoneTree finds the zones of a place. Immutable after newZoneTree.
type zoneTree struct {
	box     orb.Bound // of the root
	blocks  []block   // the root first; four children stand together: south-west, south-east, north-west, north-east
	wholes  []int32   // zones
	borders []border
	edges   []zoneEdge
	toggles []float64
}

// block is a node: the zones that hold all of it and none of its parent, and for a leaf those whose edges
// cross it. child is the first of four, 0 for a leaf.
type block struct {
	child            int32
	wholes, wholeEnd int32
	parts, partEnd   int32
}

// border is one zone in one leaf.
type border struct {
	zone               int32
	inside             bool
	edges, edgeEnd     int32
	toggles, toggleEnd int32
}

// zoneEdge is an edge from its lower end up: lowY < highY. Edges along a parallel are not kept, for no ray crosses
// them.
type zoneEdge struct {
	lowX, lowY, highY float64
	slope             float64 // degrees east a degree north
}

// at is where the edge is at the height y.
func (e *zoneEdge) at(y float64) float64 { return e.lowX + (y-e.lowY)*e.slope }

// crossed tells whether the ray from a place to the east crosses the edge.
func (e *zoneEdge) crossed(x, y float64) bool { return e.lowY <= y && y < e.highY && x < e.at(y) }

func (t *zoneTree) appendAt(dst []*Zone, zones []Zone, x, y float64) []*Zone {
	lo, hi := t.box.Min, t.box.Max
	if len(t.blocks) == 0 || !(x >= lo[0] && x <= hi[0] && y >= lo[1] && y <= hi[1]) {
		return dst
	}
	first := len(dst)
	for at := int32(0); ; {
		b := &t.blocks[at]
		for _, zone := range t.wholes[b.wholes:b.wholeEnd] {
			dst = append(dst, &zones[zone])
		}
		if b.child == 0 {
			for i := range t.borders[b.parts:b.partEnd] {
				if part := &t.borders[int(b.parts)+i]; t.holds(part, x, y) {
					dst = append(dst, &zones[part.zone])
				}
			}
			break
		}
		at = b.child
		mid := middleOf(lo, hi)
		if x >= mid[0] {
			lo[0] = mid[0]
			at++
		} else {
			hi[0] = mid[0]
		}
		if y >= mid[1] {
			lo[1] = mid[1]
			at += 2
		} else {
			hi[1] = mid[1]
		}
	}
	found := dst[first:]
	for i := 1; i < len(found); i++ { // few, and mostly in order
		for j := i; j > 0 && found[j].index < found[j-1].index; j-- {
			found[j], found[j-1] = found[j-1], found[j]
		}
	}
	return dst
}

func middleOf(lo, hi orb.Point) orb.Point { return orb.Point{(lo[0] + hi[0]) / 2, (lo[1] + hi[1]) / 2} }

// holds is the test of the comment above.
func (t *zoneTree) holds(b *border, x, y float64) bool {
	in := b.inside
	for _, end := range t.toggles[b.toggles:b.toggleEnd] {
		in = in != (end > y)
	}
	edges := t.edges[b.edges:b.edgeEnd]
	for i := range edges {
		in = in != edges[i].crossed(x, y)
	}
	return in
}

// part is one zone in one block while the tree is built: a border before it is packed.
type part struct {
	zone    int32
	inside  bool
	edges   []zoneEdge
	toggles []float64 // ascending, no two equal
}

func newZoneTree(zones []Zone) zoneTree {
	var t zoneTree
	var parts []part
	for i := range zones {
		p := part{zone: int32(i), edges: zones[i].edges()}
		if i == 0 {
			t.box = zones[i].area.bound
		}
		t.box = t.box.Union(zones[i].area.bound)
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return t
	}
	t.blocks = make([]block, 1)
	t.grow(0, t.box, parts, treeDepth, 0)
	return t
}

// edges lists the zone's edges but for those along a parallel.
func (z *Zone) edges() []zoneEdge {
	var edges []zoneEdge
	z.rings(func(r orb.Ring) {
		for i := 1; i < len(r); i++ {
			low, high := r[i-1], r[i]
			if low[1] > high[1] {
				low, high = high, low
			}
			if low[1] < high[1] {
				edges = append(edges, zoneEdge{low[0], low[1], high[1], (high[0] - low[0]) / (high[1] - low[1])})
			}
		}
	})
	return edges
}

// grow makes the block at of what may meet it, and the blocks below it. depth is how often it may be cut yet,
// stuck how often in vain it was.
func (t *zoneTree) grow(at int32, box orb.Bound, parts []part, depth, stuck int) {
	b := block{wholes: int32(len(t.wholes))}
	var open []part
	total := 0
	for i := range parts {
		switch p := &parts[i]; {
		case len(p.edges)+len(p.toggles) > 0:
			open = append(open, *p)
			total += len(p.edges)
		case p.inside:
			t.wholes = append(t.wholes, p.zone)
		}
	}
	b.wholeEnd = int32(len(t.wholes))
	if total <= leafEdges || depth == 0 || stuck == stuckLimit {
		b.parts, b.partEnd = t.pack(open)
		t.blocks[at] = b
		return
	}
	b.child = int32(len(t.blocks))
	t.blocks[at] = b
	t.blocks = append(t.blocks, make([]block, 4)...)
	lo, hi, mid := box.Min, box.Max, middleOf(box.Min, box.Max)
	for i, quarter := range [4]orb.Bound{
		{Min: lo, Max: mid},
		{Min: orb.Point{mid[0], lo[1]}, Max: orb.Point{hi[0], mid[1]}},
		{Min: orb.Point{lo[0], mid[1]}, Max: orb.Point{mid[0], hi[1]}},
		{Min: mid, Max: hi},
	} {
		inner := make([]part, len(open))
		left := 0
		for j := range open {
			inner[j] = open[j].cut(quarter)
			left += len(inner[j].edges)
		}
		vain := 0
		if 4*left > 3*total {
			vain = stuck + 1
		}
		t.grow(b.child+int32(i), quarter, inner, depth-1, vain)
	}
}

// cut gives the part within a smaller block.
func (p *part) cut(box orb.Bound) part {
	near := box.Pad(touch)
	in := part{zone: p.zone, inside: p.inside, toggles: slices.Clone(p.toggles)}
	for _, e := range p.edges {
		low, high := max(e.lowY, near.Min[1]), min(e.highY, near.Max[1])
		if low > high {
			continue // above or below: both ends or neither count
		}
		west, east := e.at(low), e.at(high)
		if west > east {
			west, east = east, west
		}
		switch {
		case west > near.Max[0]:
			in.toggles = append(in.toggles, e.lowY, e.highY)
		case east >= near.Min[0]:
			in.edges = append(in.edges, e)
		}
	}
	slices.Sort(in.toggles)
	kept := in.toggles[:0]
	for _, end := range in.toggles {
		switch n := len(kept); {
		case n > 0 && kept[n-1] == end:
			kept = kept[:n-1] // shared by two
		case end > box.Max[1]:
			in.inside = !in.inside
		case end > box.Min[1]:
			kept = append(kept, end)
		}
	}
	in.toggles = kept
	return in
}

// pack files the parts of a leaf.
func (t *zoneTree) pack(parts []part) (from, to int32) {
	from = int32(len(t.borders))
	for i := range parts {
		p := &parts[i]
		b := border{zone: p.zone, inside: p.inside, edges: int32(len(t.edges)), toggles: int32(len(t.toggles))}
		t.edges = append(t.edges, p.edges...)
		t.toggles = append(t.toggles, p.toggles...)
		b.edgeEnd, b.toggleEnd = int32(len(t.edges)), int32(len(t.toggles))
		t.borders = append(t.borders, b)
	}
	return from, int32(len(t.borders))
}
