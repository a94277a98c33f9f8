package fleet

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// wheel is the alarm clock of many actors: one goroutine and one timer, however many there are.
type wheel struct {
	clock *marketClock
	// poke tells the goroutine that an earlier alarm was set; one is enough, for it then looks anew.
	poke chan struct{}

	mu     sync.Mutex
	alarms alarms
}

// alarm calls ring at its market instant. Its fields but ring are guarded by the wheel's mu.
type alarm struct {
	ring  func()
	at    time.Time
	place int // in the heap, -1 when not set
}

func newWheel(clock *marketClock) *wheel {
	return &wheel{clock: clock, poke: make(chan struct{}, 1)}
}

func newAlarm(ring func()) *alarm { return &alarm{ring: ring, place: -1} }

// set moves an alarm to the market instant at; the zero instant unsets it.
func (w *wheel) set(a *alarm, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case at.IsZero() && a.place >= 0:
		heap.Remove(&w.alarms, a.place)
	case at.IsZero():
	case a.place >= 0:
		a.at = at
		heap.Fix(&w.alarms, a.place)
	default:
		a.at = at
		heap.Push(&w.alarms, a)
	}
	if a.place == 0 {
		select {
		case w.poke <- struct{}{}:
		default:
		}
	}
}

// run rings what is due until ctx ends.
func (w *wheel) run(ctx context.Context) {
	for ctx.Err() == nil {
		due, next := w.pop()
		if due != nil {
			due.ring()
			continue
		}
		var fire <-chan time.Time
		stop := func() {}
		if !next.IsZero() {
			fire, stop = w.clock.wall.After(w.clock.wallAt(next))
		}
		select {
		case <-fire:
		case <-w.poke:
		case <-ctx.Done():
		}
		stop()
	}
}

// pop takes an alarm that is due; else next is the instant of the first one, zero for none.
func (w *wheel) pop() (due *alarm, next time.Time) {
	now := w.clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.alarms) == 0 {
		return nil, time.Time{}
	}
	if first := w.alarms[0]; first.at.After(now) {
		return nil, first.at
	}
	return heap.Pop(&w.alarms).(*alarm), time.Time{}
}

// alarms is a heap, the earliest first.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *alarms) Push(x any) {
	a := x.(*alarm)
	a.place = len(*h)
	*h = append(*h, a)
}

// Pop implements heap.Interface.
func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = -1
	return a
}
