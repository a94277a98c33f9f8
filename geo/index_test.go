package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2008, 5, 31, 6, 0, 0, 0, time.UTC)

func at(p LatLng, s int) Fix {
	return Fix{LatLng: p, At: epoch.Add(time.Duration(s) * time.Second), HeadingDeg: math.NaN(), SpeedMps: math.NaN(), AccuracyM: math.NaN()}
}

// brute answers a query by looking at every driver: the oracle.
func brute(fleet map[string]Fix, q Query) []Neighbor {
	var all []Neighbor
	for id, f := range fleet {
		d := Distance(q.At, f.LatLng)
		if f.At.Before(q.FreshSince) || q.Within > 0 && d > q.Within || q.Keep != nil && !q.Keep(id) {
			continue
		}
		all = append(all, Neighbor{ID: id, Fix: f, Distance: d})
	}
	slices.SortFunc(all, byDistance)
	return all[:min(len(all), max(0, q.K))]
}

func same(a, b []Neighbor) bool {
	return slices.EqualFunc(a, b, func(x, y Neighbor) bool {
		return x.ID == y.ID && x.Distance == y.Distance && x.Fix.LatLng == y.Fix.LatLng && x.Fix.At.Equal(y.Fix.At)
	})
}

func ids(ns []Neighbor) []string {
	out := make([]string, len(ns))
	for i, n := range ns {
		out[i] = fmt.Sprintf("%s@%.3f", n.ID, float64(n.Distance))
	}
	return out
}

// whole checks what the index promises itself.
func whole(x *Index) error {
	filed := 0
	for c, in := range x.cells {
		if len(in) == 0 {
			return fmt.Errorf("empty cell %x", uint64(c))
		}
		for slot, r := range in {
			if r.at != c || r.slot != slot || x.drivers[r.id] != r || cellAt(r.fix.LatLng, x.resolution) != c {
				return fmt.Errorf("driver %s is misfiled", r.id)
			}
		}
		filed += len(in)
	}
	if filed != len(x.drivers) {
		return fmt.Errorf("%d filed of %d drivers", filed, len(x.drivers))
	}
	return nil
}

