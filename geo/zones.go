package geo

import (
	"encoding/json"
	"math"
	"time"

	"github.com/paulmach/orb"
)

// ZoneKind says what a zone is for; what follows from it is decided by those who ask.
type ZoneKind string

// The kinds of zone.
const (
	// ZoneServiceArea is where a market serves at all.
	ZoneServiceArea ZoneKind = "service_area"
	// ZoneNoGo is where nobody is picked up or set down.
	ZoneNoGo ZoneKind = "no_go"
	// ZoneSurge has a price multiplier.
	ZoneSurge ZoneKind = "surge"
	// ZoneQueue is where drivers wait in turn, such as an airport.
	ZoneQueue ZoneKind = "queue"
)

// Zone is a named region of the map with a purpose. Immutable.
type Zone struct {
	// ID is 1 to 64 characters of [A-Za-z0-9._:-], unique among its Zones.
	ID   string
	Kind ZoneKind
	// Name is for people, "" when it has none.
	Name string
	// Multiplier is a surge zone's, 0 < Multiplier <= MaxMultiplier; 1 for the other kinds.
	Multiplier float64
	// Value is what time of its own a driver saves by ending a trip here, where the next one is near: 0 to MaxZoneValue.
	Value time.Duration

	area  Area
	index int32 // in Zones.zones
}

// Bounds gives the corners of the least box around the zone.
func (z *Zone) Bounds() (southWest, northEast LatLng) { return z.area.Bounds() }

// Zones are the zones of a market, ascending by id, and a search tree over them. Edges are straight in
// degrees, as in GeoJSON (RFC 7946, section 3.1.1); a zone over the antimeridian comes in two polygons.
//
// A place on an edge belongs to the side to the east, or north where the edge runs along a parallel: of two
// zones that share an edge it lies in exactly one. Longitudes -180 and 180 are one meridian, and the pole
// belongs to what reaches up to it.
//
// Immutable, safe for concurrent use. The nil Zones has none; others come from ParseZones.
type Zones struct {
	zones []Zone
	tree  zoneTree
	raw   json.RawMessage
	// valued: a zone has a Value.
	valued bool
}

// All gives every zone, ascending by id; not to be written.
func (zs *Zones) All() []Zone {
	if zs == nil {
		return nil
	}
	return zs.zones
}

// AppendAt appends to dst the zones that hold p, ascending by id. It allocates only when dst is too short,
// and finds nothing for what is no place.
func (zs *Zones) AppendAt(dst []*Zone, p LatLng) []*Zone {
	if zs == nil || p.Validate() != nil {
		return dst
	}
	if p.Lng == 180 {
		p.Lng = -180
	}
	return zs.tree.appendAt(dst, zs.zones, p.Lng, min(p.Lat, belowPole))
}

// belowPole is the last latitude before the pole, where a zone that ends at 90 still is.
var belowPole = math.Nextafter(90, 0)

// Multiplier is the greatest of the surge zones that hold p, 1 where there is none.
func (zs *Zones) Multiplier(p LatLng) float64 {
	var buf [16]*Zone // more zones on one place are found, at the price of an allocation
	most, surges := 0.0, false
	for _, z := range zs.AppendAt(buf[:0], p) {
		if z.Kind == ZoneSurge {
			most, surges = max(most, z.Multiplier), true
		}
	}
	if !surges {
		return 1
	}
	return most
}

// Valued tells whether any zone has a Value.
func (zs *Zones) Valued() bool { return zs != nil && zs.valued }

// Value is the greatest of the zones that hold p, 0 where there is none.
func (zs *Zones) Value(p LatLng) time.Duration {
	var buf [16]*Zone // as in Multiplier
	var most time.Duration
	for _, z := range zs.AppendAt(buf[:0], p) {
		most = max(most, z.Value)
	}
	return most
}

// GeoJSON is a FeatureCollection that ParseZones reads: features ascending by id, outer rings
// counter-clockwise and holes clockwise. It is "null" for the nil Zones.
func (zs *Zones) GeoJSON() json.RawMessage {
	if zs == nil {
		return json.RawMessage("null")
	}
	return zs.raw
}

// rings gives each ring of the zone's polygons.
func (z *Zone) rings(f func(orb.Ring)) {
	for _, polygon := range z.area.polygons {
		for _, ring := range polygon {
			f(ring)
		}
	}
}
