package sim_test

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// witnessed simulates a scenario before a witness.
func witnessed(t *testing.T, sc *sim.Scenario, p sim.Policy, seed uint64) (*sim.Result, *sim.Past) {
	t.Helper()
	w := sim.NewWitness()
	r, err := sim.Run(t.Context(), sc, p, seed, sim.Options{Record: w})
	if err != nil {
		t.Fatal(err)
	}
	past, err := w.Past(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return r, past
}

// shifts are when drivers come and go, seconds.
func shifts(workers []sim.Worker) map[dispatch.DriverID][][2]int64 {
	out := map[dispatch.DriverID][][2]int64{}
	for _, w := range workers {
		for _, s := range w.Shifts {
			out[w.ID] = append(out[w.ID], [2]int64{s.On.Unix(), s.Off.Unix()})
		}
	}
	return out
}

func TestPast_of_a_simulation(t *testing.T) {
	for _, name := range []string{"batch", "batch_chain"} {
		sc := wild(t)
		sc.Conduct.Lost = 0 // so that shifts begin and end when they should
		sc.Conduct.Patience = 40 * time.Second
		r, past := witnessed(t, sc, named(t, name), 3)
		got := past.AsRecorded
		t.Run(name+"_comes_to_the_same_figures", func(t *testing.T) {
			if got.Requested != r.Requested || got.Served != r.Served || got.Lost != r.Lost || got.ByRider != r.ByRider || got.ByDriver != r.ByDriver {
				t.Errorf("as recorded %+v\nsimulated %+v", got, r)
			}
			if got.Wait != r.Wait || got.Decision != r.Decision || got.DeadheadTime != r.DeadheadTime || got.NextLine != r.NextLine ||
				got.OffersPerMatch != r.OffersPerMatch || got.Gap != r.Gap || got.Rounds != r.Rounds {
				t.Errorf("as recorded %+v\nsimulated %+v", got, r)
			}
			if !math.IsNaN(float64(got.DeadheadLine)) || got.Utilisation <= 0 || got.Utilisation > r.Utilisation { // the evening counts
				t.Errorf("deadhead %v, utilisation %v, simulated %v", got.DeadheadLine, got.Utilisation, r.Utilisation)
			}
			trips := map[dispatch.DriverID]int{}
			for _, d := range r.Drivers {
				trips[d.ID] = d.Trips
			}
			for _, d := range got.Drivers {
				if d.Trips != trips[d.ID] {
					t.Errorf("%s had %d trips, want %d", d.ID, d.Trips, trips[d.ID])
				}
			}
		})
		t.Run(name+"_has_its_demand", func(t *testing.T) {
			if len(past.Trips) != len(sc.Trips) {
				t.Fatalf("%d trips, want %d", len(past.Trips), len(sc.Trips))
			}
			gaveUp := 0
			for i, want := range sc.Trips {
				trip := past.Trips[i]
				if trip.Pickup != want.Pickup || trip.Dropoff != want.Dropoff || trip.At.Sub(want.At).Abs() > time.Millisecond ||
					trip.VehicleClass != dispatch.DefaultVehicleClass || trip.Quit != 0 {
					t.Fatalf("trip %d is %+v, want %+v", i, trip, want)
				}
				if trip.Patience > 0 {
					if gaveUp++; trip.Patience < sc.Conduct.Patience { // more for one whose driver gave it back
						t.Errorf("patience %s", trip.Patience)
					}
				}
			}
			if gaveUp != r.ByRider || gaveUp == 0 {
				t.Errorf("%d gave up, want %d", gaveUp, r.ByRider)
			}
		})
		t.Run(name+"_has_its_supply", func(t *testing.T) {
			have := shifts(past.Workers)
			for id, want := range shifts(sc.Workers) {
				// Who has work at the end of its shift goes later; the city's shifts have no end.
				if len(have[id]) != len(want) || have[id][0][0] != want[0][0] || have[id][0][1] < want[0][1] {
					t.Errorf("%s was on duty %v, want %v", id, have[id], want)
				}
			}
		})
		t.Run(name+"_shows_how_people_behave", func(t *testing.T) {
			c, told := past.Evidence.Conduct(sim.Conduct{Ping: time.Second})
			if c.Think != sc.Conduct.Think || (c.PickupService-sc.Conduct.PickupService).Abs() > time.Millisecond ||
				(c.DropoffService-sc.Conduct.DropoffService).Abs() > time.Millisecond || len(told) != 7 {
				t.Errorf("conduct %+v", c)
			}
			for _, share := range []struct{ got, want float64 }{{c.Decline, 0.1}, {c.Ignore, 0.05}, {c.GiveBack, 0.05}, {c.NoShow, 0.05}} {
				if share.got <= 0 || math.Abs(share.got-share.want) > 0.06 { // of some 150 cases
					t.Errorf("a share of %v, want %v", share.got, share.want)
				}
			}
			for _, d := range past.Drives {
				if want := sc.Travel.Drive(d.Pickup, d.Dropoff, d.At); (d.Duration - want).Abs() > time.Millisecond {
					t.Errorf("a drive took %s, want %s", d.Duration, want)
				}
			}
		})
	}
}

func TestPast_finds_where_drivers_came_on(t *testing.T) {
	sc := lab(t, 30, 0.4) // far too many orders: everybody is seen from several pickups
	_, past := witnessed(t, sc, named(t, "batch"), 1)
	at := map[dispatch.DriverID]geo.LatLng{}
	for _, w := range sc.Workers {
		at[w.ID] = w.Shifts[0].At
	}
	var off []geo.Meters
	for _, w := range past.Workers {
		off = append(off, geo.Distance(w.Shifts[0].At, at[w.ID]))
	}
	slices.Sort(off)
	if len(off) != 30 || off[len(off)/2] > 1 || off[len(off)*9/10] > 200 { // some were seen from one pickup alone
		t.Errorf("%d places, off by %.0f m", len(off), off)
	}
}

// wishful is a day on which people ask for all there is.
func wishful(t *testing.T) *sim.Scenario {
	sc := lab(t, 20, 0.02)
	for i := range sc.Trips {
		w := &sc.Trips[i].Wish
		switch i % 5 {
		case 0:
			w.Kind, w.Via = dispatch.KindDelivery, []geo.LatLng{sc.Workers[0].Shifts[0].At}
		case 1:
			w.Quit, w.Priority = time.Minute, 5
		case 2:
			w.VehicleClass = "van"
		case 3:
			sc.Trips[i].Ready = sc.Trips[i].At.Add(15 * time.Minute)
		}
	}
	for i := range sc.Workers {
		if i%2 == 0 {
			sc.Workers[i].Shifts[0].Vehicle = actor.Vehicle{Class: "van", Capacity: 2, Tags: []string{"vip"}}
		}
	}
	return sc
}

func TestPast_keeps_wishes_and_vehicles(t *testing.T) {
	sc := wishful(t)
	r, past := witnessed(t, sc, named(t, "batch"), 1)
	quit, left := 0, 0
	for i, want := range sc.Trips {
		got := past.Trips[i]
		if got.Kind != cmp.Or(want.Kind, dispatch.KindRide) || got.VehicleClass != cmp.Or(want.VehicleClass, dispatch.DefaultVehicleClass) ||
			got.Priority != want.Priority || !slices.Equal(got.Via, want.Via) || !got.Ready.Equal(want.Ready) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		if got.Quit > 0 || got.Patience > 0 {
			quit++
		}
		if got.Quit > 0 { // though a driver came
			left++
		}
		if got.Quit > 0 && got.Quit != want.Quit {
			t.Errorf("quit after %s, want %s", got.Quit, want.Quit)
		}
	}
	if left == 0 || quit != r.ByRider {
		t.Errorf("%d quit, %d of them with a driver, %d orders were cancelled by riders", quit, left, r.ByRider)
	}
	vehicles := map[dispatch.DriverID]actor.Vehicle{}
	for _, w := range past.Workers {
		vehicles[w.ID] = w.Shifts[0].Vehicle
	}
	for _, w := range sc.Workers {
		want, got := w.Shifts[0].Vehicle, vehicles[w.ID]
		if got.Class != cmp.Or(want.Class, dispatch.DefaultVehicleClass) || got.Capacity != max(1, want.Capacity) || !slices.Equal(got.Tags, want.Tags) {
			t.Errorf("%s came on with %+v, want %+v", w.ID, got, want)
		}
	}
	t.Run("and_can_be_simulated_again", func(t *testing.T) {
		again := &sim.Scenario{
			Market: sc.Market, Workers: past.Workers, Trips: past.Trips, From: past.From, To: past.To, Cut: true, Travel: sc.Travel, Conduct: sc.Conduct,
		}
		a, _ := play(t, again, named(t, "batch"), 1)
		b, _ := play(t, again, named(t, "batch"), 1)
		if a.Digest != b.Digest || a.Requested != r.Requested || a.ByRider == 0 {
			t.Errorf("%+v\nthen\n%+v", a, b)
		}
	})
}

// journal keeps what is committed, for a core to start from.
type journal struct {
	orders map[dispatch.OrderID]dispatch.Order
	duties map[dispatch.DriverID]dispatch.Duty
	seq    int64
	steps  int
	policy dispatch.Policy
}

func newJournal() *journal {
	return &journal{orders: map[dispatch.OrderID]dispatch.Order{}, duties: map[dispatch.DriverID]dispatch.Duty{}}
}

func (j *journal) take(out market.Effects) {
	j.steps++
	for _, e := range out.Events {
		j.seq = e.Seq
		if e.Order != nil {
			j.orders[e.Order.ID] = *e.Order
		} else {
			j.duties[e.Duty.Driver] = *e.Duty
		}
	}
}

func (j *journal) recovery(now time.Time) dispatch.Recovery {
	r := dispatch.Recovery{Seq: j.seq, At: now}
	for _, id := range slices.Sorted(maps.Keys(j.orders)) {
		if o := j.orders[id]; !o.State.Closed() {
			r.Orders = append(r.Orders, o)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(j.duties)) {
		r.Duties = append(r.Duties, j.duties[id])
	}
	return r
}

// chapters lets a witness see a day whose core is started again every so many steps. Each time it is told before of an
// order that is never committed.
type chapters struct {
	*sim.Witness
	*journal
	every int
}

func (c *chapters) Began(epoch int64, p dispatch.Policy, r dispatch.Recovery) {
	c.policy = p
	c.Witness.Began(epoch, p, r)
}

func (c *chapters) Stepped(now time.Time, in market.Input, out market.Effects) {
	c.Witness.Stepped(now, in, out)
	if c.take(out); c.steps%c.every > 0 {
		return
	}
	ghost := dispatch.Order{ID: "ghost", State: dispatch.StateSearching, Version: 1, Stops: make([]dispatch.Stop, 2)}
	c.Witness.Stepped(now, market.Tick{}, market.Effects{Events: []dispatch.Event{{
		Seq: c.seq + 1, At: now, Type: dispatch.Entered(ghost.State), To: ghost.State, Order: &ghost, Version: 1,
	}}})
	c.Witness.Began(2, c.policy, c.recovery(now))
}

func TestPast_of_several_terms(t *testing.T) {
	sc := wild(t)
	c := &chapters{Witness: sim.NewWitness(), journal: newJournal(), every: 97}
	r, err := sim.Run(t.Context(), sc, named(t, "batch"), 3, sim.Options{Record: c})
	if err != nil {
		t.Fatal(err)
	}
	_, whole := witnessed(t, sc, named(t, "batch"), 3)
	past, err := c.Past(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	a, b := past.AsRecorded, whole.AsRecorded
	if len(past.Trips) != len(sc.Trips) || a.Served != r.Served || a.Wait != b.Wait || a.Utilisation != b.Utilisation || a.DeadheadTime != b.DeadheadTime ||
		past.Gaps.Missing != 0 || past.Gaps.Carried != 0 {
		t.Errorf("in terms %+v, %+v\nin one %+v, %+v", a, past.Gaps, b, whole.Gaps)
	}
	if len(past.Workers) != len(whole.Workers) {
		t.Errorf("%d workers, want %d", len(past.Workers), len(whole.Workers))
	}
	for i := range past.Workers {
		if p, q := past.Workers[i], whole.Workers[i]; len(p.Shifts) != len(q.Shifts) || !p.Shifts[0].On.Equal(q.Shifts[0].On) || p.Shifts[0].At != q.Shifts[0].At {
			t.Errorf("worker %+v, want %+v", p, q)
		}
	}
}

// TestPast_from_the_midst_of_a_day begins when orders are under way: who has one comes on when it is over.
func TestPast_from_the_midst_of_a_day(t *testing.T) {
	c := &midst{Witness: sim.NewWitness(), journal: newJournal(), from: 300}
	sc := wild(t)
	if _, err := sim.Run(t.Context(), sc, named(t, "batch"), 3, sim.Options{Record: c}); err != nil {
		t.Fatal(err)
	}
	past, err := c.Past(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if past.Gaps.Carried == 0 || len(past.Trips)+past.Gaps.Carried >= len(sc.Trips) || past.Gaps.Missing != 0 {
		t.Errorf("%d trips of %d, %+v", len(past.Trips), len(sc.Trips), past.Gaps)
	}
	free, done, carried := 0, 0, 0
	over := map[dispatch.DriverID]dispatch.Order{}
	for _, o := range c.begin.Orders {
		if end := c.orders[o.ID]; o.State.Assigned() && end.State == dispatch.StateCompleted && end.Driver == o.Driver {
			over[o.Driver] = end
			carried++
		}
	}
	for _, w := range past.Workers {
		s := w.Shifts[0]
		if s.On.Equal(past.From) {
			free++
		}
		if o, busy := over[w.ID]; busy && s.On.Equal(o.ChangedAt) && s.At == o.Dropoff() {
			done++
		}
	}
	if free == 0 || carried < 10 || done < carried*3/4 { // some go off duty then
		t.Errorf("%d drivers are free at the beginning, %d come on when their order is over, %d orders were under way", free, done, carried)
	}
	if r := past.AsRecorded; r.Requested != len(past.Trips) || r.Utilisation <= 0 || r.Utilisation > 1 {
		t.Errorf("as recorded %+v", r)
	}
}

// midst lets a witness see a day from a step on.
type midst struct {
	*sim.Witness
	*journal
	from  int
	begin dispatch.Recovery
}

func (m *midst) Began(_ int64, p dispatch.Policy, _ dispatch.Recovery) { m.policy = p }

func (m *midst) Stepped(now time.Time, in market.Input, out market.Effects) {
	if m.take(out); m.steps == m.from {
		m.begin = m.recovery(now)
		m.Witness.Began(2, m.policy, m.begin)
	} else if m.steps > m.from {
		m.Witness.Stepped(now, in, out)
	}
}

func TestWitness_of_nothing(t *testing.T) {
	w := sim.NewWitness()
	if _, err := w.Past(time.UTC); err == nil {
		t.Error("nothing was a past")
	}
	w.Began(1, dispatch.DefaultPolicy(), dispatch.Recovery{})
	if _, err := w.Past(time.UTC); err == nil {
		t.Error("a core without a step was a past")
	}
}

// holes lets a witness see a day of which a part was not recorded.
type holes struct {
	*sim.Witness
	*journal
	from, to int
}

func (h *holes) Began(epoch int64, p dispatch.Policy, r dispatch.Recovery) {
	h.policy = p
	h.Witness.Began(epoch, p, r)
}

func (h *holes) Stepped(now time.Time, in market.Input, out market.Effects) {
	switch h.take(out); {
	case h.steps == h.to:
		h.Witness.Began(2, h.policy, h.recovery(now))
	case h.steps < h.from || h.steps > h.to:
		h.Witness.Stepped(now, in, out)
	}
}

func TestPast_with_a_hole(t *testing.T) {
	h := &holes{Witness: sim.NewWitness(), journal: newJournal(), from: 300, to: 500}
	sc := wild(t)
	r, err := sim.Run(t.Context(), sc, named(t, "batch"), 3, sim.Options{Record: h})
	if err != nil {
		t.Fatal(err)
	}
	past, err := h.Past(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	g, a := past.Gaps, past.AsRecorded
	if g.Missing == 0 || g.Open == 0 || len(past.Trips) >= len(sc.Trips) || a.Served >= r.Served || a.Open > g.Open {
		t.Errorf("%d trips of %d, served %d of %d, open %d, %+v", len(past.Trips), len(sc.Trips), a.Served, r.Served, a.Open, g)
	}
	if a.Requested != a.Served+a.Lost+a.ByRider+a.ByDriver+a.Open || a.Utilisation <= 0 || a.Utilisation > 1 {
		t.Errorf("as recorded %+v", a)
	}
	for i, w := range past.Workers {
		var shifts time.Duration
		for _, s := range w.Shifts {
			if s.Off.IsZero() {
				s.Off = past.To
			}
			shifts += s.Off.Sub(s.On)
		}
		if on := a.Drivers[i].OnDuty; on != shifts { // nobody in this day goes off duty with an order in hand
			t.Errorf("%s was on duty for %s, its shifts are %s", w.ID, on, shifts)
		}
		for i := 1; i < len(w.Shifts); i++ {
			if off := w.Shifts[i-1].Off; off.IsZero() || w.Shifts[i].On.Before(off) {
				t.Errorf("%s was on duty %+v", w.ID, w.Shifts)
			}
		}
	}
}

// TestPast_of_staff has a dispatcher give orders to drivers and take them back.
func TestPast_of_staff(t *testing.T) {
	w := sim.NewWitness()
	core := market.NewCore("lab", dispatch.DefaultPolicy(), dispatch.Recovery{})
	w.Began(1, dispatch.DefaultPolicy(), dispatch.Recovery{})
	now := noon
	do := func(c dispatch.Command, k market.Known) *dispatch.Reply {
		now = now.Add(time.Second)
		c.Market = "lab"
		in := market.Do{Command: c, Known: k}
		out := core.Step(now, in)
		w.Stepped(now, in, out)
		if out.Reply.Err != nil {
			t.Fatalf("%s: %v", c.Op, out.Reply.Err)
		}
		return out.Reply
	}
	staff := dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "s"}
	driver := dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d"}
	do(dispatch.Command{Op: dispatch.OpDuty, By: driver, Driver: "d", Duty: &dispatch.DutyRequest{
		Online: true, VehicleClass: "standard", Capacity: 1,
	}}, market.Known{Claim: &dispatch.Claim{}})
	do(dispatch.Command{Op: dispatch.OpCreate, By: dispatch.Actor{Role: dispatch.RoleService, Sub: "shop"}, Order: "o", New: &dispatch.NewOrder{
		Kind: dispatch.KindRide, VehicleClass: "standard", Rider: "r", Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 0.1}}, {Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 0.2}},
		},
	}}, market.Known{})
	do(dispatch.Command{Op: dispatch.OpAssign, By: staff, Order: "o", Driver: "d"}, market.Known{})
	do(dispatch.Command{Op: dispatch.OpUnassign, By: staff, Order: "o"}, market.Known{})
	do(dispatch.Command{Op: dispatch.OpAssign, By: staff, Order: "o", Driver: "d"}, market.Known{})
	do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Engine(), Order: "o", Driver: "d", Reason: "driver_lost"}, market.Known{})
	do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleService, Sub: "shop"}, Order: "o"}, market.Known{})
	past, err := w.Past(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if g := past.Gaps; g.Staffed != 3 || g.TakenOff != 1 || g.Guessed != 1 {
		t.Errorf("%+v", g)
	}
	// The service cancelled while the order was waiting: so would its rider.
	if trip := past.Trips[0]; trip.Patience != 5*time.Second || past.AsRecorded.ByRider != 1 {
		t.Errorf("%+v, as recorded %+v", trip, past.AsRecorded)
	}
}

func TestEvidence_Conduct(t *testing.T) {
	asked := sim.Conduct{Think: time.Second, PickupService: time.Minute}
	asked.Decline = 0.4
	e := sim.Evidence{Accepted: 20, Declined: 5, Ignored: 15, Thought: 100 * time.Second, Given: 29, GivenBack: 9, Arrivals: 30, NoShows: 3}
	c, told := e.Conduct(asked)
	if c.Decline != 0.4 || c.Ignore != 15.0/40 || c.NoShow != 0.1 {
		t.Errorf("%+v: what was asked for stays, what 30 cases show counts", c)
	}
	if c.GiveBack != 0 || c.Think != time.Second || c.PickupService != time.Minute {
		t.Errorf("%+v: fewer than 30 cases show nothing", c)
	}
	defaults := 0
	for _, a := range told {
		if a.Default {
			defaults++
		}
	}
	if len(told) != 7 || defaults != 5 {
		t.Errorf("told %+v", told)
	}
	e = sim.Evidence{Accepted: 0, Declined: 30, Ignored: 30}
	asked.Decline = 0.8
	if c, _ = e.Conduct(asked); c.Decline+c.Ignore > 1 {
		t.Errorf("%+v: more than all offers", c)
	}
}
