package gateway

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

var boardNoon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// screen is what a client has put together from the frames of one watch.
type screen struct {
	seq      int64
	mode     string
	drivers  map[string]string
	cells    map[string]string
	orders   map[string]string
	counters wire.BoardCounters
}

// apply takes one frame as the contract says, and judges its form.
func (s *screen) apply(data []byte) error {
	var b wire.Board
	if refused := wire.Decode(data, &b); refused != nil {
		return refused
	}
	if b.Seq != s.seq+1 {
		return fmt.Errorf("seq %d after %d", b.Seq, s.seq)
	}
	if b.Type == wire.TypeBoardSnapshot {
		*s = screen{mode: b.Mode, drivers: map[string]string{}, cells: map[string]string{}, orders: map[string]string{}}
	}
	s.seq, s.counters = b.Seq, b.Counters
	d, c := &b.Drivers, &b.Cells
	n, m := len(d.ID), len(c.Cell)
	switch {
	case b.Mode != s.mode:
		return fmt.Errorf("mode %s in a delta of mode %s", b.Mode, s.mode)
	case len(d.Lat) != n || len(d.Lng) != n || len(d.State) != n || len(d.HeadingDeg) != n || len(d.AgeS) != n:
		return fmt.Errorf("columns of drivers differ in length: %+v", d)
	case len(c.Available) != m || len(c.Busy) != m || len(c.Open) != m:
		return fmt.Errorf("columns of cells differ in length: %+v", c)
	case s.mode == wire.BoardModeDrivers && m > 0 || s.mode == wire.BoardModeCells && n > 0:
		return fmt.Errorf("%d drivers and %d cells in mode %s", n, m, s.mode)
	case len(data) > boardBytes:
		return fmt.Errorf("a frame of %d bytes", len(data))
	}
	for _, id := range b.Removed {
		delete(s.drivers, id)
		delete(s.cells, id)
	}
	for _, id := range b.Closed {
		delete(s.orders, string(id))
	}
	for i := range n {
		heading := "?"
		if d.HeadingDeg[i] != nil {
			heading = fmt.Sprint(*d.HeadingDeg[i])
		}
		s.drivers[string(d.ID[i])] = fmt.Sprintf("%s %.6f %.6f %s", d.State[i], d.Lat[i], d.Lng[i], heading)
	}
	for i := range m {
		s.cells[c.Cell[i]] = fmt.Sprint(c.Available[i], c.Busy[i], c.Open[i])
	}
	for _, o := range b.Orders {
		s.orders[string(o.ID)] = fmt.Sprint(o.State, o.Version)
	}
	return nil
}

// ought gives what a watcher is to see, worked out the plain way from the board.
func ought(b *dispatch.Board, v view) *screen {
	s := &screen{mode: wire.BoardModeDrivers, drivers: map[string]string{}, cells: map[string]string{}, orders: map[string]string{}}
	inside := func(p geo.LatLng) bool {
		return p.Lat >= v.south && p.Lat <= v.north && p.Lng >= v.west && p.Lng <= v.east
	}
	for _, d := range b.Drivers {
		if d.Fix.At.IsZero() || !inside(d.Fix.LatLng) {
			continue
		}
		heading := "?"
		if !math.IsNaN(d.Fix.HeadingDeg) {
			heading = fmt.Sprint(math.Mod(math.Round(d.Fix.HeadingDeg), 360))
		}
		s.drivers[string(d.ID)] = fmt.Sprintf("%s %.6f %.6f %s", d.State, d.Fix.Lat, d.Fix.Lng, heading)
	}
	if v.zoom < 12 || len(s.drivers) > 2000 {
		s.mode, s.drivers = wire.BoardModeCells, map[string]string{}
		oughtCells(b, v, s)
	}
	newest := slices.Clone(b.Orders)
	slices.SortFunc(newest, func(x, y *dispatch.Order) int {
		return cmp.Or(y.RequestedAt.Compare(x.RequestedAt), strings.Compare(string(y.ID), string(x.ID)))
	})
	for _, o := range newest {
		seen := len(b.Orders) <= 500 || slices.ContainsFunc(o.Stops, func(p dispatch.Stop) bool { return inside(p.LatLng) })
		if seen && len(s.orders) < 500 {
			s.orders[string(o.ID)] = fmt.Sprint(o.State, o.Version)
		}
	}
	return s
}

