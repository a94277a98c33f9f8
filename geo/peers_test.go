package geo

import (
	"math"
	"slices"

	"github.com/mmcloughlin/geohash"
	"github.com/tidwall/rtree"
	"github.com/uber/h3-go/v4"
)

// peer is an index that is measured beside ours: dense driver numbers, no locks, no freshness, no filters.
type peer interface {
	// move takes a driver from where it was put last; a driver that is not there yet comes from the zero LatLng.
	move(driver uint32, from, to LatLng)
	// nearest counts what it finds.
	nearest(q LatLng, k int) int
}

// rtreePeer is tidwall/rtree as its documentation has it for moving points: Replace, and Nearby with the distance of
// boxes, here on a map that is true to scale around the query.
type rtreePeer struct{ tree rtree.RTreeG[uint32] }

func flat(p LatLng) [2]float64 { return [2]float64{p.Lng, p.Lat} }

func (r *rtreePeer) move(d uint32, from, to LatLng) {
	if from == (LatLng{}) {
		r.tree.Insert(flat(to), flat(to), d)
		return
	}
	r.tree.Replace(flat(from), flat(from), d, flat(to), flat(to), d)
}

func (r *rtreePeer) nearest(q LatLng, k int) int {
	cos := math.Cos(q.Lat * math.Pi / 180)
	found := 0
	r.tree.Nearby(func(lo, hi [2]float64, _ uint32, _ bool) float64 {
		dLng := max(0, lo[0]-q.Lng, q.Lng-hi[0]) * cos
		dLat := max(0, lo[1]-q.Lat, q.Lat-hi[1])
		return dLng*dLng + dLat*dLat
	}, func(_, _ [2]float64, _ uint32, _ float64) bool {
		found++
		return found < k
	})
	return found
}

// bestK are the squares of the k least distances, ascending.
type bestK []float64

func (b *bestK) add(d float64, k int) {
	if len(*b) == k && d >= (*b)[k-1] {
		return
	}
	i, _ := slices.BinarySearch(*b, d)
	if *b = slices.Insert(*b, i, d); len(*b) > k {
		*b = (*b)[:k]
	}
}

// farther tells that k are found and none beyond this distance can come among them.
func (b bestK) farther(d float64, k int) bool { return len(b) == k && d > 0 && b[k-1] < d*d }

// square is the square of a distance on the scale of the query, in degrees of latitude.
func square(q, p LatLng, cos float64) float64 {
	dLat, dLng := p.Lat-q.Lat, (p.Lng-q.Lng)*cos
	return dLat*dLat + dLng*dLng
}

// mapPeer files drivers by the key of a cell; in says where each stands in its cell.
type mapPeer struct {
	places []LatLng
	keys   []uint64
	in     []uint32
	cells  map[uint64][]uint32
}

func newMapPeer(n int) mapPeer {
	return mapPeer{places: make([]LatLng, n), keys: make([]uint64, n), in: make([]uint32, n), cells: map[uint64][]uint32{}}
}

func (m *mapPeer) put(d uint32, to LatLng, key uint64) {
	m.places[d] = to
	if old := m.keys[d]; old != key {
		if in := m.cells[old]; len(in) > 0 && old != 0 {
			last := in[len(in)-1]
			in[m.in[d]], m.in[last] = last, m.in[d]
			m.cells[old] = in[:len(in)-1]
		}
		m.keys[d], m.in[d] = key, uint32(len(m.cells[key]))
		m.cells[key] = append(m.cells[key], d)
	}
}

func (m *mapPeer) look(q LatLng, cos float64, key uint64, best *bestK, k int) {
	for _, d := range m.cells[key] {
		best.add(square(q, m.places[d], cos), k)
	}
}

// geohashPeer is a map of geohash cells, searched in squares around the query's.
type geohashPeer struct {
	mapPeer
	bits uint
}

func (g *geohashPeer) move(d uint32, _, to LatLng) {
	g.put(d, to, geohash.EncodeIntWithPrecision(to.Lat, to.Lng, g.bits))
}

func (g *geohashPeer) nearest(q LatLng, k int) int {
	cos := math.Cos(q.Lat * math.Pi / 180)
	high, wide := 180/math.Exp2(float64(g.bits/2)), 360/math.Exp2(float64(g.bits/2))
	best := make(bestK, 0, k+1)
	for r := 0; ; r++ {
		look := func(i, j int) {
			g.look(q, cos, geohash.EncodeIntWithPrecision(q.Lat+float64(i)*high, q.Lng+float64(j)*wide, g.bits), &best, k)
		}
		for j := -r; j <= r; j++ {
			look(-r, j)
			if r > 0 {
				look(r, j)
			}
		}
		for i := -r + 1; i < r; i++ {
			look(i, -r)
			look(i, r)
		}
		if best.farther(float64(r)*min(high, wide*cos), k) {
			return len(best)
		}
	}
}

// h3Peer is a map of H3 cells with a call for each update, and one for each ring of a search.
type h3Peer struct {
	mapPeer
	resolution int
}

func (p *h3Peer) move(d uint32, _, to LatLng) {
	p.put(d, to, uint64(cellAt(to, p.resolution)))
}

func (p *h3Peer) nearest(q LatLng, k int) int {
	cos := math.Cos(q.Lat * math.Pi / 180)
	home := h3.Cell(cellAt(q, p.resolution))
	best := make(bestK, 0, k+1)
	for r := 0; ; r++ {
		cells, err := h3.GridRing(home, r)
		if err != nil {
			panic(err)
		}
		for _, c := range cells {
			p.look(q, cos, uint64(c), &best, k)
		}
		// Cells beyond ring r are 1.5 r - 0.5 edges away on the flat faces; the sphere is up to 0.63 smaller there.
		if best.farther(degrees(flatEdge(p.resolution))*(1.5*float64(r)-0.5)*0.63, k) {
			return len(best)
		}
	}
}
