package geo

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what an index should hold: the oracle.
type model map[string]*known

type known struct {
	handle Handle
	fix    Fix
	seen   bool // it has a fix
	aside  bool // it has expired
	traits Traits
}

// neighbor is a Neighbor by its id.
type neighbor struct {
	id string
	Neighbor
}

// nearest answers a query by looking at every driver.
func (m model) nearest(q Query) []neighbor {
	all := []neighbor{}
	for id, k := range m {
		d := Distance(q.At, k.fix.LatLng)
		if !k.seen || k.aside || k.fix.At.Before(q.FreshSince) || q.Within > 0 && d > q.Within ||
			!q.Filter.Keep(k.traits) || slices.Contains(q.Barred, k.handle) {
			continue
		}
		all = append(all, neighbor{id, Neighbor{Handle: k.handle, LatLng: k.fix.LatLng, At: k.fix.At, Distance: d}})
	}
	slices.SortFunc(all, func(a, b neighbor) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.id, b.id))
	})
	return all[:min(len(all), max(0, q.K))]
}

func named(x *Index, ns []Neighbor) []neighbor {
	out := []neighbor{}
	for _, n := range ns {
		id, _ := x.ID(n.Handle)
		out = append(out, neighbor{id, n})
	}
	return out
}

func show(ns []neighbor) []string {
	out := make([]string, len(ns))
	for i, n := range ns {
		out[i] = fmt.Sprintf("%s@%.3f", n.id, float64(n.Distance))
	}
	return out
}

// whole checks what the index promises itself, while nothing happens to it.
func whole(x *Index) error {
	filed := map[uint32]bool{}
	live := 0
	for _, t := range *x.atlas.numbered.Load() {
		if t == nil {
			continue
		}
		live++
		if x.atlas.find(t.tileKey) != t || t.began.Load() != t.ended.Load() || t.dead.Load() {
			return fmt.Errorf("tile %v is lost, dead or at work", t.tileKey)
		}
		for i := range t.cells {
			s := spot{t, uint32(i)}
			if err := x.wholeCell(s, filed); err != nil {
				return fmt.Errorf("tile %v, cell %d: %w", t.tileKey, i, err)
			}
		}
	}
	if live != x.atlas.live {
		return fmt.Errorf("%d tiles, counted %d", live, x.atlas.live)
	}
	for index := range x.roster.made {
		r := x.roster.record(index)
		if r.state.Load()&1 != 0 {
			return fmt.Errorf("driver %d is locked", index)
		}
		if (r.cell.Load() == nowhere) == filed[index] {
			return fmt.Errorf("driver %d is in cell %x, filed %v", index, r.cell.Load(), filed[index])
		}
	}
	return nil
}

func (x *Index) wholeCell(s spot, filed map[uint32]bool) error {
	c := s.head()
	n := c.n.Load()
	if (s.tile.occupied.Load()&(1<<s.cell) != 0) != (n > 0) || c.seq.Load()&1 != 0 {
		return fmt.Errorf("%d drivers, occupied %b, state %d", n, s.tile.occupied.Load(), c.seq.Load())
	}
	for i := range n {
		w := x.arena.word(c.first.Load() + i).Load()
		r := x.roster.record(wordIndex(w))
		if filed[wordIndex(w)] || r.cell.Load() != s.number() || r.word.Load() != c.first.Load()+i {
			return fmt.Errorf("driver %d is misfiled", wordIndex(w))
		}
		filed[wordIndex(w)] = true
		p := LatLng{math.Float64frombits(r.lat.Load()), math.Float64frombits(r.lng.Load())}
		if at := x.spotAt(nil, p); at != s {
			return fmt.Errorf("driver %d at %v belongs into tile %v, cell %d", wordIndex(w), p, at.tile.tileKey, at.cell)
		}
		if s.tile.grid.ok && s.tile.word(p, x.lattice.perLat) != uint32(w) {
			return fmt.Errorf("the word of driver %d tells another place than %v", wordIndex(w), p)
		}
	}
	return nil
}

// places draws around a place, sometimes exactly on it, so that there are ties.
func places(center LatLng, spread float64) *rapid.Generator[LatLng] {
	return rapid.Custom(func(t *rapid.T) LatLng {
		// Steps of an eighth make equal distances likely.
		dLat := float64(rapid.IntRange(-8, 8).Draw(t, "lat")) / 8 * spread
		dLng := float64(rapid.IntRange(-8, 8).Draw(t, "lng")) / 8 * spread
		return LatLng{
			Lat: max(-90, min(90, center.Lat+dLat)),
			Lng: math.Remainder(center.Lng+dLng/max(0.01, math.Cos(center.Lat*math.Pi/180)), 360),
		}
	})
}

// soak is how many times longer the properties run: 1, and 10 in make soak.
func soak(t testing.TB) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("HEXFLEET_SOAK"), "1"))
	if err != nil || n < 1 {
		t.Fatalf("HEXFLEET_SOAK=%q is no number of times", os.Getenv("HEXFLEET_SOAK"))
	}
	return n
}

// twin is an index and its model.
type twin struct {
	x     *Index
	model model
	gone  []Handle
}

