package geo

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// name is what the index files a place under.
type name struct {
	face int32
	u, v int32
}

// register holds names against H3's cells: on each face they must be one to one.
type register struct {
	x     *Index
	cells map[name]cell
	names map[cell]map[int32]name
}

func newRegister(resolution int) *register {
	return &register{x: NewIndex(resolution), cells: map[name]cell{}, names: map[cell]map[int32]name{}}
}

func (s spot) name() name {
	return name{s.tile.face, s.tile.u<<tileBits + int32(s.cell>>tileBits), s.tile.v<<tileBits + int32(s.cell&(tileSide-1))}
}

// enter files a place, from nowhere and by way of a tile near it, and checks what it is filed under.
func (g *register) enter(t *testing.T, p, near LatLng) {
	t.Helper()
	s := g.x.spotAt(nil, p) // compared by name: empty tiles are forgotten now and then
	from := g.x.spotAt(nil, near)
	if again := g.x.spotAt(from.tile, p); again.name() != s.name() {
		t.Fatalf("resolution %d: %v is in %v, and from %v in %v", g.x.lattice.resolution, p, s.name(), near, again.name())
	}
	if from.holds(p) && from.name() != s.name() {
		t.Fatalf("resolution %d: %v holds %v, which is in %v", g.x.lattice.resolution, from.name(), p, s.name())
	}
	n, c := s.name(), cellAt(p, g.x.lattice.resolution)
	if known, ok := g.cells[n]; ok && known != c {
		t.Fatalf("resolution %d: %v holds places of %x and %x, the last at %v", g.x.lattice.resolution, n, known, c, p)
	}
	g.cells[n] = c
	if g.names[c] == nil {
		g.names[c] = map[int32]name{}
	}
	if known, ok := g.names[c][n.face]; ok && known != n {
		t.Fatalf("resolution %d: %x is named %v and %v, the last at %v", g.x.lattice.resolution, c, known, n, p)
	}
	g.names[c][n.face] = n
}

func TestIndex_spotAt(t *testing.T) {
	t.Run("a_name_has_one_cell_of_h3_and_a_cell_one_name_a_face", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for res := range maxResolution + 1 {
			g := newRegister(res)
			for n := range 1500 {
				center := anywhere(r)
				if n%4 == 0 {
					center = hardPlaces()[r.IntN(len(hardPlaces()))]
				}
				last := center
				for range 12 {
					p := toward(center, flatEdge(res)*Meters(4*r.Float64()), 7*r.Float64())
					g.enter(t, p, last)
					last = p
				}
			}
			if calls := g.x.H3Calls(); calls > 1500*12*3/100 {
				t.Errorf("resolution %d: %d calls to H3 for 18,000 places", res, calls)
			}
		}
	})
	// Places within nanometres of an edge: ours and H3's rounding differ there, and H3 has to be asked.
	t.Run("on_the_edge_h3_decides", func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, res := range []int{4, 8, 9, 10, 13} {
			g := newRegister(res)
			for range 400 {
				p := anywhere(r)
				w := vectorAt(p)
				f := &g.x.lattice.faces[g.x.lattice.nearest(w)]
				if f.inside(w) < 4*g.x.lattice.edge {
					continue // the edges of a face have their own test above
				}
				u, v := round(f.at(w))
				along := r.Float64()/3 - 1.0/6
				for _, off := range []float64{-1e-7, -1e-11, -1e-13, 0, 1e-13, 1e-11, 1e-7} {
					at := f.place(float64(u)+0.5+off-along, float64(v)+2*along).place()
					g.enter(t, at, p)
				}
			}
			if g.x.H3Calls() == 0 {
				t.Errorf("resolution %d: H3 was never asked", res)
			}
		}
	})
}

// FuzzIndex_spotAt holds the place of any bits against H3.
func FuzzIndex_spotAt(f *testing.F) {
	for _, p := range hardPlaces() {
		tape := binary.LittleEndian.AppendUint64(nil, math.Float64bits(p.Lat))
		f.Add(append(binary.LittleEndian.AppendUint64(tape, math.Float64bits(p.Lng)), 9, 1, 2, 3))
	}
	f.Fuzz(func(t *testing.T, tape []byte) {
		if len(tape) < 17 {
			return
		}
		p := LatLng{
			math.Float64frombits(binary.LittleEndian.Uint64(tape)), math.Float64frombits(binary.LittleEndian.Uint64(tape[8:])),
		}
		if p.Validate() != nil {
			return
		}
		res := int(tape[16]) % (maxResolution + 1)
		g := newRegister(res)
		last := p
		for _, b := range tape[17:min(len(tape), 200)] {
			next := toward(p, flatEdge(res)*Meters(float64(b&15)/4), float64(b>>4))
			g.enter(t, next, last)
			last = next
		}
	})
}
