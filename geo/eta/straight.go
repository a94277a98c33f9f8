package eta

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// StraightLine estimates by great-circle distance and one speed. Immutable.
type StraightLine struct {
	speedMps, circuity float64
}

// NewStraightLine makes an estimator of a mean driving speed in metres a second, stops included, and a
// circuity: metres of road for each metre of straight line. A speed that is not above 0 or a circuity below
// 1 is a defect and panics.
func NewStraightLine(speedMps, circuity float64) StraightLine {
	if !(speedMps > 0) || math.IsInf(speedMps, 0) || !(circuity >= 1) || math.IsInf(circuity, 0) {
		panic(fmt.Sprintf("eta: straight line with speed %v m/s, circuity %v", speedMps, circuity))
	}
	return StraightLine{speedMps: speedMps, circuity: circuity}
}

// Default has the values of a real city, for simulated drivers: the medians of path length over straight line
// (1.202) and of path length over duration (5.61 m/s) of 288,648 taxi rides in San Francisco, 17 May to
// 1 June 2008, those of at least 200 m in a straight line among 290,032; the path is the length of the GPS
// track with a fix about each minute, and so a little short. On these rides the median of the absolute error
// of the duration is 116 s, the median ride's duration being 528 s; Learnt is better, see docs/bench/eta.md.
// Source: CRAWDAD epfl/mobility (v. 2009-02-24), doi:10.15783/C7J010.
func Default() StraightLine {
	return NewStraightLine(5.6, 1.2)
}

// Estimate is the drive from a to b.
func (s StraightLine) Estimate(a, b geo.LatLng) Estimate {
	road := geo.Distance(a, b) * geo.Meters(s.circuity)
	ms := math.Round(float64(road) / s.speedMps * 1000)
	return Estimate{
		Duration: time.Duration(ms) * time.Millisecond,
		Distance: road,
		Source:   SourceStraightLine,
	}
}

// Matrix estimates the drive from each source to each target: row i is of sources[i]. It stops with ctx's
// error.
func (s StraightLine) Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]Estimate, error) {
	rows := newRows(len(sources), len(targets))
	for i, a := range sources {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("estimate %d x %d travel times: %w", len(sources), len(targets), err)
		}
		for j, b := range targets {
			rows[i][j] = s.Estimate(a, b)
		}
	}
	return rows, nil
}
