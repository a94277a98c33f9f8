package sim_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

func TestCity(t *testing.T) {
	from := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	city := sim.CityFor(geo.LatLng{Lat: 37.77, Lng: -122.42}, 420, 7)
	if km := city.Radius / 1000; km < 6.1 || km > 6.3 {
		t.Errorf("radius %v km, want that of 121 km2", km)
	}
	sessions, trips := city.Sessions(420, from), city.Trips(0.5, from, to)
	if len(sessions) != 420 {
		t.Errorf("got %d sessions, want 420", len(sessions))
	}
	// 1,800 are expected; six standard deviations are 255.
	if len(trips) < 1545 || len(trips) > 2055 {
		t.Errorf("got %d trips in an hour at 0.5 a second", len(trips))
	}
	inside := func(p geo.LatLng) bool { return geo.Distance(city.Center, p) <= city.Radius*1.001 }
	for _, s := range sessions {
		if !inside(s.At) {
			t.Errorf("%s stands at %v, outside", s.Driver, s.At)
		}
	}
	for i, trip := range trips {
		if !inside(trip.Pickup) || !inside(trip.Dropoff) || trip.At.Before(from) || !trip.At.Before(to) ||
			i > 0 && trip.At.Before(trips[i-1].At) {
			t.Errorf("trip %d: %+v", i, trip)
		}
	}
	if !reflect.DeepEqual(trips, city.Trips(0.5, from, to)) {
		t.Error("the same seed gave other trips")
	}
	city.Seed++
	if reflect.DeepEqual(trips, city.Trips(0.5, from, to)) {
		t.Error("another seed gave the same trips")
	}
	if got := city.Trips(0, from, to); len(got) != 0 {
		t.Errorf("got %d trips at rate 0", len(got))
	}
}

func TestWideCity(t *testing.T) {
	from := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	city := sim.WideCity(geo.LatLng{Lat: 37.77, Lng: -122.42}, 7)
	sessions, trips := city.Sessions(1000, from), city.Trips(1, from, from.Add(time.Hour))
	near := func(p geo.LatLng) bool {
		north := geo.Distance(geo.LatLng{Lat: p.Lat, Lng: city.Center.Lng}, city.Center)
		east := geo.Distance(geo.LatLng{Lat: city.Center.Lat, Lng: p.Lng}, city.Center)
		return north <= 15_010 && east <= 15_010
	}
	for _, s := range sessions {
		if !near(s.At) {
			t.Errorf("%s stands at %v, outside", s.Driver, s.At)
		}
	}
	var sum geo.Meters
	for i, trip := range trips {
		length := geo.Distance(trip.Pickup, trip.Dropoff)
		if sum += length; !near(trip.Pickup) || !near(trip.Dropoff) || length < 300 {
			t.Errorf("trip %d: %+v", i, trip)
		}
	}
	// Two places anywhere in such a square lie 15.6 km apart in the mean; seeds differ by where their spots lie.
	if mean := sum / geo.Meters(len(trips)); len(trips) < 3000 || mean < 8000 || mean > 20_000 {
		t.Errorf("%d trips of %.0f m in the mean", len(trips), mean)
	}
	if again := sim.WideCity(city.Center, 7); !reflect.DeepEqual(trips, again.Trips(1, from, from.Add(time.Hour))) {
		t.Error("the same seed gave other trips")
	}
	if other := sim.WideCity(city.Center, 8); reflect.DeepEqual(sessions, other.Sessions(1000, from)) {
		t.Error("another seed gave the same sessions")
	}
}
