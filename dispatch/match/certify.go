package match

import "math/bits"

// result gives what was found, with its bound.
func (s *Solver) result() Result {
	s.match = resize(s.match, len(s.orders))
	r := Result{Assignment: s.match, Bound: s.bound, Prices: s.prices, Scale: s.units}
	for i := range s.orders {
		d := s.orders[i].driver
		s.match[i] = d
		switch {
		case d == Unmatched:
			r.Cost += s.p.Penalty[i]
			continue
		case s.stopped:
			for _, e := range s.p.Rows[i] {
				if e.Driver == d {
					r.Cost += int64(e.Cost)
				}
			}
		default:
			r.Cost += (s.orders[i].due + s.prices[d]) >> s.units
		}
		r.Matched++
	}
	return r
}

// prove computes the bound from the problem and the prices alone, as Bound does. On the way it gathers, for untie, the
// edges that cost an order just what it pays.
func (s *Solver) prove() {
	var sum wide
	for j := range s.drivers {
		s.prices[j] = s.drivers[j].price
		sum.add(s.prices[j])
	}
	x := &s.exits
	x.start, x.tight, x.wishes = resize(x.start, len(s.orders)+1), x.tight[:0], false
	x.start[0] = 0
	for i := range s.orders {
		o, penalty := &s.orders[i], s.rows[i].penalty
		least := penalty
		limit := max(least, o.due)
		row := s.p.Rows[i]
		for k := range row {
			e := &row[k]
			c := int64(e.Cost) * s.unit
			if c > limit || c >= penalty {
				break
			}
			if c -= s.prices[e.Driver]; c > limit {
				continue
			}
			c += s.hash(o.key, s.drivers[e.Driver].key)
			if c < least {
				least = c
				limit = max(least, o.due)
			}
			if c == o.due {
				x.tight = append(x.tight, e.Driver)
			}
		}
		first := x.start[i]
		x.start[i+1] = int32(len(x.tight))
		x.wishes = x.wishes || x.start[i+1] > first && x.tight[first] != o.driver
		sum.add(least)
	}
	s.bound = sum.shift(s.units)
	if s.stopped {
		s.unpriced()
	}
}

// unpriced takes the bound of prices of 0, each order's nearest driver, where that is the better one: when the solver was
// stopped early, its prices tell of a scarcity among the nearest that wider rows would have relieved.
func (s *Solver) unpriced() {
	var sum int64
	for i, row := range s.p.Rows {
		least := s.p.Penalty[i]
		if len(row) > 0 {
			least = min(least, int64(row[0].Cost))
		}
		sum += least
	}
	if sum > s.bound {
		s.bound = sum
		clear(s.prices)
	}
}

// Bound is the dual objective of driver prices, none above 0, in the full units of the problem: no assignment costs
// less. It trusts nothing but the problem and the prices: each order pays at least the least of its penalty and its
// edges at these prices, each driver is given at most its price.
//
// In full units an assignment costs its cost times 2^units plus less than one unit, so that a bound in full units,
// rounded down, bounds the cost.
func Bound(p *Problem, prices []int64) int64 {
	units, ties := scale(p)
	s := Solver{p: p, units: units, ties: ties}
	var sum wide
	for _, price := range prices {
		sum.add(price)
	}
	for i, row := range p.Rows {
		key := orderKey(p, i)
		least := p.Penalty[i] << units
		for _, e := range row {
			c := int64(e.Cost) << units
			if c >= least {
				break
			}
			least = min(least, c+s.hash(key, driverKey(p, e.Driver))-prices[e.Driver])
		}
		sum.add(least)
	}
	return sum.shift(units)
}

// wide is a sum of 128 bits, two's complement.
type wide struct{ hi, lo uint64 }

func (w *wide) add(n int64) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, uint64(n), 0)
	w.hi, _ = bits.Add64(w.hi, uint64(n>>63), carry)
}

// shift divides by 2^n, rounding down; the result must be within int64.
func (w *wide) shift(n uint) int64 {
	if n == 0 {
		return int64(w.lo)
	}
	return int64(w.hi<<(64-n) | w.lo>>n)
}
