package match

// auctionPasses bounds the bids of an order: later ones cost more than the searches that they spare.
const auctionPasses = 4

// auction lets the waiting orders bid (augmenting row reduction of Jonker and Volgenant): each takes the driver that is
// best for it and lowers the driver's price until its second best is as good; whoever had the driver bids in the next
// pass. What is left in waiting needs a search.
func (s *Solver) auction() {
	for range auctionPasses {
		if len(s.waiting) == 0 {
			return
		}
		s.next = s.next[:0]
		for _, order := range s.waiting {
			s.bid(order)
		}
		s.waiting, s.next = s.next, s.waiting
	}
}

func (s *Solver) bid(order int32) {
	o, row := &s.orders[order], &s.rows[order]
	first, second := row.penalty, row.penalty
	at := Unmatched
	for k := range row.edges {
		e := &row.edges[k]
		c := int64(e.Cost) * s.unit
		if c >= second {
			break // prices are at most 0, and rows ascend
		}
		j := &s.drivers[e.Driver]
		if c -= j.price; c >= second {
			continue
		}
		c += s.hash(o.key, j.key)
		switch {
		case c < first:
			first, second, at = c, first, e.Driver
		case c < second:
			second = c
		}
	}
	if at == Unmatched {
		o.due = row.penalty
		return // best left out, at the price of being left out
	}
	j := &s.drivers[at]
	held := j.order
	if held >= 0 && first == second {
		s.next = append(s.next, order) // nothing to bid with
		return
	}
	o.due = second
	o.driver = at
	j.price -= second - first
	j.order = order
	if held >= 0 {
		s.orders[held].driver = Unmatched
		s.next = append(s.next, held)
	}
}
