package gateway

import (
	"cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// snapshot tells a crop whole.
func (c *crop) snapshot() *wire.Board {
	return (&crop{mode: c.mode}).delta(c, wire.TypeBoardSnapshot)
}

// delta tells the way from crop c to another of the same mode.
func (c *crop) delta(to *crop, kind string) *wire.Board {
	b := &wire.Board{Type: kind, Mode: to.mode}
	merge(c.drivers, to.drivers,
		func(m *marker) string { return string(m.id) },
		func(old, now *marker) {
			switch {
			case now == nil:
				b.Removed = append(b.Removed, string(old.id))
			case old == nil || !old.same(now):
				tellMarker(&b.Drivers, now)
			}
		})
	merge(c.cells, to.cells,
		func(n *count) string { return n.id },
		func(old, now *count) {
			switch {
			case now == nil:
				b.Removed = append(b.Removed, old.id)
			case old == nil || *old != *now:
				tellCount(&b.Cells, now)
			}
		})
	c.deltaOrders(to, b)
	return b
}

// deltaOrders tells the orders that came or changed, and those that went.
func (c *crop) deltaOrders(to *crop, b *wire.Board) {
	before := make(map[dispatch.OrderID]int64, len(c.orders))
	for _, s := range c.orders {
		before[s.order.ID] = s.order.Version
	}
	for _, s := range to.orders {
		if version, shown := before[s.order.ID]; !shown || version != s.order.Version {
			b.Orders = append(b.Orders, s.told)
		}
		delete(before, s.order.ID)
	}
	for _, s := range c.orders {
		if _, gone := before[s.order.ID]; gone {
			b.Closed = append(b.Closed, wire.ID(s.order.ID))
		}
	}
}

// merge walks two lists that ascend by id and tells each id once: with nil where a list does not have it.
func merge[T any](old, now []T, id func(*T) string, tell func(old, now *T)) {
	for len(old) > 0 || len(now) > 0 {
		order := 0
		switch {
		case len(old) == 0:
			order = 1
		case len(now) == 0:
			order = -1
		default:
			order = cmp.Compare(id(&old[0]), id(&now[0]))
		}
		var was, is *T
		if order <= 0 {
			was, old = &old[0], old[1:]
		}
		if order >= 0 {
			is, now = &now[0], now[1:]
		}
		tell(was, is)
	}
}

func tellMarker(d *wire.BoardDrivers, m *marker) {
	d.ID = append(d.ID, m.id)
	d.Lat = append(d.Lat, m.lat)
	d.Lng = append(d.Lng, m.lng)
	d.State = append(d.State, string(m.state))
	d.HeadingDeg = append(d.HeadingDeg, m.heading)
	d.AgeS = append(d.AgeS, m.age)
}

func tellCount(c *wire.BoardCells, n *count) {
	c.Cell = append(c.Cell, n.id)
	c.Available = append(c.Available, n.available)
	c.Busy = append(c.Busy, n.busy)
	c.Open = append(c.Open, n.open)
}

// empty tells whether a delta says nothing but counters.
func empty(b *wire.Board) bool {
	return len(b.Drivers.ID)+len(b.Cells.Cell)+len(b.Removed)+len(b.Orders)+len(b.Closed) == 0
}
