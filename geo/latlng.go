package geo

import (
	"errors"
	"math"
	"time"
)

// LatLng is a place in WGS84 degrees, latitude first everywhere in this project.
type LatLng struct {
	Lat, Lng float64
}

// Meters is a distance on the ground.
type Meters float64

// EarthRadius is the mean radius R1 of the WGS84 ellipsoid (Moritz, Geodetic Reference System 1980).
const EarthRadius Meters = 6371008.8

// Errors of Validate; the gateway maps them to a field.
var (
	ErrLat = errors.New("lat must be a number from -90 to 90")
	ErrLng = errors.New("lng must be a number from -180 to 180")
)

// Validate refuses what is no place: NaN, infinities, values out of range. H3 takes them without an error.
func (p LatLng) Validate() error {
	if !(p.Lat >= -90 && p.Lat <= 90) {
		return ErrLat
	}
	if !(p.Lng >= -180 && p.Lng <= 180) {
		return ErrLng
	}
	return nil
}

// Distance is the great-circle distance on the mean sphere by the haversine formula; its error against the
// ellipsoid is at most 0.56 %.
func Distance(a, b LatLng) Meters {
	const rad = math.Pi / 180
	sLat := math.Sin((b.Lat - a.Lat) * rad / 2)
	sLng := math.Sin((b.Lng - a.Lng) * rad / 2)
	h := sLat*sLat + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*sLng*sLng
	return 2 * EarthRadius * Meters(math.Asin(math.Sqrt(min(1, h))))
}

// Fix is a driver's position at an instant.
type Fix struct {
	LatLng
	// At is market time.
	At time.Time
	// HeadingDeg is clockwise from true north, 0 <= HeadingDeg < 360; NaN when not known.
	HeadingDeg float64
	// SpeedMps is metres a second; NaN when not known.
	SpeedMps float64
	// AccuracyM is the radius of 68 % confidence in metres; NaN when not known.
	AccuracyM float64
}
