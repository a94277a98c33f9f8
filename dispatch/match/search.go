package match

import "math"

// far is the distance of what has not been reached.
const far = math.MaxInt64

// search is the memory of one.
type search struct {
	// queue and near are the drivers still to be looked at, near those as far as the one being looked at: now.
	queue queue
	near  []int32
	now   int64
	// reached are all drivers with a distance, settled those whose distance is final.
	reached, settled []int32
	// best is the nearest end found.
	best end
}

// end is where a chain may stop. Forward: at a free driver, or at an order that is left out. In reverse: at a driver who
// is left idle, or at an order that comes in, to the driver.
type end struct {
	total  int64
	driver int32 // Unmatched where order is left out
	order  int32 // in reverse Unmatched where driver is left idle
}

func (q *search) begin(best end) {
	q.queue.reset()
	q.near, q.now = q.near[:0], 0
	q.reached, q.settled = q.reached[:0], q.settled[:0]
	q.best = best
}

// forward places one order: it finds the cheapest chain of displacements that starts with it, by Dijkstra's algorithm
// over the reduced costs, carries the chain out and adapts the prices.
func (s *Solver) forward(order int32) {
	q := &s.search
	q.begin(end{total: s.rows[order].penalty, driver: Unmatched, order: order})
	s.scan(order, 0)
	for {
		driver := s.closest()
		if driver == Unmatched {
			break
		}
		j := &s.drivers[driver]
		q.settled = append(q.settled, driver)
		// The holder would leave j and pay elsewhere: what it pays now is taken off.
		s.scan(j.order, j.dist-s.orders[j.order].due)
	}
	s.orders[order].due = q.best.total
	for _, d := range q.settled {
		j := &s.drivers[d]
		more := q.best.total - j.dist // settled before the end was reached: never below 0
		j.price -= more
		s.orders[j.order].due += more
	}
	s.carryOut(order)
	s.forget()
}

// forget takes the distances away.
func (s *Solver) forget() {
	for _, d := range s.search.reached {
		s.drivers[d].dist = far
	}
}

// closest gives the driver to be settled next, Unmatched when none is closer than the best end.
func (s *Solver) closest() int32 {
	q := &s.search
	for {
		for n := len(q.near) - 1; n >= 0; n-- {
			if d := q.near[n]; s.drivers[d].dist == q.now { // else reached more cheaply since it was queued
				q.near = q.near[:n]
				return d
			}
		}
		at, near, ok := q.queue.pop(q.best.total, q.near[:0])
		if !ok {
			return Unmatched
		}
		q.now, q.near = at, near
	}
}

// reach notes a shorter way to a driver. Those as far as the one being looked at need not be queued: edges
// that are tight since an earlier search lead to many of them.
func (q *search) reach(j *column, driver int32, dist int64) {
	if j.dist == far {
		q.reached = append(q.reached, driver)
	}
	j.dist = dist
	if dist == q.now {
		q.near = append(q.near, driver)
	} else {
		q.queue.push(entry{dist: dist, driver: driver})
	}
}

// scan tries the edges of an order that has come up in the search after paying base. It stops where no further edge
// can lead to an end below the best, prices being at most 0.
func (s *Solver) scan(order int32, base int64) {
	q := &s.search
	row, key := &s.rows[order], s.orders[order].key
	if out := base + row.penalty; out < q.best.total {
		q.best = end{total: out, driver: Unmatched, order: order}
	}
	total := q.best.total
	for k := range row.edges {
		e := &row.edges[k]
		dist := base + int64(e.Cost)*s.unit
		if dist >= total {
			break
		}
		j := &s.drivers[e.Driver]
		if dist -= j.price; dist >= total || dist >= j.dist {
			continue
		}
		if dist += s.hash(key, j.key); dist >= total || dist >= j.dist {
			continue
		}
		j.from = order
		if j.order < 0 {
			total = dist
			q.best = end{total: dist, driver: e.Driver}
			if j.dist == far {
				q.reached = append(q.reached, e.Driver)
			}
			j.dist = dist
			continue
		}
		q.reach(j, e.Driver, dist)
	}
}

// carryOut displaces from the end of the chain back to its start.
func (s *Solver) carryOut(start int32) {
	best := &s.search.best
	driver := best.driver
	if driver == Unmatched {
		driver = s.orders[best.order].driver
		s.orders[best.order].driver = Unmatched
		if best.order == start {
			return
		}
	}
	for {
		j := &s.drivers[driver]
		order := j.from
		o := &s.orders[order]
		next := o.driver
		o.driver, j.order = driver, order
		if order == start {
			return
		}
		driver = next
	}
}
