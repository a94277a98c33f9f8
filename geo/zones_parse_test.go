package geo

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestParseZones(t *testing.T) {
	square := polygon(box(0, 0, 1, 1))
	t.Run("properties", func(t *testing.T) {
		zs := parseZones(t, `{"type":"FeatureCollection","bbox":[0,0,1,1],"features":[`+
			zoneOf(`"id":"z","kind":"surge","name":"Zoo","multiplier":1.5`, square)+`,`+
			`{"type":"Feature","id":7,"bbox":[0,0,1,1],"properties":{"id":"a","kind":"queue"},"geometry":`+square+`}]}`)
		all := zs.All()
		if len(all) != 2 || all[0].ID != "a" || all[1].ID != "z" {
			t.Fatalf("zones are %+v", all)
		}
		if z := all[1]; z.Kind != ZoneSurge || z.Name != "Zoo" || z.Multiplier != 1.5 {
			t.Errorf("z is %+v", z)
		}
		if q := all[0]; q.Kind != ZoneQueue || q.Name != "" || q.Multiplier != 1 {
			t.Errorf("a is %+v", q)
		}
		if sw, ne := all[0].Bounds(); sw != (LatLng{0, 0}) || ne != (LatLng{1, 1}) {
			t.Errorf("bounds are %v, %v", sw, ne)
		}
	})

	t.Run("the_greatest_multiplier_counts", func(t *testing.T) {
		zs := parseZones(t, zoneFeatures(
			zoneOf(`"id":"a","kind":"surge","multiplier":0.5`, square), zoneOf(`"id":"b","kind":"surge","multiplier":2`, polygon(box(0, 0, 1, 0.5))),
			zoneOf(`"id":"c","kind":"queue"`, polygon(box(-9, -9, 9, 9)))))
		for p, want := range map[LatLng]float64{{0.2, 0.2}: 2, {0.7, 0.2}: 0.5, {3, 3}: 1, {30, 3}: 1} {
			if got := zs.Multiplier(p); got != want {
				t.Errorf("at %v: %v, want %v", p, got, want)
			}
		}
	})

	t.Run("the_greatest_value_counts", func(t *testing.T) {
		zs := parseZones(t, zoneFeatures(
			zoneOf(`"id":"a","kind":"queue","value_s":90`, square), zoneOf(`"id":"b","kind":"surge","multiplier":2,"value_s":3600`, polygon(box(0, 0, 1, 0.5))),
			zoneOf(`"id":"c","kind":"queue","value_s":0`, polygon(box(-9, -9, 9, 9)))))
		for p, want := range map[LatLng]time.Duration{{0.2, 0.2}: time.Hour, {0.7, 0.2}: 90 * time.Second, {3, 3}: 0, {30, 3}: 0} {
			if got := zs.Value(p); got != want {
				t.Errorf("at %v: %v, want %v", p, got, want)
			}
		}
		again := parseZones(t, string(zs.GeoJSON()))
		if none := parseZones(t, zoneFeatures(noGo("z", square))); !zs.Valued() || !again.Valued() || none.Valued() || (*Zones)(nil).Valued() {
			t.Errorf("written as %s", zs.GeoJSON())
		}
	})

	t.Run("winding_is_put_right_and_what_is_written_is_read", func(t *testing.T) {
		clockwise, hole := "[[0,0],[0,4],[4,4],[4,0],[0,0]]", box(1, 1, 2, 2)
		for _, geometry := range []string{polygon(clockwise, hole), polygon(box(0, 0, 4, 4), hole)} {
			zs := parseZones(t, zoneFeatures(zoneOf(`"id":"a","kind":"surge","multiplier":2`, geometry), noGo("m", `{"type":"MultiPolygon","coordinates":[[`+box(5, 5, 6, 6)+`]]}`)))
			rings := zs.zones[0].area.polygons[0]
			if ringArea(rings[0]) <= 0 || ringArea(rings[1]) >= 0 {
				t.Errorf("%s: rings are %v", geometry, rings)
			}
			again := parseZones(t, string(zs.GeoJSON()))
			if string(again.GeoJSON()) != string(zs.GeoJSON()) {
				t.Errorf("written %s, then %s", zs.GeoJSON(), again.GeoJSON())
			}
		}
	})

	t.Run("rings_may_touch", func(t *testing.T) {
		for name, geometry := range map[string]string{
			"a hole at a corner":        polygon(box(0, 0, 4, 4), "[[0,0],[2,1],[1,2],[0,0]]"),
			"a hole at an edge":         polygon(box(0, 0, 4, 4), "[[2,0],[3,1],[1,1],[2,0]]"),
			"two squares at a corner":   `{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 1, 1) + `],[` + box(1, 1, 2, 2) + `]]}`,
			"two squares along an edge": `{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 1, 1) + `],[` + box(1, 0.5, 2, 2) + `]]}`,
			"an island in a hole":       `{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 9, 9) + `,` + box(1, 1, 8, 8) + `],[` + box(2, 2, 3, 3) + `]]}`,
			"a position twice":          polygon("[[0,0],[0,0],[1,0],[1,1],[0,0]]"),
			"a ring at itself":          polygon("[[0,0],[2,0],[1,1],[2,2],[0,2],[1,1],[0,0]]"),
		} {
			if _, err := ParseZones(json.RawMessage(zoneFeatures(noGo("z", geometry)))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestParseZones_refused(t *testing.T) {
	square := polygon(box(0, 0, 1, 1))
	second := func(properties, geometry string) string {
		return zoneFeatures(noGo("fine", square), zoneOf(properties, geometry))
	}
	geometry := func(g string) string { return second(`"id":"bad","kind":"no_go"`, g) }
	many := make([]string, MaxZones+1)
	for i := range many {
		many[i] = noGo(fmt.Sprint("z", i), square)
	}
	long := starRing(0, 0, 1, 0.5, MaxAreaPositions, func() float64 { return 1 })
	for want, raw := range map[string]string{
		"type is \"Feature\"":                 `{"type":"Feature","features":[]}`,
		"/more: unknown key":                  `{"type":"FeatureCollection","features":[],"more":1}`,
		"read JSON":                           `{"type":"FeatureCollection","features":[`,
		"/features: 1001 zones, at most 1000": zoneFeatures(many...),
		"feature 1: /properties/id: \"fine\" is that of feature 0":   second(`"id":"fine","kind":"no_go"`, square),
		"feature 1: /properties/id: \"a b\" is not 1 to 64":          second(`"id":"a b","kind":"no_go"`, square),
		"feature 1: /properties/id: \"a/b\"":                         second(`"id":"a/b","kind":"no_go"`, square),
		"feature 1: /properties/id: \"\"":                            second(`"kind":"no_go"`, square),
		"feature 1 (bad): /properties/kind: \"nogo\" is not":         second(`"id":"bad","kind":"nogo"`, square),
		"feature 1 (bad): /properties/color: unknown key":            second(`"id":"bad","kind":"no_go","color":"red"`, square),
		"feature 1 (bad): /properties/Kind: unknown key":             second(`"id":"bad","Kind":"no_go"`, square),
		"feature 1 (bad): /properties/name: has 101 characters":      second(`"id":"bad","kind":"no_go","name":"`+strings.Repeat("é", 101)+`"`, square),
		"feature 1 (bad): /properties/name: number is of the wrong":  second(`"id":"bad","kind":"no_go","name":3`, square),
		"feature 1 (bad): /properties/multiplier: required":          second(`"id":"bad","kind":"surge"`, square),
		"feature 1 (bad): /properties/multiplier: a queue zone":      second(`"id":"bad","kind":"queue","multiplier":2`, square),
		"feature 1 (bad): /properties/multiplier: 0 is not above 0":  second(`"id":"bad","kind":"surge","multiplier":0`, square),
		"/properties/multiplier: 101 is not":                         second(`"id":"bad","kind":"surge","multiplier":101`, square),
		"feature 1 (bad): /properties/value_s: -1 is not from 0":     second(`"id":"bad","kind":"queue","value_s":-1`, square),
		"/properties/value_s: 3601 is not from 0 to 3600":            second(`"id":"bad","kind":"queue","value_s":3601`, square),
		"feature 1 (bad): /geometry: missing":                        zoneFeatures(noGo("fine", square), `{"type":"Feature","properties":{"id":"bad","kind":"no_go"}}`),
		"feature 1 (bad): /geometry: geometry type is \"Point\"":     geometry(`{"type":"Point","coordinates":[0,0]}`),
		"/geometry: polygon 0: ring 0: not closed":                   geometry(polygon("[[0,0],[1,0],[1,1],[0,1]]")),
		"/geometry: polygon 0: ring 0: 3 positions":                  geometry(polygon("[[0,0],[1,0],[0,0]]")),
		"/geometry: polygon 0: ring 0: encloses nothing":             geometry(polygon("[[0,0],[1,1],[2,2],[0,0]]")),
		"/geometry: polygon 0: ring 0: position 1: lng must be":      geometry(polygon("[[0,0],[181,0],[1,1],[0,0]]")),
		"/geometry: polygon 0: ring 0: area has more than":           geometry(polygon(long)),
		"feature 1 (bad): /geometry: the edge from [-179 0] to [179": geometry(polygon(box(-179, 0, 179, 1))),
		"feature 1 (bad): /geometry: rings cross or overlap":         geometry(polygon("[[0,0],[2,2],[2,0],[0,3],[0,0]]")), // a bow tie
	} {
		_, err := ParseZones(json.RawMessage(raw))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s\n got %v\nwant %s", raw, err, want)
		}
	}
	for name, g := range map[string]string{
		"a hole that reaches out":       polygon(box(0, 0, 4, 4), box(3, 3, 5, 5)),
		"a hole outside":                polygon(box(0, 0, 4, 4), box(5, 5, 6, 6)),
		"holes that overlap":            polygon(box(0, 0, 4, 4), box(1, 1, 3, 3), box(2, 2, 3.5, 3.5)),
		"a hole in a hole":              polygon(box(0, 0, 4, 4), box(1, 1, 3, 3), box(1.5, 1.5, 2, 2)),
		"polygons that overlap":         `{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 4, 4) + `],[` + box(1, 0, 5, 4) + `]]}`,
		"a polygon in another":          `{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 4, 4) + `],[` + box(1, 1, 2, 2) + `]]}`,
		"the same polygon twice":        `{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 4, 4) + `],[` + box(0, 0, 4, 4) + `]]}`,
		"a ring that goes around twice": polygon("[[0,0],[4,0],[4,4],[0,4],[0,0],[4,0],[4,4],[0,4],[0,0]]"),
		"a loop that lies over itself":  polygon("[[0,0],[4,0],[4,4],[1,4],[1,-1],[3,-1],[3,3],[0,3],[0,0]]"),
	} {
		_, err := ParseZones(json.RawMessage(geometry(g)))
		if err == nil || !strings.Contains(err.Error(), "feature 1 (bad): /geometry: rings cross or overlap, or a hole reaches out") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseZones: whatever is taken is written and read again the same, and answers as the plain test does.
func FuzzParseZones(f *testing.F) {
	f.Add([]byte(zoneFeatures(noGo("a", polygon(box(0, 0, 4, 4), box(1, 1, 2, 2))))), 0.5, 0.5)
	f.Add([]byte(zoneFeatures(zoneOf(`"id":"s","kind":"surge","multiplier":1.5,"name":"x"`, polygon("[[0,0],[2,2],[2,0],[0,3],[0,0]]")))), 1.0, 1.0)
	f.Add([]byte(zoneFeatures(noGo("m", `{"type":"MultiPolygon","coordinates":[[`+box(170, -20, 180, -10)+`],[`+box(-180, -20, -170, -10)+`]]}`))), -15.0, 180.0)
	f.Fuzz(func(t *testing.T, raw []byte, lat, lng float64) {
		zs, err := ParseZones(raw)
		if err != nil {
			return
		}
		again, err := ParseZones(zs.GeoJSON())
		if err != nil || string(again.GeoJSON()) != string(zs.GeoJSON()) {
			t.Fatalf("%s was written as %s, which is read as %s, %v", raw, zs.GeoJSON(), again.GeoJSON(), err)
		}
		plain := plainly(zs)
		ask := func(p LatLng) {
			if p.Validate() != nil || p.Lng == 180 || p.Lat == 90 {
				zs.AppendAt(nil, p)
				return
			}
			found := zoneIDs(zs.AppendAt(nil, p))
			for i := range zs.zones {
				if plain.holds(i, p) {
					if len(found) == 0 || found[0] != zs.zones[i].ID {
						t.Fatalf("%s: at %v: %v, without %s", raw, p, found, zs.zones[i].ID)
					}
					found = found[1:]
				}
			}
			if len(found) > 0 {
				t.Fatalf("%s: at %v: %v too", raw, p, found)
			}
		}
		ask(LatLng{lat, lng})
		if len(zs.zones) == 0 {
			return
		}
		r := rand.New(rand.NewPCG(math.Float64bits(lat), math.Float64bits(lng)))
		lo, hi := zs.tree.box.Min, zs.tree.box.Max
		for range 50 {
			ask(LatLng{lo[1] + (hi[1]-lo[1])*r.Float64(), lo[0] + (hi[0]-lo[0])*r.Float64()})
		}
	})
}
