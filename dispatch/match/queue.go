package match

import "math/bits"

// entry is a driver to be looked at.
type entry struct {
	dist   int64
	driver int32
}

// queue is a radix heap (R. Ahuja, K. Mehlhorn, J. Orlin, R. Tarjan, "Faster algorithms for the shortest path problem",
// J. ACM 37 (1990) 213-223): as a search takes drivers out by ascending distance, an entry need only be filed by the
// highest bit in which its distance differs from the last one taken out. To push is to append; what lies beyond the
// end of the search, which is most, is never sorted.
type queue struct {
	last    int64
	filled  uint64 // bit b: buckets[b] holds something
	buckets [64][]entry
}

// reset empties the queue; distances from 0 on may be pushed.
func (q *queue) reset() {
	for q.filled != 0 {
		b := bits.TrailingZeros64(q.filled)
		q.buckets[b] = q.buckets[b][:0]
		q.filled &= q.filled - 1
	}
	q.last = 0
}

// push files an entry; its distance is above that of the last one taken out.
func (q *queue) push(e entry) {
	b := (bits.Len64(uint64(e.dist^q.last)) - 1) & 63
	q.buckets[b] = append(q.buckets[b], e)
	q.filled |= 1 << b
}

// pop takes out all entries of the least distance, appends their drivers to near and tells the distance; false when
// none is below limit.
func (q *queue) pop(limit int64, near []int32) (int64, []int32, bool) {
	if q.filled == 0 {
		return 0, near, false
	}
	b := bits.TrailingZeros64(q.filled)
	entries := q.buckets[b]
	least := limit
	for i := range entries {
		least = min(least, entries[i].dist)
	}
	if least == limit {
		return 0, near, false // those in the other buckets are farther still
	}
	q.buckets[b] = entries[:0]
	q.filled &= q.filled - 1
	q.last = least
	for _, e := range entries {
		switch {
		case e.dist == least:
			near = append(near, e.driver)
		case e.dist < limit:
			q.push(e)
		}
	}
	return least, near, true
}
