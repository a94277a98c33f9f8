package fleet

import (
	"context"
	"slices"
	"testing"
	"time"
)

// handClock is a wall clock moved by hand; timers never fire by themselves, but at once when they are due.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

func (c *handClock) After(t time.Time) (<-chan time.Time, func()) {
	fire := make(chan time.Time, 1)
	if !t.After(c.now) {
		fire <- c.now
	}
	return fire, func() {}
}

func TestMarketClock(t *testing.T) {
	zero := time.Unix(1000, 0)
	hand := &handClock{now: time.Unix(50, 0)}
	c := newMarketClock(hand, zero, 20)
	hand.now = hand.now.Add(2 * time.Second)
	if got := c.Now(); !got.Equal(zero.Add(40 * time.Second)) {
		t.Errorf("after 2 s at 20 it shows %v, want 40 s later", got)
	}
	if got := c.wallAt(zero.Add(60 * time.Second)); !got.Equal(time.Unix(53, 0)) {
		t.Errorf("60 market seconds are reached at %v, want 3 s after the start", got)
	}
	c.told(zero.Add(30*time.Second), 20)
	if got := c.Now(); !got.Equal(zero.Add(40 * time.Second)) {
		t.Errorf("an old instant set it to %v", got)
	}
	c.told(zero.Add(45*time.Second), 20)
	if got := c.Now(); !got.Equal(zero.Add(45 * time.Second)) {
		t.Errorf("a newer instant set it to %v, want 45 s", got)
	}
	c.told(zero, 1) // the server came back at another scale
	hand.now = hand.now.Add(time.Second)
	if got := c.Now(); !got.Equal(zero.Add(46 * time.Second)) {
		t.Errorf("a second later at scale 1 it shows %v, want 46 s", got)
	}
}

func TestWheel(t *testing.T) {
	zero := time.Unix(1000, 0)
	hand := &handClock{now: time.Unix(0, 0)}
	w := newWheel(newMarketClock(hand, zero, 1))
	var rung []string
	ctx, cancel := context.WithCancel(t.Context())
	named := func(name string) *alarm { return newAlarm(func() { rung = append(rung, name) }) }
	first, second, gone, last := named("first"), named("second"), named("gone"), newAlarm(cancel)
	w.set(second, zero.Add(9*time.Second))
	w.set(first, zero.Add(3*time.Second))
	w.set(gone, zero.Add(4*time.Second))
	w.set(last, zero.Add(10*time.Second))
	w.set(second, zero.Add(5*time.Second)) // moved
	w.set(gone, time.Time{})               // unset
	w.set(gone, time.Time{})
	hand.now = hand.now.Add(time.Minute)
	w.run(ctx) // the last alarm ends it
	if !slices.Equal(rung, []string{"first", "second"}) {
		t.Errorf("rung %v, want first, second", rung)
	}
}

func TestWheel_an_earlier_alarm_wakes_it(t *testing.T) {
	hand := &handClock{now: time.Unix(0, 0)}
	zero := time.Unix(1000, 0)
	w := newWheel(newMarketClock(hand, zero, 1))
	ctx, cancel := context.WithCancel(t.Context())
	w.set(newAlarm(func() { t.Error("the late alarm rang") }), zero.Add(time.Hour))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	w.set(newAlarm(cancel), zero)
	<-done
}
