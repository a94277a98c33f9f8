package geo

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// clustered is a fleet in 30 x 30 km: 20 hot spots in which drivers crowd.
func clustered(n int) []LatLng {
	r := rand.New(rand.NewPCG(6, uint64(n)))
	corner := LatLng{37.6, -122.55}
	spots := make([]LatLng, 20)
	for i := range spots {
		spots[i] = toward(toward(corner, Meters(30_000*r.Float64()), 0), Meters(30_000*r.Float64()), 1.5708)
	}
	ps := make([]LatLng, n)
	for i := range ps {
		ps[i] = toward(spots[r.IntN(len(spots))], Meters(4000*r.Float64()), 7*r.Float64())
	}
	return ps
}

func BenchmarkIndexUpdate(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("drivers=%d", n), func(b *testing.B) {
			x, ps, names := filled(n)
			r := rand.New(rand.NewPCG(7, 7))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d := i % n
				ps[d].Lat += (r.Float64() - 0.5) * 2e-4 // about 10 m
				x.Update(names[d], at(ps[d], 1+i))
			}
		})
	}
}

func BenchmarkIndexNearest(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("drivers=%d/k=16", n), func(b *testing.B) {
			x, ps, _ := filled(n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if got := x.Nearest(Query{At: ps[i*7919%n], K: 16}); len(got) != 16 {
					b.Fatalf("%d neighbours", len(got))
				}
			}
		})
	}
}

func filled(n int) (*Index, []LatLng, []string) {
	x, ps, names := NewIndex(9), clustered(n), make([]string, n)
	for i, p := range ps {
		names[i] = fmt.Sprintf("driver:%07d", i)
		x.Update(names[i], at(p, 0))
	}
	return x, ps, names
}
