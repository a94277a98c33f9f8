package node_test

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// seen sends points of a driver, one a second, and fails unless it is suspect, or not, after them.
func (c *city) seen(id string, suspect bool, lats ...float64) {
	c.t.Helper()
	for _, lat := range lats {
		c.clock.Advance(time.Second)
		c.node.Put("sf", dispatch.DriverID(id), []geo.Fix{fix(lat, -122.41, c.clock.Now())})
	}
	d, _, err := c.node.Driver(c.t.Context(), dispatch.DriverID(id))
	if err != nil || d.Suspect != suspect {
		c.t.Fatalf("suspect is %v, want %v (%v)", d.Suspect, suspect, err)
	}
}

func TestNode_suspect(t *testing.T) {
	t.Run("is_offered_nothing_until_three_points_agree", func(t *testing.T) {
		c := newCity(t)
		c.do(duty("near", "sf", true))
		c.do(duty("far", "sf", true))
		c.seen("far", false, 37.80)
		c.seen("near", false, 37.7801)
		c.seen("near", true, 37.95, 37.7802)
		c.do(ride("o1", ""))
		if n := c.notice(); n.Offer.Driver != "far" {
			t.Errorf("offered to %s", n.Offer.Driver)
		}
		c.seen("near", false, 37.7802, 37.7803)
		c.do(ride("o2", ""))
		if n := c.notice(); n.Offer.Driver != "near" || n.Offer.Order != "o2" {
			t.Errorf("offered %s to %s", n.Offer.Order, n.Offer.Driver)
		}
	})

	t.Run("keeps_the_order_it_has_and_who_moved_is_believed", func(t *testing.T) {
		c := newCity(t)
		c.do(duty("d1", "sf", true))
		c.seen("d1", false, 37.7801)
		c.do(ride("o1", ""))
		c.do(dispatch.Command{Op: dispatch.OpAccept, By: driver("d1"), Offer: c.notice().Offer.ID})
		c.seen("d1", true, 37.95, 37.9501)
		if _, at, _ := c.node.Driver(t.Context(), "d1"); at.Lat != 37.7801 {
			t.Errorf("the driver is at %v", at)
		}
		c.do(dispatch.Command{Op: dispatch.OpAdvance, By: driver("d1"), Order: "o1", To: dispatch.StateArrivedAtPickup})
		c.seen("d1", false, 37.9502)
		if _, at, _ := c.node.Driver(t.Context(), "d1"); at.Lat != 37.9502 {
			t.Errorf("the driver is at %v", at)
		}
		c.do(dispatch.Command{Op: dispatch.OpAdvance, By: driver("d1"), Order: "o1", To: dispatch.StateEnRouteToDropoff})
	})

	t.Run("ends_with_the_duty", func(t *testing.T) {
		c := newCity(t)
		c.do(duty("d1", "sf", true))
		c.seen("d1", true, 37.7801, 37.95)
		c.do(duty("d1", "sf", false))
		c.do(duty("d1", "sf", true))
		c.seen("d1", false, 37.7801) // the first fix after duty, wherever it is
		c.do(ride("o1", ""))
		if n := c.notice(); n.Offer.Driver != "d1" {
			t.Errorf("offered to %s", n.Offer.Driver)
		}
	})

	t.Run("drops_are_counted_by_reason", func(t *testing.T) {
		c := newCity(t)
		c.do(duty("d1", "sf", true))
		blurred := fix(37.7801, -122.41, begin.Add(3*time.Second))
		blurred.AccuracyM = 51
		c.node.Put("sf", "d1", []geo.Fix{
			fix(37.7801, -122.41, begin), fix(37.7801, -122.41, begin), fix(37.7801, -122.41, begin.Add(-time.Second)),
			fix(37.7801, -122.41, begin.Add(31*time.Second)), blurred, fix(37.95, -122.41, begin.Add(4*time.Second)),
			fix(37.785, -122.41, begin.Add(5*time.Second)),
		})
		c.node.Put("sf", "d2", []geo.Fix{fix(37.7801, -122.41, begin)})
		families, err := c.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			if f.GetName() == "hexfleet_telemetry_dropped_total" {
				for _, m := range f.GetMetric() {
					got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
		for _, reason := range []string{"repeated", "stale", "future", "accuracy", "teleport", "speed", "off_duty"} {
			if got[reason] != 1 {
				t.Errorf("%s: %v of %v", reason, got[reason], got)
			}
		}
	})
}
