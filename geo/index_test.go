package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
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
