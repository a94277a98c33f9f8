package gateway

import (
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestSession_nudge(t *testing.T) {
	st := newStage(t, nil)
	st.setDuty("d1", "west", true)
	st.order("o1", "r1")
	d1, d2 := st.enter(dispatch.RoleDriver, "d1"), st.enter(dispatch.RoleDriver, "d2")
	st.live("d1")
	st.live("d2")
	assigned := st.step("o1", enRoute, "d1")
	d1.want("o1", 2, true)

	st.run(t, "the_driver_is_told_the_present_state", func(t *testing.T) {
		st.listener.Nudge(&assigned)
		m := d1.read()
		if m.str("type") != "order" || m["event"] != nil || m.num("order", "version") != 2 || m.str("order", "rider_id") != "r1" {
			t.Errorf("got %v", m)
		}
	})
	st.run(t, "nobody_is_told_of_another's_order_or_an_old_version", func(t *testing.T) {
		old := assigned
		st.step("o1", dispatch.StateArrivedAtPickup, "d1")
		d1.want("o1", 3, true)
		st.listener.Nudge(&old)
		foreign := assigned
		foreign.Driver = "d2"
		st.listener.Nudge(&foreign)
		ahead := assigned
		ahead.Version = 4
		st.listener.Nudge(&ahead)
		for _, p := range []*peer{d1, d2} {
			if got := p.sync("q"); len(got) != 0 {
				t.Errorf("got %v", got)
			}
		}
	})
	st.run(t, "a_driver_that_was_taken_off_is_told_nothing", func(t *testing.T) {
		off := st.step("o1", searching, "")
		d1.want("o1", 4, true)
		off.Driver = "d1"
		st.listener.Nudge(&off)
		if got := d1.sync("q2"); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
}
