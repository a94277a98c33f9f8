package dispatch

import (
	"slices"
	"strconv"

	"github.com/hexfleet/hexfleet/geo"
)

// CheckStops refuses an order with a stop inside a no-go zone, or outside of every service area of a market that
// has any; the field names the stop. Surge and queue zones refuse nothing.
func CheckStops(zones *geo.Zones, stops []Stop) *Error {
	everywhere := !slices.ContainsFunc(zones.All(), func(z geo.Zone) bool { return z.Kind == geo.ZoneServiceArea })
	var buf [16]*geo.Zone
	for i, s := range stops {
		field := "/stops/" + strconv.Itoa(i)
		in := everywhere
		for _, z := range zones.AppendAt(buf[:0], s.LatLng) {
			switch z.Kind {
			case geo.ZoneNoGo:
				return Errorf(CodeBadRequest, field, "the stop lies in the no-go zone %s", z.ID)
			case geo.ZoneServiceArea:
				in = true
			}
		}
		if !in {
			return Errorf(CodeBadRequest, field, "the stop lies outside of the market's service area")
		}
	}
	return nil
}
