package wire

import (
	"strconv"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// The types of the board's messages.
const (
	TypeBoardWatch    = "board.watch"
	TypeBoardSnapshot = "board.snapshot"
	TypeBoardDelta    = "board.delta"
)

// The modes of a board: each driver by itself, or counted by H3 cell.
const (
	BoardModeDrivers = "drivers"
	BoardModeCells   = "cells"
)

// MaxZoom is the largest zoom of a web map (tiles of 512 px).
const MaxZoom = 24

// BoardWatch asks for the live board of a market within a box; a later one on the same socket takes its
// place. BBox is west, south, east, north in degrees; a box over the antimeridian is two.
type BoardWatch struct {
	Type   string    `json:"type,omitzero"`
	ID     ID        `json:"id,omitzero"`
	Market ID        `json:"market"`
	BBox   []float64 `json:"bbox"`
	Zoom   *float64  `json:"zoom"`
}

// Validate refuses what is no box and no zoom.
func (m *BoardWatch) Validate() *dispatch.Error {
	if e := required("/market", m.Market); e != nil {
		return e
	}
	switch {
	case m.BBox == nil:
		return bad("/bbox", "required")
	case len(m.BBox) != 4:
		return bad("/bbox", "must be west, south, east and north")
	}
	for i, x := range m.BBox {
		limit, why := 180.0, geo.ErrLng
		if i%2 == 1 {
			limit, why = 90, geo.ErrLat
		}
		if !(x >= -limit && x <= limit) {
			return bad("/bbox/"+strconv.Itoa(i), "%v", why)
		}
	}
	switch {
	case m.BBox[0] >= m.BBox[2]:
		return bad("/bbox", "west must be less than east")
	case m.BBox[1] >= m.BBox[3]:
		return bad("/bbox", "south must be less than north")
	case m.Zoom == nil:
		return bad("/zoom", "required")
	case !(*m.Zoom >= 0 && *m.Zoom <= MaxZoom):
		return bad("/zoom", "must be a number from 0 to %d", MaxZoom)
	}
	return nil
}

// Board is a board.snapshot, which tells all that is shown, or a board.delta, which tells what has changed
// since the frame before. Seq numbers the frames of one watch from 1. Every member is always there. Drivers
// are told in mode drivers, Cells in mode cells; a change of mode comes as a snapshot.
type Board struct {
	Type    string       `json:"type"`
	Market  ID           `json:"market"`
	Seq     int64        `json:"seq"`
	Mode    string       `json:"mode"`
	Drivers BoardDrivers `json:"drivers"`
	Cells   BoardCells   `json:"cells"`
	// Removed are the drivers, in mode cells the cells, that are not shown any more.
	Removed []string `json:"removed"`
	Orders  []Order  `json:"orders"`
	// Closed are the orders that are not shown any more: they closed, or newer ones fill the board.
	Closed   []ID          `json:"closed"`
	Counters BoardCounters `json:"counters"`
}

// BoardDrivers are drivers as columns of equal length, ascending by id.
type BoardDrivers struct {
	ID    []ID      `json:"id"`
	Lat   []float64 `json:"lat"`
	Lng   []float64 `json:"lng"`
	State []string  `json:"state"`
	// HeadingDeg is null where it is not known.
	HeadingDeg []*int `json:"heading_deg"`
	// AgeS is the age of the fix in market time; it grows without being told.
	AgeS []float64 `json:"age_s"`
}

// BoardCells are counts by H3 cell as columns of equal length, ascending by cell.
type BoardCells struct {
	// Cell is an H3 index in hexadecimal.
	Cell      []string `json:"cell"`
	Available []int    `json:"available"`
	// Busy counts the drivers reserved, on a trip or stopped; those that cannot be contacted stand in no
	// cell.
	Busy []int `json:"busy"`
	// Open counts the open orders by their pickup.
	Open []int `json:"open"`
}

// BoardCounters are the figures of the whole market, whatever the box, and of the node's health.
type BoardCounters struct {
	Drivers BoardDriverStates `json:"drivers"`
	Orders  BoardOrderStates  `json:"orders"`
	// What follows counts since Since, when the node began to lead the market.
	Since     Time  `json:"since"`
	Created   int64 `json:"created"`
	Completed int64 `json:"completed"`
	Returned  int64 `json:"returned"`
	Cancelled int64 `json:"cancelled"`
	NoDriver  int64 `json:"no_driver"`
	Rounds    int64 `json:"rounds"`
	// Matches are those of the last 5 market minutes; the percentiles are of their waits from the start of
	// the search to a driver, 0 when there were none.
	Matches         int     `json:"matches"`
	TimeToMatchP50S float64 `json:"time_to_match_p50_s"`
	TimeToMatchP95S float64 `json:"time_to_match_p95_s"`
	// RelayLagMs is how long (wall) committed events have waited to be published.
	RelayLagMs   int64 `json:"relay_lag_ms"`
	PublishedSeq int64 `json:"published_seq"`
	// Sockets are those open on the node that tells the board.
	Sockets int `json:"sockets"`
}

// BoardDriverStates counts drivers on duty or at work by state.
type BoardDriverStates struct {
	Available      int `json:"available"`
	Reserved       int `json:"reserved"`
	OnTrip         int `json:"on_trip"`
	Stopped        int `json:"stopped"`
	NonContactable int `json:"non_contactable"`
}

// BoardOrderStates counts open orders by state.
type BoardOrderStates struct {
	Scheduled        int `json:"scheduled"`
	Searching        int `json:"searching"`
	Offered          int `json:"offered"`
	EnRouteToPickup  int `json:"en_route_to_pickup"`
	ArrivedAtPickup  int `json:"arrived_at_pickup"`
	EnRouteToStop    int `json:"en_route_to_stop"`
	ArrivedAtStop    int `json:"arrived_at_stop"`
	EnRouteToDropoff int `json:"en_route_to_dropoff"`
	ArrivedAtDropoff int `json:"arrived_at_dropoff"`
	Returning        int `json:"returning"`
}

// BoardCountersFrom tells a board's counters; sockets are those of this node.
func BoardCountersFrom(c *dispatch.BoardCounters, sockets int) BoardCounters {
	return BoardCounters{
		Drivers: BoardDriverStates{
			Available: c.Drivers[dispatch.DriverAvailable], Reserved: c.Drivers[dispatch.DriverReserved],
			OnTrip: c.Drivers[dispatch.DriverOnTrip], Stopped: c.Drivers[dispatch.DriverStopped],
			NonContactable: c.Drivers[dispatch.DriverNonContactable],
		},
		Orders: BoardOrderStates{
			Scheduled: c.Orders[dispatch.StateScheduled], Searching: c.Orders[dispatch.StateSearching],
			Offered: c.Orders[dispatch.StateOffered], EnRouteToPickup: c.Orders[dispatch.StateEnRouteToPickup],
			ArrivedAtPickup: c.Orders[dispatch.StateArrivedAtPickup], EnRouteToStop: c.Orders[dispatch.StateEnRouteToStop],
			ArrivedAtStop: c.Orders[dispatch.StateArrivedAtStop], EnRouteToDropoff: c.Orders[dispatch.StateEnRouteToDropoff],
			ArrivedAtDropoff: c.Orders[dispatch.StateArrivedAtDropoff], Returning: c.Orders[dispatch.StateReturning],
		},
		Since: TimeOf(c.Since), Created: c.Created, Completed: c.Completed, Returned: c.Returned,
		Cancelled: c.Cancelled, NoDriver: c.NoDriver, Rounds: c.Rounds,
		Matches: c.Matches, TimeToMatchP50S: seconds(c.MatchP50), TimeToMatchP95S: seconds(c.MatchP95),
		RelayLagMs: milliseconds(c.RelayLag), PublishedSeq: c.Published, Sockets: sockets,
	}
}
