package sim

import "time"

// MealFigures judge a day of meal delivery by the definitions of Reyes, Erera, Savelsbergh, Sahasrabudhe and O'Neil, The
// Meal Delivery Routing Problem (2018): from the click, which places the order, to the door.
type MealFigures struct {
	// ClickToDoor is from the order to the drop-off, service there included, of the orders delivered.
	ClickToDoor Spread
	// OnTime is the share of all orders placed that were at the door within the target.
	OnTime float64
	// Late counts the delivered orders beyond the longest span allowed.
	Late int
	// ReadyToDoor and ReadyToPickup are from when the kitchen was done.
	ReadyToDoor, ReadyToPickup Spread
	// Busy is the time that couriers work on orders, from being given one to its completion.
	Busy time.Duration
}

// meals judges the run.
func (w *world) meals() *MealFigures {
	m := w.sc.Meals
	f := &MealFigures{Busy: w.tally.busy}
	var door, ready, pickup []time.Duration
	onTime, placed := 0, 0
	for i := range w.tally.orders {
		b, t := &w.tally.orders[i], &w.sc.Trips[i]
		if b.requested.IsZero() {
			continue
		}
		placed++
		if b.completed.IsZero() {
			continue
		}
		took := b.completed.Sub(b.requested)
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
