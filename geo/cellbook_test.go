package geo

import (
	"math"
	"math/rand/v2"
	"testing"
)

// inTheCity gives places within 15 km of San Francisco.
func inTheCity(n int) []LatLng {
	r := rand.New(rand.NewPCG(6, 6))
	places := make([]LatLng, n)
	for i := range places {
		places[i] = toward(LatLng{37.77, -122.42}, Meters(15_000*math.Sqrt(r.Float64())), 7*r.Float64())
	}
	return places
}

func TestCellBook_At(t *testing.T) {
	t.Run("equals_h3_and_asks_it_seldom", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 8))
		for resolution := range maxResolution + 1 {
			b := NewCellBook(resolution)
			places := 0
			for n := range 100 {
				center := anywhere(r)
				if n%4 == 0 {
					center = hardPlaces()[r.IntN(len(hardPlaces()))]
				}
				for range 100 {
					p := toward(center, flatEdge(resolution)*Meters(3*r.Float64()), 7*r.Float64())
					got, ok := b.At(p)
					if want, _ := CellAt(p, resolution); !ok || got != want {
						t.Fatalf("resolution %d: %v is in %s, H3 says %s", resolution, p, got, want)
					}
					places++
				}
			}
			if b.asked > places/3 { // each neighbourhood is new: some 25 cells, and as many names beyond an edge
				t.Errorf("resolution %d: asked H3 %d times for %d places", resolution, b.asked, places)
			}
		}
	})

	t.Run("of_one_city_without_h3_and_allocations", func(t *testing.T) {
		b := NewCellBook(8)
		places := inTheCity(2000)
		for _, p := range places {
			b.At(p)
		}
		first := b.asked
		if n := testing.AllocsPerRun(10, func() {
			for _, p := range places {
				b.At(p)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if b.asked != first {
			t.Errorf("asked H3 %d times again", b.asked-first)
		}
	})

	t.Run("what_is_no_place_has_no_cell", func(t *testing.T) {
		b := NewCellBook(8)
		for _, p := range []LatLng{{Lat: 91}, {Lng: math.NaN()}} {
			if c, ok := b.At(p); ok {
				t.Errorf("%v is in %s", p, c)
			}
		}
	})
}

func BenchmarkCellBook(b *testing.B) {
	places := inTheCity(10_000)
	book := NewCellBook(8)
	b.Run("at", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			book.At(places[i%len(places)])
		}
	})
	b.Run("h3", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			CellAt(places[i%len(places)], 8)
		}
	})
}
