package gateway

import (
	"slices"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// event makes version v of an order of rider r1, with a driver or without.
func event(v int64, driver dispatch.DriverID) told {
	state := searching
	if driver != "" {
		state = enRoute
	}
	o := &dispatch.Order{ID: "o", Market: "west", State: state, Version: v, Rider: "r1", Driver: driver}
	return told{event: &dispatch.Event{Market: "west", Seq: v, Version: v, Order: o, To: state, Driver: driver}}
}

func deliveryTo(role dispatch.Role, sub string, markets ...dispatch.MarketID) *delivery {
	d := newDelivery(auth.Principal{Actor: dispatch.Actor{Role: role, Sub: sub, Markets: markets}})
	d.connect()
	return &d
}

func TestDelivery_live(t *testing.T) {
	t.Run("each_version_once_and_a_gap_is_filled", func(t *testing.T) {
		d := deliveryTo(dispatch.RoleRider, "r1")
		var got []verdict
		for _, v := range []int64{1, 1, 2, 4, 5} {
			_, verdict := d.live(event(v, ""))
			got = append(got, verdict)
		}
		if want := []verdict{send, drop, send, fill, hold}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		tr := d.tracks["o"]
		if v := d.past(tr, event(3, "").event); v != send {
			t.Errorf("the missing version: got %v, want send", v)
		}
		for v := int64(4); v <= 5; v++ {
			n, ok := tr.next()
			if !ok || n.event.Version != v || d.judge(tr, n.event) != send {
				t.Errorf("got %v, want version %d sent", n.event, v)
			}
		}
		if _, ok := tr.next(); ok || tr.busy != nil || tr.last != 5 || tr.from != 0 {
			t.Errorf("got %+v, want a free track of (0, 5]", tr)
		}
	})
	t.Run("another's_order_leaves_no_trace", func(t *testing.T) {
		for _, d := range []*delivery{
			deliveryTo(dispatch.RoleRider, "r2"), deliveryTo(dispatch.RoleDriver, "d1"),
			deliveryTo(dispatch.RoleDispatcher, "boss", "east"), deliveryTo(dispatch.RoleRider, "r1", "east"),
			deliveryTo(dispatch.RoleDispatcher, "boss"), // it does not watch
		} {
			if _, v := d.live(event(1, "d2")); v != drop || len(d.tracks) != 0 {
				t.Errorf("%s %s got %v and %d tracks, want drop and none", d.by.Role, d.by.Sub, v, len(d.tracks))
			}
		}
	})
	t.Run("a_driver_begins_at_its_assignment_and_ends_when_it_is_taken_off", func(t *testing.T) {
		d := deliveryTo(dispatch.RoleDriver, "d1")
		drivers := []dispatch.DriverID{"", "", "d1", "d1", "", "d2", "d1", "d2", "d2"}
		var got []int64
		for i, driver := range drivers {
			if _, v := d.live(event(int64(i)+1, driver)); v == send {
				got = append(got, int64(i)+1)
			}
		}
		if want := []int64{3, 4, 5, 7, 8}; !slices.Equal(got, want) {
			t.Errorf("got versions %v, want %v", got, want)
		}
	})
	t.Run("what_is_held_is_bounded", func(t *testing.T) {
		d := deliveryTo(dispatch.RoleRider, "r1")
		d.live(event(1, ""))
		var v verdict
		for n := int64(3); n < holdLimit+10 && v != overflow; n++ {
			_, v = d.live(event(n, ""))
		}
		if v != overflow || len(d.tracks["o"].held) != holdLimit {
			t.Errorf("got %v with %d held, want overflow at %d", v, len(d.tracks["o"].held), holdLimit)
		}
	})
}

func TestDelivery_sweep(t *testing.T) {
	d := deliveryTo(dispatch.RoleRider, "r1")
	d.live(event(1, ""))
	over := event(2, "")
	over.event.Order.State = dispatch.StateCancelled
	d.live(over)
	d.sweep(func(*track) bool { return false })
	if len(d.tracks) != 1 {
		t.Fatal("swept while the hub may still repeat its last event")
	}
	d.sweep(func(*track) bool { return true })
	if len(d.tracks) != 0 {
		t.Error("a closed order is still kept")
	}
}
