package dispatch

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Board is a whole market at an instant as it may be shown to staff: committed state and the last fixes.
// Made by the market's leader, immutable, shared.
type Board struct {
	Market MarketID
	At     time.Time // market time
	// Drivers are those on duty or at work, ascending by id.
	Drivers []BoardDriver
	// Orders are the open ones, committed snapshots, ascending by id.
	Orders   []*Order
	Counters BoardCounters
}

// BoardDriver is one driver of a Board.
type BoardDriver struct {
	ID    DriverID
	State DriverState
	// Fix is the last accepted position; Fix.At is zero while there is none.
	Fix geo.Fix
}

// BoardCounters are the figures of a market.
type BoardCounters struct {
	// Drivers counts those of the Board by state, Orders the open ones by state.
	Drivers map[DriverState]int
	Orders  map[State]int
	// Since is the market instant from which the leader counts what follows, until Rounds.
	Since                                             time.Time
	Created, Completed, Returned, Cancelled, NoDriver int64
	Rounds                                            int64
	// Matches is how many orders found a driver in the last 5 minutes of market time; MatchP50 and MatchP95
	// are percentiles of how long (market time) they had searched, 0 when there were none.
	Matches            int
	MatchP50, MatchP95 time.Duration
	// Published is the seq up to which the market's events have been published, RelayLag how long (wall time)
	// later ones have been waiting, 0 when there are none.
	Published int64
	RelayLag  time.Duration
}
