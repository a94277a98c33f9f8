package dispatch

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// SupplyResolution is the H3 resolution of a Supply: cells of about 0.7 km2, a few streets.
const SupplyResolution = 8

// Supply tells how many drivers and orders a market has in each cell, for the board and for pricing outside. Made by
// the market's leader, committed state and the last fixes; immutable, shared.
type Supply struct {
	Market MarketID
	At     time.Time // market time
	// Since is the market instant from which the leader has counted new orders: the windows below reach back no
	// further, but for orders that were open then.
	Since time.Time
	// Cells are those where anything is, ascending by cell.
	Cells []SupplyCell
}

// SupplyCell is one cell of a Supply.
type SupplyCell struct {
	Cell geo.Cell
	// Available counts the drivers that may be offered an order, Busy those reserved, on a trip or stopped. Those
	// that cannot be contacted stand in no cell.
	Available, Busy int
	// Open counts the orders that are not closed by their pickup, Waiting those of them that look for a driver.
	Open, Waiting int
	// Created5 and Created15 count the orders asked for in the last 5 and 15 minutes of market time by their
	// pickup, whatever became of them.
	Created5, Created15 int
	// Multiplier is that of the surge zones at the middle of the cell, 1 where there is none.
	Multiplier float64
}
