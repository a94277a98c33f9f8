package match

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Edge says that a driver may take the order of its row, and what that costs.
type Edge struct {
	// Driver is a number from 0 to Problem.Drivers-1.
	Driver int32
	// Cost is 0 or more, in milliseconds or what is worth as much.
	Cost int32
}

// MaxPenalty is the greatest penalty; with it the sums over millions of orders stay within int64.
const MaxPenalty = int64(1) << 40

// Problem is one round. The solvers do not change it.
type Problem struct {
	Drivers int
	// Rows has a row for each order, each ascending by (cost, driver), no driver twice; a row may be empty.
	Rows [][]Edge
	// Penalty is, for each order, the price of leaving it unmatched, 0 to MaxPenalty. A driver who costs as
	// much or more is not taken.
	Penalty []int64
	// OrderKeys and DriverKeys decide between assignments of equal cost (ties.go): numbers that belong to the orders
	// and drivers themselves, so that the same ones are chosen whatever their place in the problem. Without them the
	// places stand for themselves.
	OrderKeys, DriverKeys []uint32
}

// Assignment is the driver of each order, Unmatched where it has none.
type Assignment []int32

// Unmatched stands for no driver.
const Unmatched = int32(-1)

// errDriverTwice is Check's, for a driver who was given two orders.
var errDriverTwice = errors.New("driver has two orders")

// Validate tells what is wrong with a problem; the solvers rely on it.
func (p *Problem) Validate() error {
	if p.Drivers < 0 {
		return fmt.Errorf("%d drivers", p.Drivers)
	}
	if len(p.Penalty) != len(p.Rows) {
		return fmt.Errorf("%d penalties for %d orders", len(p.Penalty), len(p.Rows))
	}
	if len(p.OrderKeys) > 0 && len(p.OrderKeys) != len(p.Rows) || len(p.DriverKeys) > 0 && len(p.DriverKeys) != p.Drivers {
		return fmt.Errorf("%d and %d keys for %d orders and %d drivers", len(p.OrderKeys), len(p.DriverKeys), len(p.Rows), p.Drivers)
	}
	last := make([]int, p.Drivers) // the row in which a driver was last seen, from 1
	for i, row := range p.Rows {
		if w := p.Penalty[i]; w < 0 || w > MaxPenalty {
			return fmt.Errorf("order %d: penalty %d is not from 0 to %d", i, w, MaxPenalty)
		}
		for k, e := range row {
			switch {
			case e.Driver < 0 || int(e.Driver) >= p.Drivers:
				return fmt.Errorf("order %d: driver %d is not from 0 to %d", i, e.Driver, p.Drivers-1)
			case e.Cost < 0:
				return fmt.Errorf("order %d: driver %d costs %d, below 0", i, e.Driver, e.Cost)
			case last[e.Driver] == i+1:
				return fmt.Errorf("order %d: driver %d stands there twice", i, e.Driver)
			case k > 0 && compareEdges(row[k-1], e) >= 0:
				return fmt.Errorf("order %d: row does not ascend at driver %d", i, e.Driver)
			}
			last[e.Driver] = i + 1
		}
	}
	return nil
}

// compareEdges is the order of a row: by cost, then by driver.
func compareEdges(a, b Edge) int {
	return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.Driver, b.Driver))
}

// SortRow brings a row into the order that a problem's rows must have.
func SortRow(row []Edge) {
	if !slices.IsSortedFunc(row, compareEdges) {
		slices.SortFunc(row, compareEdges)
	}
}

// Check judges an assignment without trusting a solver: it has an entry for each order, uses only edges
// that exist and no driver twice. cost is the objective: the chosen costs, and the penalties of the orders
// without a driver.
func Check(p *Problem, a Assignment) (cost int64, err error) {
	if len(a) != len(p.Rows) {
		return 0, fmt.Errorf("%d assignments for %d orders", len(a), len(p.Rows))
	}
	taken := make(map[int32]int, len(a))
	for i, driver := range a {
		if driver == Unmatched {
			cost += p.Penalty[i]
			continue
		}
		at := -1
		for k, e := range p.Rows[i] {
			if e.Driver == driver {
				at = k
				break
			}
		}
		if at < 0 {
			return 0, fmt.Errorf("order %d: driver %d is not in its row", i, driver)
		}
		if other, twice := taken[driver]; twice {
			return 0, fmt.Errorf("orders %d and %d: driver %d: %w", other, i, driver, errDriverTwice)
		}
		taken[driver] = i
		cost += int64(p.Rows[i][at].Cost)
	}
	return cost, nil
}
