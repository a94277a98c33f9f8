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
	out := s.penalty(order)
	first, second := out, out
	at := Unmatched
	row, key := s.row(order), s.rowKeys[order]
	for k := range row {
		c := int64(row[k].Cost) << s.units
		if c >= second {
			break // prices are at most 0, and rows ascend
		}
		j := &s.drivers[row[k].Driver]
		c += s.hash(key, j.key) - j.price
		switch {
		case c < first:
			first, second, at = c, first, row[k].Driver
		case c < second:
			second = c
		}
	}
	if at == Unmatched {
		return // best left out, at the price of being left out
	}
	j := &s.drivers[at]
	held := j.order
	if held >= 0 && first == second {
		s.next = append(s.next, order) // nothing to bid with
		return
	}
	s.paid[order] = first + j.price
	j.price -= second - first
	j.order = order
	s.match[order] = at
	if held >= 0 {
		s.match[held] = Unmatched
		s.next = append(s.next, held)
	}
}
