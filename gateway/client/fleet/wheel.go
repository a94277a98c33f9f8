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
	// asleep tells that the goroutine waits; it wakes by itself at until, zero for never.
	asleep bool
	until  time.Time
}

// grain is how long the wheel sleeps at least, wall time: thousands of drivers are then rung together rather
// than one a wake-up, and nobody drives or thinks more precisely than that.
const grain = 5 * time.Millisecond

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
	if a.place == 0 && w.asleep && (w.until.IsZero() || a.at.Before(w.until)) {
		select {
		case w.poke <- struct{}{}:
		default:
		}
	}
}

// run rings what is due until ctx ends.
func (w *wheel) run(ctx context.Context) {
	for ctx.Err() == nil {
		due, until := w.pop()
		if due != nil {
			due.ring()
			continue
		}
		var fire <-chan time.Time
		stop := func() {}
		if !until.IsZero() {
			fire, stop = w.clock.wall.After(w.clock.wallAt(until))
		}
		select {
		case <-fire:
		case <-w.poke:
		case <-ctx.Done():
		}
		stop()
	}
}

// pop takes an alarm that is due; else the wheel is to sleep until an instant, zero for none.
func (w *wheel) pop() (due *alarm, until time.Time) {
	now, least := w.clock.Now(), w.clock.market(grain)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asleep = false
	if len(w.alarms) > 0 && !w.alarms[0].at.After(now) {
		return heap.Pop(&w.alarms).(*alarm), time.Time{}
	}
	w.asleep, w.until = true, time.Time{}
	if len(w.alarms) > 0 {
		w.until = w.alarms[0].at
		if at := now.Add(least); w.until.Before(at) {
			w.until = at
		}
	}
	return nil, w.until
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
