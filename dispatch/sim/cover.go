package sim

import "github.com/hexfleet/hexfleet/dispatch/match"

// cover finds how many orders can have a predecessor each, no predecessor twice, over all pairs that are in time: a
// maximum matching in phases, each of a layering and of paths along it (J. E. Hopcroft and R. M. Karp, An n^5/2 algorithm
// for maximum matchings in bipartite graphs, SIAM J. Comput. 2, 1973). No list of the pairs is made: the thicket is asked
// for a predecessor that was not yet stepped on, so that a phase asks about as often as there are orders and predecessors.
// A phase without a path proves the matching greatest (C. Berge, Two theorems in graph theory, 1957). Owned by the
// goroutine that uses it.
type cover struct {
	f *foresight
	// has is each order's predecessor, of who has each predecessor; match.Unmatched for none.
	has, of []int32
	// left are the predecessors without a layer; layers those of each that no path of this phase has stepped on.
	left   *subset
	layers []*subset
	// now and next are the orders of a layer and of the one after.
	now, next []int32
}

func newCover(f *foresight) *cover {
	return &cover{f: f, left: newSubset(f.thicket), has: make([]int32, len(f.Trips)), of: make([]int32, len(f.thicket.all))}
}

// most starts from a choice, makes it the greatest and counts it. The first predecessors, which are barred, do not count.
func (c *cover) most(chosen match.Assignment, barred int) int {
	for i := range c.of {
		c.of[i] = match.Unmatched
	}
	n := 0
	for order, i := range chosen {
		c.has[order] = match.Unmatched
		if int(i) >= barred {
			c.has[order], c.of[i] = i, int32(order)
			n++
		}
	}
	for {
		depth := c.layer(barred)
		if depth == 0 {
			return n
		}
		for order := range c.has {
			if c.f.stopped() {
				return n
			}
			if c.has[order] == match.Unmatched && c.path(int32(order), c.layers[:depth]) {
				n++
			}
		}
	}
}

// layer puts predecessors into layers, by how many steps they are away from an order without one, up to the first that
// has a free one, and gives their number; 0 when no free one can be reached.
func (c *cover) layer(barred int) (depth int) {
	c.left.empty()
	for i := barred; i < len(c.of); i++ {
		c.left.put(int32(i))
	}
	c.now = c.now[:0]
	for order, i := range c.has {
		if i == match.Unmatched {
			c.now = append(c.now, int32(order))
		}
	}
	for free := false; !free; depth++ {
		if len(c.now) == 0 {
			return 0
		}
		if depth == len(c.layers) {
			c.layers = append(c.layers, newSubset(c.f.thicket))
		}
		in := c.layers[depth]
		in.empty()
		c.next = c.next[:0]
		for _, order := range c.now {
			if c.f.stopped() {
				return 0
			}
			c.step(order, c.left, func(i int32) bool {
				c.left.take(i)
				in.put(i)
				if c.of[i] == match.Unmatched {
					free = true
				} else {
					c.next = append(c.next, c.of[i])
				}
				return true
			})
		}
		c.now, c.next = c.next, c.now
	}
	return depth
}

// path looks for a free predecessor down the layers, and gives each order on the way the one it stepped on.
func (c *cover) path(order int32, layers []*subset) bool {
	if len(layers) == 0 {
		return false
	}
	for {
		i := match.Unmatched
		c.step(order, layers[0], func(found int32) bool {
			i = found
			return false
		})
		if i == match.Unmatched {
			return false
		}
		layers[0].take(i)
		if c.of[i] == match.Unmatched || c.path(c.of[i], layers[1:]) {
			c.has[order], c.of[i] = i, order
			return true
		}
	}
}

// step looks at an order's predecessors among some.
func (c *cover) step(order int32, among *subset, look func(i int32) bool) {
	h := c.f.hunt(int(order))
	h.among = among
	h.look = func(i int32, _ float64) bool {
		if _, ok := c.f.edge(int(order), i); !ok {
			return true
		}
		return look(i)
	}
	h.run()
}
