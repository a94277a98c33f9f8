package geo

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestIndex_concurrency(t *testing.T) {
	// Drivers hop far and near while others search, join and leave. Two of them never leave the place of the query: each
	// answer must have both, once.
	t.Run("many_writers_and_readers", func(t *testing.T) {
		x := NewIndex(10)
		center := LatLng{37.7749, -122.4194}
		stay := [2]Handle{put(x, "here-1", at(center, 1_000_000)), put(x, "here-2", at(center, 1_000_000))}
		var wg sync.WaitGroup
		var clock atomic.Int64
		for w := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(4, uint64(w)))
				for range 3000 * soak(t) {
					s := int(clock.Add(1))
					id := fmt.Sprintf("d%03d", r.IntN(200))
					x.Update(x.Join(id), at(toward(center, Meters(1000*r.Float64()), 7*r.Float64()), s))
					// These stay within a step of the border of their cell, and cross it again and again.
					// Their time is far ahead, so that they do not expire while their writers wait for a processor.
					x.Update(stay[w%2], at(toward(center, Meters(60*r.Float64()), 7*r.Float64()), s+1_000_000))
					if s%100 == 0 {
						x.Remove(id)
						x.Expire(epoch.Add(time.Duration(s-2000)*time.Second), 50)
					}
				}
			})
			wg.Go(func() {
				r := rand.New(rand.NewPCG(5, uint64(w)))
				for range 500 * soak(t) {
					q := Query{At: toward(center, Meters(100*r.Float64()), 7*r.Float64()), K: 300}
					got := x.Nearest(q)
					here, seen := 0, map[Handle]bool{}
					for i, n := range got {
						if seen[n.Handle] || i > 0 && got[i-1].Distance > n.Distance || Distance(q.At, n.LatLng) != n.Distance {
							t.Error("out of order, twice or wrong", show(named(x, got)))
							return
						}
						seen[n.Handle] = true
						if n.Handle == stay[0] || n.Handle == stay[1] {
							here++
						}
					}
					if here != 2 {
						t.Errorf("%d of 2 that never left were found among %d", here, len(got))
						return
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

	t.Run("a_search_that_is_disturbed_all_the_time_asks_for_calm", func(t *testing.T) {
		x := NewIndex(9)
		center := LatLng{37.7749, -122.4194}
		var stop atomic.Bool
		var wg sync.WaitGroup
		for w := range 3 {
			h := x.Join(fmt.Sprint(w))
			x.Update(h, at(center, 0))
			wg.Go(func() {
				for s := 1; !stop.Load(); s++ {
					x.Update(h, at(toward(center, 400, float64(s)), s))
				}
			})
		}
		for range 100 {
			if got := x.Nearest(Query{At: center, K: 10}); len(got) != 3 {
				t.Errorf("%d of 3 were found", len(got))
			}
		}
		stop.Store(true)
		wg.Wait()
		if calm := x.calm.Load(); calm != 0 {
			t.Errorf("calm is %d after all searches", calm)
		}
	})
}

// While drivers leave a cell, those behind move up into their places, and their fixes go on.
func TestIndex_concurrency_in_a_cell(t *testing.T) {
	x := NewIndex(9)
	place := cellCenter(x, LatLng{37.7749, -122.4194})
	stay := [2]Handle{x.Join("stay-1"), x.Join("stay-2")}
	var clock atomic.Int64
	file := func(h Handle, p LatLng) { x.Update(h, at(p, int(clock.Add(1)))) }
	const fill = 2000
	for range 10 * soak(t) {
		for i := range fill {
			file(x.Join(fmt.Sprint(i)), toward(place, 20, float64(i)))
		}
		for _, h := range stay { // to the end of the cell
			file(h, toward(place, 2000, 1))
			file(h, place)
		}
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := 0.0; !stop.Load(); n++ {
				file(stay[int(n)%2], toward(place, 3, n))
			}
		})
		wg.Go(func() {
			for i := range fill {
				x.Remove(fmt.Sprint(i))
			}
			stop.Store(true)
		})
		for !stop.Load() {
			if got := x.Nearest(Query{At: place, K: 2}); len(got) != 2 || got[0].Distance > 3.1 || got[1].Distance > 3.1 {
				t.Errorf("the two who stay are not the nearest: %v", got)
				break
			}
		}
		wg.Wait()
		if err := whole(x); err != nil {
			t.Fatal(err)
		}
	}
}

// A fix that comes while its word moves is written where the word is then, not where it was.
func TestIndex_concurrency_of_a_word_that_moves(t *testing.T) {
	x := NewIndex(9)
	place := cellCenter(x, LatLng{37.7749, -122.4194})
	h := put(x, "a", at(place, 0))
	in := x.spotAt(nil, place)
	var stop atomic.Bool
	var fixes atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := 1; !stop.Load(); s++ {
			x.Update(h, at(toward(place, 20, float64(s)), s))
			fixes.Add(1)
		}
	})
	r := x.roster.of(h)
	// The moments in which they meet are nanoseconds, and on a busy machine one of the two often waits for a processor.
	enough := int64(1_000_000 * soak(t))
	if raceDetector {
		enough /= 100
	}
	for moves := int64(0); moves < enough || fixes.Load() < enough; moves++ {
		in.head().lock()
		x.shiftLocked(in, minClass+1)
		x.shiftLocked(in, minClass)
		in.head().unlock()
		r.lock(h) // no fix is on its way then
		f, _ := r.fix()
		got, want := uint32(x.arena.word(r.word.Load()).Load()), in.tile.word(f.LatLng, x.lattice.perLat)
		r.unlock()
		if got != want {
			t.Errorf("the word tells %x, the fix %x", got, want)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

func cellCenter(x *Index, p LatLng) LatLng {
	n := x.spotAt(nil, p).name()
	return x.lattice.faces[n.face].place(float64(n.u), float64(n.v)).place()
}

// disturb puts three drivers into a cell in the middle of a city and begins a search there.
func disturb(t *testing.T, at0 LatLng) (x *Index, s *search, hs []Handle) {
	t.Helper()
	x = NewIndex(9)
	for i := range 6 {
		hs = append(hs, put(x, fmt.Sprint(i), at(toward(at0, 10, float64(i)), 0)))
	}
	s = newSearch(x)
	s.q = Query{At: at0, K: 1}
	s.prepare()
	s.begin(false)
	return x, s, hs
}

func TestSearch(t *testing.T) {
	city := LatLng{37.7749, -122.4194}
	t.Run("a_tile_that_is_made_disturbs_it", func(t *testing.T) {
		x, s, _ := disturb(t, city)
		if !s.undisturbed() {
			t.Fatal("it is disturbed by nothing")
		}
		put(x, "far", at(LatLng{1, 1}, 0))
		if s.undisturbed() {
			t.Error("it may have found no tile where there is one now")
		}
	})
	t.Run("who_leaves_a_cell_that_is_read_disturbs_it", func(t *testing.T) {
		x, s, hs := disturb(t, city)
		in := x.spotAt(nil, city)
		s.views = append(s.views, s.view(in.tile))
		s.group = append(s.group, glance{view: &s.views[0], head: in.head()})
		near, ok := s.approach()
		if !ok || len(near) != 1 || near[0].n != 6 {
			t.Fatalf("it sees %+v, %v", near, ok)
		}
		x.Leave(hs[0])
		if s.read(near) {
			t.Error("the last of the cell has moved where it may have looked already")
		}
	})
	t.Run("who_goes_farther_between_two_looks_disturbs_it", func(t *testing.T) {
		place := cellCenter(NewIndex(9), city)
		x, s, hs := disturb(t, place)
		if _, ok := s.lookAround(); !ok || !s.full {
			t.Fatal("the first look is disturbed, or has no limit")
		}
		for i, h := range hs {
			x.Update(h, at(toward(place, 50, float64(i)), 1))
		}
		if s.lookEverywhere() {
			t.Errorf("it found %d within the radius of before", len(s.kept))
		}
	})
}
