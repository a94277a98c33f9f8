package geo

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// box is the GeoJSON ring of a rectangle.
func box(west, south, east, north float64) string {
	return fmt.Sprintf("[[%v,%v],[%v,%v],[%v,%v],[%v,%v],[%v,%v]]",
		west, south, east, south, east, north, west, north, west, south)
}

func polygon(rings ...string) string {
	return `{"type":"Polygon","coordinates":[` + strings.Join(rings, ",") + `]}`
}

func parse(t *testing.T, raw string) *Area {
	t.Helper()
	a, err := ParseArea(json.RawMessage(raw))
	if err != nil {
		t.Fatalf("ParseArea(%s): %v", raw, err)
	}
	return &a
}

func TestParseArea(t *testing.T) {
	t.Run("polygon_with_a_hole", func(t *testing.T) {
		raw := polygon(box(0, 0, 4, 4), box(1, 1, 2, 2))
		a := parse(t, raw)
		for p, want := range map[LatLng]bool{
			{3, 3}: true, {0, 0}: true, {0, 2}: true, {1.5, 1.5}: false, {4.1, 1}: false, {-1, -1}: false,
		} {
			if a.Contains(p) != want {
				t.Errorf("Contains(%v) = %v", p, !want)
			}
		}
		if string(a.GeoJSON()) != raw {
			t.Errorf("GeoJSON is %s", a.GeoJSON())
		}
	})

	t.Run("two_polygons_and_their_bounds", func(t *testing.T) {
		a := parse(t, `{"type":"MultiPolygon","coordinates":[[`+box(0, 0, 1, 2)+`],[`+box(178, -3, 180, -1)+`]],"bbox":[0,-3,180,2]}`)
		if !a.Contains(LatLng{1, 0.5}) || !a.Contains(LatLng{-2, 180}) || a.Contains(LatLng{0, 90}) {
			t.Error("wrong places")
		}
		if sw, ne := a.Bounds(); sw != (LatLng{-3, 0}) || ne != (LatLng{2, 180}) {
			t.Errorf("Bounds are %v, %v", sw, ne)
		}
	})

	t.Run("an_altitude_is_ignored", func(t *testing.T) {
		parse(t, polygon("[[0,0,5],[1,0,5],[1,1,5],[0,0,5]]"))
	})

	t.Run("what_is_wrong_is_named", func(t *testing.T) {
		many := strings.Repeat("[0,0],", MaxAreaPositions)
		for raw, want := range map[string]string{
			``:                            "read geometry",
			`null`:                        `geometry type is ""`,
			`[]`:                          "read geometry",
			`{"type":"Point"}`:            `geometry type is "Point"`,
			`{"type":"Polygon"}`:          "geometry has no coordinates",
			`{"type":"Polygon","Type":1}`: "Type",
			`{"type":"Polygon","type":"Polygon","coordinates":[]}`: "duplicate",
			`{"type":"MultiPolygon","coordinates":[]}`:             "no polygon",
			`{"type":"MultiPolygon","coordinates":[[]]}`:           "polygon 0: no ring",
			polygon():                                              "polygon 0: no ring",
			polygon("[[0,0],[1,0],[0,0]]"):                         "ring 0: 3 positions, at least 4",
			polygon("[[0,0],[1,0],[1,1],[0,1]]"):                   "ring 0: not closed",
			polygon("[[0,0],[1,0],[2,0],[0,0]]"):                   "ring 0: encloses nothing",
			polygon(box(0, 0, 4, 4), "[[1,1],[2,91],[2,2],[1,1]]"): "ring 1: position 1: lat must be",
			polygon("[[0,0],[181,0],[1,1],[0,0]]"):                 "ring 0: position 1: lng must be",
			polygon("[[0,0],[1],[1,1],[0,0]]"):                     "position 1: 1 numbers",
			polygon("[[0,0],[1,null],[1,1],[0,0]]"):                "position 1: null",
			polygon(`[[0,0],["1",0],[1,1],[0,0]]`):                 "read coordinates",
			polygon("[" + many + "[0,0]]"):                         "more than 10000 positions",
		} {
			a, err := ParseArea(json.RawMessage(raw))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ParseArea(%.80s) = %v, %v; want an error with %q", raw, a.bound, err, want)
			}
		}
	})
}

