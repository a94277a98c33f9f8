package geo

import (
	"encoding/json"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/planar"
)

// Area is a region of the map, a GeoJSON Polygon or MultiPolygon. Edges are straight in degrees, as in
// GeoJSON (RFC 7946, section 3.1.1). Immutable.
type Area struct {
	polygons orb.MultiPolygon
	bound    orb.Bound
	raw      json.RawMessage
}

// Contains tells whether p lies in the area or on its edge.
func (a *Area) Contains(p LatLng) bool {
	pt := orb.Point{p.Lng, p.Lat}
	return a.bound.Contains(pt) && planar.MultiPolygonContains(a.polygons, pt)
}

// GeoJSON is the geometry as it was given.
func (a *Area) GeoJSON() json.RawMessage { return a.raw }
