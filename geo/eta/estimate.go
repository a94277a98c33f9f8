package eta

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// The sources of estimates. They are stable: offers keep them, quotes and metrics show them.
const (
	// SourceStraightLine is one fixed speed along the straight line.
	SourceStraightLine = "straight_line"
	// SourcePrior is the curve of speeds of cities at large: nothing was learnt here of such distances yet.
	SourcePrior = "prior"
	// SourceLearnt is the curve as corrected by drives in this city.
	SourceLearnt = "learnt"
	// SourceOSRM and SourceValhalla are routers over a map of roads.
	SourceOSRM     = "osrm"
	SourceValhalla = "valhalla"
)

// Estimate is how long a drive takes. The zero Estimate is none.
type Estimate struct {
	// Duration is whole milliseconds, 0 <= Duration.
	Duration time.Duration
	// Distance is along the way driven, not the straight line.
	Distance geo.Meters
	// Source says where the estimate comes from; it is empty where there is none.
	Source string
}

// Estimator estimates the drive from each source to each target: row i is of sources[i]. Where it knows of no
// way the entry is the zero Estimate. It may be asked by many at once.
type Estimator interface {
	Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]Estimate, error)
}

// newRows gives a table of estimates in two allocations.
func newRows(sources, targets int) [][]Estimate {
	rows, all := make([][]Estimate, sources), make([]Estimate, sources*targets)
	for i := range rows {
		rows[i] = all[i*targets : (i+1)*targets : (i+1)*targets]
	}
	return rows
}
