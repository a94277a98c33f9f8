package geo

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2008, 5, 31, 6, 0, 0, 0, time.UTC)

func at(p LatLng, s int) Fix {
	return Fix{LatLng: p, At: epoch.Add(time.Duration(s) * time.Second), HeadingDeg: math.NaN(), SpeedMps: math.NaN(), AccuracyM: math.NaN()}
}

// put joins and updates.
func put(x *Index, id string, f Fix) Handle {
	h := x.Join(id)
	x.Update(h, f)
	return h
}

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

// fleetAround is an index of drivers around a place, dense in the middle.
func fleetAround(r *rand.Rand, resolution, n int, center LatLng, spread Meters) twin {
	w := twin{x: NewIndex(resolution), model: model{}}
	for i := range n {
		id := fmt.Sprintf("d%04d", i)
		k := &known{fix: at(toward(center, spread*Meters(r.Float64()*r.Float64()), 2*math.Pi*r.Float64()), i%60), seen: true}
		k.traits = Traits{Class: uint16(i % 3), Free: uint8(i % 2)}
		k.handle = put(w.x, id, k.fix)
		w.x.Describe(k.handle, func(t *Traits) { *t = k.traits })
		w.model[id] = k
	}
	return w
}

func TestIndex_Nearest(t *testing.T) {
	// From all in a cell or two to a region and a continent, with K up to beyond the fleet.
	t.Run("it_is_exact_in_large_fleets", func(t *testing.T) {
		for n, center := range hardPlaces() {
			r := rand.New(rand.NewPCG(3, uint64(n)))
			for _, res := range []int{0, 3, 7, 9, 10, 12} {
				spread := Meters(math.Pow(10, 1+5.5*r.Float64()))
				w := fleetAround(r, res, 600, center, spread)
				for range 15 {
					q := Query{At: toward(center, spread*Meters(r.Float64()*r.Float64()), 2*math.Pi*r.Float64()), K: 1 + r.IntN(40)}
					if r.IntN(3) == 0 {
						q.Within = spread / 3 * Meters(r.Float64())
						q.FreshSince = epoch.Add(30 * time.Second)
						q.Filter = Filter{Class: 1, Free: 1}
					}
					if r.IntN(5) == 0 {
						q.K = 700
					}
					if got, want := named(w.x, w.x.Nearest(q)), w.model.nearest(q); !slices.Equal(got, want) {
						t.Fatalf("around %v at resolution %d, spread %v:\n got %v\nwant %v", q.At, res, spread, show(got), show(want))
					}
				}
			}
		}
	})

	t.Run("equal_distances_come_in_id_order", func(t *testing.T) {
		x := NewIndex(9)
		for i := range 300 { // many more than a search keeps
			put(x, fmt.Sprintf("d%03d", (i*77)%300), at(LatLng{1, 1}, 0))
		}
		got := named(x, x.Nearest(Query{At: LatLng{1, 1}, K: 40}))
		for i, n := range got {
			if want := fmt.Sprintf("d%03d", i); n.id != want {
				t.Fatalf("number %d is %s, want %s", i, n.id, want)
			}
		}
	})

	t.Run("the_memory_of_the_caller_is_used", func(t *testing.T) {
		x := NewIndex(9)
		put(x, "a", at(LatLng{1, 1}, 0))
		dst := make([]Neighbor, 3, 8)
		if got := x.NearestInto(dst, Query{At: LatLng{1, 1}, K: 5}); len(got) != 1 || &got[0] != &dst[0] {
			t.Errorf("got %v", got)
		}
	})

	t.Run("who_asks_for_any_number_gets_all", func(t *testing.T) {
		x := NewIndex(9)
		for i := range 100 {
			put(x, fmt.Sprint(i), at(LatLng{1, float64(i) / 1000}, 0))
		}
		if got := x.Nearest(Query{At: LatLng{1, 1}, K: math.MaxInt}); len(got) != 100 {
			t.Errorf("%d of 100", len(got))
		}
	})

	t.Run("an_empty_index_and_what_is_no_place_give_nothing", func(t *testing.T) {
		x := NewIndex(9)
		if got := x.Nearest(Query{At: LatLng{1, 1}, K: 5}); len(got) != 0 {
			t.Errorf("empty index gave %v", got)
		}
		put(x, "a", at(LatLng{1, 1}, 0))
		x.Join("unseen")
		for _, q := range []Query{
			{At: LatLng{1, 1}}, {At: LatLng{1, 1}, K: -1}, {At: LatLng{999, 999}, K: 1}, {At: LatLng{math.NaN(), 0}, K: 1},
			{At: LatLng{1, 1}, K: 1, FreshSince: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)},
		} {
			if got := x.Nearest(q); len(got) != 0 {
				t.Errorf("%+v gave %v", q, got)
			}
		}
		if got := x.Nearest(Query{At: LatLng{1, 1}, K: 9, FreshSince: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}); len(got) != 1 {
			t.Errorf("all since the year 1 are %v", got)
		}
	})
}

