package sim

import (
	"math"
	"time"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// MealFigures judge a day of meal delivery by the definitions of Reyes, Erera, Savelsbergh, Sahasrabudhe and O'Neil, The
// Meal Delivery Routing Problem (2018): from the click, which places the order, to the door. They are made of the
// orders' events alone, whoever decided.
type MealFigures struct {
	// ClickToDoor is from the order to the drop-off, service there included, of the orders delivered.
	ClickToDoor Spread
	// OnTime is the share of all orders placed that were at the door within the target.
	OnTime float64
	// Late counts the delivered orders beyond the longest span allowed.
	Late int
	// ReadyToDoor and ReadyToPickup are from when the kitchen was done.
	ReadyToDoor, ReadyToPickup Spread
	// Busy is the time that couriers drive or serve at a stop; what they wait for kitchens is not.
	Busy time.Duration
}

// meals judges the run.
func (w *world) meals() *MealFigures {
	m := w.sc.Meals
	f := &MealFigures{Busy: w.tally.empty}
	var door, ready, pickup []time.Duration
	onTime, placed := 0, 0
	for i := range w.tally.orders {
		b, t := &w.tally.orders[i], &w.sc.Trips[i]
		if b.requested.IsZero() {
			continue
		}
		placed++
		if !b.pickedUp.IsZero() {
			f.Busy += w.sc.Conduct.PickupService
		}
		if b.completed.IsZero() {
			continue
		}
		took := b.completed.Sub(b.requested)
		f.Busy += b.completed.Sub(b.pickedUp)
		door = append(door, took)
		ready = append(ready, b.completed.Sub(t.Ready))
		pickup = append(pickup, b.pickedUp.Sub(t.Ready))
		if took <= m.Target {
			onTime++
		}
		if took > m.Most {
			f.Late++
		}
	}
	f.ClickToDoor, f.ReadyToDoor, f.ReadyToPickup = spread(door), spread(ready), spread(pickup)
	if placed > 0 {
		f.OnTime = float64(onTime) / float64(placed)
	}
	return f
}

// Travel is the instances' own rule: straight lines at one speed, each drive whole minutes, rounded up.
func (m *Meals) Travel() Travel {
	return Travel{
		Drive: func(from, to geo.LatLng, _ time.Time) time.Duration {
			minutes := math.Ceil(float64(geo.Distance(from, to))/m.SpeedMps/60 - 1e-9)
			return time.Duration(minutes) * time.Minute
		},
		TopMps: m.SpeedMps, Source: eta.SourceStraightLine,
	}
}

// ForMeals is a policy as patient as an instance: an order is looked for a courier until its longest span is over, and no
// way to a restaurant is too long but one longer than the target (without a target, the longest span). The search begins when a courier who comes may find
// the order ready, the policy's lead before that.
func (p Policy) ForMeals(m *Meals) Policy {
	p.Market.SearchTimeout, p.Market.MaxPickup = m.Most, m.Target
	if m.Target <= 0 {
		p.Market.MaxPickup = m.Most
	}
	return p
}
