package wire

import "github.com/hexfleet/hexfleet/dispatch"

// Supply tells how many drivers and orders a market has in each H3 cell.
type Supply struct {
	Market ID `json:"market"`
	// At is market time; Since is when the node that tells it began to count new orders.
	At         Time        `json:"at"`
	Since      Time        `json:"since"`
	Resolution int         `json:"resolution"`
	Cells      SupplyCells `json:"cells"`
}

// SupplyCells are columns of equal length, ascending by cell; cells where nothing is are left out.
type SupplyCells struct {
	// Cell is an H3 index in hexadecimal.
	Cell []string `json:"cell"`
	// Available counts the drivers that may be offered an order, Busy those reserved, on a trip or stopped.
	Available []int `json:"available"`
	Busy      []int `json:"busy"`
	// Open counts the open orders by their pickup, Waiting those of them that look for a driver.
	Open    []int `json:"open"`
	Waiting []int `json:"waiting"`
	// Created5m and Created15m count the orders asked for in the last 5 and 15 minutes of market time.
	Created5m  []int `json:"created_5m"`
	Created15m []int `json:"created_15m"`
	// Multiplier is the greatest of the surge zones at the middle of the cell, 1 where there is none.
	Multiplier []float64 `json:"multiplier"`
}

// SupplyFrom tells a supply.
func SupplyFrom(s *dispatch.Supply) Supply {
	n := len(s.Cells)
	c := SupplyCells{
		Cell: make([]string, n), Available: make([]int, n), Busy: make([]int, n), Open: make([]int, n), Waiting: make([]int, n),
		Created5m: make([]int, n), Created15m: make([]int, n), Multiplier: make([]float64, n),
	}
	for i := range s.Cells {
		from := &s.Cells[i]
		c.Cell[i] = from.Cell.String()
		c.Available[i], c.Busy[i], c.Open[i], c.Waiting[i] = from.Available, from.Busy, from.Open, from.Waiting
		c.Created5m[i], c.Created15m[i], c.Multiplier[i] = from.Created5, from.Created15, from.Multiplier
	}
	return Supply{ID(s.Market), TimeOf(s.At), TimeOf(s.Since), dispatch.SupplyResolution, c}
}
