package sim

import "time"

// queue is when who wants to be woken: a heap of slots by (instant, slot), a total order, in which each slot stands at
// most once. Instants are whole microseconds, as the market's clock has them.
type queue struct {
	heap []int32 // slots
	at   []int64 // of each slot, Unix microseconds
	// place is where each slot stands in heap, -1 for one that wants nothing.
	place []int32
}

func newQueue(slots int) queue {
	q := queue{at: make([]int64, slots), place: make([]int32, slots)}
	for i := range q.place {
		q.place[i] = -1
	}
	return q
}

// set has a slot woken at an instant, in the place of what it wanted before; at the zero instant never.
func (q *queue) set(slot int, at time.Time) {
	if at.IsZero() {
		q.drop(slot)
		return
	}
	micro := at.UnixMicro()
	if at.Nanosecond()%1000 != 0 {
		micro++ // never early
	}
	i := q.place[slot]
	if i < 0 {
		i = int32(len(q.heap))
		q.heap = append(q.heap, int32(slot))
		q.place[slot] = i
	}
	q.at[slot] = micro
	q.up(int(i))
	q.down(int(q.place[slot]))
}

// first is the slot to be woken first, and when; false when none wants to be.
func (q *queue) first() (slot int, at time.Time, ok bool) {
	if len(q.heap) == 0 {
		return 0, time.Time{}, false
	}
	s := q.heap[0]
	return int(s), time.UnixMicro(q.at[s]).UTC(), true
}

func (q *queue) drop(slot int) {
	i := int(q.place[slot])
	if i < 0 {
		return
	}
	last := len(q.heap) - 1
	q.swap(i, last)
	q.heap = q.heap[:last]
	q.place[slot] = -1
	if i < last {
		q.up(i)
		q.down(i)
	}
}

func (q *queue) less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	if q.at[a] != q.at[b] {
		return q.at[a] < q.at[b]
	}
	return a < b
}

func (q *queue) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.place[q.heap[i]], q.place[q.heap[j]] = int32(i), int32(j)
}

func (q *queue) up(i int) {
	for i > 0 && q.less(i, (i-1)/2) {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (q *queue) down(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(q.heap) && q.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}
