package match

// forward places one order: it finds the cheapest chain of displacements that starts with it, by Dijkstra's algorithm
// over the reduced costs, carries the chain out and adapts the prices.
func (s *Solver) forward(order int32) {
	s.search++
	s.queue = s.queue[:0]
	s.settled = s.settled[:0]
	s.best = end{total: s.penalty(order), driver: Unmatched, order: order}
	s.near = s.near[:0]
	s.now = 0
	s.scan(order, 0)
	for {
		driver := s.closest()
		if driver == Unmatched {
			break
		}
		j := &s.drivers[driver]
		s.settled = append(s.settled, driver)
		// The holder would leave j and pay elsewhere: what it pays now is taken off.
		base := j.dist - s.paid[j.order] + j.price
		if out := base + s.penalty(j.order); out < s.best.total {
			s.best = end{total: out, driver: Unmatched, order: j.order}
		}
		s.scan(j.order, base)
	}
	s.carryOut(order)
	for _, d := range s.settled {
		j := &s.drivers[d]
		j.price += j.dist - s.best.total // settled before the end was reached: never above it
	}
}

// closest gives the driver to be settled next, Unmatched when none is closer than the best end.
func (s *Solver) closest() int32 {
	if n := len(s.near); n > 0 {
		d := s.near[n-1]
		s.near = s.near[:n-1]
		return d
	}
	for len(s.queue) > 0 {
		at := s.queue.pop()
		if at.dist >= s.best.total {
			break
		}
		if at.dist == s.drivers[at.driver].dist { // else reached more cheaply since it was queued
			s.now = at.dist
			return at.driver
		}
	}
	return Unmatched
}

// reach queues a driver. Those as far as the one being looked at need not go through the heap: edges that are tight
// since an earlier search lead to many of them.
func (s *Solver) reach(driver int32, dist int64) {
	if dist == s.now {
		s.near = append(s.near, driver)
	} else {
		s.queue.push(entry{dist: dist, driver: driver})
	}
}

// scan tries the edges of an order that has come up in the search after paying base. It stops where no further edge
// can lead to an end below the best, prices being at most 0, or costs less than the order's own penalty.
func (s *Solver) scan(order int32, base int64) {
	limit := min(s.best.total-base, s.penalty(order))
	row, key := s.row(order), s.rowKeys[order]
	for k := range row {
		c := int64(row[k].Cost) << s.units
		if c >= limit {
			return
		}
		j := &s.drivers[row[k].Driver]
		dist := base + c + s.hash(key, j.key) - j.price
		if dist >= s.best.total || j.seen == s.search && j.dist <= dist {
			continue
		}
		j.seen, j.dist, j.from = s.search, dist, order
		if j.order < 0 {
			s.best = end{total: dist, driver: row[k].Driver}
			limit = min(limit, dist-base)
			continue
		}
		s.reach(row[k].Driver, dist)
	}
}

// carryOut displaces from the end of the chain back to its start, at the prices of the search.
func (s *Solver) carryOut(start int32) {
	driver := s.best.driver
	if driver == Unmatched {
		driver = s.match[s.best.order]
		s.match[s.best.order] = Unmatched
		if s.best.order == start {
			return
		}
	}
	for {
		j := &s.drivers[driver]
		order := j.from
		next := s.match[order]
		cost := j.dist + j.price
		if order != start {
			held := &s.drivers[next]
			cost -= held.dist - s.paid[order] + held.price
		}
		s.match[order], s.paid[order], j.order = driver, cost, order
		if order == start {
			return
		}
		driver = next
	}
}

// reverse raises the price of an idle driver to 0, or finds it an order: the search of forward turned around, from
// driver to driver along the orders that would rather have the one reached. It ends where a driver may be left idle, or
// at an order that has none.
func (s *Solver) reverse(start int32) {
	s.search++
	s.queue = s.queue[:0]
	s.settled = s.settled[:0]
	j := &s.drivers[start]
	j.seen, j.dist, j.from = s.search, 0, Unmatched
	s.best = end{total: -j.price, driver: start, order: Unmatched}
	s.now = 0
	s.near = append(s.near[:0], start)
	for {
		driver := s.closest()
		if driver == Unmatched {
			break
		}
		j := &s.drivers[driver]
		s.settled = append(s.settled, driver)
		if total := j.dist - j.price; total < s.best.total {
			s.best = end{total: total, driver: driver, order: Unmatched}
		}
		s.pull(driver)
	}
	s.carryBack()
	for _, d := range s.settled {
		j := &s.drivers[d]
		j.price += s.best.total - j.dist
		if j.order >= 0 {
			s.columns.due[j.order] = s.least(j.order)
		}
	}
}

