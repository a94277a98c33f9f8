package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/report"
	"github.com/hexfleet/hexfleet/geo"
)

// hourBook counts the orders of one hour of the day over all seeds.
type hourBook struct {
	requested, served, lost, cancelled float64
	waits                              []float64 // seconds
}

func hour(books map[time.Time]*hourBook, at time.Time) *hourBook {
	h := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), 0, 0, 0, at.Location())
	if books[h] == nil {
		books[h] = &hourBook{}
	}
	return books[h]
}

func (b *hourBook) take(o *sim.OrderFate) {
	b.requested++
	switch {
	case o.Served():
		b.served++
		b.waits = append(b.waits, o.Wait().Seconds())
	case o.Lost:
		b.lost++
	case o.Cancelled:
		b.cancelled++
	}
}

// hourList gives the hours, ascending; each is one over the number of seeds.
func hourList(books map[time.Time]*hourBook, each float64) []report.Hour {
	var out []report.Hour
	for _, at := range slices.SortedFunc(maps.Keys(books), time.Time.Compare) {
		b := books[at]
		h := report.Hour{
			At: at, Requested: each * b.requested, Served: each * b.served, Lost: each * b.lost, Cancelled: each * b.cancelled,
		}
		if len(b.waits) > 0 {
			slices.Sort(b.waits)
			h.WaitMean, h.WaitP95 = mean(b.waits), b.waits[(len(b.waits)*95+99)/100-1]
		}
		out = append(out, h)
	}
	return out
}

// cellBook counts the orders of one cell over all seeds.
type cellBook struct{ requested, unserved, served, wait float64 }

func (b *cellBook) take(o *sim.OrderFate) {
	b.requested++
	if !o.Served() {
		b.unserved++
		return
	}
	b.served++
	b.wait += o.Wait().Seconds()
}

func cellList(books map[geo.Cell]*cellBook, each float64) []report.Cell {
	var out []report.Cell
	for _, at := range slices.SortedFunc(maps.Keys(books), cmp.Compare[geo.Cell]) {
		b := books[at]
		out = append(out, report.Cell{
			Cell: at, Requested: each * b.requested, Unserved: each * b.unserved, WaitMean: b.wait / max(b.served, 1),
		})
	}
	return out
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
