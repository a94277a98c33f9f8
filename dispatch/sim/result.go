package sim

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// Result is what came of a run. Means over nothing are 0.
type Result struct {
	Policy string
	Seed   uint64
	// Requested = Served + Lost + ByRider + ByDriver + Open. Served orders were picked up. Lost ones ended because no
	// driver was found in time. ByRider and ByDriver were cancelled, by which of the two; a rider who loses patience
	// before the search ends is one of the former. Open were not over when the run was broken off, or refused.
	Requested, Served, Lost, ByRider, ByDriver, Open int
	// Wait is from the request, or from when a scheduled ride was wanted, to the driver's arrival at the pickup, of served
	// orders; a driver that is early is not waited for.
	Wait Spread
	// DeadheadTime is the time driven to pickups, those given up on the way included, for each served order.
	DeadheadTime time.Duration
	// DeadheadLine is the mean, over served orders, of the straight line to the pickup from where its driver was set
	// free before: its last drop-off, or where it came on duty. NextLine is the mean of those from a drop-off alone,
	// what is compared with a human fleet.
	DeadheadLine, NextLine geo.Meters
	// Utilisation is the time with a passenger or goods aboard over the time on duty, both between From and To.
	Utilisation float64
	// Gini is that of earnings per hour on duty, over the drivers with at least one. A driver earns by the time with a
	// passenger aboard.
	Gini float64
	// OffersPerMatch counts the offers made for each one accepted.
	OffersPerMatch float64
	// Decision is from the request, or from when the search for a scheduled order begins, to the first offer, of the orders
	// that were offered.
	Decision Spread
	// Gap is how much more the rounds' decisions cost than the rounds' optima, as a share of those; see roundGap.
	Gap float64
	// Rounds are those that had candidates.
	Rounds int
	// Digest is that of the history: every event in its order.
	Digest string
	// Meals are the figures of meal delivery; nil for rides.
	Meals *MealFigures
	// Orders and Drivers are what the figures are made of, in the scenario's order.
	Orders  []OrderFate
	Drivers []DriverDay
}

// Spread sums up spans.
type Spread struct{ Mean, P50, P95, P99 time.Duration }

// OrderFate is what became of one order.
type OrderFate struct {
	Pickup, Dropoff geo.LatLng
	// Wanted is when a scheduled ride was wanted, and else Requested.
	Requested, Wanted time.Time
	// Arrived, PickedUp and DroppedOff are zero for what did not happen.
	Arrived, PickedUp, DroppedOff time.Time
	// Lost tells that no driver was found, Cancelled that someone cancelled.
	Lost, Cancelled bool
}

// Served tells whether the order was picked up.
func (o *OrderFate) Served() bool { return !o.PickedUp.IsZero() }

// Wait is how long the rider of a served order waited for the driver's arrival.
func (o *OrderFate) Wait() time.Duration { return max(0, o.Arrived.Sub(o.Wanted)) }

// DriverDay is what a driver did. OnDuty and Loaded are between From and To.
type DriverDay struct {
	ID             dispatch.DriverID
	OnDuty, Loaded time.Duration
	// PerHour is the time with a passenger for each hour on duty; 0 for less than an hour of it.
	PerHour time.Duration
	Trips   int
}

// leastOnDuty is how long a driver must have been on duty to count in the Gini coefficient.
const leastOnDuty = time.Hour

