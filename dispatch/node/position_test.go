package node_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// asked counts how often a router is asked.
type asked struct {
	eta.StraightLine
	times atomic.Int64
}

func (a *asked) Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]eta.Estimate, error) {
	a.times.Add(1)
	return a.StraightLine.Matrix(ctx, sources, targets)
}

func TestNode_Put_router(t *testing.T) {
	t.Run("does_not_wait_for_a_router", func(t *testing.T) {
		c := newCity(t)
		c.node.Stop(t.Context())
		router := &asked{StraightLine: eta.Default()}
		c.node = node.New(node.Config{
			Markets: dispatch.DefaultMarkets(), Store: c.store, Bus: c.bus, ETA: router, Clock: c.clock,
			Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		})
		if err := c.node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.node.Stop(context.Background()) })
		c.do(duty("d", "sf", true))
		c.node.Put("sf", "d", []geo.Fix{fix(37.781, -122.411, begin)})
		c.do(ride("o1", "k1"))
		offer := c.notice().Offer
		if offer.Source != eta.SourceStraightLine {
			t.Errorf("the offer's source is %q", offer.Source)
		}
		c.do(dispatch.Command{Op: dispatch.OpAccept, By: driver("d"), Offer: offer.ID, Key: dispatch.Key{ID: "a"}})
		before := router.times.Load()
		c.node.Put("sf", "d", []geo.Fix{fix(37.7805, -122.4105, begin.Add(time.Second))})
		select {
		case p := <-c.positions:
			if p.Order != "o1" || !p.PickupETA.After(begin) {
				t.Errorf("position told %+v", p)
			}
		case <-time.After(patience):
			t.Error("no position came")
		}
		if n := router.times.Load() - before; before == 0 || n != 0 {
			t.Errorf("asked %d times for the offer, %d for the position", before, n)
		}
	})
}
