package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/hexfleet/hexfleet/dispatch/match"
)

// smallOnes is how many small instances are compared.
const smallOnes = 1000

// small compares the costs of random instances: more orders than drivers and fewer, empty rows, ties, all costs equal,
// penalties from nothing to 2^40.
func (t *tools) small() error {
	path := filepath.Join(t.dir, "small.csv")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	r := rand.New(rand.NewPCG(16, 16))
	var ours []int64
	s := new(match.Solver)
	for n := range smallOnes {
		p := tiny(r)
		if err := p.Validate(); err != nil {
			return fmt.Errorf("instance %d: %w", n, err)
		}
		got := s.Solve(p, match.Options{})
		if c, err := match.Check(p, got.Assignment); err != nil || c != got.Cost || c != got.Bound {
			return fmt.Errorf("instance %d: cost %d, told %d, bound %d: %w", n, c, got.Cost, got.Bound, err)
		}
		ours = append(ours, got.Cost)
		fmt.Fprintf(w, "# orders=%d drivers=%d penalty=%d k=0 seed=%d\norder,driver,cost\n", len(p.Rows), p.Drivers, p.Penalty[0], n)
		for i, row := range p.Rows {
			for _, e := range row {
				fmt.Fprintf(w, "%d,%d,%d\n", i, e.Driver, e.Cost)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, peer := range peers {
		theirs, err := t.solve(peer, path)
		if err != nil {
			return err
		}
		if len(theirs) != smallOnes {
			return fmt.Errorf("%s solved %d of %d small instances", peer, len(theirs), smallOnes)
		}
		for n := range theirs {
			if theirs[n].cost != ours[n] {
				return fmt.Errorf("small instance %d: %s finds cost %d, hexfleet %d", n, peer, theirs[n].cost, ours[n])
			}
		}
	}
	fmt.Printf("%d small random instances: all costs equal\n", smallOnes)
	return nil
}

func tiny(r *rand.Rand) *match.Problem {
	p := &match.Problem{Drivers: 1 + r.IntN(40)}
	top := []int32{1, 4, 100, 1 << 30}[r.IntN(4)]
	penalty := []int64{0, 1, int64(top) / 2, int64(top), 3 * int64(top), 1 << 40}[r.IntN(6)]
	density := []float64{0.05, 0.3, 1}[r.IntN(3)]
	for range 1 + r.IntN(40) {
		var row []match.Edge
		for d := range p.Drivers {
			if r.Float64() < density {
				row = append(row, match.Edge{Driver: int32(d), Cost: r.Int32N(top)})
			}
		}
		match.SortRow(row)
		p.Rows, p.Penalty = append(p.Rows, row), append(p.Penalty, penalty)
	}
	return p
}
