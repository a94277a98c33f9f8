package geo

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/planar"
)

// BenchmarkZones finds the zones of places of a city: as we do, and plainly by each zone's bounding box and orb's
// polygon test. cell=h3 is only the first step of a search by H3 cells, the cell of the place.
func BenchmarkZones(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	places := make([]LatLng, 4096)
	for i := range places {
		places[i] = LatLng{37.6 + 0.3*r.Float64(), -122.6 + 0.3*r.Float64()}
	}
	for _, n := range []int{10, 100, 1000} {
		zs := cityZones(b, n)
		b.Run(fmt.Sprintf("zones=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			buf, found := make([]*Zone, 0, 256), 0
			for i := 0; b.Loop(); i++ {
				buf = zs.AppendAt(buf[:0], places[i%len(places)])
				found += len(buf)
			}
			b.ReportMetric(float64(found)/float64(b.N), "zones/place")
		})
		b.Run(fmt.Sprintf("plain/zones=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]*Zone, 0, 256)
			for i := 0; b.Loop(); i++ {
				p := places[i%len(places)]
				pt := orb.Point{p.Lng, p.Lat}
				buf = buf[:0]
				for j := range zs.zones {
					z := &zs.zones[j]
					if z.area.bound.Contains(pt) && planar.MultiPolygonContains(z.area.polygons, pt) {
						buf = append(buf, z)
					}
				}
			}
		})
	}
	b.Run("cell=h3", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			cellAt(places[i%len(places)], 9)
		}
	})
}