// pull tries the orders that could come to a driver.
func (s *Solver) pull(driver int32) {
	j := &s.drivers[driver]
	base, key := j.dist-j.price, j.key
	due := s.columns.due
	for _, e := range s.columns.of(driver) {
		order := e.Driver // in the transpose an edge names its order
		dist := base + int64(e.Cost)<<s.units - due[order]
		if dist >= s.best.total {
			continue
		}
		if dist += s.hash(s.rowKeys[order], key); dist >= s.best.total {
			continue
		}
		d := s.match[order]
		switch {
		case d == driver:
		case d == Unmatched:
			s.best = end{total: dist, driver: driver, order: order}
		default:
			if k := &s.drivers[d]; k.seen != s.search || dist < k.dist {
				k.seen, k.dist, k.from = s.search, dist, driver
				s.reach(d, dist)
			}
		}
	}
}

// carryBack moves the orders of a reverse chain from its end to its start, at the prices of the search.
func (s *Solver) carryBack() {
	order, at := s.best.order, s.best.driver // order comes to at
	if order == Unmatched {
		order, at = s.drivers[at].order, s.drivers[at].from
		if at == Unmatched {
			return // the start itself stays idle
		}
		s.drivers[s.match[order]].order = -1
	} else {
		s.paid[order] = s.best.total - s.drivers[at].dist + s.drivers[at].price + s.penalty(order)
		next := s.drivers[at].order
		s.match[order], s.drivers[at].order = at, order
		order, at = next, s.drivers[at].from
	}
	for at != Unmatched {
		j, left := &s.drivers[at], &s.drivers[s.match[order]]
		s.paid[order] += left.dist - j.dist + j.price - left.price
		next := j.order
		s.match[order], j.order = at, order
		order, at = next, j.from
	}
}

// transpose lists the edges of each driver, as they count at a level.
type transpose struct {
	start []int32
	edges []Edge // Driver stands for the order
	// due is what each order pays: least, kept for the searches that ask for it edge by edge.
	due []int64
}

func (t *transpose) of(driver int32) []Edge { return t.edges[t.start[driver]:t.start[driver+1]] }

func (t *transpose) build(s *Solver) {
	t.start = resize(t.start, len(s.drivers)+1)
	clear(t.start)
	for i := range s.match {
		for _, e := range s.row(int32(i)) {
			t.start[e.Driver+1]++
		}
	}
	for d := range s.drivers {
		t.start[d+1] += t.start[d]
	}
	t.edges = resize(t.edges, int(t.start[len(s.drivers)]))
	for i := range s.match {
		for _, e := range s.row(int32(i)) {
			t.edges[t.start[e.Driver]] = Edge{Driver: int32(i), Cost: e.Cost}
			t.start[e.Driver]++
		}
	}
	// Each start has moved on to the next one's.
	copy(t.start[1:], t.start[:len(s.drivers)])
	t.start[0] = 0
	t.due = resize(t.due, len(s.match))
	for i := range t.due {
		t.due[i] = s.least(int32(i))
	}
}

// entry is a driver to be looked at.
type entry struct {
	dist   int64
	driver int32
}

// queue is a heap of four children a node, least distance first; a driver may stand in it several times.
type queue []entry

func (q *queue) push(e entry) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if h[up].dist <= e.dist {
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
	n := len(h) - 1
	top, e := h[0], h[n]
	h = h[:n]
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if h[c].dist < h[least].dist {
				least = c
			}
		}
		if h[least].dist >= e.dist {
			break
		}
		h[i] = h[least]
		i = least
	}
	if n > 0 {
		h[i] = e
	}
	*q = h
	return top
}
