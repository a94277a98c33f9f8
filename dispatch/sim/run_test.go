package sim_test

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// lab is a scenario of so many drivers and half an hour of orders, in which nothing goes wrong.
func lab(t testing.TB, drivers int, perSecond float64) *sim.Scenario {
	t.Helper()
	m, ok := dispatch.DefaultMarkets().Get("lab")
	if !ok {
		t.Fatal("no market lab")
	}
	city := sim.CityFor(geo.LatLng{Lat: 0.1, Lng: 0.1}, drivers, 7)
	to := noon.Add(30 * time.Minute)
	return &sim.Scenario{
		Market: m, Workers: sim.Workers(city.Sessions(drivers, noon), noon, to), Trips: city.Trips(perSecond, noon, to),
		From: noon, To: to, Travel: sim.DefaultTravel(),
		Conduct: sim.Conduct{Think: 2 * time.Second, PickupService: 20 * time.Second, DropoffService: 20 * time.Second, Ping: 4 * time.Second},
	}
}

// wild has everything go wrong.
func wild(t testing.TB) *sim.Scenario {
	sc := lab(t, 50, 0.08)
	sc.Conduct.Chances = actor.Chances{Decline: 0.1, Ignore: 0.05, GiveBack: 0.05, NoShow: 0.05}
	sc.Conduct.Patience = 4 * time.Minute
	sc.Conduct.Noise = 20
	sc.Conduct.Lost, sc.Conduct.LostFor = 0.05, time.Minute
	for i := range sc.Workers {
		if i%3 == 0 { // some go off duty midway and come back
			on := sc.Workers[i].Shifts[0]
			off := on
			off.On = noon.Add(20 * time.Minute)
			on.Off = noon.Add(15 * time.Minute)
			sc.Workers[i].Shifts = []actor.Shift{on, off}
		}
	}
	return sc
}

