package node

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// seek asks for the candidates of orders of the city, of one vehicle class.
func (n *night) seek(orders, k int) *market.Seek {
	s := &market.Seek{Round: 7, Candidates: k, MaxPickup: 900 * time.Second, Freshness: time.Hour}
	for i := range orders {
		s.Orders = append(s.Orders, market.Sought{
			Order: dispatch.OrderID("o" + string(driverNamed(i))), VehicleClass: dispatch.DefaultVehicleClass, MaxPickup: s.MaxPickup,
			Stops: []dispatch.Stop{{LatLng: n.somewhere(0.5)}, {LatLng: n.somewhere(0.5)}},
		})
	}
	return s
}

// busy has a driver work on an order, in a state, with a way still to go, and its trip's end told to the search.
func (n *night) busy(i int, state dispatch.State, next int) *dispatch.Order {
	d := driverNamed(i)
	o := &dispatch.Order{
		ID: dispatch.OrderID("trip-" + string(d)), Market: "sf", State: state, Driver: d, NextStop: next,
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: n.somewhere(0.5)}, {Type: dispatch.StopDropoff, LatLng: n.somewhere(0.5)},
		},
	}
	n.leader.fleet.told(market.Told{Events: []dispatch.Event{{Order: o, Driver: d, To: state}}})
	n.leader.fleet.supply.hint([]market.Supply{{
		Driver: d, VehicleClass: dispatch.DefaultVehicleClass, Ends: &market.Ends{At: o.Dropoff()},
	}})
	return o
}

func TestFinder_Find(t *testing.T) {
	t.Run("finds_the_same_however_many_search", func(t *testing.T) {
		n := newNight(t, 0, 500, nil)
		s := n.seek(300, 8)
		s.Chain = 300 * time.Second
		for i := range 200 {
			n.busy(i, dispatch.StateEnRouteToDropoff, 1)
		}
		before := runtime.GOMAXPROCS(1)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
		want := n.leader.finder.Find(t.Context(), s)
		for _, procs := range []int{2, 8} {
			runtime.GOMAXPROCS(procs)
			for range 5 {
				if got := n.leader.finder.Find(t.Context(), s); !reflect.DeepEqual(got, want) {
					t.Fatalf("with %d processors other candidates are found", procs)
				}
			}
		}
		if len(want.Pairs) != 300*8 || len(want.Trips) != 300 || want.Round != 7 || want.Hurry {
			t.Errorf("found %d pairs, %d trips", len(want.Pairs), len(want.Trips))
		}
	})
	t.Run("finds_the_present_driver_of_an_order_too", func(t *testing.T) {
		n := newNight(t, 0, 20, nil)
		n.busy(3, dispatch.StateEnRouteToPickup, 0)
		s := n.seek(1, 4)
		s.Orders[0].Driver = driverNamed(3)
		pairs := n.leader.finder.Find(t.Context(), s).Pairs
		want := n.leader.learner.quick(n.places[3], s.Orders[0].Stops[0].LatLng, noon)
		if len(pairs) != 5 || pairs[4].Driver != driverNamed(3) || pairs[4].Pickup != want {
			t.Errorf("found %+v, want the driver in %v behind 4 others", pairs, want)
		}
	})
	t.Run("says_when_it_ran_out_of_time", func(t *testing.T) {
		n := newNight(t, 0, 50, nil)
		var said bytes.Buffer
		n.node.cfg.Log = slog.New(slog.NewTextHandler(&said, nil))
		s := n.seek(3, 4)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			if got := n.leader.finder.Find(ctx, s); !got.Hurry || len(got.Pairs) > 0 {
				t.Errorf("found %+v, want nothing in a hurry", got)
			}
		}
		if strings.Count(said.String(), "rounds are in a hurry") != 1 {
			t.Errorf("said %q, want it once", said.String())
		}
		if got := n.leader.finder.Find(t.Context(), s); got.Hurry || len(got.Pairs) == 0 {
			t.Errorf("found %+v, want candidates at ease", got)
		}
		n.leader.finder.Find(ctx, s)
		if strings.Count(said.String(), "rounds are in a hurry") != 2 {
			t.Errorf("said %q, want it again when it begins again", said.String())
		}
	})
	t.Run("is_in_a_hurry_while_commands_wait_too_long", func(t *testing.T) {
		n := newNight(t, 0, 50, nil)
		probe := n.leader.probe()
		probe.Waited(overdue - 1)
		if n.leader.finder.Find(t.Context(), n.seek(1, 4)).Hurry {
			t.Error("a short wait is a hurry")
		}
		probe.Waited(overdue)
		if got := n.leader.finder.Find(t.Context(), n.seek(1, 4)); !got.Hurry || len(got.Pairs) == 0 {
			t.Errorf("found %+v, want candidates in a hurry", got)
		}
		n.wall.Advance(overdueFor)
		if n.leader.finder.Find(t.Context(), n.seek(1, 4)).Hurry {
			t.Error("a long wait of long ago is a hurry")
		}
	})
}

