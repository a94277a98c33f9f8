package sim

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// maxMealSpeed bounds the speed of couriers that a file may tell, in metres a minute: that of sound.
const maxMealSpeed = 20_000

// maxMealMinutes bounds the spans that a file may tell: a day.
const maxMealMinutes = 24 * 60

// Meals is one instance of meal delivery: a day of orders and the couriers on shift in it (Reyes, Erera,
// Savelsbergh, Sahasrabudhe and O'Neil, The Meal Delivery Routing Problem, 2018). The day has no date; its
// instants are those of DayStart's.
type Meals struct {
	// Seed is the file's name of the instance.
	Seed string
	// Orders ascend by time, then by their place in the file: from the restaurant to the customer.
	Orders []Trip
	// Couriers ascend by their beginning, then by name.
	Couriers []Session
	// SpeedMps is that of every courier, in straight lines.
	SpeedMps float64
	// PickupService and DropoffService are the times at the two stops.
	PickupService, DropoffService time.Duration
	// Target and Most bound the span from the order to the drop-off: what is wished, and what is allowed.
	Target, Most time.Duration
}

// DayStart is the beginning of a day without a date.
func DayStart() time.Time { return time.Unix(0, 0).UTC() }

// MealFiles are the three files of a set of instances, CSV or gzip, columns found by name; others are
// ignored. Orders has seed, order, placed_s, ready_s, rest_lat, rest_lon, cust_lat and cust_lon; Couriers
// seed, courier, on_s, off_s, lat and lon; Instances seed, m_per_min, pickup_service_min,
// dropoff_service_min, target_click_to_door_min and max_click_to_door_min. The _s are seconds from the
// beginning of the day.
type MealFiles struct{ Orders, Couriers, Instances string }

// Read reads the instance called seed; "" is the only one. A row of it that cannot be read is a *FileError;
// every error names its file.
func (f MealFiles) Read(seed string) (Meals, error) {
	all, err := readFile(f.Instances, mealInstances)
	if err != nil {
		return Meals{}, err
	}
	m, err := choose(all, seed)
	if err != nil {
		return Meals{}, fmt.Errorf("%s: %w", f.Instances, err)
	}
	m.Orders, err = readFile(f.Orders, func(r io.Reader) ([]Trip, error) { return mealOrders(r, m.Seed) })
	if err != nil {
		return Meals{}, err
	}
	m.Couriers, err = readFile(f.Couriers, func(r io.Reader) ([]Session, error) { return mealCouriers(r, m.Seed) })
	return m, err
}

// ErrNoInstance is the error when the instance that was asked for is not in the file.
var ErrNoInstance = errors.New("no such meal instance")

// choose finds an instance by its seed.
func choose(all []Meals, seed string) (Meals, error) {
	var seeds []string
	for _, m := range all {
		if m.Seed == seed || seed == "" && len(all) == 1 {
			return m, nil
		}
		seeds = append(seeds, m.Seed)
	}
	return Meals{}, fmt.Errorf("%w: got %q, the file has %s", ErrNoInstance, seed, strings.Join(seeds, ", "))
}

func mealInstances(r io.Reader) ([]Meals, error) {
	wanted := []string{
		"seed", "m_per_min", "pickup_service_min", "dropoff_service_min", "target_click_to_door_min", "max_click_to_door_min",
	}
	seen := map[string]bool{}
	all, err := rows(r, wanted, everyRow, func(t *table) Meals {
		m := Meals{
			Seed: t.name("seed"), SpeedMps: t.number("m_per_min", 0, maxMealSpeed) / 60,
			PickupService: t.minutes("pickup_service_min"), DropoffService: t.minutes("dropoff_service_min"),
			Target: t.minutes("target_click_to_door_min"), Most: t.minutes("max_click_to_door_min"),
		}
		if m.SpeedMps == 0 {
			t.fail("m_per_min", "must be above 0")
		}
		if seen[m.Seed] {
			t.fail("seed", "%q stands twice", clip(m.Seed))
		}
		seen[m.Seed] = true
		return m
	})
	if err == nil && len(all) == 0 {
		return nil, &FileError{Line: 1, Detail: "the file holds no instance"}
	}
	return all, err
}

func mealOrders(r io.Reader, seed string) ([]Trip, error) {
	wanted := []string{"seed", "order", "placed_s", "ready_s", "rest_lat", "rest_lon", "cust_lat", "cust_lon"}
	orders, err := rows(r, wanted, ofSeed(seed), func(t *table) Trip {
		trip := Trip{
			ID: t.once(t.name("order")), At: t.second("placed_s"), Ready: t.second("ready_s"),
			Pickup: t.place("rest_lat", "rest_lon"), Dropoff: t.place("cust_lat", "cust_lon"),
		}
		if trip.Ready.Before(trip.At) {
			t.fail("ready_s", "must not be before placed_s")
		}
		return trip
	})
	slices.SortStableFunc(orders, func(a, b Trip) int { return a.At.Compare(b.At) })
	return orders, err
}

func mealCouriers(r io.Reader, seed string) ([]Session, error) {
	wanted := []string{"seed", "courier", "on_s", "off_s", "lat", "lon"}
	couriers, err := rows(r, wanted, ofSeed(seed), func(t *table) Session {
		s := Session{
			Driver: t.name("courier"), On: t.second("on_s"), Off: t.second("off_s"), At: t.place("lat", "lon"),
		}
		if !s.Off.After(s.On) {
			t.fail("off_s", "must be after on_s")
		}
		return s
	})
	sortSessions(couriers)
	return couriers, err
}

// ofSeed keeps the rows of one instance.
func ofSeed(seed string) func(*table) bool {
	return func(t *table) bool { return strings.TrimSpace(t.row[t.column["seed"]]) == seed }
}

// name gives a cell that must not be empty.
func (t *table) name(column string) string {
	cell := t.text(column)
	if cell == "" {
		t.fail(column, "must not be empty")
	}
	return cell
}

// second gives a cell of seconds from the beginning of a day without a date, to the millisecond; a shift may
// end on a later day.
func (t *table) second(column string) time.Time {
	const most = 7 * 24 * 60 * 60
	return DayStart().Add(time.Duration(1000*t.number(column, 0, most)) * time.Millisecond)
}

func (t *table) minutes(column string) time.Duration {
	return time.Duration(t.number(column, 0, maxMealMinutes) * float64(time.Minute))
}
