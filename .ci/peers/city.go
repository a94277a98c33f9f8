package main

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"

	"github.com/hexfleet/hexfleet/dispatch/match"
)

// The instances' recipe: 30 x 30 km with 20 hot spots; drivers follow demand loosely; of each order the k nearest
// drivers in a straight line at 25 km/h, costs in whole milliseconds. With the shares of main's flags about four orders
// in five find a driver where there are as many drivers as orders.
const (
	side     = 30_000.0 // m
	hotSpots = 20
	spread   = 900.0 // m, of those near a hot spot
	penalty  = 1_000_000_000
)

type point struct{ x, y float64 } // m

// city is where orders and drivers are.
type city struct {
	orders, drivers []point
	seed            uint64
	// cells lists the drivers by squares of width metres, across of them in a line.
	cells  [][]int32
	width  float64
	across int
}

func newCity(s size, o options) *city {
	r := rand.New(rand.NewPCG(o.seed, 7))
	spots := scatter(r, nil, hotSpots, 0)
	c := &city{seed: o.seed, orders: scatter(r, spots, s.orders, o.orders), drivers: scatter(r, spots, s.drivers, o.fleet)}
	c.width = side / math.Sqrt(float64(s.drivers)/3)
	c.across = int(side/c.width) + 1
	c.cells = make([][]int32, c.across*c.across)
	for j, p := range c.drivers {
		x, y := c.cell(p)
		c.cells[y*c.across+x] = append(c.cells[y*c.across+x], int32(j))
	}
	return c
}

// scatter draws n places, a share of them around spots.
func scatter(r *rand.Rand, spots []point, n int, share float64) []point {
	ps := make([]point, n)
	for i := range ps {
		ps[i] = point{side * r.Float64(), side * r.Float64()}
		if r.Float64() >= share {
			continue
		}
		s := spots[r.IntN(len(spots))]
		for ok := false; !ok; {
			p := point{s.x + spread*r.NormFloat64(), s.y + spread*r.NormFloat64()}
			ok = p.x >= 0 && p.y >= 0 && p.x < side && p.y < side
			ps[i] = p
		}
	}
	return ps
}

func (c *city) cell(p point) (x, y int) { return int(p.x / c.width), int(p.y / c.width) }

// row gives the k nearest drivers of an order: squares are looked at ring by ring until the ring beyond is farther away
// than the k-th.
func (c *city) row(o point, k int) []match.Edge {
	var row []match.Edge
	x, y := c.cell(o)
	for ring := 0; ; ring++ {
		for v := max(0, y-ring); v <= min(c.across-1, y+ring); v++ {
			for u := max(0, x-ring); u <= min(c.across-1, x+ring); u++ {
				if max(u-x, x-u, v-y, y-v) != ring {
					continue
				}
				for _, j := range c.cells[v*c.across+u] {
					row = append(row, match.Edge{Driver: j, Cost: cost(math.Hypot(o.x-c.drivers[j].x, o.y-c.drivers[j].y))})
				}
			}
		}
		if len(row) >= k {
			match.SortRow(row)
			if row[k-1].Cost <= cost(float64(ring)*c.width) || ring > c.across {
				return row[:k]
			}
		}
	}
}

// cost is how long a way takes, in milliseconds.
func cost(metres float64) int32 { return int32(metres / 25 * 3600) }

// write leaves the instance of the k nearest in the contract's format.
func (c *city) write(path string, k int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "# orders=%d drivers=%d penalty=%d k=%d seed=%d\norder,driver,cost\n", len(c.orders), len(c.drivers), penalty, k, c.seed)
	for i, o := range c.orders {
		for _, e := range c.row(o, k) {
			fmt.Fprintf(w, "%d,%d,%d\n", i, e.Driver, e.Cost)
		}
	}
	return w.Flush()
}