func TestIndex_Update(t *testing.T) {
	t.Run("a_fix_that_is_not_newer_changes_nothing", func(t *testing.T) {
		x := NewIndex(9)
		h := put(x, "a", at(LatLng{1, 1}, 10))
		for _, s := range []int{9, 10} {
			if x.Update(h, at(LatLng{2, 2}, s)) {
				t.Errorf("a fix of second %d replaced that of second 10", s)
			}
		}
		if f, _ := x.Get("a"); f.LatLng != (LatLng{1, 1}) {
			t.Errorf("fix is %v", f)
		}
	})

	t.Run("what_is_no_place_or_time_is_refused", func(t *testing.T) {
		x := NewIndex(9)
		h := x.Join("a")
		for _, f := range []Fix{at(LatLng{999, 999}, 0), at(LatLng{math.NaN(), 0}, 0), {At: time.Time{}}, {At: epoch.AddDate(300, 0, 0)}} {
			if x.Update(h, f) {
				t.Errorf("%v was taken", f)
			}
		}
		if f, ok := x.Get("a"); ok {
			t.Errorf("it has the fix %v", f)
		}
	})

	t.Run("headings_come_back_with_their_digits", func(t *testing.T) {
		x := NewIndex(9)
		f := Fix{LatLng: LatLng{1, 1}, At: epoch, HeadingDeg: 271.25, SpeedMps: 8.94, AccuracyM: math.NaN()}
		put(x, "a", f)
		if got, _ := x.Get("a"); got.HeadingDeg != 271.25 || got.SpeedMps != 8.94 || !math.IsNaN(got.AccuracyM) {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("a_fleet_that_moves_on_leaves_few_tiles", func(t *testing.T) {
		x := NewIndex(9)
		h := x.Join("a")
		for s := range 20 * minReview {
			x.Update(h, at(LatLng{60 * math.Sin(float64(s)), 170 * math.Cos(float64(3*s))}, s))
		}
		if err := whole(x); err != nil || x.atlas.live > minReview {
			t.Errorf("%d tiles for one driver: %v", x.atlas.live, err)
		}
	})
}

func TestIndex_Join(t *testing.T) {
	t.Run("handles_are_dense_and_used_again_in_another_generation", func(t *testing.T) {
		x := NewIndex(9)
		a, b := x.Join("a"), x.Join("b")
		if a.Index() != 0 || b.Index() != 1 || x.Join("a") != a {
			t.Fatalf("handles %x, %x", a, b)
		}
		x.Leave(a)
		c := x.Join("c")
		if c.Index() != 0 || c == a || x.Leave(a) || x.Len() != 2 {
			t.Errorf("handle %x after %x", c, a)
		}
		if id, ok := x.ID(c); id != "c" || !ok {
			t.Errorf("it is called %q", id)
		}
		if _, ok := x.ID(0); ok || x.Update(0, at(LatLng{}, 0)) || x.Update(newHandle(1e6, 1), at(LatLng{}, 0)) {
			t.Error("a handle of nobody was taken")
		}
	})
}

func TestIndex_steady_state(t *testing.T) {
	const n = 20_000
	s := newScene(n)
	o := newOurs(n, 10)
	for i, p := range s.places {
		o.move(uint32(i), LatLng{}, p)
	}
	for _, m := range s.moves[:200_000] {
		o.move(m.driver, m.from, m.to)
	}
	t.Run("hardly_any_update_calls_h3_and_no_query_does", func(t *testing.T) {
		before := o.x.H3Calls()
		for _, m := range s.moves[200_000:400_000] {
			o.move(m.driver, m.from, m.to)
		}
		updates := o.x.H3Calls() - before
		for _, q := range s.queries[:10_000] {
			o.nearest(q, 16)
		}
		if queries := o.x.H3Calls() - before - updates; updates > 200_000/100 || queries != 0 {
			t.Errorf("%d calls of 200,000 updates, %d of 10,000 queries", updates, queries)
		}
		t.Logf("%d calls of 200,000 updates", updates)
	})
	t.Run("nothing_is_allocated", func(t *testing.T) {
		if raceDetector {
			t.Log("not counted: the race detector makes sync.Pool forget")
			return
		}
		i := 400_000
		update := testing.AllocsPerRun(20_000, func() {
			o.move(s.moves[i].driver, s.moves[i].from, s.moves[i].to)
			i++
		})
		query := testing.AllocsPerRun(1000, func() {
			o.nearest(s.queries[i%1000], 16)
			i++
		})
		if update != 0 || query != 0 {
			t.Errorf("%v allocations an update, %v a query", update, query)
		}
	})
}

func TestIndex_Expire(t *testing.T) {
	t.Run("a_call_looks_at_so_many_and_goes_on", func(t *testing.T) {
		x := NewIndex(9)
		for i := range 1000 {
			put(x, fmt.Sprint(i), at(LatLng{1, float64(i) / 1000}, i))
		}
		total, calls := 0, 0
		for ; calls < 10; calls++ {
			n := x.Expire(epoch.Add(500*time.Second), 100)
			if n > 100 {
				t.Fatalf("%d of 100 expired", n)
			}
			total += n
		}
		if total != 500 || len(x.Nearest(Query{At: LatLng{1, 1}, K: 2000})) != 500 || x.Len() != 1000 {
			t.Errorf("%d of 500 expired", total)
		}
		if f, ok := x.Get("7"); !ok || !f.At.Equal(epoch.Add(7*time.Second)) {
			t.Errorf("the fix of an expired one is %v, %v", f, ok)
		}
		if h, _ := x.Find("7"); !x.Update(h, at(LatLng{1, 1}, 2000)) || len(x.Nearest(Query{At: LatLng{1, 1}, K: 2000})) != 501 {
			t.Error("it does not come back with its next fix")
		}
	})
}

func TestNewIndex(t *testing.T) {
	t.Run("a_resolution_that_h3_has_not_panics", func(t *testing.T) {
		for _, res := range []int{-1, 16} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("resolution %d was taken", res)
					}
				}()
				NewIndex(res)
			}()
		}
	})
	t.Run("a_driver_takes_at_most_120_bytes_beside_its_id", func(t *testing.T) {
		if raceDetector {
			t.Log("not measured: the race detector adds its own")
			return
		}
		const n = 1_000_000
		c := newCity(1)
		ids, places := make([]string, n), make([]LatLng, n)
		for i := range ids {
			ids[i], places[i] = driverID(i), c.place()
		}
		before := heap()
		x := NewIndex(10)
		for i, id := range ids {
			put(x, id, at(places[i], 0))
		}
		each := float64(heap()-before) / n
		t.Logf("%.1f bytes a driver", each)
		if each > 120 {
			t.Errorf("%.1f bytes a driver", each)
		}
		runtime.KeepAlive(x)
		runtime.KeepAlive(ids)
	})
}

// heap is the memory in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
