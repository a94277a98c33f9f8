package node

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// town is a leader without loop and bus: what the loop would tell is told by the test.
type town struct {
	*leader
	clock *dispatch.Manual
	// asked are the orders that were told to be new, by their time.
	asked map[dispatch.OrderID]*dispatch.Order
}

func newTown() *town {
	x := geo.NewIndex(indexResolution)
	clock := dispatch.NewManual(noon)
	policy := dispatch.DefaultPolicy()
	w := &town{clock: clock, asked: map[dispatch.OrderID]*dispatch.Order{}, leader: &leader{
		node: &Node{
			cfg:     Config{Clock: clock, Wall: clock, Log: slog.New(slog.DiscardHandler)},
			metrics: newMetrics(prometheus.NewRegistry()),
		},
		market: dispatch.Market{ID: "sf"}, policy: &atomic.Pointer[dispatch.Policy]{}, zones: &atomic.Pointer[geo.Zones]{},
		index: x, fleet: newFleet(x),
	}}
	w.policy.Store(&policy)
	return w
}

// tell commits events and notices, as leader.told does.
func (w *town) tell(t market.Told) {
	for i := range t.Events {
		if e := &t.Events[i]; e.Order != nil && e.From == "" {
			w.asked[e.Order.ID] = e.Order
		}
	}
	for _, id := range w.fleet.told(t) {
		w.index.Remove(string(id))
	}
}

// put sends a point, as Node.Put does.
func (w *town) put(d dispatch.DriverID, f geo.Fix) {
	if _, seen := w.fleet.at(d); seen != nil {
		w.take(d, seen, []geo.Fix{f}, w.clock.Now())
	}
}

// recount counts everything from scratch.
func (w *town) recount() map[string]dispatch.SupplyCell {
	cells := map[string]dispatch.SupplyCell{}
	add := func(p geo.LatLng, f func(*dispatch.SupplyCell)) {
		c, _ := geo.CellAt(p, dispatch.SupplyResolution)
		n := cells[c.String()]
		n.Cell, n.Multiplier = c, 1
		f(&n)
		cells[c.String()] = n
	}
	now := w.clock.Now()
	drivers, orders := w.fleet.shown()
	for _, d := range drivers {
		fix, ok := w.index.Get(string(d.ID))
		switch w.contactable(d.State, fix, ok) {
		case dispatch.DriverAvailable:
			if _, seen := w.fleet.at(d.ID); !seen.doubted.Load() {
				add(fix.LatLng, func(n *dispatch.SupplyCell) { n.Available++ })
			}
		case dispatch.DriverReserved, dispatch.DriverOnTrip, dispatch.DriverStopped:
			add(fix.LatLng, func(n *dispatch.SupplyCell) { n.Busy++ })
		}
	}
	for _, o := range orders {
		add(o.Pickup(), func(n *dispatch.SupplyCell) {
			n.Open++
			if o.State == dispatch.StateSearching || o.State == dispatch.StateOffered {
				n.Waiting++
			}
		})
	}
	for _, o := range w.asked {
		if !o.RequestedAt.Before(now.Add(-15 * time.Minute)) {
			add(o.Pickup(), func(n *dispatch.SupplyCell) { n.Created15++ })
		}
		if !o.RequestedAt.Before(now.Add(-5 * time.Minute)) {
			add(o.Pickup(), func(n *dispatch.SupplyCell) { n.Created5++ })
		}
	}
	return cells
}

func (w *town) check(t rapid.TB) {
	t.Helper()
	want := slices.SortedFunc(maps.Values(w.recount()), func(a, b dispatch.SupplyCell) int { return cmp.Compare(a.Cell, b.Cell) })
	if got := w.supply().Cells; !slices.Equal(got, want) {
		t.Fatalf("at %s\n got %+v\nwant %+v", w.clock.Now(), got, want)
	}
}

// life is what the drawn test does with one town.
type life struct {
	*town
	t      *rapid.T
	orders map[dispatch.OrderID]*dispatch.Order
	duties map[dispatch.DriverID]*dispatch.Duty
	n      int
}

func (l *life) driver() dispatch.DriverID {
	return dispatch.DriverID(fmt.Sprint("d", rapid.IntRange(0, 7).Draw(l.t, "driver")))
}

