package match

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQueue(t *testing.T) {
	t.Run("it_gives_what_a_sorted_list_gives", func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 13))
		q := new(queue)
		for range 300 {
			q.reset()
			var want []entry
			last, limit := int64(0), int64(1)<<(10+r.IntN(50))
			for driver := range int32(200) {
				// Near to the last one or far, and often as far as another.
				e := entry{last + 1 + r.Int64N(int64(2)<<r.IntN(60))&^7, driver}
				if driver == 3 && last < limit-1 {
					e.dist = limit - 1 // the farthest that counts
				}
				q.push(e)
				if e.dist < limit {
					want = append(want, e)
				}
				if r.IntN(3) > 0 {
					continue
				}
				slices.SortFunc(want, func(a, b entry) int { return cmp.Or(cmp.Compare(a.dist, b.dist), cmp.Compare(a.driver, b.driver)) })
				dist, near, ok := q.pop(limit, nil)
				slices.Sort(near)
				n := 0
				for n < len(want) && want[n].dist == want[0].dist {
					n++
				}
				if ok != (n > 0) || len(near) != n || ok && dist != want[0].dist {
					t.Fatalf("got %v at %d (%v), want the first %d of %v", near, dist, ok, n, want)
				}
				for k, d := range near {
					if d != want[k].driver {
						t.Fatalf("got %v at %d, want the first %d of %v", near, dist, n, want)
					}
				}
				want = want[n:]
				last = max(last, dist)
			}
		}
	})
}
