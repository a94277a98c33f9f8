package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// zones reloads the markets with zones of sf.
func (c *city) zones(features string) {
	c.t.Helper()
	zs, err := geo.ParseZones([]byte(`{"type":"FeatureCollection","features":[` + features + `]}`))
	if err != nil {
		c.t.Fatal(err)
	}
	ms := dispatch.DefaultMarkets()
	for i := range ms {
		if ms[i].ID == "sf" {
			ms[i].Zones = zs
		}
	}
	c.node.Reload(ms)
}

// around is a zone around the pickup of ride.
func around(properties string) string {
	return `{"type":"Feature","properties":{` + properties + `},"geometry":{"type":"Polygon","coordinates":[[[-122.43,37.77],[-122.4,37.77],[-122.4,37.79],[-122.43,37.79],[-122.43,37.77]]]}}`
}

func TestNode_zones(t *testing.T) {
	t.Run("refuse_new_orders_from_the_reload_on", func(t *testing.T) {
		c := newCity(t)
		first := c.do(ride("o1", "k1"))
		c.zones(around(`"id":"plaza","kind":"no_go"`))
		r := c.node.Do(t.Context(), ride("o2", "k2"))
		if r.Err == nil || r.Err.Code != dispatch.CodeBadRequest || r.Err.Field != "/stops/0" {
			t.Errorf("answered %v", r.Err)
		}
		// What was made before has its answer still, and goes on.
		if again := c.do(ride("o3", "k1")); again.Order.ID != first.Order.ID {
			t.Errorf("the repeat told %+v", again.Order)
		}
		c.do(duty("d1", "sf", true))
		c.node.Put("sf", "d1", []geo.Fix{fix(37.781, -122.411, begin)})
		c.clock.Advance(2 * time.Second) // the next round
		if n := c.notice(); n.Order.ID != "o1" {
			t.Errorf("offered %s", n.Order.ID)
		}
		c.zones("")
		c.do(ride("o2", "k2")) // a refusal is not kept: the key is judged anew
	})

	t.Run("a_service_area_bounds_every_stop", func(t *testing.T) {
		c := newCity(t)
		c.zones(around(`"id":"center","kind":"service_area"`))
		if r := c.node.Do(t.Context(), ride("o1", "k1")); r.Err == nil || r.Err.Field != "/stops/1" { // the drop-off lies south of it
			t.Errorf("answered %v", r.Err)
		}
	})

	t.Run("surge_and_queue_zones_are_only_told", func(t *testing.T) {
		c := newCity(t)
		c.zones(around(`"id":"rush","kind":"surge","multiplier":1.75`) + "," + around(`"id":"rank","kind":"queue"`))
		c.do(ride("o1", "k1"))
		s, err := c.node.Supply(t.Context(), "sf")
		if err != nil || len(s.Cells) != 1 || s.Cells[0].Multiplier != 1.75 {
			t.Errorf("the supply is %+v, %v", s, err)
		}
	})
}

func TestNode_Supply(t *testing.T) {
	c := newCity(t)
	c.play() // d1 at work on o1, d2 free and far, d3 without a fix; o2 open, o3 cancelled
	at := func(lat, lng float64) geo.Cell {
		cell, _ := geo.CellAt(geo.LatLng{Lat: lat, Lng: lng}, dispatch.SupplyResolution)
		return cell
	}
	pickup, cab, idle := at(37.78, -122.41), at(37.781, -122.411), at(37.70, -122.40)
	told := func() map[geo.Cell]dispatch.SupplyCell {
		t.Helper()
		s, err := c.node.Supply(t.Context(), "sf")
		if err != nil || s.Market != "sf" || !s.Since.Equal(begin) || !s.At.Equal(c.clock.Now()) {
			t.Fatalf("supply is %+v, %v", s, err)
		}
		cells := map[geo.Cell]dispatch.SupplyCell{}
		for _, cell := range s.Cells {
			cells[cell.Cell] = cell
		}
		return cells
	}
	if cells := told(); cells[pickup].Open != 2 || cells[pickup].Waiting != 1 || cells[pickup].Created5 != 3 || cells[pickup].Created15 != 3 ||
		cells[cab].Busy != 1 || cells[idle].Available+cells[idle].Busy != 1 {
		t.Errorf("counted %+v", cells)
	}
	c.clock.Advance(6 * time.Minute) // all fixes are old by now
	if cells := told(); cells[pickup].Created5 != 0 || cells[pickup].Created15 != 3 || cells[cab].Busy+cells[idle].Available != 0 {
		t.Errorf("six minutes later counted %+v", cells)
	}
	if _, err := c.node.Supply(context.Background(), "mars"); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
		t.Errorf("the supply of no market: %v", err)
	}
}