func TestArea_Overlaps(t *testing.T) {
	square := polygon(box(0, 0, 2, 2))
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"itself":                 {square, square, true},
		"same_ring_turned_round": {square, polygon("[[2,2],[2,0],[0,0],[0,2],[2,2]]"), true},
		"apart":                  {square, polygon(box(3, 0, 4, 2)), false},
		"shared_edge":            {square, polygon(box(2, 0, 4, 2)), false},
		"part_of_an_edge":        {square, polygon(box(2, 0.5, 4, 1)), false},
		"shared_corner":          {square, polygon(box(2, 2, 4, 4)), false},
		"corner_on_an_edge":      {square, polygon("[[2,1],[3,0],[3,2],[2,1]]"), false},
		"crossing":               {square, polygon(box(1, 1, 3, 3)), true},
		"a_plus":                 {polygon(box(0, 1, 3, 2)), polygon(box(1, 0, 2, 3)), true},
		"inside":                 {square, polygon(box(0.5, 0.5, 1, 1)), true},
		"inside_along_an_edge":   {square, polygon(box(0, 0.5, 1, 1)), true},
		"half_sharing_corners":   {square, polygon("[[0,0],[2,0],[2,2],[0,0]]"), true},
		"the_two_halves":         {polygon("[[0,0],[2,2],[0,2],[0,0]]"), polygon("[[0,0],[2,0],[2,2],[0,0]]"), false},
		"in_the_hole":            {polygon(box(0, 0, 9, 9), box(3, 3, 6, 6)), polygon(box(4, 4, 5, 5)), false},
		"filling_the_hole":       {polygon(box(0, 0, 9, 9), box(3, 3, 6, 6)), polygon(box(3, 3, 6, 6)), false},
		"over_the_hole":          {polygon(box(0, 0, 9, 9), box(3, 3, 6, 6)), polygon(box(2, 4, 5, 5)), true},
		"slanted_T": {
			polygon("[[0,0],[0.3,0.1],[0,0.1],[0,0]]"), polygon("[[0,0],[0.15,0.05],[0.3,0.1],[0.3,0],[0,0]]"), false,
		},
		"thinner_than_a_hair": {square, polygon(box(2-1e-11, 0, 4, 2)), false},
		"thicker_than_a_hair": {square, polygon(box(2-1e-6, 0, 4, 2)), true},
		"two_parts": {
			`{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 1, 1) + `],[` + box(5, 5, 6, 6) + `]]}`,
			polygon(box(1, 1, 5.5, 5.5)), true,
		},
		"between_two_parts": {
			`{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 1, 1) + `],[` + box(5, 5, 6, 6) + `]]}`,
			polygon(box(1, 1, 5, 5)), false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := parse(t, c.a), parse(t, c.b)
			if a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
				t.Errorf("%s and %s: %v and %v, want %v", c.a, c.b, a.Overlaps(b), b.Overlaps(a), c.want)
			}
		})
	}

	t.Run("stars_overlap_when_a_place_lies_in_both", func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 8))
		meet := 0
		for range 300 {
			a, b := star(t, r), star(t, r)
			found := false
			for range 4000 {
				p := LatLng{Lat: r.Float64() * 3, Lng: r.Float64() * 3}
				found = found || a.Contains(p) && b.Contains(p)
			}
			if found {
				meet++
			}
			if got := a.Overlaps(b); found && !got || got != b.Overlaps(a) {
				t.Fatalf("%s and %s: %v, %v, yet a place in both: %v", a.raw, b.raw, got, b.Overlaps(a), found)
			}
		}
		if meet < 50 || meet > 290 {
			t.Errorf("%d of 300 pairs meet: not much of a test", meet)
		}
	})
}

// star is a random ring that does not cross itself.
func star(t *testing.T, r *rand.Rand) *Area {
	x, y, n := 0.5+1.5*r.Float64(), 0.5+1.5*r.Float64(), 3+r.IntN(9)
	var ring []string
	for i := range n {
		a, d := 2*math.Pi*float64(i)/float64(n), 0.1+0.4*r.Float64()
		ring = append(ring, fmt.Sprintf("[%v,%v]", x+d*math.Cos(a), y+d*math.Sin(a)))
	}
	return parse(t, polygon("["+strings.Join(append(ring, ring[0]), ",")+"]"))
}

func FuzzParseArea(f *testing.F) {
	f.Add([]byte(polygon(box(0, 0, 4, 4), box(1, 1, 2, 2))))
	f.Add([]byte(`{"type":"MultiPolygon","coordinates":[[` + box(0, 0, 1, 1) + `]]}`))
	f.Add([]byte(`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}`))
	f.Add([]byte(polygon("[[0,0],[4,0],[0,1],[0,0]]", "[[1,1],[0,0,0],[0,1],[1,1]]")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := ParseArea(raw)
		if err != nil {
			return
		}
		sw, ne := a.Bounds()
		if sw.Validate() != nil || ne.Validate() != nil || sw.Lat > ne.Lat || sw.Lng > ne.Lng {
			t.Errorf("bounds %v, %v", sw, ne)
		}
		if b, err := ParseArea(a.GeoJSON()); err != nil || len(b.polygons) != len(a.polygons) {
			t.Errorf("its own GeoJSON is refused: %v", err)
		}
		// The corner of a ring may be on a hole's edge, which is the hole's.
		if first := a.polygons[0]; len(first) == 1 && !a.Contains(LatLng{Lat: first[0][0][1], Lng: first[0][0][0]}) {
			t.Errorf("%v is not in its own area", first[0][0])
		}
		if len(raw) < 1000 {
			a.Overlaps(&a)
		}
	})
}