func named(t testing.TB, name string) sim.Policy {
	t.Helper()
	p, err := sim.NamedPolicy(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// play runs a scenario and keeps every step.
func play(t testing.TB, sc *sim.Scenario, p sim.Policy, seed uint64) (*sim.Result, *steps) {
	t.Helper()
	s := &steps{}
	r, err := sim.Run(t.Context(), sc, p, seed, sim.Options{Record: s})
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

// steps keeps what a core was given and what came of it.
type steps struct {
	all    []step
	events []dispatch.Event
}

type step struct {
	at time.Time
	in market.Input
}

var _ market.Recorder = (*steps)(nil)

func (s *steps) Began(int64, dispatch.Policy, dispatch.Recovery) {}

func (s *steps) Stepped(now time.Time, in market.Input, out market.Effects) {
	s.all = append(s.all, step{now, in})
	s.events = append(s.events, out.Events...)
}

func TestRun(t *testing.T) {
	t.Run("gives_the_same_history_on_any_number_of_processors", func(t *testing.T) {
		sc := wild(t)
		for _, name := range sim.PolicyNames() {
			var digests []string
			for _, n := range []int{1, 2, 8} {
				before := runtime.GOMAXPROCS(n)
				r, _ := play(t, sc, named(t, name), 3)
				runtime.GOMAXPROCS(before)
				digests = append(digests, r.Digest)
			}
			if digests[0] != digests[1] || digests[0] != digests[2] {
				t.Errorf("%s: digests %v", name, digests)
			}
			if other, _ := play(t, sc, named(t, name), 4); other.Digest == digests[0] {
				t.Errorf("%s: another seed has the same history", name)
			}
		}
	})
	t.Run("accounts_for_every_order", func(t *testing.T) {
		for _, name := range sim.PolicyNames() {
			sc := wild(t)
			r, s := play(t, sc, named(t, name), 5)
			if r.Requested != len(sc.Trips) || r.Open != 0 ||
				r.Served+r.Lost+r.ByRider+r.ByDriver != r.Requested {
				t.Errorf("%s: %d of %d requested, %d served, %d lost, %d and %d cancelled, %d open",
					name, r.Requested, len(sc.Trips), r.Served, r.Lost, r.ByRider, r.ByDriver, r.Open)
			}
			if r.Served == 0 || r.ByDriver == 0 || r.ByRider == 0 || r.OffersPerMatch < 1.05 {
				t.Errorf("%s: %d served, %d and %d cancelled, %v offers a match: not everything went wrong",
					name, r.Served, r.ByRider, r.ByDriver, r.OffersPerMatch)
			}
			checkFigures(t, name, sc, r, s)
		}
	})
	t.Run("refuses_a_scenario_that_makes_no_sense", func(t *testing.T) {
		for want, spoil := range map[string]func(*sim.Scenario){
			"scenario: Travel is not set":          func(s *sim.Scenario) { s.Travel = sim.Travel{} },
			"scenario: From must be before To":     func(s *sim.Scenario) { s.To = s.From },
			"scenario: Ping must be above 0":       func(s *sim.Scenario) { s.Conduct.Ping = 0 },
			"scenario: Noise must be at least 0":   func(s *sim.Scenario) { s.Conduct.Noise = geo.Meters(math.NaN()) },
			"scenario: spans must not be negative": func(s *sim.Scenario) { s.Conduct.Patience = -1 },
		} {
			sc := lab(t, 3, 0.01)
			spoil(sc)
			if _, err := sim.Run(t.Context(), sc, named(t, "batch"), 1, sim.Options{}); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	})
}

// checkFigures counts the figures again from the events, in another way.
func checkFigures(t *testing.T, name string, sc *sim.Scenario, r *sim.Result, s *steps) {
	t.Helper()
	requested, arrived, picked := map[dispatch.OrderID]time.Time{}, map[dispatch.OrderID]time.Time{}, map[dispatch.OrderID]time.Time{}
	closed := map[dispatch.State]int{}
	var waits []time.Duration
	var loaded time.Duration
	offers, accepts := 0, 0
	for i := range s.events {
		e := &s.events[i]
		if e.Order == nil {
			continue
		}
		id := e.Order.ID
		switch {
		case e.From == "":
			requested[id] = e.At
		case e.To == dispatch.StateOffered:
			offers++
		case e.To == dispatch.StateEnRouteToPickup:
			accepts++
		case e.To == dispatch.StateArrivedAtPickup:
			arrived[id] = e.At
		case e.To == dispatch.StateEnRouteToDropoff:
			picked[id] = e.At
			waits = append(waits, arrived[id].Sub(requested[id]))
		case e.To == dispatch.StateArrivedAtDropoff:
			from, to := picked[id], e.At
			if to.After(sc.To) {
				to = sc.To
			}
			loaded += max(0, to.Sub(from))
		}
		if e.To.Closed() {
			closed[e.To]++
		}
	}
	slices.Sort(waits)
	var sum time.Duration
	for _, w := range waits {
		sum += w
	}
	if len(picked) != r.Served || closed[dispatch.StateNoDriver] != r.Lost || closed[dispatch.StateCancelled] != r.ByRider+r.ByDriver {
		t.Errorf("%s: events tell %d picked up, closed %v; figures %+v", name, len(picked), closed, r)
	}
	if r.Wait.Mean != sum/time.Duration(len(waits)) || r.Wait.P50 != waits[(len(waits)+1)/2-1] {
		t.Errorf("%s: wait %v, want mean %v", name, r.Wait, sum/time.Duration(len(waits)))
	}
	if want := float64(offers) / float64(accepts); math.Abs(want-r.OffersPerMatch) > 1e-9 {
		t.Errorf("%s: %v offers a match, want %v", name, r.OffersPerMatch, want)
	}
	var counted, onDuty time.Duration
	for _, d := range r.Drivers {
		counted += d.Loaded
		onDuty += d.OnDuty
	}
	if counted != loaded || math.Abs(r.Utilisation-float64(loaded)/float64(onDuty)) > 1e-12 {
		t.Errorf("%s: loaded for %v, want %v; utilisation %v", name, counted, loaded, r.Utilisation)
	}
	if most := time.Duration(len(sc.Workers)) * sc.To.Sub(sc.From); onDuty > most || onDuty < most/2 {
		t.Errorf("%s: on duty for %v of %v", name, onDuty, most)
	}
}

// line is a place so many metres east of the origin, on the equator.
func line(m float64) geo.LatLng { return geo.LatLng{Lng: m / float64(geo.EarthRadius) * 180 / math.Pi} }

// street is a scenario on one line: drivers where they stand, trips by request second, pickup and drop-off.
func street(t testing.TB, at []float64, trips [][3]float64) *sim.Scenario {
	sc := lab(t, 1, 0)
	sc.Travel = sim.StraightTravel(10, 1)
	sc.Workers, sc.Trips = nil, nil
	for i, m := range at {
		sc.Workers = append(sc.Workers, sim.Worker{
			ID: dispatch.DriverID(rune('a' + i)), Shifts: []actor.Shift{{On: noon, At: line(m)}},
		})
	}
	for i, trip := range trips {
		sc.Trips = append(sc.Trips, sim.Trip{
			ID: string(rune('A' + i)), At: noon.Add(time.Duration(trip[0] * float64(time.Second))), Pickup: line(trip[1]), Dropoff: line(trip[2]),
		})
	}
	return sc
}

// pickups gives the trips in the order in which they were picked up.
func pickups(r *sim.Result) string {
	type pickup struct {
		at   time.Time
		name rune
	}
	var all []pickup
	for i := range r.Orders {
		if r.Orders[i].Served() {
			all = append(all, pickup{r.Orders[i].PickedUp, rune('A' + i)})
		}
	}
	slices.SortFunc(all, func(a, b pickup) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	var names []rune
	for _, p := range all {
		names = append(names, p.name)
	}
	return string(names)
}

func TestNamedPolicy(t *testing.T) {
	// One driver is at work on A when B asks far away, then C near where A ends.
	sc := street(t, []float64{0}, [][3]float64{{1, 100, 1000}, {20, 2000, 2100}, {30, 1100, 1200}})
	for name, want := range map[string]string{"nearest": "ABC", "nearest_freed": "ACB"} {
		r, _ := play(t, sc, named(t, name), 1)
		if got := pickups(r); got != want {
			t.Errorf("%s: picked up %s, want %s", name, got, want)
		}
	}
	t.Run("batch_chain_asks_before_the_trip_ends", func(t *testing.T) {
		sc := street(t, []float64{0, 9000}, [][3]float64{{1, 100, 2000}, {100, 2100, 2200}})
		for name, chained := range map[string]bool{"batch": false, "batch_chain": true} {
			r, s := play(t, sc, named(t, name), 1)
			if r.Served != 2 {
				t.Errorf("%s: %d served", name, r.Served)
			}
			got := false
			var under int
			for i := range s.events {
				switch e := &s.events[i]; e.To {
				case dispatch.StateEnRouteToPickup:
					under++
					got = got || e.Driver == "a" && under > 1
				case dispatch.StateCompleted:
					under--
				}
			}
			if got != chained {
				t.Errorf("%s: given a second order while at work: %t, want %t", name, got, chained)
			}
			if name == "batch_chain" && r.DeadheadTime != 10*time.Second {
				t.Errorf("deadhead %v: want 100 m to each of two pickups", r.DeadheadTime)
			}
		}
	})
	if _, err := sim.NamedPolicy("best", 0); err == nil {
		t.Error("there is a policy best")
	}
}

func TestRun_figures_of_one_street(t *testing.T) {
	// 1,000 m at 10 m/s to A, 20 s there, 2,000 m to the drop-off, 20 s; then 500 m back to B, which asked meanwhile.
	sc := street(t, []float64{0}, [][3]float64{{10, 1000, 3000}, {300, 2500, 2000}})
	r, _ := play(t, sc, named(t, "batch"), 1)
	// A: offered at once, accepted after 2 s: the wait is 102 s. B: asked at 300 s, A done at 10+102+20+200+20 = 352 s;
	// offered then, or at the round after.
	if r.Served != 2 || r.Orders[0].Arrived.Sub(r.Orders[0].Requested) != 102*time.Second {
		t.Errorf("served %d, A waited %v", r.Served, r.Orders[0].Arrived.Sub(r.Orders[0].Requested))
	}
	if wait := r.Orders[1].Arrived.Sub(r.Orders[1].Requested); wait < 104*time.Second || wait > 107*time.Second {
		t.Errorf("B waited %v", wait)
	}
	if r.DeadheadTime != 75*time.Second || math.Abs(float64(r.DeadheadLine)-750) > 0.1 || math.Abs(float64(r.NextLine)-500) > 0.1 {
		t.Errorf("deadhead %v, %v m, next %v m", r.DeadheadTime, r.DeadheadLine, r.NextLine)
	}
	if want := 250.0 / 1800; math.Abs(r.Utilisation-want) > 1e-6 {
		t.Errorf("utilisation %v, want %v", r.Utilisation, want)
	}
	if r.OffersPerMatch != 1 || r.Gini != 0 {
		t.Errorf("%v offers a match, Gini %v", r.OffersPerMatch, r.Gini)
	}
}
