package dispatch

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAnchor_Resume(t *testing.T) {
	wall := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	stored := Anchor{Wall: wall, Market: instant, Scale: 10}
	for name, c := range map[string]struct {
		stored Anchor
		now    time.Time
		latest time.Time
		scale  float64
		want   Anchor
	}{
		"the_first_start_begins_now":                         {Anchor{}, wall, time.Time{}, 10, Anchor{wall, wall, 10}},
		"the_same_scale_goes_on":                             {stored, wall.Add(time.Hour), instant, 10, stored},
		"another_scale_begins_at_the_present_market_time":    {stored, wall.Add(time.Minute), instant, 1, Anchor{wall.Add(time.Minute), instant.Add(10 * time.Minute), 1}},
		"a_wall_clock_set_back_does_not_set_back_the_market": {stored, wall.Add(-time.Hour), time.Time{}, 10, Anchor{wall.Add(-time.Hour), instant, 10}},
		"it_never_goes_behind_what_was_told":                 {stored, wall.Add(time.Second), instant.Add(time.Hour), 10, Anchor{wall.Add(time.Second), instant.Add(time.Hour), 10}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.stored.Resume(c.now, c.latest, c.scale)
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if c.stored.Scale != 0 && got.At(c.now).Before(c.stored.Market) {
				t.Errorf("market time went back to %v", got.At(c.now))
			}
		})
	}
}

func TestMarketClock(t *testing.T) {
	t.Run("it_runs_at_its_scale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := NewMarketClock(Anchor{Wall: time.Now().UTC(), Market: instant, Scale: 60})
			fire, stop := c.After(instant.Add(time.Minute))
			defer stop()
			<-fire
			if got := c.Now(); !got.Equal(instant.Add(time.Minute)) {
				t.Errorf("a minute after %v it shows %v", instant, got)
			}
			if got := c.Wall(time.Minute); got != time.Second {
				t.Errorf("a market minute is %v of wall time", got)
			}
		})
	})
}

func TestManual(t *testing.T) {
	fired := func(c <-chan time.Time) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}

	t.Run("timers_fire_when_it_is_moved_to_them", func(t *testing.T) {
		c := NewManual(instant)
		first, _ := c.After(instant.Add(time.Second))
		second, _ := c.After(instant.Add(2 * time.Second))
		c.Advance(999 * time.Millisecond)
		if fired(first) || fired(second) {
			t.Error("fired too early")
		}
		c.Advance(time.Millisecond)
		if !fired(first) || fired(second) {
			t.Error("the first should have fired, and alone")
		}
		if !c.Now().Equal(instant.Add(time.Second)) {
			t.Errorf("it shows %v", c.Now())
		}
	})
	t.Run("what_is_due_fires_at_once", func(t *testing.T) {
		c := NewManual(instant)
		if fire, _ := c.After(instant); !fired(fire) {
			t.Error("did not fire")
		}
	})
	t.Run("a_stopped_timer_does_not_fire", func(t *testing.T) {
		c := NewManual(instant)
		fire, stop := c.After(instant.Add(time.Second))
		stop()
		c.Advance(time.Hour)
		if fired(fire) {
			t.Error("fired")
		}
	})
}
