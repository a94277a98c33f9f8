package dispatch

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Mode is how a market pairs orders with drivers.
type Mode string

// The modes built so far.
const (
	// ModeBatch solves each round's assignment exactly.
	ModeBatch Mode = "batch"
	// ModeNearest gives each order in turn, oldest first, its nearest free driver.
	ModeNearest Mode = "nearest"
)

// Policy is how a market behaves; its defaults are DefaultPolicy's. All spans are market time.
type Policy struct {
	Mode Mode
	// Window is the time between two rounds.
	Window time.Duration
	// OfferTTL is how long a driver may think.
	OfferTTL time.Duration
	// SearchTimeout ends a search with no_driver.
	SearchTimeout time.Duration
	// MaxPickup is the longest travel time to a pickup worth offering.
	MaxPickup time.Duration
	// Freshness is the greatest age of a candidate's fix.
	Freshness time.Duration
	// Candidates is how many near drivers a round considers for each order.
	Candidates int
	// NoShow is the wait at the pickup after which the driver may cancel with no_show.
	NoShow time.Duration
	// Lead is how long before pickup_at the search for a scheduled order begins.
	Lead time.Duration
}

// DefaultPolicy gives the contract's defaults.
func DefaultPolicy() Policy {
	return Policy{
		Mode:          ModeBatch,
		Window:        2 * time.Second,
		OfferTTL:      15 * time.Second,
		SearchTimeout: 300 * time.Second,
		MaxPickup:     900 * time.Second,
		Freshness:     60 * time.Second,
		Candidates:    16,
		NoShow:        300 * time.Second,
		Lead:          600 * time.Second,
	}
}

// Market is one city's marketplace: its place, its clock's zone and its policy. Immutable.
type Market struct {
	ID       MarketID
	Name     string
	Timezone string // IANA name
	Area     geo.Area
	Policy   Policy
	// Zones are its no-go, service, surge and queue zones; nil when it has none.
	Zones *geo.Zones
}

// Markets is the set a server serves, ascending by id. Immutable.
type Markets []Market

// Get finds a market by id.
func (ms Markets) Get(id MarketID) (Market, bool) {
	for _, m := range ms {
		if m.ID == id {
			return m, true
		}
	}
	return Market{}, false
}

// At finds the market that holds a place.
func (ms Markets) At(p geo.LatLng) (Market, bool) {
	for _, m := range ms {
		if m.Area.Contains(p) {
			return m, true
		}
	}
	return Market{}, false
}
