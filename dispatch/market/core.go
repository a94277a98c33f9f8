package market

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

// forgetAfter is how long closed orders, ended offers and drivers off duty stay in the core's memory, so that
// commands whose committed row was read before the end are judged on the end. Older ones come as Known.
const forgetAfter = 10 * time.Minute

// Core is the live state of one market. It is a value machine: not safe for concurrent use, owned by the
// Loop (or by a simulation, a replay, a test).
type Core struct {
	id     dispatch.MarketID
	policy dispatch.Policy
	// version is the policy's.
	version string
	// explain: rounds are explained.
	explain bool

	// now is the latest instant stepped; it never goes back.
	now time.Time
	// seq is that of the last event; dense.
	seq int64

	// orders holds the open ones, and closed ones for forgetAfter.
	orders map[dispatch.OrderID]*dispatch.Order
	// live are the live offers of an order, oldest first; one that has a driver on the way has at most one, to a better.
	live map[dispatch.OrderID][]dispatch.OfferID
	// offers holds the live ones, and ended ones for forgetAfter.
	offers  map[dispatch.OfferID]*dispatch.Offer
	drivers map[dispatch.DriverID]*driver
	// searching are the orders a round has to find a driver for.
	searching map[dispatch.OrderID]struct{}
	timers    timers
	// unsaid are bars of orders whose last version does not tell them: an answer to one of several live offers makes
	// no version. They go with the next one; a recovery forgets them, and may so ask a driver again too early.
	unsaid map[dispatch.OrderID][]dispatch.Bar
	// free counts the drivers that the search was told are free.
	free int

	round roundState

	// out gathers the effects of the step under way; touched the drivers whose supply it may have changed.
	out     Effects
	touched []dispatch.DriverID
}

// driver is what the core knows of one driver. Invariant: offer != "" only while online and with room for an order; an
// order is given only while len(orders) < duty.Capacity, which the driver may lower afterwards.
type driver struct {
	duty dispatch.Duty
	// offer is its one live offer, "" for none.
	offer dispatch.OfferID
	// orders are those it works on, in the order they were assigned.
	orders []dispatch.OrderID

	// What follows is soft: a recovery forgets it.

	// idle is when it last went on duty or gave its last order back; a recovered one counts from the recovery.
	idle time.Time
	// asked are the instants of its offers of the last minute, oldest first, but for those that it accepted.
	asked []time.Time
	// toldFree and toldEnds are whether the search was told last that it is free, or where its trip ends.
	toldFree, toldEnds bool

	// key is its tie key; stamp and column are its number in the table of that stamp.
	key    uint32
	stamp  int64
	column int32
}

func (d *driver) free() bool { return d.duty.Online && d.offer == "" && len(d.orders) == 0 }

func (d *driver) full() bool { return len(d.orders) >= max(1, d.duty.Capacity) }

// NewCore starts a core from what the journal holds. It wants a first step at once.
func NewCore(id dispatch.MarketID, policy dispatch.Policy, r dispatch.Recovery) *Core {
	c := &Core{
		id:        id,
		policy:    policy,
		version:   policy.Version(),
		now:       r.At,
		seq:       r.Seq,
		orders:    make(map[dispatch.OrderID]*dispatch.Order, len(r.Orders)),
		live:      map[dispatch.OrderID][]dispatch.OfferID{},
		offers:    make(map[dispatch.OfferID]*dispatch.Offer, len(r.Offers)),
		drivers:   make(map[dispatch.DriverID]*driver, len(r.Duties)),
		searching: map[dispatch.OrderID]struct{}{},
		unsaid:    map[dispatch.OrderID][]dispatch.Bar{},
		round: roundState{
			waves: map[dispatch.OrderID]time.Time{}, ready: map[dispatch.OrderID]struct{}{},
		},
	}
	for _, d := range r.Duties {
		c.driver(d.Driver).duty = d
	}
	for _, o := range r.Orders {
		c.adopt(&o)
	}
	for _, f := range r.Offers {
		c.offers[f.ID] = &f
		c.live[f.Order] = append(c.live[f.Order], f.ID)
		c.driver(f.Driver).offer = f.ID
		c.timers.add(f.ExpiresAt, timerOffer, string(f.ID))
	}
	c.resumeWaves(c.now.Add(leastGap))
	for id := range c.drivers {
		c.touched = append(c.touched, id)
	}
	return c
}

// Explain has the core tell how its rounds dealt with each order, in Effects.Explained. It changes no decision.
func (c *Core) Explain() { c.explain = true }

// adopt takes an order into memory.
func (c *Core) adopt(o *dispatch.Order) {
	c.orders[o.ID] = o
	if o.State.Assigned() {
		d := c.driver(o.Driver)
		d.orders = append(d.orders, o.ID)
	}
	c.arm(o)
}

// Now is the latest instant stepped.
func (c *Core) Now() time.Time { return c.now }

// Step lets time pass to now, judges the input, and gives what is to be done. An instant before the last
// one counts as the last one.
func (c *Core) Step(now time.Time, in Input) Effects {
	if now.After(c.now) {
		c.now = now.Round(0).UTC().Truncate(time.Microsecond) // what the stores can keep
	}
	c.fire()
	switch in := in.(type) {
	case Do:
		before := c.standing(&in.Command, &in.Known)
		reply := c.judge(&in.Command, &in.Known)
		c.out.Reply = &reply
		c.keep(&in.Command, &reply)
		c.audit(&in.Command, before, &reply)
	case Candidates:
		c.match(in)
	case Reload:
		c.reload(in.Policy)
	case Tick:
	}
	c.supply()
	c.seek()
	out := c.out
	out.Next = c.next()
	c.out = Effects{}
	return out
}