func oughtCells(b *dispatch.Board, v view, s *screen) {
	resolution := v.resolution()
	tally := map[geo.Cell]*[3]int{}
	add := func(p geo.LatLng, column int) {
		c, _ := geo.CellAt(p, resolution)
		if tally[c] == nil {
			tally[c] = &[3]int{}
		}
		tally[c][column]++
	}
	for _, d := range b.Drivers {
		switch {
		case d.Fix.At.IsZero():
		case d.State == dispatch.DriverAvailable:
			add(d.Fix.LatLng, 0)
		case d.State != dispatch.DriverNonContactable:
			add(d.Fix.LatLng, 1)
		}
	}
	for _, o := range b.Orders {
		add(o.Pickup(), 2)
	}
	wide := v.wider(geo.CellReach(resolution))
	for c, n := range tally {
		if at := c.Center(); wide.holds(at.Lat, at.Lng) {
			s.cells[c.String()] = fmt.Sprint(n[0], n[1], n[2])
		}
	}
}

// differs tells where two screens differ.
func (s *screen) differs(want *screen) string {
	switch {
	case s.mode != want.mode:
		return fmt.Sprintf("mode %s, want %s", s.mode, want.mode)
	case !maps.Equal(s.drivers, want.drivers):
		return fmt.Sprintf("drivers\n got %v\nwant %v", s.drivers, want.drivers)
	case !maps.Equal(s.cells, want.cells):
		return fmt.Sprintf("cells\n got %v\nwant %v", s.cells, want.cells)
	case !maps.Equal(s.orders, want.orders):
		return fmt.Sprintf("orders\n got %v\nwant %v", s.orders, want.orders)
	}
	return ""
}

// town makes boards that follow one another, for the properties. Owned by one test.
type town struct {
	t       *rapid.T
	now     time.Time
	drivers map[dispatch.DriverID]dispatch.BoardDriver
	orders  map[dispatch.OrderID]*dispatch.Order
	next    int
}

func newTown(t *rapid.T) *town {
	w := &town{t: t, now: boardNoon, drivers: map[dispatch.DriverID]dispatch.BoardDriver{}, orders: map[dispatch.OrderID]*dispatch.Order{}}
	// A crowd around the limits of the modes and of the orders.
	for range rapid.SampledFrom([]int{0, 0, 0, 1996}).Draw(t, "crowd") {
		w.driver(geo.LatLng{Lat: 37.75, Lng: -122.45})
	}
	for range rapid.SampledFrom([]int{0, 0, 0, 497}).Draw(t, "orders") {
		w.order(geo.LatLng{Lat: 37.75, Lng: -122.45})
	}
	return w
}

func (w *town) place() geo.LatLng {
	// A coarse grid, so that drivers meet, and stand still.
	return geo.LatLng{
		Lat: 37.6 + 0.01*float64(rapid.IntRange(0, 30).Draw(w.t, "lat")),
		Lng: -122.6 + 0.01*float64(rapid.IntRange(0, 30).Draw(w.t, "lng")),
	}
}

func (w *town) driver(at geo.LatLng) {
	w.next++
	id := dispatch.DriverID(fmt.Sprintf("d%05d", w.next))
	d := dispatch.BoardDriver{ID: id, State: dispatch.DriverAvailable}
	d.Fix = geo.Fix{LatLng: at, At: w.now, HeadingDeg: math.NaN()}
	w.drivers[id] = d
}

