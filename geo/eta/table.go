package eta

import (
	"strconv"

	"github.com/hexfleet/hexfleet/geo"
)

// pairResolution is of the cells between which an answer is used again: 66 m from middle to corner.
const pairResolution = 10

// pair is two cells, from and to.
type pair [2]geo.Cell

// table is a question under way. Owned by the call that asks it.
type table struct {
	sources, targets []geo.LatLng
	from, to         []geo.Cell
	rows             [][]Estimate
	// rowsLeft and columnsLeft are the sources and targets of which something is not known yet.
	rowsLeft, columnsLeft []int
}

// part is what one request asks of a table.
type part struct {
	sources, targets []geo.LatLng
	rows, columns    []int // of the table
}

func (t *table) cells() {
	t.from, t.to = make([]geo.Cell, len(t.sources)), make([]geo.Cell, len(t.targets))
	for i, p := range t.sources {
		t.from[i], _ = geo.CellAt(p, pairResolution)
	}
	for j, p := range t.targets {
		t.to[j], _ = geo.CellAt(p, pairResolution)
	}
}

func (t *table) pair(i, j int) pair { return pair{t.from[i], t.to[j]} }

func (t *table) part(rows, columns []int) part {
	p := part{rows: rows, columns: columns}
	for _, i := range rows {
		p.sources = append(p.sources, t.sources[i])
	}
	for _, j := range columns {
		p.targets = append(p.targets, t.targets[j])
	}
	return p
}

// unknown counts the pairs without an estimate.
func (t *table) unknown() (n int) {
	for _, row := range t.rows {
		for i := range row {
			if row[i].Source == "" {
				n++
			}
		}
	}
	return n
}

// key is the same for the same places in the same order.
func (p *part) key() string {
	b := make([]byte, 0, 24*(len(p.sources)+len(p.targets)))
	for _, places := range [][]geo.LatLng{p.sources, p.targets} {
		b = appendPlaces(b, places)
		b = append(b, '|')
	}
	return string(b)
}

// appendPlaces writes places as OSRM wants them: longitude first, six decimals (0.1 m), semicolons between.
func appendPlaces(b []byte, places []geo.LatLng) []byte {
	for i, p := range places {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendFloat(b, p.Lng, 'f', 6, 64)
		b = append(b, ',')
		b = strconv.AppendFloat(b, p.Lat, 'f', 6, 64)
	}
	return b
}
