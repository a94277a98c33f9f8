package sim

import (
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Carried is one ride that somebody drove, whether recorded or simulated.
type Carried struct {
	Driver               string
	PickedUp, DroppedOff time.Time
	Pickup, Dropoff      geo.LatLng
}

// Empty is how far drivers went without a passenger between two rides: straight lines from a drop-off to the same
// driver's next pickup.
type Empty struct {
	Chains            int
	Mean, Median, P95 geo.Meters
}

// HumanGap is how long a driver may have been without a ride for two rides to count as consecutive.
const HumanGap = 3 * time.Hour

// Recorded gives the rides that a file's drivers really drove; none when it does not name them.
func Recorded(trips []Trip) []Carried { return nil }

// EmptyBetween measures consecutive rides of one driver, no further apart than gap.
func EmptyBetween(rides []Carried, gap time.Duration) (Empty, error) {
	return Empty{}, errors.New("the human fleet's measure is being built")
}