func (l *life) place() geo.LatLng {
	p := east(rapid.Float64Range(-2000, 2000).Draw(l.t, "east"))
	p.Lat += rapid.Float64Range(-0.01, 0.01).Draw(l.t, "lat")
	return p
}

func (l *life) duty() {
	id, online := l.driver(), rapid.Bool().Draw(l.t, "online")
	d := &dispatch.Duty{Driver: id, Market: "sf", Online: online, Capacity: 2}
	l.duties[id] = d
	l.tell(market.Told{Events: []dispatch.Event{{Duty: d, Driver: id}}})
}

func (l *life) create() {
	l.n++
	o := &dispatch.Order{
		ID: dispatch.OrderID(fmt.Sprint("o", l.n)), State: dispatch.StateSearching, RequestedAt: l.clock.Now(),
		Stops: []dispatch.Stop{{LatLng: l.place()}, {LatLng: here}},
	}
	if rapid.Bool().Draw(l.t, "scheduled") {
		o.State = dispatch.StateScheduled
	}
	l.orders[o.ID] = o
	l.tell(market.Told{Events: []dispatch.Event{{Order: o, To: o.State}}})
}

// change has an order enter any state: the demand follows what it is told, legal or not.
func (l *life) change() {
	if len(l.orders) == 0 {
		return
	}
	old := l.orders[rapid.SampledFrom(slices.Sorted(maps.Keys(l.orders))).Draw(l.t, "order")]
	o := *old
	o.State = rapid.SampledFrom(dispatch.States()).Draw(l.t, "state")
	e := dispatch.Event{Order: &o, From: old.State, To: o.State}
	if o.State.Assigned() {
		o.Driver = l.driver()
		e.Driver = o.Driver
	} else if old.State.Assigned() {
		e.Driver = old.Driver
	}
	if rapid.IntRange(0, 9).Draw(l.t, "edited") == 0 {
		o.Stops = []dispatch.Stop{{LatLng: l.place()}, o.Stops[1]}
	}
	l.orders[o.ID] = &o
	l.tell(market.Told{Events: []dispatch.Event{e}})
}

func (l *life) offer() {
	n := dispatch.Notice{Offer: dispatch.Offer{ID: "f", Driver: l.driver()}}
	if rapid.Bool().Draw(l.t, "live") {
		n.Order = &dispatch.Order{}
	}
	l.tell(market.Told{Notices: []dispatch.Notice{n}})
}

func (l *life) point() {
	f := seenAt(l.place(), 0)
	if rapid.IntRange(0, 5).Draw(l.t, "astray") == 0 {
		f.Lat += 0.2
	}
	f.At = l.clock.Now().Add(time.Duration(rapid.SampledFrom([]int{-90, -61, -60, -1, 0, 0, 0, 1, 30, 31}).Draw(l.t, "s")) * time.Second)
	l.put(l.driver(), f)
}

func (l *life) wait() {
	l.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 900, 7_000, 61_000, 400_000, 4_000_000}).Draw(l.t, "wait")) * time.Millisecond)
}

func (l *life) reload() {
	p := *l.policy.Load()
	p.Freshness = time.Duration(rapid.IntRange(1, 200).Draw(l.t, "freshness")) * time.Second
	l.policy.Store(&p)
}

// recover reads everything again from a journal that knows more, or less, than was told.
func (l *life) recover() {
	var r dispatch.Recovery
	for _, id := range slices.Sorted(maps.Keys(l.duties)) {
		if d := l.duties[id]; d.Online && rapid.IntRange(0, 5).Draw(l.t, "kept") > 0 {
			r.Duties = append(r.Duties, *d)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.orders)) {
		if o := l.orders[id]; !o.State.Closed() && rapid.IntRange(0, 5).Draw(l.t, "open") > 0 {
			r.Orders = append(r.Orders, *o)
		} else {
			delete(l.orders, id)
		}
	}
	if rapid.Bool().Draw(l.t, "untold") {
		l.n++
		o := dispatch.Order{
			ID: dispatch.OrderID(fmt.Sprint("o", l.n)), State: dispatch.StateSearching,
			RequestedAt: l.clock.Now().Add(-time.Duration(rapid.IntRange(0, 1200).Draw(l.t, "ago")) * time.Second),
			Stops:       []dispatch.Stop{{LatLng: l.place()}, {LatLng: here}},
		}
		r.Orders = append(r.Orders, o)
		l.orders[o.ID], l.asked[o.ID] = &o, &o
	}
	l.recovered(r)
}

