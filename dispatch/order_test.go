package dispatch

import (
	"slices"
	"testing"
	"time"
)

func TestOrder_Barred(t *testing.T) {
	o := &Order{Bars: []Bar{{Driver: "for-good"}, {Driver: "for-a-while", Until: instant.Add(time.Minute)}}}
	for name, c := range map[string]struct {
		driver DriverID
		after  time.Duration
		want   bool
	}{
		"for_good":             {"for-good", 1000 * time.Hour, true},
		"for_a_while":          {"for-a-while", time.Minute - 1, true},
		"the_end_is_not_in_it": {"for-a-while", time.Minute, false},
		"another_driver":       {"other", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := o.Barred(c.driver, instant.Add(c.after)); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestOrder_WithBar(t *testing.T) {
	soon := instant.Add(time.Minute)
	o := &Order{Bars: []Bar{{Driver: "a", Until: instant}, {Driver: "b", Until: soon}, {Driver: "c"}}}
	before := slices.Clone(o.Bars)

	t.Run("what_has_run_out_is_dropped", func(t *testing.T) {
		if got := o.WithBar(Bar{Driver: "d"}, instant); !slices.Equal(got, []Bar{{"b", soon}, {Driver: "c"}, {Driver: "d"}}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the_same_driver_stands_there_once", func(t *testing.T) {
		later := soon.Add(time.Hour)
		if got := o.WithBar(Bar{"b", later}, instant); !slices.Equal(got, []Bar{{Driver: "c"}, {"b", later}}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("barred_for_good_stays_so", func(t *testing.T) {
		if got := o.WithBar(Bar{"c", soon}, instant); !slices.Equal(got, []Bar{{"b", soon}, {Driver: "c"}}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the_order_is_not_changed", func(t *testing.T) {
		if !slices.Equal(o.Bars, before) {
			t.Errorf("bars are %v", o.Bars)
		}
	})
}
