package geo

import (
	"fmt"
	"math"
)

// CellBook finds the H3 cells of many places, such as drivers that move, and asks H3 once for each cell: a place's
// name on the lattice is computed here (lattice.go), and the book has the cell of each name. It answers as CellAt
// does, everywhere.
//
// It is not safe for concurrent use; its owner is who made it.
type CellBook struct {
	lattice *lattice
	cells   map[cellName]Cell
	asked   int // how often H3 was
}

// cellName is a cell as seen from one face.
type cellName struct{ face, u, v int32 }

// bookLimit is how many names a book keeps: cells of 0.7 km2 over all of Europe are fewer. It is emptied when there
// are more.
const bookLimit = 1 << 20

// NewCellBook makes an empty book of an H3 resolution, 0 to 15; any other is a defect and panics.
func NewCellBook(resolution int) *CellBook {
	if resolution < 0 || resolution > maxResolution {
		panic(fmt.Sprintf("geo: cell book of resolution %d", resolution))
	}
	return &CellBook{lattice: newLattice(resolution), cells: map[cellName]Cell{}}
}

// At gives the cell of a place; ok is false for what is no place.
func (b *CellBook) At(p LatLng) (c Cell, ok bool) {
	if p.Validate() != nil {
		return 0, false
	}
	l := b.lattice
	w := vectorAt(p)
	face := l.nearest(w)
	f := &l.faces[face]
	u, v := f.at(w)
	cu, cv := round(u, v)
	if !covers(u-float64(cu), v-float64(cv), 1-l.hair(math.Acos(min(1, w.dot(f.center))))) {
		b.asked++
		return Cell(cellAt(p, l.resolution)), true
	}
	name := cellName{int32(face), cu, cv}
	if c, ok = b.cells[name]; ok {
		return c, true
	}
	if len(b.cells) == bookLimit {
		clear(b.cells)
	}
	b.asked++
	c = Cell(cellAt(p, l.resolution))
	b.cells[name] = c
	return c, true
}
