package sim

import (
	"cmp"
	"errors"
	"slices"
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
// driver's next pickup. What they drove to get there, cruising, is longer. All is 0 without Chains.
type Empty struct {
	// Chains counts the pairs of consecutive rides.
	Chains            int
	Mean, Median, P95 geo.Meters
}

// HumanGap is how long a driver may have been without a ride for two rides to count as consecutive; a longer one is a
// night, not a search. Breaks within it count.
const HumanGap = 3 * time.Hour

// Recorded gives the rides that a file's drivers really drove; none when it does not tell who drove, or how long.
func Recorded(trips []Trip) []Carried {
	var rides []Carried
	for i := range trips {
		t := &trips[i]
		if t.Driver == "" || t.Duration <= 0 {
			continue
		}
		rides = append(rides, Carried{
			Driver: t.Driver, PickedUp: t.At, DroppedOff: t.At.Add(t.Duration), Pickup: t.Pickup, Dropoff: t.Dropoff,
		})
	}
	return rides
}

var errNegativeGap = errors.New("empty metres: the gap must not be negative")

// EmptyBetween measures consecutive rides of one driver, from the drop-off of one to the pickup of the next at most gap
// later. A driver who had two rides at once was not empty between them: such pairs do not count. The rides may be in any
// order.
func EmptyBetween(rides []Carried, gap time.Duration) (Empty, error) {
	if gap < 0 {
		return Empty{}, errNegativeGap
	}
	byDriver := slices.Clone(rides)
	slices.SortStableFunc(byDriver, func(a, b Carried) int {
		return cmp.Or(cmp.Compare(a.Driver, b.Driver), a.PickedUp.Compare(b.PickedUp))
	})
	var lines []geo.Meters
	for i := 1; i < len(byDriver); i++ {
		before, next := &byDriver[i-1], &byDriver[i]
		empty := next.PickedUp.Sub(before.DroppedOff)
		if before.Driver == next.Driver && empty >= 0 && empty <= gap {
			lines = append(lines, geo.Distance(before.Dropoff, next.Pickup))
		}
	}
	if len(lines) == 0 {
		return Empty{}, nil
	}
	slices.Sort(lines)
	var sum geo.Meters
	for _, l := range lines {
		sum += l
	}
	n := len(lines)
	return Empty{
		Chains: n, Mean: sum / geo.Meters(n), Median: lines[(n*50+99)/100-1], P95: lines[(n*95+99)/100-1],
	}, nil
}
