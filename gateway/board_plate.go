package gateway

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// plates prepares the markets' boards for watchers: whatever does not depend on the box is done once a board,
// however many watch.
type plates struct {
	board Board

	mu     sync.Mutex
	latest map[dispatch.MarketID]*plate // guarded by mu
}

func newPlates(b Board) *plates { return &plates{board: b, latest: map[dispatch.MarketID]*plate{}} }

// of gives the present plate of a market.
func (ps *plates) of(ctx context.Context, m dispatch.MarketID) (*plate, error) {
	if ps.board == nil {
		return nil, dispatch.Unavailable("this server shows no board", nil)
	}
	b, err := ps.board.Board(ctx, m)
	if err != nil {
		return nil, err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	old := ps.latest[m]
	if old != nil && old.board == b {
		return old, nil
	}
	p, err := newPlate(b, old)
	if err != nil {
		return nil, err
	}
	ps.latest[m] = p
	return p, nil
}

// plate is a board ready to be cropped. Immutable, but for the cells.
type plate struct {
	board *dispatch.Board
	// drivers are those with a fix, ascending by id.
	drivers []marker
	// orders are newest first.
	orders []*sheet

	mu sync.Mutex
	// cells are the counts by resolution, made when a watcher first wants them. Guarded by mu.
	cells map[int][]count
}

// marker is a driver as it is told.
type marker struct {
	id       wire.ID
	state    dispatch.DriverState
	lat, lng float64 // rounded to what is told
	heading  *int    // nil when it is not known
	age      float64 // seconds of market time
}

// same tells whether two markers of a driver look alike; the age alone does not count.
func (m *marker) same(n *marker) bool {
	return m.state == n.state && m.lat == n.lat && m.lng == n.lng &&
		(m.heading == nil) == (n.heading == nil) && (m.heading == nil || *m.heading == *n.heading)
}

// sheet is an open order as it is told.
type sheet struct {
	order *dispatch.Order
	told  wire.Order
	bytes int // of told, and a comma
}

// count is what one cell holds.
type count struct {
	id                    string
	center                geo.LatLng
	available, busy, open int
}

// newPlate prepares a board; old is the one before, nil when there is none: orders that have not changed
// since are not encoded again.
func newPlate(b *dispatch.Board, old *plate) (*plate, error) {
	p := &plate{board: b, drivers: make([]marker, 0, len(b.Drivers)), cells: map[int][]count{}}
	for i := range b.Drivers {
		if d := &b.Drivers[i]; !d.Fix.At.IsZero() {
			p.drivers = append(p.drivers, markerOf(b, d))
		}
	}
	known := map[dispatch.OrderID]*sheet{}
	if old != nil {
		for _, s := range old.orders {
			known[s.order.ID] = s
		}
	}
	p.orders = make([]*sheet, len(b.Orders))
	for i, o := range b.Orders {
		if s := known[o.ID]; s != nil && s.order.Version == o.Version {
			p.orders[i] = s
			continue
		}
		s := &sheet{order: o, told: wire.OrderFrom(o)}
		data, err := wire.Encode(s.told)
		if err != nil {
			return nil, fmt.Errorf("tell order %s on the board: %w", o.ID, err)
		}
		s.bytes = len(data) + 1
		p.orders[i] = s
	}
	slices.SortFunc(p.orders, func(a, b *sheet) int {
		return cmp.Or(b.order.RequestedAt.Compare(a.order.RequestedAt), cmp.Compare(b.order.ID, a.order.ID))
	})
	return p, nil
}

func markerOf(b *dispatch.Board, d *dispatch.BoardDriver) marker {
	m := marker{
		id: wire.ID(d.ID), state: d.State, lat: rounded(d.Fix.Lat, 1e6), lng: rounded(d.Fix.Lng, 1e6),
		age: max(0, rounded(b.At.Sub(d.Fix.At).Seconds(), 10)),
	}
	if h := d.Fix.HeadingDeg; !math.IsNaN(h) {
		whole := int(math.Round(h)) % 360
		m.heading = &whole
	}
	return m
}

// rounded cuts a number to steps of 1/parts: a millionth of a degree is a tenth of a metre.
func rounded(x, parts float64) float64 { return math.Round(x*parts) / parts }

// counts gives the market's cells of a resolution that are not empty, ascending by id.
func (p *plate) counts(resolution int) []count {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cells, made := p.cells[resolution]; made {
		return cells
	}
	byCell := map[geo.Cell]*count{}
	at := func(place geo.LatLng) *count {
		c, ok := geo.CellAt(place, resolution)
		if !ok {
			return &count{}
		}
		n := byCell[c]
		if n == nil {
			n = &count{id: c.String(), center: c.Center()}
			byCell[c] = n
		}
		return n
	}
	for i := range p.board.Drivers {
		switch d := &p.board.Drivers[i]; {
		case d.Fix.At.IsZero():
		case d.State == dispatch.DriverAvailable:
			at(d.Fix.LatLng).available++
		case busy(d.State):
			at(d.Fix.LatLng).busy++
		}
	}
	for _, o := range p.board.Orders {
		at(o.Pickup()).open++
	}
	cells := make([]count, 0, len(byCell))
	for _, n := range byCell {
		cells = append(cells, *n)
	}
	slices.SortFunc(cells, func(a, b count) int { return cmp.Compare(a.id, b.id) })
	p.cells[resolution] = cells
	return cells
}

func busy(s dispatch.DriverState) bool {
	return s == dispatch.DriverReserved || s == dispatch.DriverOnTrip || s == dispatch.DriverStopped
}
