package sim_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

func TestTravel(t *testing.T) {
	t.Run("default_is_the_default_of_eta", func(t *testing.T) {
		from, to := geo.LatLng{Lat: 37.7, Lng: -122.4}, geo.LatLng{Lat: 37.75, Lng: -122.45}
		if got, want := sim.DefaultTravel().Drive(from, to, noon), eta.Default().Estimate(from, to).Duration; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("learnt_knows_the_trips_that_ended_before", func(t *testing.T) {
		// A city in which all drive 12 m/s of straight line until noon, and 1 m/s later.
		r := rand.New(rand.NewPCG(1, 1))
		var trips []sim.Trip
		for i := range 4000 {
			trip := sim.Trip{
				At:     noon.Add(time.Duration(i-2000) * 20 * time.Second),
				Pickup: geo.LatLng{Lat: 37.7 + r.Float64()/10, Lng: -122.5 + r.Float64()/10}, Dropoff: geo.LatLng{Lat: 37.7 + r.Float64()/10, Lng: -122.5 + r.Float64()/10},
			}
			speed := 12.0
			if !trip.At.Before(noon) {
				speed = 1
			}
			trip.Duration = time.Duration(float64(geo.Distance(trip.Pickup, trip.Dropoff)) / speed * float64(time.Second))
			trips = append(trips, trip)
		}
		learnt := sim.LearntTravel(time.UTC, trips, noon)
		if learnt.Source != eta.SourceLearnt {
			t.Errorf("source %s", learnt.Source)
		}
		check := learnt.Check(trips[:2000])
		if ratio := check.Estimated.Seconds() / check.Recorded.Seconds(); check.Trips != 2000 || math.Abs(ratio-1) > 0.15 {
			t.Errorf("morning: %+v", check)
		}
		if late := learnt.Check(trips[2000:]); late.Estimated > late.Recorded/4 {
			t.Errorf("what was not known was learnt: %+v", late)
		}
		if prior := sim.LearntTravel(time.UTC, nil, noon); prior.Source != eta.SourcePrior {
			t.Errorf("source %s of nothing learnt", prior.Source)
		}
	})
	t.Run("of_meals_is_whole_minutes", func(t *testing.T) {
		travel := (&sim.Meals{SpeedMps: 320.0 / 60}).Travel()
		for m, want := range map[float64]time.Duration{0: 0, 1: time.Minute, 319: time.Minute, 321: 2 * time.Minute, 959: 3 * time.Minute} {
			if got := travel.Drive(line(0), line(m), noon); got != want {
				t.Errorf("%v m take %v, want %v", m, got, want)
			}
		}
	})
}

// TestRun_meals plays one order by hand: placed at noon, ready after 20 min.
func TestRun_meals(t *testing.T) {
	sc := street(t, []float64{0}, [][3]float64{{0, 640, 1280}})
	sc.Trips[0].Ready = noon.Add(20 * time.Minute)
	sc.Meals = &sim.Meals{
		SpeedMps: 320.0 / 60, PickupService: 4 * time.Minute, DropoffService: 4 * time.Minute, Target: 40 * time.Minute, Most: 90 * time.Minute,
	}
	sc.Travel = sc.Meals.Travel()
	sc.Conduct.PickupService, sc.Conduct.DropoffService = 4*time.Minute, 4*time.Minute
	// The search begins 10 min before the order is ready; 2 s to accept, 2 min to the restaurant, 4 min there, at the
	// earliest when the order is ready; 2 min to the door, 4 min there.
	r, _ := play(t, sc, named(t, "batch").ForMeals(sc.Meals), 1)
	m := r.Meals
	if m == nil || r.Served != 1 || m.ClickToDoor.Mean != 26*time.Minute || m.OnTime != 1 || m.ReadyToDoor.Mean != 6*time.Minute ||
		m.ReadyToPickup.Mean != 0 || m.Late != 0 {
		t.Errorf("got %+v", m)
	}
	if m.Busy != 12*time.Minute { // 2 + 4 + 2 + 4; not the wait for the kitchen
		t.Errorf("busy for %v", m.Busy)
	}
	sc.Meals.Target, sc.Meals.Most = 25*time.Minute, 25*time.Minute
	if r, _ := play(t, sc, named(t, "batch"), 1); r.Meals.OnTime != 0 || r.Meals.Late != 1 {
		t.Errorf("beyond the target: %+v", r.Meals)
	}
	sc.Meals.Target = 0
	if r, _ := play(t, sc, named(t, "batch").ForMeals(sc.Meals), 1); r.Served != 1 {
		t.Errorf("without a target nobody was served: %+v", r)
	}
}
