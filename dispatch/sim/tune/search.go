package tune

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Point is a place of the search: of each key the place of its value among those it may take. All zeros is the start.
type Point []int

// Search is a coordinate descent. From the start, each key in turn is tried with all its values, the others as they are,
// and the best stays; then again from the first key, until all keys in turn change nothing. That finds a point which no
// other value of any one key betters, not the best of all points: keys that only help together are not found. A pass takes
// the sum of the keys' values where all points would be their product, and each is a simulated day or more.
type Search struct {
	// Sizes are how many values each key has, at least 1.
	Sizes []int
	// Passes bounds the passes, at least 1.
	Passes int
	// Evaluate gives the cost of each point, in their order; lower is better, NaN is worse than all. No point is asked for
	// twice. The points of one call do not depend on each other. It keeps no point.
	Evaluate func([]Point) ([]float64, error)
}

// Found is what a search came to.
type Found struct {
	// Best is the point of the least cost; of points of the same cost the one that was come to first: of one key the value
	// that it had, then the one that is listed first.
	Best Point
	// Cost is the best's, Start the start's.
	Cost, Start float64
	// Passes were begun. Settled tells that no other value of any one key is better: another pass would change nothing.
	Passes  int
	Settled bool
	// Points were evaluated.
	Points int
}

// Run searches. It ends at the first error of Evaluate.
func (s *Search) Run() (Found, error) {
	known := map[string]float64{}
	found := Found{Best: make(Point, len(s.Sizes))}
	if err := s.evaluate(known, []Point{found.Best}); err != nil {
		return Found{}, err
	}
	found.Start = known[found.Best.key()]
	found.Cost = found.Start
	open := len(s.Sizes) // keys that may still have something better
	for open > 0 && found.Passes < s.Passes {
		found.Passes++
		for i := 0; i < len(s.Sizes) && open > 0; i++ {
			moved, err := s.along(known, &found, i)
			if err != nil {
				return Found{}, err
			}
			if moved {
				open = len(s.Sizes)
			}
			open--
		}
	}
	found.Settled = open == 0
	found.Points = len(known)
	return found, nil
}

// along tries all values of the i-th key, and tells whether another is better than the one it has.
func (s *Search) along(known map[string]float64, found *Found, i int) (bool, error) {
	line := make([]Point, s.Sizes[i])
	var unknown []Point
	for v := range line {
		line[v] = slices.Clone(found.Best)
		line[v][i] = v
		if _, ok := known[line[v].key()]; !ok {
			unknown = append(unknown, line[v])
		}
	}
	if err := s.evaluate(known, unknown); err != nil {
		return false, err
	}
	moved := false
	for _, p := range line {
		if cost := known[p.key()]; cost < found.Cost {
			found.Best, found.Cost, moved = p, cost, true
		}
	}
	return moved, nil
}

func (s *Search) evaluate(known map[string]float64, points []Point) error {
	if len(points) == 0 {
		return nil
	}
	costs, err := s.Evaluate(points)
	if err != nil {
		return err
	}
	if len(costs) != len(points) {
		return fmt.Errorf("evaluate %d points: got %d costs", len(points), len(costs))
	}
	for i, p := range points {
		if math.IsNaN(costs[i]) {
			costs[i] = math.Inf(1)
		}
		known[p.key()] = costs[i]
	}
	return nil
}

// key names a point.
func (p Point) key() string {
	var b []byte
	for _, v := range p {
		b = append(strconv.AppendInt(b, int64(v), 10), ' ')
	}
	return string(b)
}
