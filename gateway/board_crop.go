package gateway

import (
	"math"
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	// boardBytes bounds a board frame. A delta that would be longer is told as a snapshot, which is cropped to
	// fit.
	boardBytes = 512 << 10
	// boardRest is what a frame needs beside drivers, cells and orders: names, braces and counters, 1.3 kB.
	boardRest = 4 << 10
	// boardDrivers is how many drivers are told each by itself; with more the box is told by cells.
	boardDrivers = 2000
	// boardNear is the zoom from which drivers are told each by itself.
	boardNear = 12
	// boardOrders is how many orders are told, newest first.
	boardOrders = 500
	// boardCells is how many cells are told; with more, coarser ones are.
	boardCells = 4000
	// driverBytes is how long a driver is in a frame beside its id and state: coordinates of 10 and 11
	// characters, a heading of 4, an age of at most 10 (three years), and punctuation of 10.
	driverBytes = 45
	// finest is the finest resolution told: cells of about 25 m across the middle.
	finest = 11
)

// view is what a watcher looks at. Immutable.
type view struct {
	west, south, east, north float64 // degrees
	zoom                     float64
}

func (w view) holds(lat, lng float64) bool {
	return lat >= w.south && lat <= w.north && lng >= w.west && lng <= w.east
}

// resolution is H3's for a zoom: the finest whose edge takes at least 14 pixels on a map of 512 px tiles at the
// latitude of San Francisco. Each resolution is finer by sqrt(7), which is 1.404 steps of zoom.
func (w view) resolution() int {
	return min(finest, max(0, int(math.Floor((w.zoom+0.56)/1.404))))
}

// crop is what a watcher is to see: the part of a plate in its view. A snapshot tells all of it, a delta
// the way to it from the crop before. Immutable.
type crop struct {
	mode    string
	drivers []marker // ascending by id; empty in mode cells
	cells   []count  // ascending by id; empty in mode drivers
	orders  []*sheet // newest first
}

// crop cuts a plate to a view, within boardBytes.
func (p *plate) crop(w view) *crop {
	c := &crop{mode: wire.BoardModeCells}
	room := boardBytes - boardRest
	if near := p.near(w); near != nil {
		c.mode, c.drivers = wire.BoardModeDrivers, near
		for i := range near {
			room -= driverBytes + len(near[i].id) + len(near[i].state)
		}
	} else {
		c.cells = p.far(w)
		room -= len(c.cells) * cellBytes
	}
	for _, s := range p.orders {
		if len(p.orders) > boardOrders && !s.within(w) {
			continue
		}
		if room -= s.bytes; room < 0 || len(c.orders) == boardOrders {
			break
		}
		c.orders = append(c.orders, s)
	}
	return c
}

// cellBytes is how long a cell is in a frame: an id of 15 characters, three counts of at most 7, and
// punctuation.
const cellBytes = 45

// near gives the drivers in view; nil when they are to be told by cells.
func (p *plate) near(w view) []marker {
	if w.zoom < boardNear {
		return nil
	}
	near := []marker{}
	for i := range p.drivers {
		if m := &p.drivers[i]; w.holds(m.lat, m.lng) {
			if len(near) == boardDrivers {
				return nil
			}
			near = append(near, *m)
		}
	}
	return near
}

// far gives the cells that reach into view, coarser than the zoom asks for when they are too many.
func (p *plate) far(w view) []count {
	for resolution := w.resolution(); ; resolution-- {
		wide := w.wider(geo.CellReach(resolution))
		var cells []count
		for _, n := range p.counts(resolution) {
			if wide.holds(n.center.Lat, n.center.Lng) {
				cells = append(cells, n)
			}
		}
		if len(cells) <= boardCells || resolution == 0 {
			return cells // the coarsest are 122 in all
		}
	}
}

// wider gives the view with a margin on each side.
func (w view) wider(by geo.Meters) view {
	const degree = float64(geo.EarthRadius) * math.Pi / 180
	up := float64(by) / degree
	side := up / max(0.01, math.Cos(max(math.Abs(w.south), math.Abs(w.north))*math.Pi/180))
	return view{west: w.west - side, south: w.south - up, east: w.east + side, north: w.north + up, zoom: w.zoom}
}

// within tells whether a stop of the order lies in view.
func (s *sheet) within(w view) bool {
	return slices.ContainsFunc(s.order.Stops, func(stop dispatch.Stop) bool { return w.holds(stop.Lat, stop.Lng) })
}