func (w *town) order(at geo.LatLng) {
	w.next++
	id := dispatch.OrderID(fmt.Sprintf("o%05d", w.next))
	w.orders[id] = &dispatch.Order{
		ID: id, Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateSearching, Version: 1, Rider: "r1",
		VehicleClass: "standard", RequestedAt: w.now,
		Stops: []dispatch.Stop{{Type: dispatch.StopPickup, LatLng: at}, {Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.8, Lng: -122.4}}},
	}
}

// step lets something happen.
func (w *town) step() {
	w.now = w.now.Add(time.Second)
	drivers, orders := slices.Sorted(maps.Keys(w.drivers)), slices.Sorted(maps.Keys(w.orders))
	what := rapid.SampledFrom([]string{"on", "off", "move", "turn", "state", "lose", "ask", "advance", "close", "nothing"}).Draw(w.t, "what")
	if len(drivers) > 0 {
		id := rapid.SampledFrom(drivers).Draw(w.t, "driver")
		d := w.drivers[id]
		switch what {
		case "off":
			delete(w.drivers, id)
			return
		case "move":
			d.Fix.LatLng, d.Fix.At = w.place(), w.now
		case "turn":
			d.Fix.HeadingDeg = rapid.Float64Range(0, 359.999).Draw(w.t, "heading")
		case "state":
			d.State = rapid.SampledFrom([]dispatch.DriverState{dispatch.DriverAvailable, dispatch.DriverReserved,
				dispatch.DriverOnTrip, dispatch.DriverStopped, dispatch.DriverNonContactable}).Draw(w.t, "state")
		case "lose":
			d.Fix = geo.Fix{}
		}
		w.drivers[id] = d
	}
	if len(orders) > 0 {
		id := rapid.SampledFrom(orders).Draw(w.t, "order")
		switch what {
		case "advance":
			o := *w.orders[id]
			o.Version, o.State = o.Version+1, dispatch.StateOffered
			w.orders[id] = &o
		case "close":
			delete(w.orders, id)
		}
	}
	switch what {
	case "on":
		w.driver(w.place())
	case "ask":
		w.order(w.place())
	}
}

func (w *town) board() *dispatch.Board {
	b := &dispatch.Board{Market: "sf", At: w.now, Counters: dispatch.BoardCounters{Since: boardNoon, Created: int64(len(w.orders))}}
	for _, id := range slices.Sorted(maps.Keys(w.drivers)) {
		b.Drivers = append(b.Drivers, w.drivers[id])
	}
	for _, id := range slices.Sorted(maps.Keys(w.orders)) {
		b.Orders = append(b.Orders, w.orders[id])
	}
	return b
}

// TestBoardWatch_look: whatever happens, the frames add up to what is to be seen.
func TestBoardWatch_look(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		town := newTown(t)
		// Not a multiple of the grid: what lies on the very edge is of no importance.
		half := rapid.SampledFrom([]float64{0.0333, 0.1003, 1}).Draw(t, "half")
		v := view{-122.45 - half, 37.75 - half, -122.45 + half, 37.75 + half, rapid.SampledFrom([]float64{0, 9.5, 11.9, 12, 15, 24}).Draw(t, "zoom")}
		w := &boardWatch{market: "sf", view: v}
		var got screen
		var old *plate
		for range rapid.IntRange(1, 8).Draw(t, "frames") {
			for range rapid.IntRange(0, 4).Draw(t, "steps") {
				town.step()
			}
			b := town.board()
			p, err := newPlate(b, old)
			if err != nil {
				t.Fatal(err)
			}
			old = p
			frame, err := w.look(p, 1, boardNoon)
			if err != nil {
				t.Fatal(err)
			}
			if frame.data != nil {
				if err := got.apply(frame.data); err != nil {
					t.Fatalf("%v in %s", err, frame.data)
				}
			}
			if d := got.differs(ought(b, v)); d != "" {
				t.Fatalf("after %s %s:\n%s", frame.kind, frame.data, d)
			}
			if again, err := w.look(p, 1, boardNoon); err != nil || again.data != nil {
				t.Fatalf("nothing has changed, told %s (%v)", again.data, err)
			}
		}
	})
}

