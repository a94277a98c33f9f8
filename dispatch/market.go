package dispatch

import "github.com/hexfleet/hexfleet/geo"

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
