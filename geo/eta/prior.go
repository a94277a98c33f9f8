package eta

import (
	"math"

	"github.com/hexfleet/hexfleet/geo"
)

// Speeds grow with the distance: short drives are corners and lights, long ones are freeways. So everything
// that depends on the distance is a curve over knots, straight between them in the logarithm of the distance:
// knot i stands for 125 m x 2^i of straight line, 125 m to 64 km.
const (
	knots     = 10
	firstKnot = 125.0 // metres
)

// priorSeconds is the travel time at each knot in a city of which nothing is known: from 500 m to 32 km the
// geometric mean of the medians of two unlike cities, each of the drives within a factor sqrt(2) of the knot,
// scaled to it: San Francisco, 148,802 taxi rides of 17 to 24 May 2008 (CRAWDAD epfl/mobility v. 2009-02-24,
// doi:10.15783/C7J010), and New York outside of Manhattan's core, 2,420 rides in green cabs to 24 August 2013
// (NYC TLC trip records). 1 km: 279 and 268 s; 4 km: 772 and 795 s; 16 km: 1,105 (freeway to the airport) and
// 2,016 s. Below 500 m, where rides are loops and waits rather than ways, the power law of 500 m to 2 km
// (exponent 0.64) goes on; 64 km is set to 64 km/h of straight line.
var priorSeconds = [knots]float64{80, 125, 195, 273, 473, 783, 1207, 1493, 2373, 3600}

// priorCircuity is metres driven for each metre of straight line at each knot, from the same rides (GPS
// tracks there, taximeters here). They tell little below 250 m and nothing of 64 km: the neighbours go on.
var priorCircuity = [knots]float64{1.5, 1.4, 1.37, 1.26, 1.25, 1.24, 1.25, 1.2, 1.24, 1.24}

// knotAt gives the knot below a distance and the weight of the one above it, 0 <= above <= 1.
func knotAt(d geo.Meters) (below int, above float64) {
	x := math.Log2(float64(d) / firstKnot)
	switch {
	case !(x > 0):
		return 0, 0
	case x >= knots-1:
		return knots - 2, 1
	}
	below = int(x)
	return below, x - float64(below)
}
