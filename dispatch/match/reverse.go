package match

// reverse raises the price of an idle driver to 0, or finds it an order: the search of forward turned around, from
// driver to driver along the orders that would rather have the one reached. It ends where a driver may be left idle, or
// at an order that has none.
func (s *Solver) reverse(start int32) {
	q := &s.search
	j := &s.drivers[start]
	q.begin(end{total: -j.price, driver: start, order: Unmatched})
	j.dist, j.from = 0, Unmatched
	q.reached = append(q.reached, start)
	q.near = append(q.near, start)
	for {
		driver := s.closest()
		if driver == Unmatched {
			break
		}
		q.settled = append(q.settled, driver)
		s.pull(driver)
	}
	for _, d := range q.settled {
		j := &s.drivers[d]
		more := q.best.total - j.dist
		j.price += more
		if j.order >= 0 {
			s.orders[j.order].due -= more
		}
	}
	s.carryBack()
	s.forget()
}

// pull tries the orders that could come to a driver. Where one leaves a driver behind who may then stay idle, the
// search has an end.
func (s *Solver) pull(driver int32) {
	q := &s.search
	j := &s.drivers[driver]
	base, key := j.dist-j.price, j.key
	edges := s.columns.of(driver)
	for n := range edges {
		e := &edges[n]
		o := &s.orders[e.Driver] // in the transpose an edge names its order
		dist := base + int64(e.Cost)*s.unit - o.due
		if dist >= q.best.total {
			continue
		}
		if o.driver == Unmatched {
			if dist += s.hash(o.key, key); dist < q.best.total {
				q.best = end{total: dist, driver: driver, order: e.Driver}
			}
			continue
		}
		k := &s.drivers[o.driver]
		if dist >= k.dist || o.driver == driver {
			continue
		}
		if dist += s.hash(o.key, key); dist >= k.dist || dist >= q.best.total {
			continue
		}
		k.from = driver
		q.reach(k, o.driver, dist)
		if total := dist - k.price; total < q.best.total {
			q.best = end{total: total, driver: o.driver, order: Unmatched}
		}
	}
}

// carryBack moves the orders of a reverse chain from its end to its start.
func (s *Solver) carryBack() {
	order, at := s.search.best.order, s.search.best.driver // order comes to at
	if order == Unmatched {
		j := &s.drivers[at]
		if j.from == Unmatched {
			return // the start itself stays idle
		}
		order, at = j.order, j.from
		j.order = -1
	}
	for at != Unmatched {
		j := &s.drivers[at]
		next := j.order
		s.orders[order].driver, j.order = at, order
		order, at = next, j.from
	}
}

// transpose lists the edges of each driver, as they count at a level: edges[start[j]:end[j]], with room up to start[j+1]
// for those of the levels to come.
type transpose struct {
	start, end []int32
	edges      []Edge // Driver stands for the order
	// width is the level up to which it is filled, 0 before there is any room.
	width int
}

func (t *transpose) of(driver int32) []Edge { return t.edges[t.start[driver]:t.end[driver]] }

// widen lists the edges up to the present level.
func (t *transpose) widen(s *Solver) {
	if t.width == 0 {
		t.reserve(s.p)
	}
	for i, row := range s.p.Rows {
		for _, e := range row[min(t.width, len(row)):min(s.width, len(row))] {
			t.edges[t.end[e.Driver]] = Edge{Driver: int32(i), Cost: e.Cost}
			t.end[e.Driver]++
		}
	}
	t.width = s.width
}

// reserve makes room for all edges.
func (t *transpose) reserve(p *Problem) {
	t.start = resize(t.start, p.Drivers+1)
	clear(t.start)
	for _, row := range p.Rows {
		for _, e := range row {
			t.start[e.Driver+1]++
		}
	}
	for d := range p.Drivers {
		t.start[d+1] += t.start[d]
	}
	t.end = resize(t.end, p.Drivers)
	copy(t.end, t.start)
	t.edges = resize(t.edges, int(t.start[p.Drivers]))
}
