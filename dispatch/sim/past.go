package sim

import (
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// Past is what happened in a market: what the world did by itself, for a Scenario, and what came of it.
type Past struct {
	// From and To are its first instant and the one after its last.
	From, To time.Time
	// Policy is the market's, its last.
	Policy dispatch.Policy
	// Trips are the orders that were taken, but for those that had a driver at the beginning. One that waited then counts
	// from there.
	Trips []Trip
	// Workers are the drivers and their spells of duty. Who was at work with an order from before comes on when that is
	// over.
	Workers []Worker
	// Drives are the ways from pickup to drop-off without a stop between, ascending by their beginning.
	Drives   []Trip
	Evidence Evidence
	// AsRecorded is what came of it, by the definitions of a simulation. Where drivers came on duty is not known well
	// enough for DeadheadLine, which is NaN.
	AsRecorded *Result
	Gaps       Gaps
}

// Gaps count what a Past does not tell, or a scenario made of it does not repeat.
type Gaps struct {
	// Carried orders were under way before anything was told, Open ones were not over at the end.
	Carried, Open int
	// Located spells of duty begin at a place found by what rounds were told, or where the driver is known to have been;
	// Guessed ones at a place by chance, where some trip of the day ended.
	Located, Guessed int
	// Staffed counts what was done by hand: orders given to drivers, taken from them, reopened, or cancelled after the
	// pickup. TakenOff counts those taken from drivers by
	// the engine because they did not come.
	Staffed, TakenOff int
	// Missing counts events of which nothing was told.
	Missing int64
}

var errNothingHappened = errors.New("nothing happened: no step is told")

// Past tells what was seen. Times are learnt and told in zone, by which also the market estimated them.
func (w *Witness) Past(zone *time.Location) (*Past, error) {
	if w.from.IsZero() {
		return nil, errNothingHappened
	}
	f := &fold{
		w: w, lives: map[dispatch.OrderID]*life{}, crews: map[dispatch.DriverID]*crew{},
		p: &Past{From: w.from, To: w.to.Add(time.Microsecond), Policy: w.policy, Evidence: w.evidence, Gaps: Gaps{Missing: w.missing}},
	}
	for _, c := range w.chapters {
		f.begin(c)
		for i := range c.events {
			f.event(&c.events[i])
		}
	}
	f.trips()
	f.workers(zone)
	f.p.AsRecorded = f.aftermath()
	return f.p, nil
}

// fold goes through what was seen. Owned by Past.
type fold struct {
	w     *Witness
	p     *Past
	now   time.Time
	lives map[dispatch.OrderID]*life
	// asked are the lives in the order in which they began, those carried included.
	asked []*life
	crews map[dispatch.DriverID]*crew
	// came are the crews in the order in which they came.
	came  []*crew
	notes []note
	// begun: a core was seen.
	begun bool
}

// note is one thing that counts for what came of it: an event of an order, an order lost from sight, or a driver's coming
// and going.
type note struct {
	at     time.Time
	order  *dispatch.Event
	lost   *dispatch.Order
	driver dispatch.DriverID
	online bool
}

// life is one order's.
type life struct {
	first, last dispatch.Order
	// since is when it came into its present state, zero when that was not seen.
	since time.Time
	begun time.Time
	// carried: it was under way when it was first seen; lost: what became of it was not.
	carried, lost bool
	wish          Wish
	pickup        time.Time // when it was left
	took          time.Duration
}

// crew is one driver with its spells of duty.
type crew struct {
	id      dispatch.DriverID
	duty    dispatch.Duty
	online  bool // on duty in the notes
	carried map[dispatch.OrderID]bool
	// place is where it was last known to be; nil before.
	place  *geo.LatLng
	spells []spell
	// key is the present spell's.
	key spellKey
}

type spell struct {
	on, off time.Time
	key     spellKey
	vehicle actor.Vehicle
	// before is where the driver was last known to be when it came on; exact: it came on there. after is the first place
	// that it then was known to be.
	before, after *geo.LatLng
	exact         bool
}

func (f *fold) crew(id dispatch.DriverID) *crew {
	c := f.crews[id]
	if c == nil {
		c = &crew{id: id, carried: map[dispatch.OrderID]bool{}}
		f.crews[id] = c
		f.came = append(f.came, c)
	}
	return c
}

// begin compares what is known with what a core started from. What is not open any more, or moved on unseen, is lost from
// sight.
func (f *fold) begin(c *chapter) {
	if c.at.IsZero() {
		return // it never ran
	}
	open := map[dispatch.OrderID]int64{}
	for i := range c.begin.Orders {
		open[c.begin.Orders[i].ID] = c.begin.Orders[i].Version
	}
	for _, l := range f.asked {
		if version, still := open[l.last.ID]; !l.lost && !l.last.State.Closed() && (!still || version != l.last.Version) {
			f.lose(l)
		}
	}
	on := map[dispatch.DriverID]*dispatch.Duty{}
	for i := range c.begin.Duties {
		on[c.begin.Duties[i].Driver] = &c.begin.Duties[i]
	}
	for _, crew := range f.came {
		if d := on[crew.id]; crew.duty.Online && (d == nil || !d.Online) {
			crew.duty.Online = false
			f.offline(crew)
		}
	}
	f.now = c.at
	for i := range c.begin.Orders {
		f.adopt(&c.begin.Orders[i])
	}
	for i := range c.begin.Duties {
		f.duty(&c.begin.Duties[i])
	}
	f.begun = true
}

// lose closes the books of an order of which nothing more is known.
func (f *fold) lose(l *life) {
	f.notes = append(f.notes, note{at: f.now, lost: &l.last})
	f.release(l.last.Driver, l.last.ID)
	delete(f.lives, l.last.ID)
	l.lost = true
}

// adopt takes an order that was open when a core began. One known already goes on.
func (f *fold) adopt(o *dispatch.Order) {
	if f.lives[o.ID] != nil {
		return
	}
	l := &life{first: *o, last: *o, begun: f.now, carried: o.State.Assigned() || f.begun}
	l.wish.Priority = o.Priority
	f.lives[o.ID] = l
	f.asked = append(f.asked, l)
	if !l.carried {
		made := *o
		f.notes = append(f.notes, note{at: f.now, order: &dispatch.Event{Order: &made, To: o.State}})
		return
	}
	f.p.Gaps.Carried++
	if o.State.Assigned() {
		f.crew(o.Driver).carried[o.ID] = true
	}
}

func (f *fold) event(e *dispatch.Event) {
	f.now = e.At
	if e.Duty != nil {
		f.duty(e.Duty)
		return
	}
	o := e.Order
	l := f.lives[o.ID]
	if l == nil {
		l = &life{first: *o, begun: e.At}
		l.carried = e.From != "" && e.From != dispatch.StateNoDriver // reopened after the log began
		f.lives[o.ID] = l
		f.asked = append(f.asked, l)
	}
	if e.From != e.To {
		f.p.Evidence.order(e, l.since)
		f.gaps(e)
		f.wish(l, e)
		f.moved(l, e)
		l.since = e.At
	}
	if e.Type == dispatch.EventOrderEdited {
		l.wish.Priority = o.Priority
	}
	l.last = *o
	if d := f.crews[o.Driver]; d != nil && e.To == dispatch.StateEnRouteToPickup && e.From != e.To && !l.carried {
		f.online(d, true) // also with an order from before in hand
	}
	if !l.carried {
		f.notes = append(f.notes, note{at: e.At, order: e})
	}
	if e.To.Closed() || e.To == dispatch.StateSearching {
		f.release(e.Driver, o.ID)
	}
}

// gaps counts what nobody repeats.
func (f *fold) gaps(e *dispatch.Event) {
	staff := e.By.Role == dispatch.RoleDispatcher || e.By.Role == dispatch.RoleAdmin
	switch {
	case staff && (e.To == dispatch.StateEnRouteToPickup || e.To == dispatch.StateSearching && e.From != "" ||
		e.To == dispatch.StateCancelled && e.From.PickedUp()):
		f.p.Gaps.Staffed++
	case e.By.Role == dispatch.RoleEngine && e.From.Assigned() && e.To == dispatch.StateSearching && e.Reason != reasonBetter:
		f.p.Gaps.TakenOff++
	}
}

// reasonBetter is the reason for which an order goes to a driver who is nearer.
const reasonBetter = "better_driver"

// wish takes down what a rider does by itself. Whoever else cancels, but for the driver, does it for the rider.
func (f *fold) wish(l *life, e *dispatch.Event) {
	if e.To != dispatch.StateCancelled || e.By.Role == dispatch.RoleDriver {
		return
	}
	after := max(time.Microsecond, e.At.Sub(l.begun))
	switch e.From {
	case dispatch.StateSearching, dispatch.StateOffered:
		l.wish.Patience = after
	case dispatch.StateScheduled, dispatch.StateEnRouteToPickup, dispatch.StateArrivedAtPickup:
		l.wish.Quit = after
	}
}

// moved takes down where the driver is, and how long it drove.
func (f *fold) moved(l *life, e *dispatch.Event) {
	o := e.Order
	var at geo.LatLng
	switch e.To {
	case dispatch.StateArrivedAtPickup, dispatch.StateReturned:
		at = o.Pickup()
	case dispatch.StateArrivedAtStop:
		at = o.Stops[o.NextStop].LatLng
	case dispatch.StateArrivedAtDropoff, dispatch.StateCompleted:
		at = o.Dropoff()
		if e.From == dispatch.StateEnRouteToDropoff && !l.pickup.IsZero() {
			l.took = e.At.Sub(l.pickup)
		}
	case dispatch.StateEnRouteToDropoff, dispatch.StateEnRouteToStop:
		if l.pickup.IsZero() && e.From == dispatch.StateArrivedAtPickup {
			l.pickup = e.At
		}
		return
	default:
		return
	}
	c := f.crew(o.Driver)
	c.place = &at
	if n := len(c.spells); n > 0 && c.spells[n-1].after == nil {
		c.spells[n-1].after = &at
	}
}

// release takes an order out of a driver's hands; the one that it had from before is then over.
func (f *fold) release(id dispatch.DriverID, order dispatch.OrderID) {
	c := f.crews[id]
	if c == nil || !c.carried[order] {
		return
	}
	delete(c.carried, order)
	if len(c.carried) == 0 && c.duty.Online {
		f.online(c, true)
	}
}

// duty takes how a driver stands.
func (f *fold) duty(d *dispatch.Duty) {
	c := f.crew(d.Driver)
	was := c.duty.Online
	c.duty = *d
	switch {
	case !d.Online && was:
		f.offline(c)
	case d.Online && !was:
		c.key = spellKey{d.Driver, d.Version}
		if len(c.carried) == 0 {
			f.online(c, false)
		}
	}
	if n := len(c.spells); n > 0 && d.Online && c.online {
		c.spells[n-1].vehicle = vehicleOf(d)
	}
}

func vehicleOf(d *dispatch.Duty) actor.Vehicle {
	return actor.Vehicle{Class: d.VehicleClass, Capacity: d.Capacity, Tags: d.Tags}
}

// online begins a spell of duty, unless one is under way; working: an order from before is just over.
func (f *fold) online(c *crew, working bool) {
	if c.online {
		return
	}
	c.online = true
	s := spell{on: f.now, key: c.key, vehicle: vehicleOf(&c.duty), before: c.place, exact: working && c.place != nil}
	c.spells = append(c.spells, s)
	f.notes = append(f.notes, note{at: f.now, driver: c.id, online: true})
}

func (f *fold) offline(c *crew) {
	if c.online {
		c.online = false
		c.spells[len(c.spells)-1].off = f.now
		f.notes = append(f.notes, note{at: f.now, driver: c.id})
	}
}
