package node_test

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// fresh gives a board made now, whatever was made before: it waits until the old one has had its second.
func (c *city) fresh() *dispatch.Board {
	c.t.Helper()
	old := c.board()
	var b *dispatch.Board
	until(c.t, "another board is made", func() bool {
		b = c.board()
		return b != old
	})
	return b
}

func (c *city) board() *dispatch.Board {
	c.t.Helper()
	b, err := c.node.Board(c.t.Context(), "sf")
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// open reads the orders of sf that are not closed from the journal, ascending by id.
func (c *city) open() []*dispatch.Order {
	c.t.Helper()
	states := slices.DeleteFunc(dispatch.States(), dispatch.State.Closed)
	orders, err := c.store.Orders(c.t.Context(), dispatch.OrderFilter{Market: "sf", States: states, Limit: 500})
	if err != nil {
		c.t.Fatal(err)
	}
	out := make([]*dispatch.Order, len(orders))
	for i := range orders {
		out[i] = &orders[i]
	}
	slices.SortFunc(out, func(a, b *dispatch.Order) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// play has drivers and orders of every kind come about: d1 at work on o1, d2 free, d3 without a fix, d4 gone;
// o2 open and o3 cancelled.
func (c *city) play() {
	c.t.Helper()
	for _, id := range []string{"d2", "d1", "d4", "d3"} {
		c.do(duty(id, "sf", true))
	}
	c.node.Put("sf", "d1", []geo.Fix{fix(37.781, -122.411, begin)})
	c.do(ride("o1", ""))
	c.do(dispatch.Command{Op: dispatch.OpAccept, By: driver("d1"), Offer: c.notice().Offer.ID})
	c.do(duty("d4", "sf", false))
	c.do(ride("o3", ""))
	c.do(ride("o2", ""))
	c.do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: "o3"})
	c.node.Put("sf", "d2", []geo.Fix{fix(37.70, -122.40, begin)})
}

func TestNode_Board(t *testing.T) {
	t.Run("equals_the_committed_state", func(t *testing.T) {
		c := newCity(t)
		c.play()
		b := c.fresh()
		if got, want := tellOrders(b.Orders), tellOrders(c.open()); !reflect.DeepEqual(got, want) {
			t.Errorf("open orders\n got %v\nwant %v", got, want)
		}
		var ids []dispatch.DriverID
		for _, d := range b.Drivers {
			ids = append(ids, d.ID)
			told, at, err := c.node.Driver(t.Context(), d.ID)
			if err != nil || told.State != d.State && d.ID != "d2" {
				t.Errorf("driver %s is %s, the board says %s (%v)", d.ID, told.State, d.State, err)
			}
			if (at == nil) != d.Fix.At.IsZero() || at != nil && at.LatLng != d.Fix.LatLng {
				t.Errorf("driver %s is at %v, the board says %v", d.ID, at, d.Fix)
			}
		}
		if want := []dispatch.DriverID{"d1", "d2", "d3"}; !slices.Equal(ids, want) {
			t.Errorf("drivers %v, want %v", ids, want)
		}
		n := b.Counters
		if n.Created != 3 || n.Cancelled != 1 || n.Completed != 0 || n.Rounds < 1 || n.Matches != 1 || !n.Since.Equal(begin) {
			t.Errorf("counted %+v", n)
		}
		if n.Drivers[dispatch.DriverReserved] < 1 || n.Drivers[dispatch.DriverNonContactable] != 1 ||
			n.Orders[dispatch.StateEnRouteToPickup] != 1 {
			t.Errorf("counted by state %v, %v", n.Drivers, n.Orders)
		}
		until(t, "all is published", func() bool {
			n := c.board().Counters
			return n.Published == c.seq() && n.RelayLag == 0
		})
	})

	t.Run("is_made_once_however_many_ask", func(t *testing.T) {
		c := newCity(t)
		wall := dispatch.NewManual(begin)
		still := node.New(node.Config{
			Markets: dispatch.DefaultMarkets(), Store: c.store, Bus: c.bus, ETA: eta.Default(), Clock: c.clock,
			Wall: wall, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		})
		c.node.Stop(context.Background())
		if err := still.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { still.Stop(context.Background()) })
		ask := func() *dispatch.Board {
			b, err := still.Board(t.Context(), "sf")
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		first := ask()
		wall.Advance(500 * time.Millisecond)
		if ask() != first {
			t.Error("made anew within the second")
		}
		wall.Advance(500 * time.Millisecond)
		if ask() == first {
			t.Error("not made anew after a second")
		}
	})

	t.Run("of_a_market_led_elsewhere_is_unavailable", func(t *testing.T) {
		c := newCity(t)
		if _, err := c.node.Board(t.Context(), "atlantis"); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
	})

	t.Run("stands_again_after_a_restart", func(t *testing.T) {
		c := newCity(t)
		c.play()
		want := tellOrders(c.fresh().Orders)
		c.node.Stop(context.Background())
		again := node.New(node.Config{
			Markets: dispatch.DefaultMarkets(), Store: c.store, Bus: c.bus, ETA: eta.Default(), Clock: c.clock,
			Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		})
		if err := again.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer again.Stop(context.Background())
		b, err := again.Board(t.Context(), "sf")
		if err != nil {
			t.Fatal(err)
		}
		if got := tellOrders(b.Orders); !reflect.DeepEqual(got, want) || len(b.Drivers) != 3 {
			t.Errorf("got %v and %d drivers, want %v and 3", got, len(b.Drivers), want)
		}
	})
}

// seq is that of the last committed event of sf.
func (c *city) seq() int64 {
	c.t.Helper()
	events, err := c.store.MarketEvents(c.t.Context(), "sf", 0, 500)
	if err != nil {
		c.t.Fatal(err)
	}
	return int64(len(events))
}

// tellOrders gives what identifies committed orders.
func tellOrders(orders []*dispatch.Order) map[dispatch.OrderID]string {
	out := map[dispatch.OrderID]string{}
	for _, o := range orders {
		out[o.ID] = string(o.State) + " " + string(o.Driver) + " " + string(rune('0'+o.Version))
	}
	return out
}
