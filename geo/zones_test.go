package geo

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paulmach/orb"
	"pgregory.net/rapid"
)

func zoneFeatures(features ...string) string {
	return `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`
}

func zoneOf(properties, geometry string) string {
	return `{"type":"Feature","properties":{` + properties + `},"geometry":` + geometry + `}`
}

// noGo is a zone whose kind does not matter.
func noGo(id, geometry string) string {
	return zoneOf(fmt.Sprintf(`"id":%q,"kind":"no_go"`, id), geometry)
}

func parseZones(t testing.TB, raw string) *Zones {
	t.Helper()
	zs, err := ParseZones(json.RawMessage(raw))
	if err != nil {
		t.Fatalf("ParseZones(%.300s): %v", raw, err)
	}
	return zs
}

func zoneIDs(zones []*Zone) []string {
	ids := []string{}
	for _, z := range zones {
		ids = append(ids, z.ID)
	}
	return ids
}

// plainZones tests places the plain ways: the half-open ray test over all edges, and orb's.
type plainZones struct {
	*Zones
	edges [][]zoneEdge
}

func plainly(zs *Zones) plainZones {
	p := plainZones{Zones: zs}
	for i := range zs.zones {
		p.edges = append(p.edges, zs.zones[i].edges())
	}
	return p
}

func (pz plainZones) holds(zone int, p LatLng) (in bool) {
	for i := range pz.edges[zone] {
		in = in != pz.edges[zone][i].crossed(p.Lng, p.Lat)
	}
	return in
}

// agree compares AppendAt with the half-open ray test, and away from edges with orb's.
func (pz plainZones) agree(t rapid.TB, p LatLng) {
	t.Helper()
	found := pz.AppendAt(nil, p)
	for i := range pz.zones {
		z := &pz.zones[i]
		got := len(found) > 0 && found[0] == z
		if got {
			found = found[1:]
		}
		if want := pz.holds(i, p); got != want {
			t.Fatalf("zone %s holds %v: %v, the plain test says %v", z.ID, p, got, want)
		}
		pt := orb.Point{p.Lng, p.Lat}
		if in := z.area.contains(pt); in != got && z.area.segments(func(s segment) bool { return s.distance(pt) > 1e-9 }) {
			t.Fatalf("zone %s holds %v: %v, orb says %v", z.ID, p, got, in)
		}
	}
	if len(found) > 0 {
		t.Fatalf("at %v: %v out of order", p, zoneIDs(found))
	}
}

// starRing is a ring of n positions around a middle, by angle, so that it never crosses itself; reach in degrees.
func starRing(lng, lat, reach, deepest float64, n int, radius func() float64) string {
	var b strings.Builder
	b.WriteString("[")
	first := ""
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
		r := reach * (deepest + (1-deepest)*radius())
		at := fmt.Sprintf("[%v,%v]", lng+r*cos, lat+r*sin)
		if i == 0 {
			first = at
		}
		b.WriteString(at + ",")
	}
	return b.String() + first + "]"
}

// drawZones draws overlapping stars with holes of every size around a place.
func drawZones(t *rapid.T, lng, lat float64) *Zones {
	radius := func() float64 { return rapid.Float64Range(0, 1).Draw(t, "radius") }
	var features []string
	for i := range rapid.IntRange(1, 12).Draw(t, "zones") {
		reach := math.Pow(10, rapid.Float64Range(-6, 0).Draw(t, "size"))
		x, y := lng+rapid.Float64Range(-1, 1).Draw(t, "x"), lat+rapid.Float64Range(-1, 1).Draw(t, "y")
		rings := []string{starRing(x, y, reach, 0.4, rapid.IntRange(5, 40).Draw(t, "corners"), radius)}
		if rapid.Bool().Draw(t, "hole") {
			rings = append(rings, starRing(x, y, reach*0.2, 0.5, rapid.IntRange(3, 9).Draw(t, "hole corners"), radius))
		}
		features = append(features, noGo(fmt.Sprintf("z%02d", i), polygon(rings...)))
	}
	zs, err := ParseZones(json.RawMessage(zoneFeatures(features...)))
	if err != nil {
		t.Fatalf("ParseZones: %v", err)
	}
	return zs
}