func TestDemand_equalsARecount(t *testing.T) {
	steps := 0
	rapid.Check(t, func(t *rapid.T) {
		l := &life{town: newTown(), t: t, orders: map[dispatch.OrderID]*dispatch.Order{}, duties: map[dispatch.DriverID]*dispatch.Duty{}}
		does := []func(){l.duty, l.create, l.change, l.change, l.offer, l.point, l.point, l.point, l.wait, l.reload, l.recover}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			steps++
			does[rapid.IntRange(0, len(does)-1).Draw(t, "does")]()
			if rapid.IntRange(0, 3).Draw(t, "look") == 0 {
				l.check(t)
			}
		}
		l.check(t)
		l.clock.Advance(24 * time.Hour)
		l.check(t)
		if d := l.fleet.demand; len(d.created) > 0 || len(d.cells) > len(l.orders) || len(d.units) != len(l.fleet.drivers) {
			t.Fatalf("a day later %d creations, %d cells of %d orders, %d units of %d drivers are kept",
				len(d.created), len(d.cells), len(l.orders), len(d.units), len(l.fleet.drivers))
		}
	})
	t.Logf("%d steps", steps)
}

// TestDemand_concurrently: many drivers move while duty, orders and readers come and go; in the end all is counted.
func TestDemand_concurrently(t *testing.T) {
	w := newTown()
	const drivers, moves = 40, 200
	for d := range drivers {
		id := dispatch.DriverID(fmt.Sprint("d", d))
		w.tell(market.Told{Events: []dispatch.Event{{Duty: &dispatch.Duty{Driver: id, Online: true}, Driver: id}}})
	}
	var work sync.WaitGroup
	for d := range drivers {
		id := dispatch.DriverID(fmt.Sprint("d", d))
		work.Go(func() {
			for m := range moves {
				w.put(id, seenAt(east(float64(d*300+m*5)), float64(m)))
			}
		})
	}
	work.Go(func() {
		for i := range 300 {
			id := dispatch.DriverID(fmt.Sprint("d", i%drivers))
			w.tell(market.Told{Events: []dispatch.Event{{Duty: &dispatch.Duty{Driver: id, Online: i%3 > 0}, Driver: id}}})
			w.clock.Advance(time.Second / 2)
		}
	})
	work.Go(func() {
		for range 100 {
			w.supply()
		}
	})
	work.Wait()
	w.check(t)
	for d := range drivers { // whatever was dropped meanwhile
		f := seenAt(here, 0)
		f.At = w.clock.Now()
		w.put(dispatch.DriverID(fmt.Sprint("d", d)), f)
	}
	w.check(t)
	if len(w.supply().Cells) == 0 {
		t.Error("nothing is counted")
	}
}

// TestLeader_take: a point that is on its way while its driver goes off duty comes nowhere.
func TestLeader_take(t *testing.T) {
	w := newTown()
	duty := func(online bool) {
		w.tell(market.Told{Events: []dispatch.Event{{Duty: &dispatch.Duty{Driver: "d", Online: online}, Driver: "d"}}})
	}
	duty(true)
	_, seen := w.fleet.at("d")
	duty(false)
	if _, n := w.take("d", seen, []geo.Fix{seenAt(here, 0)}, noon); n != 0 {
		t.Errorf("%d points were taken", n)
	}
	duty(true)
	if f, known := w.index.Get("d"); known {
		t.Errorf("the index has %+v of a driver that has told nothing", f)
	}
	w.check(t)
}

func BenchmarkDemand_moved(b *testing.B) {
	w := newTown()
	const drivers = 10_000
	ids := make([]dispatch.DriverID, drivers)
	fixes := make([]geo.Fix, drivers)
	for i := range ids {
		ids[i] = dispatch.DriverID(fmt.Sprint("driver-", i))
		fixes[i] = seenAt(east(float64(i)), 0)
		w.fleet.demand.driver(ids[i], dispatch.DriverAvailable, &sighting{})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := &fixes[i%drivers]
		f.At = f.At.Add(5 * time.Second)
		f.Lng += 1e-4 * float64(1-i/drivers%2*2)
		w.fleet.demand.moved(ids[i%drivers], f)
	}
}