func (w *world) result() *Result {
	t := w.tally
	t.end(later(w.sc.To, w.now), w.drivers)
	r := &Result{Policy: w.pol.Name, Seed: w.seed, Digest: w.history.sum(), Rounds: t.gap.rounds}
	var waits, decisions []time.Duration
	var line, next geo.Meters
	nexts := 0
	for i := range t.orders {
		b := &t.orders[i]
		if b.requested.IsZero() {
			continue
		}
		r.Requested++
		r.count(b)
		if !b.offered.IsZero() {
			decisions = append(decisions, b.offered.Sub(later(b.requested, b.sought)))
		}
		if b.pickedUp.IsZero() {
			continue
		}
		waits = append(waits, max(0, b.arrived.Sub(w.wanted(i))))
		line += b.line
		if b.follows {
			next += b.line
			nexts++
		}
	}
	r.Wait, r.Decision = spread(waits), spread(decisions)
	if r.Served > 0 {
		r.DeadheadTime = t.empty / time.Duration(r.Served)
		r.DeadheadLine = line / geo.Meters(r.Served)
	}
	if nexts > 0 {
		r.NextLine = next / geo.Meters(nexts)
	}
	if t.accepts > 0 {
		r.OffersPerMatch = float64(t.offers) / float64(t.accepts)
	}
	if t.gap.optima > 0 {
		r.Gap = float64(t.gap.decided-t.gap.optima) / float64(t.gap.optima)
	}
	w.days(r)
	w.fates(r)
	if w.sc.Meals != nil {
		r.Meals = w.meals()
	}
	return r
}

// wanted is when an order was wanted.
func (w *world) wanted(i int) time.Time {
	at := w.tally.orders[i].requested
	if w.sc.Meals == nil {
		return later(at, w.sc.Trips[i].Ready)
	}
	return at
}

// count puts an order where it belongs.
func (r *Result) count(b *orderBook) {
	switch {
	case !b.pickedUp.IsZero():
		r.Served++
	case b.end == dispatch.StateNoDriver:
		r.Lost++
	case b.end == dispatch.StateCancelled && b.cancelledBy == "driver":
		r.ByDriver++
	case b.end == dispatch.StateCancelled:
		r.ByRider++
	default:
		r.Open++
	}
}

// days sums up the drivers.
func (w *world) days(r *Result) {
	var onDuty, loaded time.Duration
	var rates []float64
	for _, d := range w.drivers {
		b := &d.book
		day := DriverDay{ID: d.id, OnDuty: b.onDuty, Loaded: b.loaded, Trips: b.trips}
		onDuty += b.onDuty
		loaded += b.loaded
		if b.onDuty >= leastOnDuty {
			day.PerHour = time.Duration(float64(b.loaded) / b.onDuty.Hours())
			rates = append(rates, day.PerHour.Seconds())
		}
		r.Drivers = append(r.Drivers, day)
	}
	if onDuty > 0 {
		r.Utilisation = float64(loaded) / float64(onDuty)
	}
	r.Gini = gini(rates)
}

func (w *world) fates(r *Result) {
	for i := range w.tally.orders {
		b, t := &w.tally.orders[i], &w.sc.Trips[i]
		r.Orders = append(r.Orders, OrderFate{
			Pickup: t.Pickup, Dropoff: t.Dropoff, Requested: b.requested, Wanted: w.wanted(i), Arrived: b.arrived, PickedUp: b.pickedUp,
			DroppedOff: b.droppedOff, Lost: b.end == dispatch.StateNoDriver, Cancelled: b.end == dispatch.StateCancelled,
		})
	}
}

// spread sums up spans, which it sorts; quantiles are the nearest ranks.
func spread(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	slices.Sort(all)
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	rank := func(percent int) time.Duration { return all[max(0, (len(all)*percent+99)/100-1)] }
	return Spread{Mean: sum / time.Duration(len(all)), P50: rank(50), P95: rank(95), P99: rank(99)}
}

// gini is the Gini coefficient of values of at least 0: half the mean absolute difference of two over the mean; 0 when
// all are alike. It sorts the values.
func gini(values []float64) float64 {
	slices.Sort(values)
	sum, weighted := 0.0, 0.0
	for i, v := range values {
		sum += v
		weighted += float64(i+1) * v
	}
	n := float64(len(values))
	if sum == 0 {
		return 0
	}
	return 2*weighted/(n*sum) - (n+1)/n
}
