package match

import "math/bits"

// Solver finds assignments of least cost; the zero value is ready. It keeps its memory from one problem to the next: a
// problem no larger than those before allocates nothing. Its results belong to it until the next call. Not safe for
// concurrent use.
type Solver struct {
	p *Problem
	// units and ties say how a cost is told with its tie-breaker; see ties.go.
	units, ties uint
	unit        int64 // 2^units

	// orders and drivers are the two sides; rows is what each order could take.
	orders  []node
	rows    []row
	drivers []column
	// width is how many edges of each row count at this level: the nearest ones.
	width int
	// packed are the rows of a narrow level, side by side.
	packed []Edge

	// waiting are orders to be placed; next takes those of the auction's next pass; loose are drivers who lost their
	// order at this level: they may be idle at a price below 0, which the reverse searches mend.
	waiting, next, loose []int32

	search search
	// columns and exits are the memory of mend and of untie.
	columns transpose
	exits   exits

	// match, prices and bound are the latest result's; until then prices is a copy of what the drivers' columns say,
	// which the passes over all edges read.
	match  Assignment
	prices []int64
	bound  int64
	// stop is Options.Stop; searches counts down to the next call of it; stopped is what it said.
	stop     func() bool
	searches int
	stopped  bool
}

// node is an order: 16 bytes, as a search from the drivers' side meets many of them.
type node struct {
	// due is u[i], what the order pays: never more than its penalty, and just that where it has no driver.
	due int64
	// driver is who has it so far, Unmatched for nobody.
	driver int32
	key    uint32
}

// row is what an order could take, at this level.
type row struct {
	penalty int64 // in full units
	edges   []Edge
}

// column is a driver: 32 bytes, so that a step of a search touches one cache line.
type column struct {
	// price is v[j] <= 0, and 0 while the driver is free (but for loose ones).
	price int64
	// dist is the length of the shortest chain to this driver in the search that is going on, far when there is none.
	dist int64
	// order is who has the driver, -1 for none.
	order int32
	// from is, in a forward search, the order before this driver on that chain; in a reverse one the driver to which
	// this one's order moves.
	from int32
	key  uint32
}

// Options changes how a problem is solved; the zero value is a cold start to the end.
type Options struct {
	// Stop is asked now and then; once it says true the rest is matched greedily. With it the result is valid and
	// its gap true, but no longer a function of the problem alone. nil for never.
	Stop func() bool
	// Prices and Assignment are what an earlier Result gave, in this problem's numbering: 0 and Unmatched for drivers
	// and orders that are new. The result is that of a cold start; it is there sooner when little has changed. nil
	// for none.
	Prices     []int64
	Assignment Assignment
}

// Result is an assignment with its proof. Its slices belong to the solver and are overwritten by the next call.
type Result struct {
	Assignment Assignment
	// Cost is the objective: chosen costs, and the penalties of orders without a driver.
	Cost int64
	// Bound: no assignment costs less, by linear programming duality. It equals Cost unless the solver was stopped.
	Bound int64
	// Matched counts the orders with a driver.
	Matched int
	// Prices are the dual prices of the drivers, 0 or below, in units of 1/2^Scale of a cost: what one more such driver
	// would spare the others.
	Prices []int64
	Scale  uint
}

// packedWidth is the widest level whose rows are copied to lie beside each other: of a problem of 50,000 orders they then
// stay within the processor's cache. Wider ones would not, and are read where they are.
const packedWidth = 8

// searchesAStop is how many searches run between two questions to Options.Stop.
const searchesAStop = 256

// Exact finds the assignment of least cost; of several, the one that the tie keys choose. The problem must be valid.
// Time is O(n (E + n log n)) at worst for n orders and E edges, in practice near to linear.
func Exact(p *Problem) Assignment { return new(Solver).Solve(p, Options{}).Assignment }

// Solve solves a problem, which must be valid and is not changed.
func (s *Solver) Solve(p *Problem, o Options) Result {
	s.reset(p, o)
	if o.Prices != nil {
		s.resume(o)
	} else {
		levels, n := s.levels()
		for k := 0; k < n && !s.stopped; k++ {
			s.widen(levels[k])
			s.place()
			s.mend()
		}
	}
	s.prove()
	if s.stopped {
		s.complete()
	} else {
		s.untie()
	}
	return s.result()
}

// levels are the widths of the rows to solve on, ascending, n of them, the last being all: see doc.go. With drivers to
// spare the first candidates do for nearly all, and one level is the quickest.
func (s *Solver) levels() (levels [6]int, n int) {
	widest := 0
	for _, row := range s.p.Rows {
		widest = max(widest, len(row))
	}
	if s.p.Drivers < 2*len(s.p.Rows) {
		for _, width := range [...]int{2, 4, 8, 16, 24} {
			if width < widest {
				levels[n] = width
				n++
			}
		}
	}
	levels[n] = widest
	return levels, n + 1
}

