package sim_test

import (
	"math"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	sfTrips    = "../../../shared/data/sf/trips_2008-05-17_2008-06-01.csv.gz"
	sfSessions = "../../../shared/data/sf/sessions.csv.gz"
)

// sfFriday is the local day 30 May 2008; false where its files are not.
func sfFriday(t *testing.T) (trips []sim.Trip, sessions []sim.Session, ok bool) {
	t.Helper()
	if _, err := os.Stat(sfTrips); err != nil {
		t.Logf("no %s here: nothing is compared with the recorded day", sfTrips)
		return nil, nil, false
	}
	day, err := readFriday()
	if err != nil {
		t.Fatal(err)
	}
	return day.trips, day.sessions, true
}

type recordedDay struct {
	trips    []sim.Trip
	sessions []sim.Session
}

// readFriday reads the files once: it takes seconds with the race detector.
var readFriday = sync.OnceValues(func() (day recordedDay, err error) {
	trips, err := sim.TripFile(sfTrips)
	if err != nil {
		return day, err
	}
	sessions, err := sim.SessionFile(sfSessions)
	if err != nil {
		return day, err
	}
	from := time.Date(2008, 5, 30, 7, 0, 0, 0, time.UTC)
	to := from.Add(24 * time.Hour)
	day.trips = sim.Within(trips, from, to)
	for _, s := range sessions {
		if s.Overlaps(from, to) {
			day.sessions = append(day.sessions, s)
		}
	}
	return day, nil
})

// north is a place so many metres north of a corner of the city.
func north(m float64) geo.LatLng {
	return geo.LatLng{Lat: 37.7 + m/float64(geo.EarthRadius)*180/math.Pi, Lng: -122.4}
}

func TestEmptyBetween(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ride := func(driver string, from, to int, pickup, dropoff float64) sim.Carried {
		return sim.Carried{
			Driver: driver, PickedUp: noon.Add(time.Duration(from) * time.Minute), DroppedOff: noon.Add(time.Duration(to) * time.Minute),
			Pickup: north(pickup), Dropoff: north(dropoff),
		}
	}
	rides := []sim.Carried{
		ride("b", 0, 10, 0, 1000),
		ride("a", 30, 40, 700, 0),  // 300 m from a's ride before
		ride("a", 0, 10, 0, 400),   // told out of order
		ride("a", 40, 50, 900, 0),  // 900 m, at once
		ride("a", 45, 55, 5000, 0), // two at once: no chain
		ride("b", 71, 80, 0, 0),    // 61 minutes later: 1000 m, beyond the gap
	}
	for _, c := range []struct {
		gap  time.Duration
		want sim.Empty
	}{
		{time.Hour, sim.Empty{Chains: 2, Mean: 600, Median: 300, P95: 900}},
		{61 * time.Minute, sim.Empty{Chains: 3, Mean: 2200. / 3, Median: 900, P95: 1000}},
	} {
		got, err := sim.EmptyBetween(rides, c.gap)
		if err != nil {
			t.Fatal(err)
		}
		near := cmp.Comparer(func(a, b geo.Meters) bool { return math.Abs(float64(a-b)) < 1e-3 })
		if diff := cmp.Diff(c.want, got, near); diff != "" {
			t.Errorf("gap %s: %s", c.gap, diff)
		}
	}
	if got, err := sim.EmptyBetween(nil, time.Hour); err != nil || got != (sim.Empty{}) {
		t.Errorf("nothing gives %+v, %v", got, err)
	}
	if _, err := sim.EmptyBetween(nil, -1); err == nil {
		t.Error("a negative gap is taken")
	}
}

func TestRecorded(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	trip := sim.Trip{Driver: "x", At: at, Duration: time.Minute, Pickup: north(0), Dropoff: north(9)}
	nobody, endless := trip, trip
	nobody.Driver, endless.Duration = "", 0
	want := []sim.Carried{{Driver: "x", PickedUp: at, DroppedOff: at.Add(time.Minute), Pickup: north(0), Dropoff: north(9)}}
	if diff := cmp.Diff(want, sim.Recorded([]sim.Trip{nobody, trip, endless})); diff != "" {
		t.Error(diff)
	}
}

// TestEmptyBetween_human_fleet compares with an earlier measurement by other means: mean 1,934 m and median 716 m over
// 20,162 chains. Its lines were on a plane, which differs by 0.1 %.
func TestEmptyBetween_human_fleet(t *testing.T) {
	trips, _, ok := sfFriday(t)
	if !ok {
		return
	}
	got, err := sim.EmptyBetween(sim.Recorded(trips), sim.HumanGap)
	if err != nil {
		t.Fatal(err)
	}
	near := func(got geo.Meters, want float64) bool { return math.Abs(float64(got)-want) < 0.002*want }
	if got.Chains != 20162 || !near(got.Mean, 1934) || !near(got.Median, 716) {
		t.Errorf("the human fleet of 30 May 2008 had %+v, want 20162 chains, mean 1934 m, median 716 m", got)
	}
}
