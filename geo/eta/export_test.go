package eta

import (
	"context"

	"github.com/hexfleet/hexfleet/geo"
)

// SectorOf is the direction in which the model sees a drive.
var SectorOf = sectorOf

// CellOf is the cell whose speeds a place has.
func CellOf(p geo.LatLng) geo.Cell { return new(cells).at(p) }

// ReadOSRM and ReadValhalla decode answers.
var (
	ReadOSRM     = osrm{}.read
	ReadValhalla = valhalla{}.read
)

// The breaker's methods.
var (
	NewBreaker = newBreaker
	Allow      = (*breaker).allow
	Worked     = (*breaker).worked
	Failed     = (*breaker).failed
)

// Flights are the questions under way.
type Flights = flights

// Once asks what nobody is asking.
func Once(ctx context.Context, f *Flights, key string, ask func() ([][]Estimate, error)) ([][]Estimate, error) {
	return f.once(ctx, key, ask)
}