// reset takes up a problem with nobody matched.
func (s *Solver) reset(p *Problem, o Options) {
	s.p, s.stop, s.stopped, s.searches = p, o.Stop, false, searchesAStop
	s.units, s.ties = scale(p)
	s.unit = 1 << s.units
	s.orders = resize(s.orders, len(p.Rows))
	s.rows = resize(s.rows, len(p.Rows))
	s.drivers = resize(s.drivers, p.Drivers)
	s.prices = resize(s.prices, p.Drivers)
	s.waiting, s.next, s.loose = s.waiting[:0], s.next[:0], s.loose[:0]
	s.width, s.columns.width = 0, 0
	for i := range s.orders {
		penalty := p.Penalty[i] << s.units
		s.orders[i] = node{due: penalty, driver: Unmatched, key: orderKey(p, i)}
		s.rows[i].penalty = penalty
	}
	for j := range s.drivers {
		s.drivers[j] = column{order: -1, dist: far, key: driverKey(p, int32(j))}
	}
}

// resume starts from the prices and the assignment of an earlier result: at one level, all edges.
func (s *Solver) resume(o Options) {
	for j := range s.drivers {
		s.drivers[j].price = min(0, o.Prices[j])
	}
	widest := 0
	for i, row := range s.p.Rows {
		widest = max(widest, len(row))
		d := o.Assignment[i]
		if d == Unmatched || s.drivers[d].order >= 0 {
			continue
		}
		for _, e := range row {
			if e.Driver == d {
				if due := s.full(int32(i), e) - s.drivers[d].price; due < s.orders[i].due {
					s.orders[i].driver, s.orders[i].due, s.drivers[d].order = d, due, int32(i)
				}
				break
			}
		}
	}
	for j := range s.drivers {
		if s.drivers[j].order < 0 && s.drivers[j].price < 0 {
			s.loose = append(s.loose, int32(j))
		}
	}
	s.widen(widest)
	s.place()
	s.mend()
}

// widen lets the next edges of each row count, and takes out the orders to whom they offer something better.
func (s *Solver) widen(width int) {
	for j := range s.drivers {
		s.prices[j] = s.drivers[j].price
	}
	pack := width <= packedWidth
	if pack {
		s.packed = resize(s.packed, packedWidth*len(s.rows))[:0]
	}
	for i, row := range s.p.Rows {
		row = row[:min(width, len(row))]
		if pack {
			s.packed = append(s.packed, row...)
			row = s.packed[len(s.packed)-len(row):]
		}
		s.rows[i].edges = row
		o := &s.orders[i]
		if !s.better(o, row[min(s.width, len(row)):]) {
			continue
		}
		if d := o.driver; d != Unmatched {
			o.driver = Unmatched
			s.drivers[d].order = -1
			s.loose = append(s.loose, d)
		}
		s.waiting = append(s.waiting, int32(i))
	}
	s.width = width
}

// better tells whether one of the edges costs an order less than it pays.
func (s *Solver) better(o *node, edges []Edge) bool {
	for k := range edges {
		e := &edges[k]
		c := int64(e.Cost) * s.unit
		if c >= o.due {
			return false // prices are at most 0, and rows ascend
		}
		if c -= s.prices[e.Driver]; c < o.due && c+s.hash(o.key, s.drivers[e.Driver].key) < o.due {
			return true
		}
	}
	return false
}

// place finds each waiting order its place: by auction where that is easy, by search for the rest.
func (s *Solver) place() {
	s.auction()
	for k, order := range s.waiting {
		if s.asked() {
			s.waiting = append(s.waiting[:0], s.waiting[k:]...) // for complete
			return
		}
		s.forward(order)
	}
	s.waiting = s.waiting[:0]
}

// mend brings the price of drivers who have become idle back to 0, or finds them orders.
func (s *Solver) mend() {
	built := false
	for _, d := range s.loose {
		if j := &s.drivers[d]; j.order >= 0 || j.price == 0 || s.asked() {
			continue
		}
		if !built {
			s.columns.widen(s)
			built = true
		}
		s.reverse(d)
	}
	s.loose = s.loose[:0]
}

// asked counts a search and tells whether it is time to stop.
func (s *Solver) asked() bool {
	if s.stop == nil || s.stopped {
		return s.stopped
	}
	if s.searches--; s.searches <= 0 {
		s.searches = searchesAStop
		s.stopped = s.stop()
	}
	return s.stopped
}

// complete matches what is left when the solver was stopped, each order in turn with the nearest who is free.
func (s *Solver) complete() {
	for i, row := range s.p.Rows {
		order := int32(i)
		if s.orders[order].driver != Unmatched {
			continue
		}
		for _, e := range row {
			if int64(e.Cost) >= s.p.Penalty[order] {
				break
			}
			if j := &s.drivers[e.Driver]; j.order < 0 {
				s.orders[order].driver, j.order = e.Driver, order
				break
			}
		}
	}
}

// resize gives a slice of length n, of the old one's memory where that is enough.
func resize[T any](old []T, n int) []T {
	if cap(old) >= n {
		return old[:n]
	}
	return make([]T, n, n+n/8)
}

// bitsFor is how many bits the number n takes.
func bitsFor(n int64) uint { return uint(bits.Len64(uint64(n))) }
