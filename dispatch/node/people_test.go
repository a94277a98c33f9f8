package node_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/store"
)

// matched gives a city with order o1 of r1 on its way with driver d1.
func matched(t *testing.T) *city {
	t.Helper()
	c := newCity(t)
	c.do(duty("d1", "sf", true))
	c.node.Put("sf", "d1", []geo.Fix{fix(37.7801, -122.41, begin)})
	c.do(ride("o1", "k1"))
	c.clock.Advance(2 * time.Second)
	c.do(dispatch.Command{Op: dispatch.OpAccept, By: driver("d1"), Offer: c.notice().Offer.ID})
	return c
}

// comesAbout asks again until the answer is yes.
func comesAbout(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// TestNode_Put_keeps_a_point_each_twelve_seconds has a driver with an order send a point each 4 s.
func TestNode_Put_keeps_a_point_each_twelve_seconds(t *testing.T) {
	c := matched(t)
	archive := c.store.(store.Archive)
	for i := 1; i <= 10; i++ {
		c.clock.Advance(4 * time.Second)
		c.node.Put("sf", "d1", []geo.Fix{fix(37.7801-float64(i)*1e-5, -122.41, c.clock.Now())})
	}
	var kept []dispatch.Sample
	comesAbout(t, "four points are kept", func() bool {
		var err error
		if kept, err = archive.Samples(t.Context(), dispatch.SampleFilter{Market: "sf", Limit: 50}); err != nil {
			t.Fatal(err)
		}
		return len(kept) >= 4
	})
	if len(kept) != 4 { // at 4, 16, 28 and 40 s
		t.Errorf("%d points are kept, want 4", len(kept))
	}
	for i, s := range kept {
		if at := begin.Add(time.Duration(2+4+12*i) * time.Second); !s.At.Equal(at) || s.Order != "o1" || s.Driver != "d1" ||
			s.State != dispatch.StateEnRouteToPickup {
			t.Errorf("point %d is %+v, want one at %v", i, s, at)
		}
	}
	c.do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "x"}, Order: "o1"})
	c.clock.Advance(30 * time.Second)
	c.node.Put("sf", "d1", []geo.Fix{fix(37.7800, -122.41, c.clock.Now())})
	c.node.Stop(context.Background()) // writes what waits
	if all, err := archive.Samples(t.Context(), dispatch.SampleFilter{Limit: 50}); err != nil || len(all) != 4 {
		t.Errorf("of a driver without an order points are kept: %d, %v", len(all), err)
	}
}

// TestNode_Erase_takes_late_samples_and_forgets writes a sample of an erased rider's trip after the store was done.
func TestNode_Erase_takes_late_samples_and_forgets(t *testing.T) {
	c := matched(t)
	archive := c.store.(store.Archive)
	c.do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "x"}, Order: "o1"})
	if _, _, err := archive.Erase(t.Context(), dispatch.Person{Role: dispatch.RoleRider, ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	late := dispatch.Sample{Driver: "d1", Order: "o1", Market: "sf", State: dispatch.StateEnRouteToPickup, Fix: fix(37.78, -122.41, begin)}
	if err := archive.AddSamples(t.Context(), []dispatch.Sample{late}); err != nil {
		t.Fatal(err)
	}
	comesAbout(t, "the erasure is forgotten", func() bool {
		all, err := archive.Erasures(t.Context())
		return err == nil && len(all) == 0
	})
	if all, err := archive.Samples(t.Context(), dispatch.SampleFilter{Limit: 50}); err != nil || len(all) != 0 {
		t.Errorf("the late sample is still there: %v, %v", all, err)
	}
	if said := c.log.String(); !strings.Contains(said, "erasure done") || strings.Contains(said, "r1") {
		t.Errorf("the log says\n%s", said)
	}
}

// TestNode_Do_on_an_order_without_places asks for what would need them.
func TestNode_Do_on_an_order_without_places(t *testing.T) {
	c := newCity(t)
	c.do(ride("o1", "k1"))
	comesAbout(t, "no driver was found", func() bool {
		c.clock.Advance(time.Minute)
		o, err := c.store.Order(t.Context(), "o1")
		return err == nil && o.State == dispatch.StateNoDriver
	})
	c.clock.Advance(time.Hour) // out of the core's memory
	if n, err := c.store.(store.Archive).DropPlaces(t.Context(), c.clock.Now()); err != nil || n != 1 {
		t.Fatalf("dropped the places of %d orders, %v", n, err)
	}
	c.do(duty("d1", "sf", true))
	c.node.Put("sf", "d1", []geo.Fix{fix(37.78, -122.41, c.clock.Now())})
	staff := dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "x"}
	for _, cmd := range []dispatch.Command{
		{Op: dispatch.OpSearch, By: staff, Order: "o1"}, {Op: dispatch.OpAssign, By: staff, Order: "o1", Driver: "d1"},
	} {
		if r := c.node.Do(t.Context(), cmd); dispatch.CodeOf(r.Err) != dispatch.CodeIllegalTransition {
			t.Errorf("%s was answered %v", cmd.Op, r.Err)
		}
	}
}

// unpublished is a journal that tells a cursor of 0 while held: as when the bus has been away.
type unpublished struct {
	store.Journal
	held atomic.Bool
}

func (u *unpublished) Cursor(ctx context.Context, m dispatch.MarketID) (int64, error) {
	if u.held.Load() {
		return 0, nil
	}
	return u.Journal.Cursor(ctx, m)
}

// TestNode_Erase_waits_for_the_relay: what the relay has read and not published would come into the stream after it
// was overwritten there.
func TestNode_Erase_waits_for_the_relay(t *testing.T) {
	u := &unpublished{}
	u.held.Store(true)
	n := newNodeOver(t, func(j store.Journal) store.Journal { u.Journal = j; return u })
	for _, cmd := range []dispatch.Command{ride("o1", "k1"), {Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: "o1"}} {
		if r := n.Do(t.Context(), cmd); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	archive := u.Journal.(store.Archive)
	if _, _, err := archive.Erase(t.Context(), dispatch.Person{Role: dispatch.RoleRider, ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		all, err := archive.Erasures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // two looks at least
		if open() == 0 {
			t.Fatal("the erasure is done while the relay is behind")
		}
	}
	u.held.Store(false)
	comesAbout(t, "the erasure is done", func() bool { return open() == 0 })
}
