package sim

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// MaxPassengers is the most that a trip may tell.
const MaxPassengers = 1000

// Trip is one recorded ride: where and when someone was picked up, and where set down.
type Trip struct {
	// ID is the file's trip_id, else "trip-" and its line.
	ID string
	// At is the recorded pickup; it stands in for the time of the order.
	At              time.Time
	Pickup, Dropoff geo.LatLng
	// Duration is the recorded one, zero when the file tells no drop-off time.
	Duration time.Duration
	// Passengers is 0 when not told.
	Passengers int
}

// Trips reads a trip file, CSV or gzip: the columns pickup_unix, pickup_lat, pickup_lon, dropoff_lat and
// dropoff_lon (unix seconds and WGS84 degrees), optionally trip_id, dropoff_unix and passengers, found by
// name; others are ignored. The trips ascend by time, then by their place in the file. A row that cannot be
// read is a *FileError.
func Trips(r io.Reader) ([]Trip, error) {
	t, err := newTable(r)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"pickup_unix", "pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"} {
		if _, err := t.want(name); err != nil {
			return nil, err
		}
	}
	var trips []Trip
	for {
		more, err := t.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		trip := t.trip()
		if t.err != nil {
			return nil, t.err
		}
		trips = append(trips, trip)
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
		At:      t.instant("pickup_unix"),
		Pickup:  t.place("pickup_lat", "pickup_lon"),
		Dropoff: t.place("dropoff_lat", "dropoff_lon"),
	}
	trip.ID = cmp.Or(trip.ID, "trip-"+strconv.Itoa(t.line))
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
