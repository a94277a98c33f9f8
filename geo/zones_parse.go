package geo

import (
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of zones. A zone has at most MaxAreaPositions positions.
const (
	// MaxZones is how many zones one collection may have.
	MaxZones = 1000
	// MaxZoneName is the longest name of a zone, in characters.
	MaxZoneName = 100
	// MaxMultiplier is the greatest multiplier of a surge zone; larger ones are slips of the pen.
	MaxMultiplier = 100
	// MaxZoneValue is the greatest Value of a zone.
	MaxZoneValue = time.Hour
	// maxZoneID is the longest id, in characters.
	maxZoneID = 64
)

type zonesFile struct {
	Type     string           `json:"type"`
	Bbox     jsontext.Value   `json:"bbox,omitempty"`
	Features []jsontext.Value `json:"features"`
}

type zoneFeature struct {
	Type       string         `json:"type"`
	ID         jsontext.Value `json:"id,omitempty"`
	Bbox       jsontext.Value `json:"bbox,omitempty"`
	Properties zoneProperties `json:"properties"`
	Geometry   jsontext.Value `json:"geometry"`
}

type zoneProperties struct {
	ID         string   `json:"id"`
	Kind       ZoneKind `json:"kind"`
	Name       string   `json:"name,omitempty"`
	Multiplier *float64 `json:"multiplier,omitempty"`
	ValueS     *int64   `json:"value_s,omitempty"`
}

// ParseZones reads a GeoJSON FeatureCollection whose Features are Polygons or MultiPolygons with the properties
// id, kind, name (may be left out), multiplier (required for surge, refused for the others) and value_s (may be left
// out). Unknown and duplicate keys are refused, and geometries whose rings are open, short, flat or off the map, cross or
// overlap, or go around the world the wrong way; rings may touch, and wind either way. An error names the
// feature, by its number from 0 and its id, the property and the limit.
func ParseZones(raw stdjson.RawMessage) (*Zones, error) {
	var file zonesFile
	if err := json.Unmarshal(raw, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, readable(err)
	}
	if file.Type != "FeatureCollection" {
		return nil, fmt.Errorf("type is %q, not FeatureCollection", file.Type)
	}
	if len(file.Features) > MaxZones {
		return nil, fmt.Errorf("/features: %d zones, at most %d", len(file.Features), MaxZones)
	}
	zs := &Zones{zones: make([]Zone, len(file.Features))}
	numbers := map[string]int{}
	for i, feature := range file.Features {
		z, err := parseZone(feature)
		if err != nil {
			return nil, fmt.Errorf("feature %d%s: %w", i, zoneName(feature), err)
		}
		if first, twice := numbers[z.ID]; twice {
			return nil, fmt.Errorf("feature %d: /properties/id: %q is that of feature %d too", i, z.ID, first)
		}
		numbers[z.ID] = i
		zs.zones[i] = z
	}
	slices.SortFunc(zs.zones, func(a, b Zone) int { return cmp.Compare(a.ID, b.ID) })
	for i := range zs.zones {
		zs.zones[i].index = int32(i)
		zs.valued = zs.valued || zs.zones[i].Value > 0
	}
	zs.tree = newZoneTree(zs.zones)
	var err error
	zs.raw, err = encodeZones(zs.zones)
	return zs, err
}

// zoneName is the id of a feature that was refused, for the message, when it can be read.
func zoneName(raw jsontext.Value) string {
	var f struct {
		Properties struct {
			ID string `json:"id"`
		} `json:"properties"`
	}
	if json.Unmarshal(raw, &f) != nil || !validZoneID(f.Properties.ID) {
		return ""
	}
	return " (" + f.Properties.ID + ")"
}

func parseZone(raw jsontext.Value) (Zone, error) {
	var f zoneFeature
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return Zone{}, readable(err)
	}
	if f.Type != "Feature" {
		return Zone{}, fmt.Errorf("type is %q, not Feature", f.Type)
	}
	z, err := f.Properties.zone()
	if err != nil {
		return Zone{}, fmt.Errorf("/properties/%w", err)
	}
	if len(f.Geometry) == 0 {
		return Zone{}, errors.New("/geometry: missing")
	}
	if z.area, err = ParseArea(stdjson.RawMessage(f.Geometry)); err != nil {
		return Zone{}, fmt.Errorf("/geometry: %w", err)
	}
	z.area.wind()
	if err := z.area.checkZone(); err != nil {
		return Zone{}, fmt.Errorf("/geometry: %w", err)
	}
	return z, nil
}

