package match

import "math/bits"

// result gives what was found, with its bound.
func (s *Solver) result() Result {
	s.given = resize(s.given, len(s.match))
	copy(s.given, s.match)
	r := Result{Assignment: s.given, Scale: s.units}
	for i, d := range s.match {
		if d == Unmatched {
			r.Cost += s.p.Penalty[i]
		} else {
			r.Matched++
			r.Cost += s.paid[i] >> s.units
		}
	}
	s.prices = resize(s.prices, len(s.drivers))
	for j := range s.drivers {
		s.prices[j] = s.drivers[j].price
	}
	r.Prices = s.prices
	r.Bound = Bound(s.p, s.prices)
	return r
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
