package match

import (
	"math"
	"math/rand/v2"
	"slices"
)

// point is a place in metres.
type point struct{ x, y float64 }

// spread draws n places in 30 x 30 km, a share of them around hot spots.
func spread(r *rand.Rand, spots []point, n int, share float64) []point {
	ps := make([]point, n)
	for i := range ps {
		if r.Float64() < share {
			s := spots[r.IntN(len(spots))]
			ps[i] = point{s.x + 900*r.NormFloat64(), s.y + 900*r.NormFloat64()}
		} else {
			ps[i] = point{30_000 * r.Float64(), 30_000 * r.Float64()}
		}
	}
	return ps
}

// metropolis is an instance of any size: orders and drivers around 20 hot spots in 30 x 30 km, drivers following
// demand loosely, the k nearest drivers of each order in a straight line at 25 km/h, in milliseconds.
func metropolis(orders, drivers, k int, penalty int64, seed uint64) *Problem {
	r := rand.New(rand.NewPCG(21, seed))
	spots := make([]point, 20)
	for i := range spots {
		spots[i] = point{30_000 * r.Float64(), 30_000 * r.Float64()}
	}
	from, cars := spread(r, spots, orders, 0.8), spread(r, spots, drivers, 0.5)
	near := newGrid(cars)
	p := &Problem{Drivers: drivers}
	for _, o := range from {
		p.Rows = append(p.Rows, near.nearest(o, k))
		p.Penalty = append(p.Penalty, penalty)
	}
	return p
}

// grid files places by squares, to find the nearest ones.
type grid struct {
	ps    []point
	side  float64
	cells map[[2]int][]int32
}

func newGrid(ps []point) *grid {
	g := &grid{ps: ps, side: 30_000 / math.Sqrt(float64(len(ps))/4), cells: map[[2]int][]int32{}}
	for i, p := range ps {
		g.cells[g.cell(p)] = append(g.cells[g.cell(p)], int32(i))
	}
	return g
}

func (g *grid) cell(p point) [2]int {
	return [2]int{int(math.Floor(p.x / g.side)), int(math.Floor(p.y / g.side))}
}

// nearest gives the row of a place: squares are looked at ring by ring until the ring beyond is farther than the k-th.
func (g *grid) nearest(o point, k int) []Edge {
	var row []Edge
	at := g.cell(o)
	k = min(k, len(g.ps))
	for ring := 0; ; ring++ {
		for dx := -ring; dx <= ring; dx++ {
			for dy := -ring; dy <= ring; dy++ {
				if max(dx, -dx, dy, -dy) != ring {
					continue
				}
				for _, d := range g.cells[[2]int{at[0] + dx, at[1] + dy}] {
					cost := math.Hypot(o.x-g.ps[d].x, o.y-g.ps[d].y) / 25 * 3600
					row = append(row, Edge{Driver: d, Cost: int32(cost)})
				}
			}
		}
		if len(row) < k {
			continue
		}
		slices.SortFunc(row, compareEdges)
		row = row[:min(len(row), 2*k)]
		if float64(row[k-1].Cost) < float64(ring)*g.side/25*3600 {
			return slices.Clip(slices.Clone(row[:k]))
		}
	}
}