// hardPlaces are where an index goes wrong if anywhere.
func hardPlaces() []LatLng {
	return append(pentagons(),
		LatLng{37.7749, -122.4194}, LatLng{0, 0},
		LatLng{0, 180}, LatLng{-16.5, -180}, LatLng{65, 179.9999},
		LatLng{90, 0}, LatLng{-90, 45}, LatLng{89.999, -120},
	)
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

func TestIndex_Nearest(t *testing.T) {
	t.Run("it_answers_as_a_scan_of_the_fleet", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { // 100 runs of 150 steps
			spread := rapid.SampledFrom([]float64{1e-9, 1e-3, 0.02, 0.3, 5}).Draw(t, "spread")
			center := rapid.SampledFrom(hardPlaces()).Draw(t, "center")
			x := NewIndex(rapid.SampledFrom([]int{0, 2, 4, 6, 8, 9, 10}).Draw(t, "resolution"))
			somewhere := places(center, spread)
			fleet := map[string]Fix{}
			for step := range 150 {
				id := fmt.Sprintf("d%02d", rapid.IntRange(0, 40).Draw(t, "id"))
				now := step - rapid.IntRange(0, 20).Draw(t, "lag")
				switch rapid.IntRange(0, 9).Draw(t, "op") {
				case 0:
					x.Remove(id)
					delete(fleet, id)
				case 1:
					before := epoch.Add(time.Duration(now-30) * time.Second)
					got := x.Expire(before)
					if want := expire(fleet, before); !slices.Equal(got, want) {
						t.Fatalf("Expire gave %v, want %v", got, want)
					}
				case 2, 3, 4, 5:
					f := at(somewhere.Draw(t, "place"), now)
					old, known := fleet[id]
					want := !known || f.At.After(old.At)
					if want {
						fleet[id] = f
					}
					if got := x.Update(id, f); got != want {
						t.Fatalf("Update(%s, %v) = %v over %v, want %v", id, f, got, old, want)
					}
				default:
					q := query(t, somewhere, now)
					if got, want := x.Nearest(q), brute(fleet, q); !same(got, want) {
						t.Fatalf("around %v, fleet of %d:\n got %v\nwant %v", q.At, len(fleet), ids(got), ids(want))
					}
				}
			}
			if err := whole(x); err != nil || x.Len() != len(fleet) {
				t.Fatalf("index of %d, want %d: %v", x.Len(), len(fleet), err)
			}
		})
	})

	// Fleets so large that disks, not scans, answer; the spread goes from all in a cell or two to a region.
	t.Run("it_is_exact_in_large_fleets", func(t *testing.T) {
		for n, center := range hardPlaces() {
			r := rand.New(rand.NewPCG(3, uint64(n)))
			for _, res := range []int{7, 9} {
				x, fleet := NewIndex(res), map[string]Fix{}
				for i := range 1500 {
					id := fmt.Sprintf("d%04d", i)
					d := Meters(30_000 * r.Float64() * r.Float64())
					fleet[id] = at(toward(center, d, 2*math.Pi*r.Float64()), i%60)
					x.Update(id, fleet[id])
				}
				for range 25 {
					q := Query{At: toward(center, Meters(30_000*r.Float64()), 2*math.Pi*r.Float64()), K: 1 + r.IntN(40)}
					if r.IntN(2) == 0 {
						q.Within = Meters(6000 * r.Float64())
						q.FreshSince = epoch.Add(30 * time.Second)
						q.Keep = func(id string) bool { return id[4]%2 == 0 }
					}
					if got, want := x.Nearest(q), brute(fleet, q); !same(got, want) {
						t.Fatalf("around %v at resolution %d:\n got %v\nwant %v", q.At, res, ids(got), ids(want))
					}
				}
			}
		}
	})

	t.Run("equal_distances_come_in_id_order", func(t *testing.T) {
		x := NewIndex(9)
		for _, id := range []string{"c", "a", "d", "b"} {
			x.Update(id, at(LatLng{1, 1}, 0))
		}
		if got := ids(x.Nearest(Query{At: LatLng{1, 1}, K: 3})); !slices.Equal(got, []string{"a@0.000", "b@0.000", "c@0.000"}) {
			t.Errorf("got %v", got)
		}
	})

	t.Run("stale_and_unwanted_drivers_are_skipped", func(t *testing.T) {
		x := NewIndex(9)
		x.Update("stale", at(LatLng{1, 1}, 0))
		x.Update("barred", at(LatLng{1, 1}, 60))
		x.Update("good", at(LatLng{1.001, 1}, 60))
		got := x.Nearest(Query{At: LatLng{1, 1}, K: 5, FreshSince: epoch.Add(time.Minute), Keep: func(id string) bool { return id != "barred" }})
		if len(got) != 1 || got[0].ID != "good" {
			t.Errorf("got %v, want good alone", ids(got))
		}
	})

	t.Run("an_empty_index_and_what_is_no_place_give_nothing", func(t *testing.T) {
		x := NewIndex(9)
		if got := x.Nearest(Query{At: LatLng{1, 1}, K: 5}); len(got) != 0 {
			t.Errorf("empty index gave %v", ids(got))
		}
		x.Update("a", at(LatLng{1, 1}, 0))
		for _, q := range []Query{{At: LatLng{1, 1}}, {At: LatLng{1, 1}, K: -1}, {At: LatLng{999, 999}, K: 1}, {At: LatLng{math.NaN(), 0}, K: 1}} {
			if got := x.Nearest(q); len(got) != 0 {
				t.Errorf("%+v gave %v", q, ids(got))
			}
		}
	})
}

