package dispatch

import (
	"cmp"
	_ "embed" // for the default markets
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/geo"
)

// The markets file is a GeoJSON FeatureCollection; each Feature is a Polygon or MultiPolygon with the
// properties id, name, timezone, policy and zones, itself a FeatureCollection (geo.ParseZones). It is read
// strictly: a misspelt policy must not silently mean the default. Only a bbox, and a Feature's own id, are
// allowed beside what is needed.

// defaultMarkets is the markets file of a server that is given none.
//
//go:embed markets.geojson
var defaultMarkets []byte

// MaxMarketName is the longest name of a market, in characters.
const MaxMarketName = 100

type marketsFile struct {
	Type     string           `json:"type"`
	Bbox     jsontext.Value   `json:"bbox,omitempty"`
	Features []jsontext.Value `json:"features"`
}

type marketFeature struct {
	Type       string         `json:"type"`
	ID         jsontext.Value `json:"id,omitempty"`
	Bbox       jsontext.Value `json:"bbox,omitempty"`
	Properties struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Timezone string         `json:"timezone"`
		Policy   jsontext.Value `json:"policy,omitzero"`
		Zones    jsontext.Value `json:"zones,omitempty"`
	} `json:"properties"`
	Geometry jsontext.Value `json:"geometry"`
}

// DefaultMarkets gives the markets of a server that is given no file: sf, nyc and lab.
func DefaultMarkets() Markets {
	ms, err := ParseMarkets(defaultMarkets)
	if err != nil {
		panic(fmt.Sprintf("dispatch: embedded markets: %v", err)) // a broken build
	}
	return ms
}

// ParseMarkets reads a markets file. An error names the feature, by its number from 0 and its id, the key,
// and the limit.
func ParseMarkets(data []byte) (Markets, error) {
	var file marketsFile
	if err := json.Unmarshal(data, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("markets: %w", plain(err))
	}
	if file.Type != "FeatureCollection" {
		return nil, fmt.Errorf("markets: type is %q, not FeatureCollection", file.Type)
	}
	if len(file.Features) == 0 {
		return nil, errors.New("markets: no features")
	}
	ms := make(Markets, 0, len(file.Features))
	for i, raw := range file.Features {
		m, err := parseMarket(raw)
		if err != nil {
			return nil, fmt.Errorf("markets: feature %d%s: %w", i, nameOf(raw), err)
		}
		for j := range ms {
			if ms[j].ID == m.ID {
				return nil, fmt.Errorf("markets: feature %d: id %q is there twice", i, m.ID)
			}
			if ms[j].Area.Overlaps(&m.Area) {
				return nil, fmt.Errorf("markets: %q and %q overlap", ms[j].ID, m.ID)
			}
		}
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(a, b Market) int { return cmp.Compare(a.ID, b.ID) })
	return ms, nil
}

// nameOf is the id of a feature that was refused, for the message, when it can be read.
func nameOf(raw jsontext.Value) string {
	var f struct {
		Properties struct {
			ID string `json:"id"`
		} `json:"properties"`
	}
	if json.Unmarshal(raw, &f) != nil || !ValidID(f.Properties.ID) {
		return ""
	}
	return " (" + f.Properties.ID + ")"
}

func parseMarket(raw jsontext.Value) (Market, error) {
	var f marketFeature
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return Market{}, plain(err)
	}
	p := f.Properties
	if f.Type != "Feature" {
		return Market{}, fmt.Errorf("type is %q, not Feature", f.Type)
	}
	if !ValidID(p.ID) {
		return Market{}, fmt.Errorf("/properties/id: %q is not 1 to %d characters of A-Z a-z 0-9 . _ : -", p.ID, MaxIDLen)
	}
	if n := utf8.RuneCountInString(p.Name); n < 1 || n > MaxMarketName {
		return Market{}, fmt.Errorf("/properties/name: must have 1 to %d characters", MaxMarketName)
	}
	if err := checkTimezone(p.Timezone); err != nil {
		return Market{}, fmt.Errorf("/properties/timezone: %w", err)
	}
	if len(f.Geometry) == 0 {
		return Market{}, errors.New("/geometry: missing")
	}
	area, err := geo.ParseArea(stdjson.RawMessage(f.Geometry))
	if err != nil {
		return Market{}, fmt.Errorf("/geometry: %w", err)
	}
	policy, err := ParsePolicy(p.Policy)
	if err != nil {
		return Market{}, fmt.Errorf("/properties/policy%w", err)
	}
	m := Market{ID: MarketID(p.ID), Name: p.Name, Timezone: p.Timezone, Area: area, Policy: policy}
	if len(p.Zones) > 0 && p.Zones.Kind() != 'n' {
		if m.Zones, err = geo.ParseZones(stdjson.RawMessage(p.Zones)); err != nil {
			return Market{}, fmt.Errorf("/properties/zones: %w", err)
		}
	}
	return m, nil
}

// checkTimezone refuses what is no zone, and "" and "Local", which the time package takes for the server's.
func checkTimezone(name string) error {
	if name == "" || name == "Local" {
		return fmt.Errorf("%q is no IANA time zone", name)
	}
	if _, err := time.LoadLocation(name); err != nil {
		return fmt.Errorf("%q is no IANA time zone: %w", name, err)
	}
	return nil
}

// plain puts a decoder's error into one line for an operator: where, and what.
func plain(err error) error {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return fmt.Errorf("read JSON: %w", err)
	}
	at := cmp.Or(string(semantic.JSONPointer), "top level")
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("%s: unknown key", at)
	case semantic.GoType != nil && semantic.GoType.Kind() == reflect.Int64:
		return fmt.Errorf("%s: must be a whole number", at)
	}
	return fmt.Errorf("%s: %s is of the wrong type", at, semantic.JSONKind)
}
