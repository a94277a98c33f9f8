package geo

import (
	"encoding/json"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/planar"
)

// Area is a region of the map, a GeoJSON Polygon or MultiPolygon. Edges are straight in degrees, as in
// GeoJSON (RFC 7946, section 3.1.1); one that crosses the antimeridian comes in two polygons (section
// 3.1.9). Immutable. The zero Area is empty; others come from ParseArea.
type Area struct {
	polygons orb.MultiPolygon
	bound    orb.Bound
	raw      json.RawMessage
}

// Contains tells whether p lies in the area or on its edge; the edge of a hole is the hole's.
func (a *Area) Contains(p LatLng) bool {
	return a.contains(orb.Point{p.Lng, p.Lat})
}

func (a *Area) contains(pt orb.Point) bool {
	return a.bound.Contains(pt) && planar.MultiPolygonContains(a.polygons, pt)
}

// Bounds gives the corners of the least box around the area.
func (a *Area) Bounds() (southWest, northEast LatLng) {
	lo, hi := a.bound.Min, a.bound.Max
	return LatLng{Lat: lo[1], Lng: lo[0]}, LatLng{Lat: hi[1], Lng: hi[0]}
}

// GeoJSON is the geometry as it was given.
func (a *Area) GeoJSON() json.RawMessage { return a.raw }
