package geo

import (
	"fmt"
	"math"

	"github.com/uber/h3-go/v4"
)

// This is the only file that calls h3-go, so that another implementation can take its place. H3 answers
// LatLng{999, 999} with a cell and no error: callers validate places first. An error that is left is
// therefore a defect, and panics.

// cell is an H3 cell.
type cell h3.Cell

// maxResolution is H3's finest.
const maxResolution = h3.MaxResolution

// cellAt is the cell of a valid place.
func cellAt(p LatLng, resolution int) cell {
	c, err := h3.LatLngToCell(h3.LatLng{Lat: p.Lat, Lng: p.Lng}, resolution)
	if err != nil {
		panic(fmt.Sprintf("geo: cell of %v at resolution %d: %v", p, resolution, err))
	}
	return cell(c)
}

// Cell is an H3 cell for those outside of the index, who count by it; the zero Cell is none.
type Cell uint64

// CellAt gives the cell of a place at a resolution, 0 to 15; ok is false for what is no place or resolution.
func CellAt(p LatLng, resolution int) (c Cell, ok bool) {
	if p.Validate() != nil || resolution < 0 || resolution > maxResolution {
		return 0, false
	}
	return Cell(cellAt(p, resolution)), true
}

// Center is the middle of a cell that CellAt gave.
func (c Cell) Center() LatLng {
	p, err := h3.Cell(c).LatLng()
	if err != nil {
		panic(fmt.Sprintf("geo: centre of cell %s: %v", c, err))
	}
	return LatLng{Lat: p.Lat, Lng: p.Lng}
}

// Boundary is the outline of a cell that CellAt gave, counterclockwise: six corners, or five of a pentagon, and more where
// an edge of the solid that H3 is drawn on runs through.
func (c Cell) Boundary() []LatLng {
	corners, err := h3.Cell(c).Boundary()
	if err != nil {
		panic(fmt.Sprintf("geo: boundary of cell %s: %v", c, err))
	}
	out := make([]LatLng, len(corners))
	for i, p := range corners {
		out[i] = LatLng{Lat: p.Lat, Lng: p.Lng}
	}
	return out
}

// Resolution is that of a cell that CellAt gave, 0 to 15.
func (c Cell) Resolution() int { return h3.Cell(c).Resolution() }

// String is H3's hexadecimal.
func (c Cell) String() string { return h3.Cell(c).String() }

// CellReach bounds how far a cell of a resolution reaches from its centre: the sphere lies within the solid's
// faces, so no edge on it is longer than on them.
func CellReach(resolution int) Meters { return flatEdge(resolution) }

// icosahedronVertices are the twelve vertices of the solid that H3 is drawn on: the centres of its
// pentagons, at every resolution. Unit vectors.
func icosahedronVertices() [12]vector {
	pentagons, err := h3.Pentagons(0)
	if err != nil || len(pentagons) != 12 {
		panic(fmt.Sprintf("geo: %d pentagons at resolution 0: %v", len(pentagons), err))
	}
	var vs [12]vector
	for i, c := range pentagons {
		p, err := c.LatLng()
		if err != nil {
			panic(fmt.Sprintf("geo: centre of pentagon %x: %v", uint64(c), err))
		}
		vs[i] = vectorAt(LatLng{Lat: p.Lat, Lng: p.Lng})
	}
	return vs
}

// flatEdge is the edge of H3's hexagons in metres on the flat faces of the icosahedron, where all are
// regular and equal: 0.38196601125010500003 (RES0_U_GNOMONIC of H3's constants.h) is the distance of two
// neighbouring centres at resolution 0 on a sphere of radius 1; each resolution divides it by sqrt(7).
func flatEdge(resolution int) Meters {
	const spacing0 = 0.38196601125010500003
	return EarthRadius * Meters(spacing0/math.Sqrt(3)/math.Pow(7, float64(resolution)/2))
}
