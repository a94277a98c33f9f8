package sim

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// MaxPassengers is the most that a trip may tell.
const MaxPassengers = 1000

// Trip is one recorded ride or delivery: where and when someone or something was picked up, and where set
// down.
type Trip struct {
	// ID is the file's trip_id, else "trip-" and its line; of a trip_id that stands there again, ":" and its line come after it.
	ID string
	// At is when a meal was ordered. Of a ride it is the recorded pickup, which stands in for that.
	At              time.Time
	Pickup, Dropoff geo.LatLng
	// Duration is the recorded one, zero when the file tells no drop-off time.
	Duration time.Duration
	// Ready is when the kitchen is done with a meal, or for when a ride was ordered, At <= Ready; zero for at once.
	Ready time.Time
	// Passengers is 0 when not told.
	Passengers int
	// Driver is who really served it, as the file names cabs and drivers; "" when not told.
	Driver string
	Wish
}

// Wish is what an order asks for beside its places, and what its rider does by itself. The zero Wish is an order of the
// scenario's kind and the default class, for which its rider waits as long as the scenario's riders do.
type Wish struct {
	Kind         dispatch.Kind
	VehicleClass string
	// Via are the stops between pickup and drop-off.
	Via []geo.LatLng
	// Priority is a dispatcher's, set as soon as the order is placed.
	Priority int
	// Patience is how long the rider waits for a driver before it cancels, instead of Conduct.Patience; Quit is when it
	// cancels whatever has been found, unless it has been picked up. Both count from the order; 0 for not.
	Patience, Quit time.Duration
}

// Trips reads a trip file, CSV or gzip: the columns pickup_unix, pickup_lat, pickup_lon, dropoff_lat and
// dropoff_lon (unix seconds and WGS84 degrees), optionally trip_id, dropoff_unix, passengers and who drove
// (cab, taxi or driver), found by name; others are ignored. The trips ascend by time, then by their place in
// the file. A row that cannot be read is a *FileError.
func Trips(r io.Reader) ([]Trip, error) {
	wanted := []string{"pickup_unix", "pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"}
	trips, err := rows(r, wanted, everyRow, (*table).trip)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(trips, func(a, b Trip) int { return a.At.Compare(b.At) })
	return trips, nil
}

// TripFile reads the trips of a file; its errors name it.
func TripFile(path string) ([]Trip, error) { return readFile(path, Trips) }

func (t *table) trip() Trip {
	const dropoffUnix, passengers = "dropoff_unix", "passengers"
	trip := Trip{
		ID:      t.text(t.have("trip_id")),
		At:      t.begin("pickup_unix"),
		Pickup:  t.place("pickup_lat", "pickup_lon"),
		Dropoff: t.place("dropoff_lat", "dropoff_lon"),
		Driver:  t.text(t.have("cab", "taxi", "driver")),
	}
	trip.ID = t.once(cmp.Or(trip.ID, "trip-"+strconv.Itoa(t.line)))
	if end := t.optionalInstant(t.have(dropoffUnix)); !end.IsZero() {
		trip.Duration = end.Sub(trip.At)
		if trip.Duration < 0 {
			t.fail(dropoffUnix, "must not be before pickup_unix")
		}
	}
	if t.text(t.have(passengers)) != "" {
		trip.Passengers = int(t.number(passengers, 0, MaxPassengers))
	}
	return trip
}

// Within gives the trips with from <= At < to; trips ascend by At. A zero bound does not restrict.
func Within(trips []Trip, from, to time.Time) []Trip {
	return slices.DeleteFunc(slices.Clone(trips), func(t Trip) bool {
		return t.At.Before(from) || !to.IsZero() && !t.At.Before(to)
	})
}