func (c *Core) judge(cmd *dispatch.Command, known *Known) dispatch.Reply {
	switch cmd.Op {
	case dispatch.OpCreate:
		return c.create(cmd)
	case dispatch.OpDuty:
		return c.duty(cmd, known)
	case dispatch.OpAccept, dispatch.OpDecline:
		return c.answerOffer(cmd, known)
	}
	o, refusal := c.order(cmd, known)
	if refusal != nil {
		return dispatch.Reply{Err: refusal}
	}
	switch cmd.Op {
	case dispatch.OpCancel:
		return c.cancel(cmd, o)
	case dispatch.OpAdvance:
		return c.advance(cmd, o)
	case dispatch.OpAssign:
		return c.assign(cmd, known, o)
	case dispatch.OpUnassign:
		return c.unassign(cmd, o)
	case dispatch.OpPriority:
		return c.prioritise(cmd, o)
	case dispatch.OpSearch:
		return c.reopen(cmd, o)
	}
	return refuse(dispatch.CodeUnsupported, "", "unknown operation %q", cmd.Op)
}

// keep records the answer under the command's key, when it is of the kind that is kept.
func (c *Core) keep(cmd *dispatch.Command, r *dispatch.Reply) {
	if cmd.Key.ID == "" || (r.Err != nil && !r.Err.Code.Kept()) {
		return
	}
	a := dispatch.Answer{Market: c.id, Sub: cmd.By.Sub, Key: cmd.Key}
	if r.Err != nil {
		a.Code, a.Detail, a.Field = r.Err.Code, r.Err.Detail, r.Err.Field
	}
	if r.Order != nil {
		a.Order, a.Version = r.Order.ID, r.Order.Version
	}
	c.out.Answers = append(c.out.Answers, a)
}

// order finds the order a command is about and judges whether its asker may know of it. A row read before
// the order left the core's memory may be stale: then the asker has to repeat.
func (c *Core) order(cmd *dispatch.Command, known *Known) (*dispatch.Order, *dispatch.Error) {
	o, ok := c.orders[cmd.Order]
	if !ok && known.Order != nil && known.Order.ID == cmd.Order {
		if known.Stale || !known.Order.State.Closed() {
			return nil, dispatch.Unavailable("the order moved on while the request was under way; repeat it", nil)
		}
		row := *known.Order
		o, ok = &row, true
	}
	if ok && !cmd.By.MayRead(o) {
		return nil, dispatch.Hidden("no such order")
	}
	if !ok {
		return nil, dispatch.Errorf(dispatch.CodeNotFound, "", "no such order")
	}
	return o, nil
}

// driver gives the record of a driver, new when there is none.
func (c *Core) driver(id dispatch.DriverID) *driver {
	d, ok := c.drivers[id]
	if !ok {
		d = &driver{duty: dispatch.Duty{Driver: id, Market: c.id}, idle: c.now, key: match.Key(string(id))}
		c.drivers[id] = d
	}
	return d
}

// touch notes that the supply of a driver may have changed.
func (c *Core) touch(id dispatch.DriverID) { c.touched = append(c.touched, id) }

// supply tells the search who has become free or busy.
func (c *Core) supply() {
	slices.Sort(c.touched)
	for _, id := range slices.Compact(c.touched) {
		d, ok := c.drivers[id]
		if !ok {
			continue // it left in the same step
		}
		s := Supply{Driver: id, Free: d.free() && !c.flooded(d), VehicleClass: d.duty.VehicleClass, Ends: c.ends(d)}
		if s.Free && !d.toldFree {
			c.free++
		} else if !s.Free && d.toldFree {
			c.free--
		}
		d.toldFree, d.toldEnds = s.Free, s.Ends != nil
		c.out.Supply = append(c.out.Supply, s)
	}
	c.touched = c.touched[:0]
}

// ends tells where the present trip of a driver ends, when it may be asked for the time after it: it is on the way to
// the drop-off of its one order and has room for another, no offer, and the policy chains. nil for all others.
func (c *Core) ends(d *driver) *Ends {
	if c.policy.Chain.Within == 0 || !d.duty.Online || d.offer != "" || len(d.orders) != 1 || d.full() || c.flooded(d) {
		return nil
	}
	o := c.orders[d.orders[0]]
	if len(o.Stops) == 0 || o.State != dispatch.StateEnRouteToDropoff && o.State != dispatch.StateArrivedAtDropoff {
		return nil
	}
	return &Ends{At: o.Dropoff(), Time: o.DropoffETA}
}

func (c *Core) next() time.Time {
	next := c.timers.next()
	if due, ok := c.roundDue(); ok && (next.IsZero() || due.Before(next)) {
		next = due
	}
	return next
}

func refuse(code dispatch.Code, field, format string, args ...any) dispatch.Reply {
	return dispatch.Reply{Err: dispatch.Errorf(code, field, format, args...)}
}

func done(o *dispatch.Order) dispatch.Reply {
	copied := *o
	return dispatch.Reply{Order: &copied}
}