func (p *zoneProperties) zone() (Zone, error) {
	z := Zone{ID: p.ID, Kind: p.Kind, Name: p.Name, Multiplier: 1}
	if !validZoneID(p.ID) {
		return Zone{}, fmt.Errorf("id: %q is not 1 to %d characters of A-Z a-z 0-9 . _ : -", p.ID, maxZoneID)
	}
	switch p.Kind {
	case ZoneServiceArea, ZoneNoGo, ZoneSurge, ZoneQueue:
	default:
		return Zone{}, fmt.Errorf("kind: %q is not %s, %s, %s or %s", p.Kind, ZoneServiceArea, ZoneNoGo, ZoneSurge, ZoneQueue)
	}
	if n := utf8.RuneCountInString(p.Name); n > MaxZoneName {
		return Zone{}, fmt.Errorf("name: has %d characters, at most %d", n, MaxZoneName)
	}
	switch m := p.Multiplier; {
	case p.Kind == ZoneSurge && m == nil:
		return Zone{}, errors.New("multiplier: required for a surge zone")
	case p.Kind == ZoneSurge && !(*m > 0 && *m <= MaxMultiplier):
		return Zone{}, fmt.Errorf("multiplier: %v is not above 0 and at most %d", *m, MaxMultiplier)
	case p.Kind == ZoneSurge:
		z.Multiplier = *m
	case m != nil:
		return Zone{}, fmt.Errorf("multiplier: a %s zone has none", p.Kind)
	}
	const most = int64(MaxZoneValue / time.Second)
	if v := p.ValueS; v != nil {
		if *v < 0 || *v > most {
			return Zone{}, fmt.Errorf("value_s: %d is not from 0 to %d", *v, most)
		}
		z.Value = time.Duration(*v) * time.Second
	}
	return z, nil
}

func validZoneID(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
	return s != "" && len(s) <= maxZoneID && strings.Trim(s, alphabet) == ""
}

// readable puts a decoder's error into one line for an operator: where, and what.
func readable(err error) error {
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return fmt.Errorf("read JSON: %w", err)
	}
	at := cmp.Or(string(semantic.JSONPointer), "top level")
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Errorf("%s: unknown key", at)
	}
	return fmt.Errorf("%s: %s is of the wrong type", at, semantic.JSONKind)
}

// wind turns outer rings counter-clockwise and holes clockwise (RFC 7946, section 3.1.6).
func (a *Area) wind() {
	for _, polygon := range a.polygons {
		for i, ring := range polygon {
			if (ringArea(ring) > 0) != (i == 0) {
				ring.Reverse()
			}
		}
	}
}

// encodeZones writes what ParseZones reads, in one form.
func encodeZones(zones []Zone) (stdjson.RawMessage, error) {
	type geometry struct {
		Type        string `json:"type"`
		Coordinates any    `json:"coordinates"`
	}
	type feature struct {
		Type       string         `json:"type"`
		Properties zoneProperties `json:"properties"`
		Geometry   geometry       `json:"geometry"`
	}
	features := make([]feature, len(zones))
	for i := range zones {
		z := &zones[i]
		f := feature{Type: "Feature", Properties: zoneProperties{ID: z.ID, Kind: z.Kind, Name: z.Name}}
		if z.Kind == ZoneSurge {
			f.Properties.Multiplier = &z.Multiplier
		}
		if z.Value > 0 {
			seconds := int64(z.Value / time.Second)
			f.Properties.ValueS = &seconds
		}
		f.Geometry = geometry{"MultiPolygon", z.area.polygons}
		if len(z.area.polygons) == 1 {
			f.Geometry = geometry{"Polygon", z.area.polygons[0]}
		}
		features[i] = f
	}
	out, err := json.Marshal(struct {
		Type     string    `json:"type"`
		Features []feature `json:"features"`
	}{"FeatureCollection", features})
	if err != nil {
		return nil, fmt.Errorf("write zones: %w", err)
	}
	return stdjson.RawMessage(out), nil
}
