package sim

import "github.com/hexfleet/hexfleet/dispatch/match"

// cover finds how many orders can have a driver each, no driver twice, whatever that costs: a maximum matching by passes
// of augmenting paths (A. Pothen and C.-J. Fan, Computing the block triangular form of a sparse matrix, ACM TOMS 16,
// 1990). A pass steps on each driver at most once. One that finds no path proves the matching greatest (C. Berge, Two
// theorems in graph theory, 1957). Owned by who made it.
type cover struct {
	rows [][]match.Edge
	// barred is how many of the first drivers do not count.
	barred int32
	// has is each order's driver, of each driver's order; match.Unmatched for none.
	has, of []int32
	// from is the order from which a path came to a driver, in the pass that stepped tells.
	from, stepped []int32
	pass          int32
	queue         []int32
}

// newCover starts from an assignment.
func newCover(p *match.Problem, start match.Assignment, barred int) *cover {
	c := &cover{
		rows: p.Rows, barred: int32(barred), has: make([]int32, len(p.Rows)), of: make([]int32, p.Drivers),
		from: make([]int32, p.Drivers), stepped: make([]int32, p.Drivers),
	}
	for i := range c.of {
		c.of[i] = match.Unmatched
	}
	for order, i := range start {
		c.has[order] = match.Unmatched
		if i >= c.barred {
			c.has[order], c.of[i] = i, int32(order)
		}
	}
	return c
}

// most makes the matching greatest and counts it.
func (c *cover) most() int {
	for found := true; found; {
		found = false
		c.pass++
		for order := range c.has {
			if c.has[order] == match.Unmatched && c.augment(int32(order)) {
				found = true
			}
		}
	}
	n := 0
	for _, i := range c.has {
		if i != match.Unmatched {
			n++
		}
	}
	return n
}

// augment looks for a path from an order to a free driver, breadth first, and carries it out.
func (c *cover) augment(order int32) bool {
	c.queue = append(c.queue[:0], order)
	for at := 0; at < len(c.queue); at++ {
		from := c.queue[at]
		for _, e := range c.rows[from] {
			i := e.Driver
			if i < c.barred || c.stepped[i] == c.pass {
				continue
			}
			c.stepped[i], c.from[i] = c.pass, from
			if c.of[i] == match.Unmatched {
				c.carryOut(i)
				return true
			}
			c.queue = append(c.queue, c.of[i])
		}
	}
	return false
}

// carryOut gives each order of the path that ends at a driver the next one on it.
func (c *cover) carryOut(i int32) {
	for i != match.Unmatched {
		order := c.from[i]
		before := c.has[order]
		c.has[order], c.of[i] = i, order
		i = before
	}
}
