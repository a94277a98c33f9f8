package sim_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/match"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

// lineSpeed is that of the travel times here, metres of straight line a second.
const lineSpeed = sim.DefaultSpeedMps / sim.DefaultCircuity

func byLine(from, to geo.LatLng, _ time.Time) time.Duration {
	return time.Duration(float64(geo.Distance(from, to)) / lineSpeed * float64(time.Second))
}

func backwards(geo.LatLng, geo.LatLng, time.Time) time.Duration { return -time.Second }

// madeUpDay has orders of two hours in a square of 5 km.
func madeUpDay(r *rand.Rand, trips, sessions int) *sim.ClairvoyantDay {
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	instant := func() time.Time { return start.Add(time.Duration(r.IntN(7200)) * time.Second) }
	place := func() geo.LatLng { return geo.LatLng{Lat: 37.7 + 0.045*r.Float64(), Lng: -122.45 + 0.057*r.Float64()} }
	d := &sim.ClairvoyantDay{Travel: byLine, TopMps: lineSpeed, Wait: time.Duration(r.IntN(3)) * 5 * time.Minute}
	for range trips {
		d.Trips = append(d.Trips, sim.Trip{At: instant(), Pickup: place(), Dropoff: place(), Duration: time.Duration(r.IntN(1800)) * time.Second})
	}
	for i := range sessions {
		s := sim.Session{Driver: fmt.Sprint(i), On: instant(), At: place()}
		if r.IntN(2) == 0 {
			s.Off = s.On.Add(time.Hour)
		}
		d.Sessions = append(d.Sessions, s)
	}
	return d
}

// pairs tells, in milliseconds, what it takes each predecessor to serve each order, -1 when it cannot; the sessions first.
func pairs(d *sim.ClairvoyantDay) [][]int64 {
	all := make([][]int64, len(d.Trips))
	for i, t := range d.Trips {
		limit := t.At.Add(d.Wait).UnixMilli()
		take := func(from geo.LatLng, ready time.Time, ok bool) {
			ms := d.Travel(from, t.Pickup, ready).Milliseconds()
			if !ok || ready.UnixMilli()+ms > limit {
				ms = -1
			}
			all[i] = append(all[i], ms)
		}
		for _, s := range d.Sessions {
			take(s.At, s.On, s.Off.IsZero() || t.At.Before(s.Off))
		}
		for j, p := range d.Trips {
			take(p.Dropoff, p.At.Add(p.Duration), i != j)
		}
	}
	return all
}

// enumerated finds by trying all choices the most orders that can be served and the least time for it; the first barred
// predecessors do not count.
func enumerated(all [][]int64, barred int) (most int, least int64) {
	taken := make([]bool, 64)
	var from func(i, served int, cost int64)
	from = func(i, served int, cost int64) {
		if i == len(all) {
			if served > most || served == most && cost < least {
				most, least = served, cost
			}
			return
		}
		from(i+1, served, cost)
		for j, ms := range all[i] {
			if j >= barred && ms >= 0 && !taken[j] {
				taken[j] = true
				from(i+1, served+1, cost+ms)
				taken[j] = false
			}
		}
	}
	least = math.MaxInt64
	from(0, 0, 0)
	return most, least
}

