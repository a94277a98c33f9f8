package store

import (
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
)

// OrderPart is one of the queries of a list of orders: one that an index gives in the list's order. Open and Closed
// say that States are open ones alone, or one closed one.
type OrderPart struct {
	dispatch.OrderFilter
	Open, Closed bool
}

// OrderParts parts a list of orders, which is read part by part and merged: a condition with OR over several markets
// or states would have a database read and sort all that match. By rider or driver it is one part, because nobody has
// so many orders that the rest of the filter needs an index. known are the markets that there are.
func OrderParts(f dispatch.OrderFilter, known []dispatch.MarketID) []OrderPart {
	if f.Rider != "" || f.Driver != "" || f.Market == "" && len(f.Markets) == 0 && len(f.States) == 0 {
		return []OrderPart{{OrderFilter: f}}
	}
	if f.Market != "" {
		known = []dispatch.MarketID{f.Market}
	}
	var parts []OrderPart
	for _, m := range known {
		if len(f.Markets) > 0 && !slices.Contains(f.Markets, m) {
			continue
		}
		of := f
		of.Market, of.Markets = m, nil
		parts = append(parts, stateParts(of)...)
	}
	return parts
}

// stateParts parts a market's list by state: the open orders are few and have an index without the state, each
// closed state has its own place in another. A list of all states is parted too: an index of all orders of a market would
// be written at three of an order's steps.
func stateParts(f dispatch.OrderFilter) []OrderPart {
	if len(f.States) == 0 {
		f.States = dispatch.States()
	}
	var parts []OrderPart
	var open []dispatch.State
	for _, s := range f.States {
		if !s.Closed() {
			open = append(open, s)
			continue
		}
		of := f
		of.States = []dispatch.State{s}
		parts = append(parts, OrderPart{OrderFilter: of, Closed: true})
	}
	if len(open) > 0 {
		f.States = open
		parts = append(parts, OrderPart{OrderFilter: f, Open: true})
	}
	return parts
}
