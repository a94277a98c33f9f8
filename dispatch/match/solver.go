package match

import "math/bits"

// Solver finds assignments of least cost; the zero value is ready. It keeps its memory from one problem to the next: a
// problem no larger than those before allocates nothing. Its results belong to it until the next call. Not safe for
// concurrent use.
type Solver struct {
	p *Problem
	// units and ties say how a cost is told with its tie-breaker; see ties.go.
	units, ties uint

	// drivers are the columns, rowKeys the tie keys of the orders.
	drivers []column
	rowKeys []uint32
	// match is the driver of each order so far, paid what that pair costs (with tie-breaker).
	match Assignment
	paid  []int64
	// width is how many edges of each row count at this level: the nearest ones.
	width int

	// waiting are orders to be placed; next takes those of the auction's next pass; loose are drivers who lost their
	// order at this level: they may be idle at a price below 0, which the reverse searches mend.
	waiting, next, loose []int32

	// A search: its number, the columns still to be looked at, those whose distance is final, and the best end found.
	search  int32
	queue   queue
	near    []int32 // those as far as the one being looked at, which is now far
	now     int64
	settled []int32
	best    end

	columns transpose
	exits   exits
	// given and prices are the latest result's.
	given  Assignment
	prices []int64
	// stop is Options.Stop; searches counts down to the next call of it; stopped is what it said.
	stop     func() bool
	searches int
	stopped  bool
}

// column is a driver: 32 bytes, so that a step of a search touches one cache line.
type column struct {
	// price is v[j] <= 0, and 0 while the driver is free (but for loose ones).
	price int64
	// dist is the length of the shortest chain found to this driver in the search seen.
	dist int64
	// order is who has the driver, -1 for none.
	order int32
	// from is, in a forward search, the order before this driver on that chain; in a reverse one the driver to which
	// this one's order moves.
	from int32
	seen int32
	key  uint32
}

// end is where a forward chain may stop: at a free driver, or at an order that is left out.
type end struct {
	total  int64
	driver int32 // Unmatched when the chain ends by leaving order out
	order  int32
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

// searchesAStop is how many searches run between two questions to Options.Stop.
const searchesAStop = 256

// Exact finds the assignment of least cost; of several, the one that the tie keys choose. The problem must be valid.
// Time is O(n (E + n log n)) at worst for n orders and E edges, in practice near to linear.
func Exact(p *Problem) Assignment { return new(Solver).Solve(p, Options{}).Assignment }

// Solve solves a problem, which must be valid and is not changed.
func (s *Solver) Solve(p *Problem, o Options) Result {
	s.reset(p, o)
	s.width = 0
	if o.Prices != nil {
		s.resume(o)
	} else {
		levels, n := s.levels()
		for _, width := range levels[:n] {
			s.widen(width)
			s.place()
			s.mend()
		}
	}
	if s.stopped {
		s.complete()
	} else {
		s.untie()
	}
	return s.result()
}

// levels are the widths of the rows to solve on, ascending, n of them, the last being all: see doc.go. With drivers to
// spare the first candidates do for nearly all, and one level is the quickest.
func (s *Solver) levels() (levels [4]int, n int) {
	widest := 0
	for _, row := range s.p.Rows {
		widest = max(widest, len(row))
	}
	if s.p.Drivers < 2*len(s.p.Rows) {
		for _, width := range [...]int{4, 8, 16} {
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
	n := len(p.Rows)
	s.match = resize(s.match, n)
	s.paid = resize(s.paid, n)
	s.rowKeys = resize(s.rowKeys, n)
	s.drivers = resize(s.drivers, p.Drivers)
	s.waiting, s.next, s.loose = s.waiting[:0], s.next[:0], s.loose[:0]
	for i := range s.match {
		s.match[i] = Unmatched
		s.rowKeys[i] = orderKey(p, i)
	}
	for j := range s.drivers {
		s.drivers[j] = column{order: -1, key: driverKey(p, int32(j))}
	}
	s.search = 0
}

// resume starts from the prices and the assignment of an earlier result: at one level, all edges.
func (s *Solver) resume(o Options) {
	for j := range s.drivers {
		s.drivers[j].price = min(0, o.Prices[j])
	}
	for i, row := range s.p.Rows {
		d := o.Assignment[i]
		if d == Unmatched || s.drivers[d].order >= 0 {
			continue
		}
		for _, e := range row {
			if e.Driver == d {
				if c := s.full(int32(i), e); c-s.drivers[d].price < s.penalty(int32(i)) {
					s.match[i], s.paid[i], s.drivers[d].order = d, c, int32(i)
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
	for _, row := range s.p.Rows {
		s.width = max(s.width, len(row))
	}
	s.recheck()
	s.place()
	s.mend()
}

// widen lets the next edges of each row count, and takes out whom they offer something better.
func (s *Solver) widen(width int) {
	s.width = width
	s.recheck()
}

// recheck queues the orders that do not have their best.
func (s *Solver) recheck() {
	for i := range s.match {
		order := int32(i)
		d := s.match[order]
		now := s.penalty(order)
		if d != Unmatched {
			now = s.paid[order] - s.drivers[d].price
		}
		if !s.better(order, now) {
			continue
		}
		if d != Unmatched {
			s.match[order] = Unmatched
			s.drivers[d].order = -1
			s.loose = append(s.loose, d)
		}
		s.waiting = append(s.waiting, order)
	}
}

// better tells whether an edge costs an order less than now.
func (s *Solver) better(order int32, now int64) bool {
	for _, e := range s.row(order) {
		if int64(e.Cost)<<s.units >= now {
			return false // prices are at most 0, and rows ascend
		}
		if s.full(order, e)-s.drivers[e.Driver].price < now {
			return true
		}
	}
	return false
}

// row gives the edges of an order that count at this level.
func (s *Solver) row(order int32) []Edge {
	row := s.p.Rows[order]
	return row[:min(len(row), s.width)]
}

// penalty is what leaving an order out costs, in full units.
func (s *Solver) penalty(order int32) int64 { return s.p.Penalty[order] << s.units }

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
			s.columns.build(s)
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
		if s.match[order] != Unmatched {
			continue
		}
		for _, e := range row {
			if int64(e.Cost) >= s.p.Penalty[order] {
				break
			}
			if j := &s.drivers[e.Driver]; j.order < 0 {
				s.match[order], s.paid[order], j.order = e.Driver, s.full(order, e), order
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