func TestClairvoyantDay_Solve(t *testing.T) {
	t.Run("is_the_best_of_all_choices", func(t *testing.T) {
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, 8))
			d := madeUpDay(r, 1+r.IntN(6), r.IntN(3))
			got, err := d.Solve()
			if err != nil {
				t.Fatal(err)
			}
			all := pairs(d)
			most, least := enumerated(all, 0)
			chains, _ := enumerated(all, len(d.Sessions))
			want := [...]int64{int64(most), int64(most), least, int64(len(d.Trips) - chains)}
			if have := [...]int64{int64(got.Most), int64(got.Served), got.Deadhead.Milliseconds(), int64(got.Fleet)}; have != want || !got.Bound {
				t.Fatalf("seed %d: most, served, ms and fleet %v, want %v; %+v", seed, have, want, got)
			}
		}
	})
	t.Run("looks_at_all_predecessors_or_the_nearest", func(t *testing.T) {
		for seed := range uint64(5) {
			d := madeUpDay(rand.New(rand.NewPCG(seed, 9)), 150, 20)
			p := match.Problem{Drivers: 170, Penalty: make([]int64, 150)}
			for i, row := range pairs(d) {
				p.Rows, p.Penalty[i] = append(p.Rows, nil), match.MaxPenalty
				for j, ms := range row {
					if ms >= 0 {
						p.Rows[i] = append(p.Rows[i], match.Edge{Driver: int32(j), Cost: int32(ms)})
					}
				}
				match.SortRow(p.Rows[i])
			}
			var solver match.Solver
			want := solver.Solve(&p, match.Options{})
			cost := time.Duration(want.Cost-int64(150-want.Matched)*match.MaxPenalty) * time.Millisecond
			got, err := d.Solve()
			if err != nil || got.Served != want.Matched || got.Deadhead != cost || !got.Bound {
				t.Fatalf("seed %d: got %+v, %v, want %d served in %s", seed, got, err, want.Matched, cost)
			}
			d.TopMps = 0
			if slow, err := d.Solve(); err != nil || slow != got {
				t.Errorf("seed %d: without a top speed %+v, %v, want %+v", seed, slow, err, got)
			}
			d.Predecessors = 4 * 170
			if wide, err := d.Solve(); err != nil || wide != got {
				t.Errorf("seed %d: with more predecessors than there are %+v, %v, want %+v", seed, wide, err, got)
			}
			d.Predecessors = 8
			few, err := d.Solve()
			if err != nil || few.Bound || few.Served > got.Served || few.Served < got.Served*7/10 || few.Most != got.Most || few.Fleet != got.Fleet {
				t.Errorf("seed %d: with 8 predecessors %+v, %v, of %+v", seed, few, err, got)
			}
		}
	})
	t.Run("serves_what_is_worth_it", func(t *testing.T) {
		d := madeUpDay(rand.New(rand.NewPCG(1, 10)), 150, 10)
		full, err := d.Solve()
		if err != nil {
			t.Fatal(err)
		}
		d.Worth = 5 * time.Minute
		got, err := d.Solve()
		if err != nil || got.Served >= full.Served || got.Most != full.Most || got.Deadhead >= full.Deadhead {
			t.Fatalf("got %+v, %v, of %+v", got, err, full)
		}
		if least := got.LeastDeadhead(full.Served); least > full.Deadhead || least <= got.Deadhead {
			t.Errorf("at least %s for %d orders, the least is %s", least, full.Served, full.Deadhead)
		}
		if at := got.LeastDeadhead(got.Served); at != got.Deadhead {
			t.Errorf("at least %s for the choice itself, want %s", at, got.Deadhead)
		}
		if full.LeastDeadhead(full.Served-1) != 0 || got.LeastDeadhead(0) != 0 {
			t.Error("a bound is given where there is none")
		}
	})
	t.Run("refuses_what_makes_no_sense", func(t *testing.T) {
		for name, d := range map[string]sim.ClairvoyantDay{
			"no_travel": {},
			"wait":      {Travel: byLine, Wait: -1},
			"k":         {Travel: byLine, Predecessors: -1},
			"worth":     {Travel: byLine, Worth: -1},
			"speed":     {Travel: byLine, TopMps: math.NaN()},
			"backwards": {Travel: backwards, Trips: []sim.Trip{{}, {}}},
			"too_many":  {Travel: byLine, Trips: make([]sim.Trip, 20000)},
		} {
			if got, err := d.Solve(); err == nil {
				t.Errorf("%s: got %+v", name, got)
			}
		}
		if got, err := (&sim.ClairvoyantDay{Travel: byLine}).Solve(); err != nil || got != (sim.Clairvoyant{Bound: true}) {
			t.Errorf("an empty day gives %+v, %v", got, err)
		}
	})
}

func TestClairvoyantDay_Stop(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	place := func() geo.LatLng { return geo.LatLng{Lat: rng.Float64() / 20, Lng: rng.Float64() / 20} }
	d := sim.ClairvoyantDay{Travel: byLine, TopMps: lineSpeed, Predecessors: 4, Worth: time.Minute}
	for i := range 300 {
		d.Trips = append(d.Trips, sim.Trip{At: time.Unix(int64(20*i), 0), Pickup: place(), Dropoff: place(), Duration: 10 * time.Minute})
	}
	for range 10 {
		d.Sessions = append(d.Sessions, sim.Session{On: time.Unix(0, 0), At: place()})
	}
	want, err := d.Solve()
	if err != nil {
		t.Fatal(err)
	}
	asked, from := 0, math.MaxInt
	d.Stop = func() bool {
		asked++
		return asked > from
	}
	if got, err := d.Solve(); err != nil || got != want || asked < 2*len(d.Trips) {
		t.Fatalf("never stopped it gives %+v, %v after %d questions, want %+v", got, err, asked, want)
	}
	all := asked
	for _, from = range []int{0, 1, 150, 300, 301, all / 2, 3 * all / 4, all - 1} {
		asked = 0
		if got, err := d.Solve(); !errors.Is(err, sim.ErrStopped) || got != (sim.Clairvoyant{}) || asked > from+8 {
			t.Errorf("stopped after %d of %d questions: %v after %d more", from, all, err, asked-from)
		}
	}
}

// TestClairvoyantDay_recorded_day holds the reference against an earlier measurement of the same day with a wait of 0,
// which took the nearest predecessors of a time before that it does not tell: of 21,049 orders 18,942 with 32 predecessors
// of each, 20,406 with 128, at 350 m of straight line. Predecessors spread over time do better with fewer: 19,096 with 12.
// The whole day is for HEXFLEET_SOAK; else the night and the morning are taken, in which many orders have none before them.
func TestClairvoyantDay_recorded_day(t *testing.T) {
	trips, sessions, ok := sfFriday(t)
	if !ok {
		return
	}
	least := 18942. / 21049
	if os.Getenv("HEXFLEET_SOAK") == "" {
		trips, least = sim.Within(trips, time.Time{}, time.Date(2008, 5, 30, 19, 0, 0, 0, time.UTC)), 0.8
	}
	d := sim.ClairvoyantDay{
		Trips: trips, Sessions: sessions, Travel: byLine, TopMps: lineSpeed, Predecessors: 12, Worth: 10 * time.Minute,
	}
	got, err := d.Solve()
	if err != nil {
		t.Fatal(err)
	}
	if got.Bound || float64(got.Served) < least*float64(got.Orders) || got.MeanLine > 350 || got.Most < got.Served || got.Fleet > 489 {
		t.Errorf("%+v, want at least %.3f of the orders served at less than 350 m, and no need of more than the 489 cabs", got, least)
	}
}
