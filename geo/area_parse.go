package geo

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/paulmach/orb"
)

// MaxAreaPositions bounds the size of an area: comparing two takes time with the square of it.
const MaxAreaPositions = 10_000

// minRing is the least number of positions of a ring, the last of which repeats the first (RFC 7946,
// section 3.1.6).
const minRing = 4

// geometry is the GeoJSON that ParseArea reads. A bbox is allowed, and not needed.
type geometry struct {
	Type        string         `json:"type"`
	Coordinates jsontext.Value `json:"coordinates"`
	Bbox        []float64      `json:"bbox,omitempty"`
}

// position is [lng, lat], as written: pointers, because the decoder takes null for 0.
type position []*float64

// ParseArea reads a GeoJSON Polygon or MultiPolygon. Unknown and duplicate keys are refused, and rings that
// are open, short, flat or off the map; the error names the place in the geometry and what is wrong there.
// That rings do not cross themselves is not checked.
func ParseArea(raw stdjson.RawMessage) (Area, error) {
	var g geometry
	if err := json.Unmarshal(raw, &g, json.RejectUnknownMembers(true)); err != nil {
		return Area{}, fmt.Errorf("read geometry: %w", err)
	}
	var polygons [][][]position
	switch g.Type {
	case "Polygon":
		polygons = make([][][]position, 1)
		if err := readCoordinates(g.Coordinates, &polygons[0]); err != nil {
			return Area{}, err
		}
	case "MultiPolygon":
		if err := readCoordinates(g.Coordinates, &polygons); err != nil {
			return Area{}, err
		}
	default:
		return Area{}, fmt.Errorf("geometry type is %q, not Polygon or MultiPolygon", g.Type)
	}
	if len(polygons) == 0 {
		return Area{}, errors.New("geometry has no polygon")
	}
	a := Area{raw: bytes.Clone(raw)}
	left := MaxAreaPositions
	for i, rings := range polygons {
		p, err := readPolygon(rings, &left)
		if err != nil {
			return Area{}, fmt.Errorf("polygon %d: %w", i, err)
		}
		a.polygons = append(a.polygons, p)
	}
	a.bound = a.polygons.Bound()
	return a, nil
}

func readCoordinates[T any](raw jsontext.Value, into *T) error {
	if len(raw) == 0 {
		return errors.New("geometry has no coordinates")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read coordinates: %w", err)
	}
	return nil
}

// readPolygon checks the rings of one polygon; left is how many positions the area may still have.
func readPolygon(rings [][]position, left *int) (orb.Polygon, error) {
	if len(rings) == 0 {
		return nil, errors.New("no ring")
	}
	polygon := make(orb.Polygon, len(rings))
	for i, positions := range rings {
		if *left -= len(positions); *left < 0 {
			return nil, fmt.Errorf("ring %d: area has more than %d positions", i, MaxAreaPositions)
		}
		ring, err := readRing(positions)
		if err != nil {
			return nil, fmt.Errorf("ring %d: %w", i, err)
		}
		polygon[i] = ring
	}
	return polygon, nil
}

func readRing(positions []position) (orb.Ring, error) {
	if len(positions) < minRing {
		return nil, fmt.Errorf("%d positions, at least %d are needed", len(positions), minRing)
	}
	ring := make(orb.Ring, len(positions))
	for i, pos := range positions {
		if len(pos) != 2 && len(pos) != 3 { // the third is an altitude
			return nil, fmt.Errorf("position %d: %d numbers, not [lng, lat]", i, len(pos))
		}
		if pos[0] == nil || pos[1] == nil {
			return nil, fmt.Errorf("position %d: null is no number", i)
		}
		p := LatLng{Lat: *pos[1], Lng: *pos[0]}
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("position %d: %w", i, err)
		}
		ring[i] = orb.Point{p.Lng, p.Lat}
	}
	if !ring.Closed() {
		return nil, errors.New("not closed: the last position does not repeat the first")
	}
	if ringArea(ring) == 0 {
		return nil, errors.New("encloses nothing")
	}
	return ring, nil
}

// ringArea is twice the signed area in square degrees, by the shoelace formula taken from the first
// position so that small rings far from 0,0 keep their digits.
func ringArea(r orb.Ring) float64 {
	var sum float64
	for i := 1; i+1 < len(r); i++ {
		sum += (r[i][0]-r[0][0])*(r[i+1][1]-r[0][1]) - (r[i+1][0]-r[0][0])*(r[i][1]-r[0][1])
	}
	return sum
}