func TestIndex(t *testing.T) {
	// 100 runs of 1000 steps, times soak.
	t.Run("it_does_as_a_scan_of_the_fleet", func(t *testing.T) {
		for range soak(t) {
			rapid.Check(t, func(t *rapid.T) {
				spread := rapid.SampledFrom([]float64{1e-9, 1e-3, 0.02, 0.3, 5}).Draw(t, "spread")
				center := rapid.SampledFrom(hardPlaces()).Draw(t, "center")
				w := twin{x: NewIndex(rapid.SampledFrom([]int{0, 2, 4, 6, 8, 9, 10, 11, 15}).Draw(t, "resolution")), model: model{}}
				somewhere := places(center, spread)
				for step := range 1000 {
					w.step(t, somewhere, step)
				}
				if err := whole(w.x); err != nil || w.x.Len() != len(w.model) {
					t.Fatalf("index of %d, want %d: %v", w.x.Len(), len(w.model), err)
				}
			})
		}
	})
}

// step does one thing to both.
func (w *twin) step(t *rapid.T, somewhere *rapid.Generator[LatLng], step int) {
	id := fmt.Sprintf("d%02d", rapid.IntRange(0, 60).Draw(t, "id"))
	now := step - rapid.IntRange(0, 20).Draw(t, "lag")
	switch k := w.model[id]; rapid.IntRange(0, 15).Draw(t, "op") {
	case 0:
		if got := w.x.Remove(id); got != (k != nil) {
			t.Fatalf("Remove(%s) = %v", id, got)
		}
		if k != nil {
			w.gone = append(w.gone, k.handle)
			delete(w.model, id)
		}
	case 1:
		w.stale(t)
	case 2:
		before := epoch.Add(time.Duration(now-30) * time.Second)
		got, want := w.x.Expire(before, math.MaxInt), w.model.expire(before)
		if got != want {
			t.Fatalf("Expire gave %d, want %d", got, want)
		}
	case 3:
		if k != nil {
			k.traits = drawTraits(t)
			w.x.Describe(k.handle, func(has *Traits) { *has = k.traits })
		}
	case 4, 5, 6, 7, 8, 9, 10:
		w.update(t, id, at(somewhere.Draw(t, "place"), now))
	default:
		q := w.query(t, somewhere, now)
		got, want := named(w.x, w.x.Nearest(q)), w.model.nearest(q)
		if !slices.Equal(got, want) {
			t.Fatalf("%+v, fleet of %d:\n got %v\nwant %v", q, len(w.model), show(got), show(want))
		}
	}
}

func (w *twin) update(t *rapid.T, id string, f Fix) {
	k := w.model[id]
	if k == nil {
		k = &known{handle: w.x.Join(id)}
		w.model[id] = k
	}
	want := !k.seen || f.At.After(k.fix.At)
	if got := w.x.Update(k.handle, f); got != want {
		t.Fatalf("Update(%s, %v) = %v over %v, want %v", id, f, got, k.fix, want)
	}
	if want {
		k.fix, k.seen, k.aside = f, true, false
	}
	if got, ok := w.x.Get(id); !ok || got.LatLng != k.fix.LatLng || !got.At.Equal(k.fix.At) {
		t.Fatalf("Get(%s) = %v, %v, want %v", id, got, ok, k.fix)
	}
}

// stale tries a handle of someone who has left.
func (w *twin) stale(t *rapid.T) {
	if len(w.gone) == 0 {
		return
	}
	h := rapid.SampledFrom(w.gone).Draw(t, "gone")
	_, named := w.x.ID(h)
	_, last := w.x.Last(h)
	if named || last || w.x.Update(h, at(LatLng{}, 1e6)) || w.x.Leave(h) || w.x.Describe(h, func(*Traits) {}) {
		t.Fatalf("handle %x of one that has left was taken", h)
	}
}

func (m model) expire(before time.Time) int {
	n := 0
	for _, k := range m {
		if k.seen && !k.aside && k.fix.At.Before(before) {
			k.aside = true
			n++
		}
	}
	return n
}

func drawTraits(t *rapid.T) Traits {
	return Traits{
		Class: uint16(rapid.IntRange(0, 2).Draw(t, "class")), Free: uint8(rapid.IntRange(0, 3).Draw(t, "free")),
		States: uint8(rapid.IntRange(0, 3).Draw(t, "states")), Tags: rapid.SampledFrom([]uint32{0, 1, 1 << 31}).Draw(t, "tags"),
	}
}

func (w *twin) query(t *rapid.T, somewhere *rapid.Generator[LatLng], now int) Query {
	q := Query{At: somewhere.Draw(t, "at"), K: rapid.SampledFrom([]int{0, 1, 2, 5, 16, 100}).Draw(t, "k")}
	if rapid.Bool().Draw(t, "within") {
		q.Within = Meters(math.Pow(10, rapid.Float64Range(-1, 6).Draw(t, "log10 m")))
	}
	if rapid.Bool().Draw(t, "fresh") {
		q.FreshSince = epoch.Add(time.Duration(now-15) * time.Second)
	}
	if rapid.Bool().Draw(t, "filter") {
		like := drawTraits(t)
		q.Filter = Filter{Class: like.Class, Free: like.Free, States: like.States & 1, NotStates: like.States & 2, Tags: like.Tags}
	}
	if k := w.model["d07"]; k != nil && rapid.Bool().Draw(t, "bar") {
		q.Barred = []Handle{1, k.handle}
	}
	return q
}
