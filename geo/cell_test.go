package geo

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestCellAt(t *testing.T) {
	t.Run("a_place_lies_within_reach_of_its_cells_centre", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p := LatLng{Lat: rapid.Float64Range(-90, 90).Draw(t, "lat"), Lng: rapid.Float64Range(-180, 180).Draw(t, "lng")}
			resolution := rapid.IntRange(0, maxResolution).Draw(t, "resolution")
			c, ok := CellAt(p, resolution)
			if !ok {
				t.Fatalf("no cell of %v", p)
			}
			// A tenth of a metre is the rounding of H3's own degrees.
			if d := Distance(p, c.Center()); d > CellReach(resolution)+0.1 {
				t.Errorf("%v is %v m from the centre of cell %s, its reach is %v m", p, d, c, CellReach(resolution))
			}
			if again, _ := CellAt(c.Center(), resolution); again != c {
				t.Errorf("the centre of %s lies in %s", c, again)
			}
		})
	})
	t.Run("a_known_place_has_its_known_cell", func(t *testing.T) {
		// The example of H3's documentation (h3geo.org, indexing).
		c, ok := CellAt(LatLng{Lat: 37.3615593, Lng: -122.0553238}, 5)
		if !ok || c.String() != "85283473fffffff" {
			t.Errorf("got %s, %v", c, ok)
		}
	})
	t.Run("what_is_no_place_has_no_cell", func(t *testing.T) {
		for _, p := range []LatLng{{Lat: 999, Lng: 999}, {Lat: math.NaN()}} {
			if c, ok := CellAt(p, 8); ok {
				t.Errorf("%v has cell %s", p, c)
			}
		}
		if _, ok := CellAt(LatLng{}, maxResolution+1); ok {
			t.Error("there is a cell beyond the finest")
		}
	})
}

func TestCell_Boundary(t *testing.T) {
	t.Run("goes_once_around_the_cell", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			// Away from the poles and the date line, where degrees are no plane.
			p := LatLng{Lat: rapid.Float64Range(-70, 70).Draw(t, "lat"), Lng: rapid.Float64Range(-170, 170).Draw(t, "lng")}
			resolution := rapid.IntRange(4, 12).Draw(t, "resolution")
			c, _ := CellAt(p, resolution)
			if c.Resolution() != resolution {
				t.Errorf("cell %s has resolution %d, want %d", c, c.Resolution(), resolution)
			}
			corners, at := c.Boundary(), c.Center()
			if len(corners) < 5 {
				t.Fatalf("cell %s has %d corners", c, len(corners))
			}
			turned := 0.0
			for i, a := range corners {
				b := corners[(i+1)%len(corners)]
				if d := Distance(a, at); d > CellReach(resolution)+0.1 {
					t.Errorf("corner %d of %s is %v m from its centre, its reach is %v m", i, c, d, CellReach(resolution))
				}
				angle := math.Atan2(b.Lat-at.Lat, b.Lng-at.Lng) - math.Atan2(a.Lat-at.Lat, a.Lng-at.Lng)
				turned += math.Remainder(angle, 2*math.Pi)
			}
			if math.Abs(turned-2*math.Pi) > 1e-6 {
				t.Errorf("the boundary of %s turns by %v", c, turned)
			}
		})
	})
}
