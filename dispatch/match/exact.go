package match

// Exact finds an assignment of least cost. Which one, where several are best, depends on the problem alone.
// The problem must be valid. Time is O(n (E + n log n)) at worst for n orders and E edges, in practice near
// to linear.
func Exact(p *Problem) Assignment {
	s := newSolver(p)
	for i := range p.Rows {
		s.add(int32(i))
	}
	return s.match
}

// solver is one run of Exact, and owned by it.
type solver struct {
	p *Problem
	// match is the driver of each order so far, and costs what that pair costs.
	match Assignment
	costs []int32
	// drivers are the columns.
	drivers []column
	// search numbers the searches from 1; a column whose seen is another is untouched by this one.
	search int32
	queue  queue
	// settled are the columns whose distance is final in this search.
	settled []int32
}

// column is a driver: 32 bytes, so that a step of the search touches one cache line.
type column struct {
	// price is v[j] <= 0, and 0 while the driver is free.
	price int64
	// dist is the length of the shortest chain found to this driver in the search seen.
	dist int64
	// order is who has the driver, -1 for none.
	order int32
	// from is the order before this driver on that chain, cost what that edge costs.
	from, cost int32
	seen       int32
}

func newSolver(p *Problem) *solver {
	s := &solver{
		p:       p,
		match:   make(Assignment, len(p.Rows)),
		costs:   make([]int32, len(p.Rows)),
		drivers: make([]column, p.Drivers),
	}
	for i := range s.match {
		s.match[i] = Unmatched
	}
	for j := range s.drivers {
		s.drivers[j].order = -1
	}
	return s
}

// end is where a chain may stop: at a free driver, or at an order that is left out.
type end struct {
	total  int64
	driver int32 // Unmatched when the chain ends by leaving order out
	order  int32
}

// add lets one more order in: it finds the cheapest chain of displacements that starts with it, adapts the
// prices and carries the chain out.
func (s *solver) add(order int32) {
	s.search++
	s.queue = s.queue[:0]
	s.settled = s.settled[:0]
	best := end{total: s.p.Penalty[order], driver: Unmatched, order: order}
	s.scan(order, 0, best.total)
	for len(s.queue) > 0 {
		at := s.queue.pop()
		j := &s.drivers[at.driver]
		if at.dist >= best.total {
			break
		}
		if at.dist > j.dist {
			continue // reached more cheaply since it was queued
		}
		if j.order < 0 {
			best = end{total: at.dist, driver: at.driver}
			break
		}
		s.settled = append(s.settled, at.driver)
		// The holder would leave j and pay elsewhere: what it pays now is taken off.
		base := at.dist - (int64(s.costs[j.order]) - j.price)
		if out := base + s.p.Penalty[j.order]; out < best.total {
			best = end{total: out, driver: Unmatched, order: j.order}
		}
		s.scan(j.order, base, best.total)
	}
	for _, d := range s.settled {
		j := &s.drivers[d]
		j.price += j.dist - best.total // settled before the end was reached: never above it
	}
	s.carryOut(order, best)
}

// scan tries the edges of an order that has come up in the search after paying base. It stops where no
// further edge can lead to an end below limit, prices being at most 0, or costs less than the order's own
// penalty.
func (s *solver) scan(order int32, base, limit int64) {
	limit = min(limit-base, s.p.Penalty[order])
	for _, e := range s.p.Rows[order] {
		if int64(e.Cost) >= limit {
			return
		}
		j := &s.drivers[e.Driver]
		dist := base + int64(e.Cost) - j.price
		if j.seen == s.search && j.dist <= dist {
			continue
		}
		j.seen, j.dist, j.from, j.cost = s.search, dist, order, e.Cost
		s.queue.push(entry{dist: dist, driver: e.Driver})
	}
}

// carryOut displaces from the end of the chain back to its start.
func (s *solver) carryOut(start int32, best end) {
	driver := best.driver
	if driver == Unmatched {
		driver = s.match[best.order]
		s.match[best.order] = Unmatched
		if best.order == start {
			return
		}
	}
	for {
		j := &s.drivers[driver]
		order := j.from
		next := s.match[order]
		s.match[order], s.costs[order], j.order = driver, j.cost, order
		if order == start {
			return
		}
		driver = next
	}
}

// entry is a driver to be looked at.
type entry struct {
	dist   int64
	driver int32
}

func (a entry) before(b entry) bool {
	return a.dist < b.dist || a.dist == b.dist && a.driver < b.driver
}

// queue is a binary heap, least (dist, driver) first; a driver may stand in it several times.
type queue []entry

func (q *queue) push(e entry) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*q = h
}

func (q *queue) pop() entry {
	h := *q
	top, e := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(e) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = e
	}
	*q = h
	return top
}