// TestBoardWatch_look_counters: counters alone are told, but seldom.
func TestBoardWatch_look_counters(t *testing.T) {
	w := &boardWatch{market: "sf", view: view{-123, 37, -122, 38, 12}}
	at := func(second, sockets int) string {
		t.Helper()
		p, err := newPlate(&dispatch.Board{Market: "sf", At: boardNoon, Counters: dispatch.BoardCounters{Since: boardNoon}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := w.look(p, sockets, boardNoon.Add(time.Duration(second)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return frame.kind
	}
	for _, c := range []struct {
		second, sockets int
		want            string
	}{
		{0, 1, wire.TypeBoardSnapshot}, {1, 1, ""}, {2, 2, ""}, {4, 3, ""}, {5, 3, wire.TypeBoardDelta}, {60, 3, ""}, {61, 4, wire.TypeBoardDelta},
	} {
		if got := at(c.second, c.sockets); got != c.want {
			t.Errorf("second %d with %d sockets: %q, want %q", c.second, c.sockets, got, c.want)
		}
	}
}

// widest makes a board that is as long as one may be: ids, numbers and orders of the greatest length. The
// drivers stand on a grid of 141 columns, step degrees apart.
func widest(drivers, orders, version int, step float64) *dispatch.Board {
	b := &dispatch.Board{Market: dispatch.MarketID(strings.Repeat("m", 64)), At: boardNoon, Counters: dispatch.BoardCounters{Since: boardNoon}}
	for i := range drivers {
		b.Drivers = append(b.Drivers, dispatch.BoardDriver{
			ID: dispatch.DriverID(fmt.Sprintf("%064d", i+version*drivers)), State: widestState(step),
			Fix: geo.Fix{
				LatLng: geo.LatLng{Lat: -37.123456 - float64(i%141)*step, Lng: -122.654321 - float64(i/141)*step},
				At:     boardNoon.Add(-time.Duration(i)*time.Hour - 100*time.Millisecond), HeadingDeg: 359,
			},
		})
	}
	for i := range orders {
		o := &dispatch.Order{
			ID: dispatch.OrderID(fmt.Sprintf("%064d", i+version*orders)), Market: b.Market, Kind: dispatch.KindDelivery, State: dispatch.StateEnRouteToDropoff,
			Version: int64(version) + 1, Rider: dispatch.RiderID(strings.Repeat("r", 64)), Driver: dispatch.DriverID(strings.Repeat("d", 64)),
			VehicleClass: strings.Repeat("v", 64), RequestedAt: boardNoon, PickupAt: boardNoon, PickupETA: boardNoon, DropoffETA: boardNoon,
			Reason: strings.Repeat("\u2028", 256),
		}
		for range dispatch.MaxStops {
			o.Stops = append(o.Stops, dispatch.Stop{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: -37.1234567890123, Lng: -122.123456789012}})
		}
		b.Orders = append(b.Orders, o)
	}
	return b
}

// widestState is the state with the longest name; of drivers that are spread, to be seen by cell, one that
// counts.
func widestState(step float64) dispatch.DriverState {
	if step > 1e-6 {
		return dispatch.DriverReserved
	}
	return dispatch.DriverNonContactable
}

// TestBoardWatch_look_bytes: no frame is longer than the bound, not even when everything changes; the frame of
// a usual city at its fullest holds all that the counts allow.
func TestBoardWatch_look_bytes(t *testing.T) {
	for _, c := range []struct {
		name            string
		drivers, orders int
		zoom, step      float64
	}{
		{"drivers", boardDrivers, 600, 12, 1e-6}, {"cells", 20_000, 600, 11.9, 0.009}, {"drivers_alone", boardDrivers, 0, 24, 1e-6}, {"orders_alone", 0, 600, 12, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &boardWatch{market: dispatch.MarketID(strings.Repeat("m", 64)), view: view{-124.7, -39.2, -121, -36, c.zoom}}
			var got screen
			for version := range 3 {
				p, err := newPlate(widest(c.drivers, c.orders, version, c.step), nil)
				if err != nil {
					t.Fatal(err)
				}
				frame, err := w.look(p, 1<<31, boardNoon)
				if err != nil {
					t.Fatal(err)
				}
				if err := got.apply(frame.data); err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %d bytes, %d drivers, %d cells, %d orders", frame.kind, len(frame.data), len(got.drivers), len(got.cells), len(got.orders))
				if c.orders > 0 && len(got.orders) == 0 || c.zoom >= 12 && len(got.drivers) != c.drivers {
					t.Errorf("%d drivers and %d orders are shown", len(got.drivers), len(got.orders))
				}
			}
		})
	}
	t.Run("a_usual_city_at_its_fullest", func(t *testing.T) {
		b := widest(boardDrivers, boardOrders, 0, 1e-6)
		for i := range b.Drivers {
			b.Drivers[i].ID = dispatch.DriverID(dispatch.DeriveID(boardNoon, fmt.Sprint(i)))
		}
		slices.SortFunc(b.Drivers, func(x, y dispatch.BoardDriver) int { return cmp.Compare(x.ID, y.ID) })
		for i, o := range b.Orders {
			o.ID = dispatch.OrderID(dispatch.DeriveID(boardNoon, "o", fmt.Sprint(i)))
			o.Market, o.Rider, o.Driver = "sf", dispatch.RiderID(dispatch.DeriveID(boardNoon, "r")), b.Drivers[i].ID
			o.VehicleClass, o.Reason, o.Stops = "standard", "", o.Stops[:dispatch.MinStops]
		}
		p, err := newPlate(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := (&boardWatch{market: "sf", view: view{-123.7, -38.2, -122, -37, 12}}).look(p, 1, boardNoon)
		if err != nil {
			t.Fatal(err)
		}
		var got screen
		if err := got.apply(frame.data); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes", len(frame.data))
		if len(got.drivers) != boardDrivers || len(got.orders) != boardOrders {
			t.Errorf("%d drivers and %d orders are shown", len(got.drivers), len(got.orders))
		}
	})
}

// TestView_resolution: cells are coarser the farther one stands, and too many become coarser ones.
func TestView_resolution(t *testing.T) {
	last := -1
	for zoom := 0.0; zoom <= wire.MaxZoom; zoom += 0.25 {
		r := view{zoom: zoom}.resolution()
		if r < last || r < 0 || r > finest {
			t.Errorf("zoom %v has resolution %d after %d", zoom, r, last)
		}
		last = r
	}
	if r := (view{zoom: 11}).resolution(); r != 8 {
		t.Errorf("zoom 11 has resolution %d, want 8", r)
	}
	b := &dispatch.Board{Market: "sf", At: boardNoon}
	for i := range 20_000 {
		b.Drivers = append(b.Drivers, dispatch.BoardDriver{
			ID: dispatch.DriverID(fmt.Sprintf("d%05d", i)), State: dispatch.DriverAvailable,
			Fix: geo.Fix{At: boardNoon, HeadingDeg: math.NaN(), LatLng: geo.LatLng{Lat: 37 + float64(i%141)*0.005, Lng: -122 - float64(i/141)*0.005}},
		})
	}
	p, err := newPlate(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := p.crop(view{-123, 36, -121, 38, 15})
	sum := 0
	for _, n := range c.cells {
		sum += n.available
	}
	if len(c.cells) > boardCells || len(c.cells) < boardCells/14 || sum != 20_000 {
		t.Errorf("%d cells tell %d drivers", len(c.cells), sum)
	}
}
