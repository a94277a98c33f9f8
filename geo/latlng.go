package geo

import (
	"errors"
	"math"
	"strconv"
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
	o := newOrigin(a)
	return o.distance(b)
}

// origin is a place from which many distances are measured: Distance with its first half done.
type origin struct {
	LatLng
	sin, cos float64 // of the latitude
}

func newOrigin(p LatLng) origin {
	sin, cos := math.Sincos(p.Lat * math.Pi / 180)
	return origin{LatLng: p, sin: sin, cos: cos}
}

// distance sums series up to 0.02 rad each way, 127 km: what they leave out is below the rounding of a float64.
func (o *origin) distance(p LatLng) Meters {
	const rad = math.Pi / 180
	dLat, dLng := (p.Lat-o.Lat)*rad, (p.Lng-o.Lng)*rad
	if math.Abs(dLat) > seriesAngle || math.Abs(dLng) > seriesAngle {
		sLat, sLng := math.Sin(dLat/2), math.Sin(dLng/2)
		h := sLat*sLat + o.cos*math.Cos(p.Lat*rad)*sLng*sLng
		return 2 * EarthRadius * Meters(math.Asin(math.Sqrt(min(1, h))))
	}
	sin, cos := smallSincos(dLat)
	sLat, sLng := smallSin(dLat/2), smallSin(dLng/2)
	h := sLat*sLat + o.cos*(o.cos*cos-o.sin*sin)*sLng*sLng
	asin := math.Sqrt(h) * (1 + h*(1.0/6+h*(3.0/40+h*(15.0/336+h*105.0/3456))))
	return 2 * EarthRadius * Meters(asin)
}

// seriesAngle is up to where smallSincos serves, in radians.
const seriesAngle = 0.02

// smallSincos sums the series of sine and cosine; the first terms left out are below 3e-16 of the result.
func smallSincos(x float64) (sin, cos float64) {
	xx := x * x
	return smallSin(x), 1 - xx*(1.0/2-xx*(1.0/24-xx*(1.0/720)))
}

func smallSin(x float64) float64 {
	xx := x * x
	return x * (1 - xx*(1.0/6-xx*(1.0/120)))
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

// widened is the float64 that is written with the digits of a float32.
func widened(f float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	if err != nil {
		return float64(f)
	}
	return d
}
