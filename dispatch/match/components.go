package match

// components finds the strongly connected components of the drivers and the way out (R. Tarjan, "Depth-first search and
// linear graph algorithms", SIAM J. Comput. 1 (1972) 146-160), without recursion.
type components struct {
	// number is the order in which a node was met, from 1; low the least number it leads back to, 0 once it has a
	// component; at is how far its arrows have been followed.
	number, low, at []int32
	// path are the nodes met and not yet given to a component, calls those being followed.
	path, calls []int32
	count, last int32
	// ways are the nodes to which the way out leads.
	ways []int32
}

// find fills x.group for the drivers of orders that would choose another, and all to which these lead; x.tight must be
// there. A change of the assignment along a component leaves components as they are: what it takes from one driver it
// gives to another of the same; so whoever comes to wish by it has its component too.
func (c *components) find(s *Solver, x *exits) {
	n := len(s.drivers) + 1
	c.number, c.low, c.at = resize(c.number, n), resize(c.low, n), resize(c.at, n)
	clear(c.number)
	clear(c.at)
	c.path, c.calls, c.count, c.last = c.path[:0], c.calls[:0], 0, 0
	for i := range s.orders {
		home := s.orders[i].driver
		tight := x.tight[x.start[i]:x.start[i+1]]
		if len(tight) == 0 || tight[0] == home {
			continue // it has what it would choose
		}
		if home == Unmatched {
			home = int32(len(s.drivers))
		}
		if c.number[home] == 0 {
			c.follow(s, x, home)
		}
	}
}

// out lists where the way out leads.
func (c *components) out(s *Solver, x *exits) {
	c.ways = c.ways[:0]
	for d := range s.drivers {
		if j := &s.drivers[d]; j.order >= 0 && j.price == 0 {
			c.ways = append(c.ways, int32(d))
		}
	}
	for i := range s.orders {
		if s.orders[i].driver == Unmatched {
			c.ways = append(c.ways, x.tight[x.start[i]:x.start[i+1]]...)
		}
	}
}

// follow gives their component to all that a node leads to.
func (c *components) follow(s *Solver, x *exits, root int32) {
	c.enter(root)
	for len(c.calls) > 0 {
		v := c.calls[len(c.calls)-1]
		w, more := c.arrow(s, x, v)
		switch {
		case more && c.number[w] == 0:
			c.enter(w)
		case more:
			if c.low[w] > 0 { // on the path
				c.low[v] = min(c.low[v], c.number[w])
			}
		default:
			c.calls = c.calls[:len(c.calls)-1]
			if len(c.calls) > 0 {
				up := c.calls[len(c.calls)-1]
				c.low[up] = min(c.low[up], c.low[v])
			}
			if c.low[v] == c.number[v] {
				c.close(x, v)
			}
		}
	}
}

func (c *components) enter(v int32) {
	c.count++
	c.number[v], c.low[v] = c.count, c.count
	c.path = append(c.path, v)
	c.calls = append(c.calls, v)
}

// close takes a component off the path.
func (c *components) close(x *exits, v int32) {
	c.last++
	for {
		w := c.path[len(c.path)-1]
		c.path = c.path[:len(c.path)-1]
		c.low[w] = 0
		x.group[w] = c.last
		if w == v {
			return
		}
	}
}

// arrow gives a node's next arrow.
func (c *components) arrow(s *Solver, x *exits, v int32) (w int32, ok bool) {
	out := int32(len(s.drivers))
	k := c.at[v]
	c.at[v]++
	if v == out {
		if k == 0 {
			c.out(s, x)
		}
		if int(k) < len(c.ways) {
			return c.ways[k], true
		}
		return 0, false
	}
	holder := s.drivers[v].order
	if holder < 0 {
		return out, k == 0
	}
	tight := x.tight[x.start[holder]:x.start[holder+1]]
	if int(k) < len(tight) {
		return tight[k], true
	}
	return out, int(k) == len(tight) && s.orders[holder].due == s.rows[holder].penalty
}