// TestSearcher_chained compares with a look at every driver.
func TestSearcher_chained(t *testing.T) {
	n := newNight(t, 0, 530, func(p *dispatch.Policy) { p.Chain.Margin = 20 * time.Second })
	states := []struct {
		state dispatch.State
		next  int
	}{
		{dispatch.StateEnRouteToDropoff, 1}, {dispatch.StateArrivedAtDropoff, 1}, {dispatch.StateEnRouteToPickup, 0},
		{dispatch.StateArrivedAtPickup, 0}, {dispatch.StateEnRouteToDropoff, 1},
	}
	trips := map[dispatch.DriverID]*dispatch.Order{}
	for i := range 500 {
		trips[driverNamed(i)] = n.busy(i, states[i%5].state, states[i%5].next)
	}
	n.leader.fleet.supply.hint([]market.Supply{{Driver: driverNamed(1), VehicleClass: "van", Ends: &market.Ends{At: n.places[1]}}})
	s := n.seek(200, 8)
	s.Chain = 700 * time.Second
	for _, c := range n.leader.finder.Find(t.Context(), s).Pairs {
		if i := slices.IndexFunc(s.Orders, func(o market.Sought) bool { return o.Order == c.Order }); i < 50 && c.Wait > 0 {
			s.Orders[i].Barred = []dispatch.DriverID{c.Driver} // else it would be found
		}
	}
	s.Orders[1].MaxPickup = 100 * time.Second
	got := n.leader.finder.Find(t.Context(), s)

	line := n.leader.learner.line.At(n.clock.Now())
	left := func(d dispatch.DriverID, place geo.LatLng) time.Duration {
		o := trips[d]
		switch o.State {
		case dispatch.StateEnRouteToPickup:
			return line.Estimate(place, o.Pickup()).Duration + line.Estimate(o.Pickup(), o.Dropoff()).Duration
		}
		return line.Estimate(place, o.Dropoff()).Duration // if it has arrived, it stands elsewhere than it says
	}
	takes := func(c market.Candidate) time.Duration {
		if c.Wait > 0 {
			return c.Pickup + 20*time.Second
		}
		return c.Pickup
	}
	chained := 0
	for i := range s.Orders {
		o := &s.Orders[i]
		at := o.Stops[0].LatLng
		var free, want []market.Candidate
		away := map[dispatch.DriverID]geo.Meters{}
		for j, place := range n.places {
			c := market.Candidate{Order: o.Order, Driver: driverNamed(j)}
			if trips[c.Driver] == nil {
				t := line.Estimate(place, at)
				c.Pickup, c.Source, away[c.Driver] = t.Duration, t.Source, geo.Distance(at, place)
				free = append(free, c)
				continue
			}
			c.Wait = left(c.Driver, place)
			if c.Wait > s.Chain || j == 1 || slices.Contains(o.Barred, c.Driver) {
				continue
			}
			t := line.Estimate(trips[c.Driver].Dropoff(), at)
			c.Pickup, c.Source = c.Wait+t.Duration, t.Source
			if c.Pickup <= o.MaxPickup {
				want = append(want, c)
			}
		}
		slices.SortFunc(free, func(a, b market.Candidate) int { return cmp.Compare(away[a.Driver], away[b.Driver]) })
		for _, c := range free[:8] { // those nearest in a straight line, as far as a pickup may be
			if float64(away[c.Driver]) <= o.MaxPickup.Seconds()*topSpeedMps {
				want = append(want, c)
			}
		}
		slices.SortFunc(want, func(a, b market.Candidate) int {
			return cmp.Or(cmp.Compare(takes(a), takes(b)), cmp.Compare(a.Driver, b.Driver))
		})
		want = want[:min(8, len(want))]
		have := slices.DeleteFunc(slices.Clone(got.Pairs), func(c market.Candidate) bool { return c.Order != o.Order })
		if !slices.Equal(have, want) {
			t.Fatalf("order %d: found %+v, want %+v", i, have, want)
		}
		for _, c := range have {
			if c.Wait > 0 {
				chained++
			}
		}
	}
	if chained < 50 {
		t.Errorf("only %d of the candidates are at work: the test shows little", chained)
	}
}

func TestEnding_least(t *testing.T) {
	n := newNight(t, 0, 2, nil)
	for range 1000 {
		a, b := n.somewhere(0.5), n.somewhere(0.5)
		e := ending{toward: onSphere(a)}
		at := float64(geo.Distance(a, b)) / topSpeedMps
		if got := e.least(onSphere(b)).Seconds(); got > at*1.000001 || got < at*0.999 {
			t.Fatalf("from %v to %v: %v s, want hardly less than %v", a, b, got, at)
		}
	}
}

