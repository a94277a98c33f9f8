package eta

import "github.com/hexfleet/hexfleet/geo"

// SectorOf is the direction in which the model sees a drive.
var SectorOf = sectorOf

// CellOf is the cell whose speeds a place has.
func CellOf(p geo.LatLng) geo.Cell { return new(cells).at(p) }