func query(t *rapid.T, somewhere *rapid.Generator[LatLng], now int) Query {
	q := Query{At: somewhere.Draw(t, "at"), K: rapid.SampledFrom([]int{0, 1, 2, 5, 16, 100}).Draw(t, "k")}
	if rapid.Bool().Draw(t, "within") {
		q.Within = Meters(math.Pow(10, rapid.Float64Range(-1, 6).Draw(t, "log10 m")))
	}
	if rapid.Bool().Draw(t, "fresh") {
		q.FreshSince = epoch.Add(time.Duration(now-15) * time.Second)
	}
	if rapid.Bool().Draw(t, "keep") {
		q.Keep = func(id string) bool { return id[2]%2 == 0 }
	}
	return q
}

func expire(fleet map[string]Fix, before time.Time) []string {
	var out []string
	for id, f := range fleet {
		if f.At.Before(before) {
			out = append(out, id)
			delete(fleet, id)
		}
	}
	slices.Sort(out)
	return out
}

func TestIndex_Update(t *testing.T) {
	t.Run("a_fix_that_is_not_newer_changes_nothing", func(t *testing.T) {
		x := NewIndex(9)
		x.Update("a", at(LatLng{1, 1}, 10))
		for _, s := range []int{9, 10} {
			if x.Update("a", at(LatLng{2, 2}, s)) {
				t.Errorf("a fix of second %d replaced that of second 10", s)
			}
		}
		if f, _ := x.Get("a"); f.LatLng != (LatLng{1, 1}) {
			t.Errorf("fix is %v", f)
		}
	})

	t.Run("what_is_no_place_is_refused", func(t *testing.T) {
		x := NewIndex(9)
		if x.Update("a", at(LatLng{999, 999}, 0)) || x.Update("a", at(LatLng{math.NaN(), 0}, 0)) || x.Len() != 0 {
			t.Error("taken in")
		}
	})

	t.Run("a_move_within_its_cell_allocates_nothing_of_ours", func(t *testing.T) {
		x := NewIndex(7)
		s := 0
		perMove := testing.AllocsPerRun(1000, func() {
			s++
			x.Update("a", at(LatLng{37.7749 + float64(s%2)*1e-5, -122.4194}, s))
		})
		// Two are h3-go's, for LatLngToCell.
		if perMove > 2 {
			t.Errorf("%v allocations a move", perMove)
		}
	})

	t.Run("a_fleet_that_moves_on_leaves_no_cells", func(t *testing.T) {
		x := NewIndex(9)
		for s := range 500 {
			x.Update("a", at(LatLng{float64(s) / 100, 1}, s))
		}
		if len(x.cells) != 1 {
			t.Errorf("%d cells for one driver", len(x.cells))
		}
		x.Remove("a")
		if len(x.cells) != 0 || x.Len() != 0 {
			t.Errorf("%d cells, %d drivers after the last was removed", len(x.cells), x.Len())
		}
	})
}

func TestIndex_concurrency(t *testing.T) {
	t.Run("many_writers_and_readers", func(t *testing.T) {
		x := NewIndex(9)
		center := LatLng{37.7749, -122.4194}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(4, uint64(w)))
				for s := range 2000 {
					id := fmt.Sprintf("d%03d", r.IntN(200))
					x.Update(id, at(toward(center, Meters(5000*r.Float64()), 7*r.Float64()), s))
					if s%100 == 0 {
						x.Remove(id)
						x.Expire(epoch.Add(time.Duration(s-500) * time.Second))
					}
				}
			})
			wg.Go(func() {
				r := rand.New(rand.NewPCG(5, uint64(w)))
				for range 500 {
					got := x.Nearest(Query{At: toward(center, Meters(5000*r.Float64()), 7*r.Float64()), K: 16})
					if !slices.IsSortedFunc(got, byDistance) {
						t.Error("out of order", ids(got))
					}
					if len(got) > 0 {
						x.Get(got[0].ID)
					}
					x.Len()
					runtime.Gosched()
				}
			})
		}
		wg.Wait()
		if err := whole(x); err != nil {
			t.Error(err)
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
}