func TestSearcher_removed(t *testing.T) {
	n := newNight(t, 0, 9, nil)
	n.node.cfg.Explain = true
	at := geo.LatLng{Lat: 37.9, Lng: -122.3}
	n.clock.Advance(10 * time.Minute)
	for i := range 9 {
		f := n.fix(geo.LatLng{Lat: at.Lat + 0.0001*float64(i), Lng: at.Lng})
		n.node.Put("sf", driverNamed(i), []geo.Fix{f})
	}
	busy := func(i int) {
		n.leader.fleet.supply.hint([]market.Supply{{Driver: driverNamed(i), VehicleClass: dispatch.DefaultVehicleClass}})
	}
	for i := range 9 {
		n.leader.fleet.supply.hint([]market.Supply{{Driver: driverNamed(i), Free: true, VehicleClass: dispatch.DefaultVehicleClass}})
	}
	duty := func(i int, change func(*dispatch.Duty)) {
		m, _ := n.leader.fleet.member(driverNamed(i))
		change(&m.duty)
		busy(i)
		n.leader.fleet.told(market.Told{Events: []dispatch.Event{{Duty: &m.duty}}})
	}
	n.busy(0, dispatch.StateEnRouteToDropoff, 1)
	n.leader.fleet.told(market.Told{Notices: []dispatch.Notice{{
		Offer: dispatch.Offer{ID: "f", Driver: driverNamed(1), State: dispatch.OfferLive}, Order: &dispatch.Order{},
	}}})
	busy(1)
	duty(2, func(d *dispatch.Duty) { d.VehicleClass = "van" })
	_, seen := n.leader.fleet.at(driverNamed(4))
	seen.doubted.Store(true)
	n.leader.fleet.supply.mark(seen.handle, stateSuspect, true)
	n.busy(5, dispatch.StateEnRouteToDropoff, 1)
	duty(5, func(d *dispatch.Duty) { d.Online = false })
	busy(6) // the core says so, who knows how often it was asked

	s := n.seek(1, 9)
	s.Orders[0].Stops[0].LatLng = at
	s.Orders[0].Barred = []dispatch.DriverID{driverNamed(3)}
	got := n.leader.finder.Find(t.Context(), s)
	want := []market.Removed{}
	for i, by := range []string{
		dispatch.FilterBusy, dispatch.FilterOffered, dispatch.FilterVehicleClass, dispatch.FilterBarred, dispatch.FilterSuspect,
		dispatch.FilterOffDuty, dispatch.FilterFlooded,
	} {
		want = append(want, market.Removed{Order: s.Orders[0].Order, Driver: driverNamed(i), By: by})
	}
	if !reflect.DeepEqual(got.Removed, want) {
		t.Errorf("removed %+v, want %+v", got.Removed, want)
	}
	if len(got.Pairs) != 2 {
		t.Errorf("found %+v, want two", got.Pairs)
	}
	t.Run("among_the_nearest_alone", func(t *testing.T) {
		few := *s
		few.Candidates = 7 // the seventh is free, the second free one is the eighth
		if got := n.leader.finder.Find(t.Context(), &few); !reflect.DeepEqual(got.Removed, want) || len(got.Pairs) != 2 {
			t.Errorf("removed %+v, found %+v", got.Removed, got.Pairs)
		}
		few.Candidates = 2 // both free ones are found, behind two others
		if got := n.leader.finder.Find(t.Context(), &few); !reflect.DeepEqual(got.Removed, want[:2]) || len(got.Pairs) != 2 {
			t.Errorf("removed %+v, found %+v", got.Removed, got.Pairs)
		}
	})
	t.Run("the_stale_and_the_far_until_they_are_set_aside", func(t *testing.T) {
		s.Freshness, s.Orders[0].MaxPickup = time.Minute, time.Second
		n.clock.Advance(59 * time.Second)
		f := n.fix(geo.LatLng{Lat: at.Lat, Lng: at.Lng + 0.01})
		n.node.Put("sf", driverNamed(8), []geo.Fix{f})
		n.clock.Advance(2 * time.Second)
		r := newSearch(n.leader, s, n.clock.Now())
		var b block
		new(searcher).removed(r, &s.Orders[0], &b)
		by := map[dispatch.DriverID]string{}
		for _, d := range b.removed {
			by[d.Driver] = d.By
		}
		if by[driverNamed(7)] != dispatch.FilterStale || by[driverNamed(8)] != dispatch.FilterTooFar {
			t.Errorf("removed %v", by)
		}
	})
	t.Run("nobody_unless_it_is_asked_for", func(t *testing.T) {
		n.node.cfg.Explain = false
		if got := n.leader.finder.Find(t.Context(), s); got.Removed != nil {
			t.Errorf("removed %+v", got.Removed)
		}
	})
}