func TestZones_AppendAt(t *testing.T) {
	t.Run("equals_the_naive_test_and_orb", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			lng := rapid.Float64Range(-178, 178).Draw(t, "lng")
			lat := rapid.Float64Range(-87, 87).Draw(t, "lat")
			zs := plainly(drawZones(t, lng, lat))
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			for range 60 {
				z := &zs.zones[r.IntN(len(zs.zones))]
				zs.agree(t, LatLng{lat + 4*(r.Float64()-0.5), lng + 4*(r.Float64()-0.5)})
				sw, ne := z.Bounds()
				zs.agree(t, LatLng{sw.Lat + (ne.Lat-sw.Lat)*r.Float64(), sw.Lng + (ne.Lng-sw.Lng)*r.Float64()})
				ring := z.area.polygons[0][r.IntN(len(z.area.polygons[0]))] // on corners and edges, and a hair beside them
				i, along := 1+r.IntN(len(ring)-1), r.Float64()
				x, y := ring[i-1][0]+along*(ring[i][0]-ring[i-1][0]), ring[i-1][1]+along*(ring[i][1]-ring[i-1][1])
				hair := math.Pow(10, -6-9*r.Float64())
				zs.agree(t, LatLng{ring[i][1], ring[i][0]})
				zs.agree(t, LatLng{y, x})
				zs.agree(t, LatLng{y + hair, x - hair})
				zs.agree(t, LatLng{ring[i][1], x + hair}) // at the height of a corner
				for _, b := range zs.tree.sides(r) {      // on the sides of blocks
					zs.agree(t, LatLng{b[1], x})
					zs.agree(t, LatLng{y, b[0]})
					zs.agree(t, LatLng{b[1], b[0]})
				}
			}
		})
	})

	t.Run("of_zones_that_share_edges_a_place_lies_in_one", func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 6))
		const n = 12 // a crooked lattice of n x n quadrangles
		var corners [n + 1][n + 1]string
		for i := range corners {
			for j := range corners[i] {
				x, y := float64(i)/n, float64(j)/n
				if i > 0 && i < n && j > 0 && j < n {
					x, y = x+(r.Float64()-0.5)/n/2, y+(r.Float64()-0.5)/n/2
				}
				corners[i][j] = fmt.Sprintf("[%v,%v]", x, y)
			}
		}
		var features []string
		for i := range n {
			for j := range n {
				ring := []string{corners[i][j], corners[i+1][j], corners[i+1][j+1], corners[i][j+1], corners[i][j]}
				if r.IntN(2) == 0 {
					slices.Reverse(ring)
				}
				features = append(features, noGo(fmt.Sprintf("z%03d", i*n+j), polygon("["+strings.Join(ring, ",")+"]")))
			}
		}
		zs := plainly(parseZones(t, zoneFeatures(features...)))
		check := func(p LatLng) {
			if got := zs.AppendAt(nil, p); len(got) != 1 {
				t.Errorf("%v lies in %v", p, zoneIDs(got))
			}
			zs.agree(t, p)
		}
		for range 3000 {
			check(LatLng{r.Float64(), r.Float64()})
			ring := zs.zones[r.IntN(n*n)].area.polygons[0][0]
			k, along := 1+r.IntN(4), r.Float64()
			p := LatLng{ring[k-1][1] + along*(ring[k][1]-ring[k-1][1]), ring[k-1][0] + along*(ring[k][0]-ring[k-1][0])}
			if p.Lat < 1 && p.Lng < 1 {
				check(p)
			}
		}
	})

	t.Run("edges_belong_to_the_east_and_the_north", func(t *testing.T) {
		zs := plainly(parseZones(t, zoneFeatures(noGo("box", polygon(box(0, 0, 2, 2), box(0.5, 0.5, 1, 1))))))
		for p, want := range map[LatLng]bool{
			{0, 0}: true, {1, 0}: true, {0, 1}: true, {2, 1}: false, {1, 2}: false, {2, 2}: false, {0, 2}: false,
			{0.5, 0.7}: false, {0.7, 0.5}: false, {1, 0.7}: true, {0.7, 1}: true, {0.7, 0.7}: false,
		} {
			if got := len(zs.AppendAt(nil, p)) == 1; got != want {
				t.Errorf("%v: %v", p, got)
			}
			zs.agree(t, p)
		}
	})

	t.Run("antimeridian_and_poles", func(t *testing.T) {
		zs := parseZones(t, zoneFeatures(
			noGo("across", `{"type":"MultiPolygon","coordinates":[[`+box(170, -20, 180, -10)+`],[`+box(-180, -20, -170, -10)+`]]}`),
			noGo("before", polygon(box(175, -20, 180, -10))),
			noGo("cap", `{"type":"MultiPolygon","coordinates":[[`+box(-180, 80, 0, 90)+`],[`+box(0, 80, 180, 90)+`]]}`),
			noGo("floor", `{"type":"MultiPolygon","coordinates":[[`+box(-180, -90, 0, -80)+`],[`+box(0, -90, 180, -80)+`]]}`),
		))
		for p, want := range map[LatLng]string{
			{-15, 179.999999}: "[across before]", {-15, 180}: "[across]", {-15, -180}: "[across]", {-15, -179}: "[across]",
			{-15, 169}: "[]", {-15, 0}: "[]", {90, 12}: "[cap]", {90, 180}: "[cap]", {85, -180}: "[cap]", {-90, -3}: "[floor]",
			{-85, 180}: "[floor]", {0, 0}: "[]",
		} {
			if got := fmt.Sprint(zoneIDs(zs.AppendAt(nil, p))); got != want {
				t.Errorf("%v: %s, want %s", p, got, want)
			}
		}
		if got := zs.AppendAt(nil, LatLng{math.NaN(), 0}); len(got) != 0 {
			t.Errorf("what is no place lies in %v", zoneIDs(got))
		}
	})

	t.Run("of_many_zones_on_one_place_ids_ascend", func(t *testing.T) {
		var features []string
		for i := range 300 { // of the same edges, which no block parts, and of others
			size := 1 + float64(i%3)/1000
			features = append(features, noGo(fmt.Sprintf("z%03d", 299-i), polygon(box(-size, -size, size, size))))
		}
		zs := plainly(parseZones(t, zoneFeatures(features...)))
		ids := zoneIDs(zs.AppendAt(nil, LatLng{0.3, 0.7}))
		if len(ids) != 300 || !slices.IsSorted(ids) {
			t.Errorf("%d zones, sorted: %v", len(ids), slices.IsSorted(ids))
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 500 {
			zs.agree(t, LatLng{2.02 * (r.Float64() - 0.5), 2.02 * (r.Float64() - 0.5)})
		}
		if n := len(zs.tree.blocks); n > 20_000 {
			t.Errorf("%d blocks", n)
		}
	})

	t.Run("nothing_in_no_zones", func(t *testing.T) {
		var none *Zones
		if len(none.AppendAt(nil, LatLng{})) != 0 || none.Multiplier(LatLng{}) != 1 || none.All() != nil {
			t.Error("the nil Zones has some")
		}
		if empty := parseZones(t, zoneFeatures()); len(empty.AppendAt(nil, LatLng{})) != 0 {
			t.Error("empty zones have some")
		}
	})

	t.Run("without_an_allocation", func(t *testing.T) {
		zs := cityZones(t, 200)
		buf := make([]*Zone, 0, 64)
		if n := testing.AllocsPerRun(1000, func() { buf = zs.AppendAt(buf[:0], LatLng{37.77, -122.42}) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if n := testing.AllocsPerRun(1000, func() { _ = zs.Multiplier(LatLng{37.77, -122.42}) }); n != 0 {
			t.Errorf("%v allocations of Multiplier", n)
		}
	})
}

// sides gives a few corners of blocks.
func (t *zoneTree) sides(r *rand.Rand) []orb.Point {
	var out []orb.Point
	lo, hi := t.box.Min, t.box.Max
	for at := int32(0); t.blocks[at].child != 0; {
		mid := middleOf(lo, hi)
		out = append(out, mid)
		q := r.IntN(4)
		at = t.blocks[at].child + int32(q)
		for axis, bit := range [2]int{1, 2} {
			if q&bit != 0 {
				lo[axis] = mid[axis]
			} else {
				hi[axis] = mid[axis]
			}
		}
	}
	return out
}

// cityZones are n stars over San Francisco, each with 60 corners and some with holes, from 100 m to 5 km across.
func cityZones(t testing.TB, n int) *Zones {
	r := rand.New(rand.NewPCG(8, uint64(n)))
	var features []string
	for i := range n {
		lng, lat := -122.6+0.3*r.Float64(), 37.6+0.3*r.Float64()
		reach := 0.0005 * math.Pow(50, r.Float64())
		rings := []string{starRing(lng, lat, reach, 0.5, 60, r.Float64)}
		if i%4 == 0 {
			rings = append(rings, starRing(lng, lat, reach*0.3, 0.5, 12, r.Float64))
		}
		features = append(features, noGo(fmt.Sprintf("z%05d", i), polygon(rings...)))
	}
	return parseZones(t, zoneFeatures(features...))
}

func TestZones_realMaps(t *testing.T) {
	for _, name := range []string{"sf_neighborhoods.geojson", "nyc_boroughs.geojson", "nyc_taxi_zones.geojson.gz"} {
		t.Run(name, func(t *testing.T) {
			raw, err := readMaybeZipped(filepath.Join("../../shared/data/geo", name))
			if err != nil {
				t.Skipf("the map is not here (%v): the stars of the other tests stand for it", err)
			}
			var file struct {
				Features []struct{ Geometry json.RawMessage }
			}
			if err := json.Unmarshal(raw, &file); err != nil {
				t.Fatal(err)
			}
			var features []string
			for i, f := range file.Features {
				one := noGo(fmt.Sprintf("z%03d", i), string(f.Geometry))
				if _, err := ParseZones(json.RawMessage(zoneFeatures(one))); err != nil {
					if a := parse(t, string(f.Geometry)); !crosses(a) {
						t.Errorf("refused: %v; but no two edges cross", err)
					}
					continue
				}
				if a := parse(t, string(f.Geometry)); crosses(a) {
					t.Errorf("feature %d is taken, but two edges cross", i)
				}
				features = append(features, one)
			}
			t.Logf("%d of %d are sound", len(features), len(file.Features))
			zs := plainly(parseZones(t, zoneFeatures(features...)))
			r := rand.New(rand.NewPCG(5, 5))
			lo, hi := zs.tree.box.Min, zs.tree.box.Max
			for range 1000 {
				zs.agree(t, LatLng{lo[1] + (hi[1]-lo[1])*r.Float64(), lo[0] + (hi[0]-lo[0])*r.Float64()})
			}
		})
	}
}

func readMaybeZipped(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(path, ".gz") {
		return io.ReadAll(f)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// crosses tells, by looking at every pair, whether two edges cross by more than touch.
func crosses(a *Area) bool {
	var edges []segment
	a.segments(func(s segment) bool { edges = append(edges, s); return true })
	apart := func(s, t segment) bool { // the ends of t lie on two sides of s
		_, from := s.along(t[0])
		_, to := s.along(t[1])
		return from > touch && to < -touch || from < -touch && to > touch
	}
	for i, s := range edges {
		for _, t := range edges[:i] {
			if apart(s, t) && apart(t, s) {
				return true
			}
		}
	}
	return false
}
