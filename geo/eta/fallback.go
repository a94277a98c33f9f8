package eta

import (
	"context"

	"github.com/hexfleet/hexfleet/geo"
)

// Fallback asks First, and has Line answer for each pair that First gives no estimate of, its errors included:
// First counts and logs those itself. Immutable.
type Fallback struct{ First, Line Estimator }

var _ Estimator = Fallback{}

// Matrix implements Estimator; its errors are Line's.
func (f Fallback) Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]Estimate, error) {
	rows, _ := f.First.Matrix(ctx, sources, targets) // with or without an error, what it knows is in the rows
	if complete(rows, len(sources), len(targets)) {
		return rows, nil
	}
	line, err := f.Line.Matrix(ctx, sources, targets)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		for j := range rows[i] {
			if rows[i][j].Source != "" {
				line[i][j] = rows[i][j]
			}
		}
	}
	return line, nil
}

func complete(rows [][]Estimate, sources, targets int) bool {
	if len(rows) != sources {
		return false
	}
	for _, row := range rows {
		if len(row) != targets {
			return false
		}
		for i := range row {
			if row[i].Source == "" {
				return false
			}
		}
	}
	return true
}
