package match

// Which assignments are optimal? By complementary slackness those, and only those, that use edges that are tight at
// the final prices, leave idle only drivers of price 0, and leave out only orders that pay their penalty: whatever
// prices the search came to. Two of them differ by exchanges along such edges: a driver is left by its holder, who
// takes another driver, whose holder ... until the circle closes, perhaps over the way out: an order that takes a free
// driver or is left out, and one that leaves a driver of price 0 idle or comes in from being left out. Draw an arrow
// from each driver to those that its holder could as well have, and to and from the way out: there is an exchange just
// where there is a circle, that is, within a strongly connected component. Mostly there is none.

// exits is the memory of untie.
type exits struct {
	// tight lists, for each order from start[i] to start[i+1], the drivers it could as well have.
	start, tight []int32
	// wishes: there is an order that would choose another driver than the one it has.
	wishes bool
	// group numbers the columns, and last of all the way out, by strongly connected component (components.go).
	group []int32
	components
	// seen and via are of one walk: seen numbers the columns that it has met, via[j] is the order from which it came.
	seen, via []int32
	walk      int32
	wanted    int32
	stack     []int32
}

// untie makes the assignment the first of all optimal ones in the lexicographic order of: the driver of order 0 (by
// place in its row, none being last), that of order 1, and so on.
func (s *Solver) untie() {
	x := &s.exits
	if !x.wishes {
		return
	}
	out := int32(len(s.drivers))
	x.group = resize(x.group, len(s.drivers)+1)
	x.components.find(s, x)
	x.seen, x.via = resize(x.seen, len(s.drivers)), resize(x.via, len(s.drivers))
	clear(x.seen)
	x.walk = 0
	for i := range s.orders {
		order, home := int32(i), out
		if s.orders[i].driver != Unmatched {
			home = s.orders[i].driver
		}
		for _, d := range x.tight[x.start[i]:x.start[i+1]] {
			if d == s.orders[order].driver {
				break // the present one; those before it are not to be had
			}
			if x.group[d] == x.group[home] && s.exchange(x, order, d) {
				break
			}
		}
	}
}

// What a column's via may say besides an order: that the column itself was left idle at price 0 and its holder let go.
const leftIdle = -2

// exchange tries to give an order a driver that is tight for it, the orders before keeping theirs: whoever has the
// driver takes another tight one, and so on, until one takes the driver given up. On the way there may be one jump:
// from an order that takes a free driver, or is left out where that costs it the same, to one that comes in from being
// left out, or leaves a driver of price 0 idle.
func (s *Solver) exchange(x *exits, order, wanted int32) bool {
	x.walk++
	x.wanted = wanted
	given := s.orders[order].driver
	mayIdle := given == Unmatched || s.drivers[given].price == 0
	x.stack = x.stack[:0]
	x.visit(wanted, order)
	jump := end{driver: Unmatched, order: Unmatched} // whence the jump, once there was one
	for len(x.stack) > 0 {
		d := x.stack[len(x.stack)-1]
		x.stack = x.stack[:len(x.stack)-1]
		holder := s.drivers[d].order
		switch {
		case d == given:
			s.unlink(given)
			if s.shift(x, order, given) {
				return true
			}
			s.leave(jump)
			return s.shift(x, order, jump.driver)
		case holder >= 0 && holder < order:
			continue
		case jump.driver == Unmatched && (holder < 0 || s.orders[holder].due == s.rows[holder].penalty):
			jump = end{driver: d, order: holder}
			if mayIdle {
				s.unlink(given)
				s.leave(jump)
				return s.shift(x, order, d)
			}
			s.land(x, order)
		}
		if holder >= 0 {
			x.reach(holder)
		}
	}
	return false
}

func (x *exits) visit(d, via int32) {
	if x.seen[d] != x.walk && x.group[d] == x.group[x.wanted] {
		x.seen[d], x.via[d] = x.walk, via
		x.stack = append(x.stack, d)
	}
}

// reach visits what an order could take.
func (x *exits) reach(order int32) {
	for _, d := range x.tight[x.start[order]:x.start[order+1]] {
		x.visit(d, order)
	}
}

// land visits all that a jump leads to.
func (s *Solver) land(x *exits, order int32) {
	for k := order + 1; int(k) < len(s.orders); k++ {
		switch d := s.orders[k].driver; {
		case d == Unmatched:
			x.reach(k)
		case s.drivers[d].price == 0:
			x.visit(d, leftIdle)
		}
	}
}

func (s *Solver) unlink(d int32) {
	if d != Unmatched {
		s.drivers[d].order = -1
	}
}

// leave lets the order at the end of a chain, if there is one, be left out.
func (s *Solver) leave(e end) {
	if e.order >= 0 {
		s.orders[e.order].driver = Unmatched
	}
}

// shift carries a chain out, from the driver at its end backwards; it tells whether it came to the order that began
// the exchange, and not to a jump.
func (s *Solver) shift(x *exits, order, at int32) bool {
	for {
		taker := x.via[at]
		if taker == leftIdle {
			s.drivers[at].order = -1
			return false
		}
		left := s.orders[taker].driver
		s.orders[taker].driver, s.drivers[at].order = at, taker
		if taker == order {
			return true
		}
		if left == Unmatched {
			return false
		}
		at = left
	}
}
