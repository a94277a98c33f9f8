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
