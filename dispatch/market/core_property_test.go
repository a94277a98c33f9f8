package market

import (
	stdcmp "cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hexfleet/hexfleet/dispatch"
)

// propertySteps is how many inputs one check of the property feeds; rapid makes -rapid.checks of them (100), and they are
// made propertyRuns times, in all 100,000 inputs, and as often again as HEXFLEET_SOAK says.
const (
	propertySteps = 200
	propertyRuns  = 5
)

// A core is fed random commands, candidates and instants. Each step is committed to a journal that repeats
// the law, and is done too by a twin, which has the same past and has to do the same to the last bit, and by
// an heir, which was recovered from the journal at some point and has to go on as if nothing had been.
func TestCore_Step_keeps_the_law_whatever_comes(t *testing.T) {
	soak, err := strconv.Atoi(stdcmp.Or(os.Getenv("HEXFLEET_SOAK"), "1"))
	if err != nil {
		t.Fatalf("HEXFLEET_SOAK: %v", err)
	}
	for range propertyRuns * soak {
		rapid.Check(t, func(rt *rapid.T) {
			w := newWorld(rt)
			for range propertySteps {
				w.input()
			}
		})
	}
}

// world is one check: three cores on one journal.
type world struct {
	*rapid.T
	journal          *memory
	core, twin, heir *Core
	policy           dispatch.Policy
	now, next        time.Time
	seek             *Seek
	// free is what the search was told by Supply.
	free map[dispatch.DriverID]Supply
	// forgot is when the cores were last started anew, and forgot what is not durable, or given other bounds.
	forgot time.Time
	orders []dispatch.OrderID
	offers []dispatch.OfferID
	keys   int
}

func newWorld(rt *rapid.T) *world {
	w := &world{T: rt, journal: newMemory("sf"), policy: dispatch.DefaultPolicy(), now: t0}
	w.policy = w.newPolicy()
	if _, err := w.journal.Lead(rt.Context(), "sf"); err != nil {
		rt.Fatal(err)
	}
	w.restart(true)
	return w
}

// restart makes new cores from the journal: a new heir, or, as after a crash, all three.
func (w *world) restart(crash bool) {
	r, err := w.journal.Recover(w.Context(), "sf")
	if err != nil {
		w.Fatal(err)
	}
	w.heir = NewCore("sf", w.policy, r)
	if crash {
		w.core, w.twin = NewCore("sf", w.policy, r), NewCore("sf", w.policy, r)
		w.seek, w.free, w.forgot = nil, map[dispatch.DriverID]Supply{}, w.core.Now()
	} else {
		inherit(w.heir, w.core)
	}
	w.step(Tick{})
}

func (w *world) choose(label string, n int) int { return rapid.IntRange(0, n-1).Draw(w.T, label) }

// input draws one input and steps the cores with it.
func (w *world) input() {
	switch n := w.choose("input", 40); {
	case n < 8:
		w.pass()
	case n < 16:
		w.candidates()
	case n < 39:
		w.command()
	default:
		switch w.choose("rare", 4) {
		case 0:
			w.policy, w.forgot = w.newPolicy(), w.core.Now()
			w.step(Reload{Policy: w.policy})
		case 1:
			w.restart(true)
		default:
			w.restart(false)
		}
	}
}

// pass lets time pass: to where the core wants to be stepped, less, or far beyond; sometimes backwards.
func (w *world) pass() {
	ahead := []time.Duration{
		0, time.Microsecond, 300 * time.Millisecond, 2 * time.Second, 5 * time.Second, 15 * time.Second,
		40 * time.Second, 130 * time.Second, 20 * time.Minute, -time.Minute,
	}[w.choose("ahead", 10)]
	if ahead >= 5*time.Second && w.choose("walk", 3) > 0 {
		until := w.now.Add(ahead)
		for !w.next.IsZero() && !w.next.After(until) {
			w.now = latest(w.now, w.next)
			w.step(Tick{})
		}
		w.now = until
	} else {
		w.now = w.now.Add(ahead)
	}
	early := w.next.IsZero() || latest(w.now, w.core.Now()).Before(w.next)
	out := w.step(Tick{})
	if out.Next = (time.Time{}); early && !reflect.DeepEqual(out, Effects{}) {
		w.Fatalf("a tick before Next did something: %+v", out)
	}
	w.now = latest(w.now, w.core.Now())
	w.checkOverdue()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// candidates answers the Seek that is out, or another round, with some of the drivers.
func (w *world) candidates() {
	if w.seek == nil {
		w.step(Candidates{Round: int64(w.choose("round", 3))})
		return
	}
	c := Candidates{Round: w.seek.Round}
	if w.choose("stale", 8) == 0 {
		c.Round--
	}
	for _, o := range w.seek.Orders {
		c.Trips = append(c.Trips, Trip{Order: o.Order, Duration: 10 * time.Minute})
		for range w.choose("candidates", 6) {
			c.Pairs = append(c.Pairs, w.candidate(o.Order))
		}
		if o.Driver != "" && w.choose("known", 4) > 0 {
			c.Pairs = append(c.Pairs, Candidate{Order: o.Order, Driver: o.Driver, Pickup: time.Duration(w.choose("left", 90)) * 10 * time.Second})
		}
		if w.choose("removed", 4) == 0 {
			c.Removed = append(c.Removed, Removed{o.Order, w.driver(), dispatch.FilterStale})
		}
	}
	c.Hurry = w.choose("hurry", 10) == 0
	fits := c.Round == w.seek.Round
	if out := w.step(c); fits {
		if out.Round == nil {
			w.Fatalf("round %d was not decided", c.Round)
		}
		w.checkServed(c)
	}
}

// candidate draws a candidate for an order; of a driver at work mostly one for the time after its trip.
func (w *world) candidate(o dispatch.OrderID) Candidate {
	c := Candidate{
		Order: o, Driver: w.driver(), Pickup: time.Duration(w.choose("pickup", 100)) * 10 * time.Second, Source: "test",
		Accept: float64(w.choose("accept", 5)) / 4, Leaves: time.Duration(w.choose("leaves", 3)) * time.Hour,
	}
	if told := w.free[c.Driver]; told.Ends != nil && w.choose("waits", 5) > 0 || w.choose("waits", 10) == 0 {
		c.Wait = time.Duration(1+w.choose("wait", 40)) * 10 * time.Second
		c.Pickup += c.Wait
	}
	return c
}

func (w *world) driver() dispatch.DriverID {
	return dispatch.DriverID(fmt.Sprintf("d%d", w.choose("driver", 7)))
}

// order draws an order among the latest ones.
func (w *world) order() dispatch.OrderID {
	if len(w.orders) == 0 {
		return "none"
	}
	return w.orders[len(w.orders)-1-w.choose("order", min(8, len(w.orders)))]
}

// command draws a command: mostly one that makes sense.
func (w *world) command() {
	c := dispatch.Command{Reason: []string{"", "far", reasonNoShow}[w.choose("reason", 3)]}
	staff := dispatch.Actor{Role: []dispatch.Role{dispatch.RoleDispatcher, dispatch.RoleAdmin}[w.choose("staff", 2)], Sub: "x"}
	switch n := w.choose("command", 24); {
	case n < 4:
		c.Op, c.By, c.Order, c.New = dispatch.OpCreate, dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, w.newID(), w.newOrder()
	case n < 8:
		c.Op, c.Driver, c.Duty = dispatch.OpDuty, w.driver(), w.newDuty()
		c.By = dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(c.Driver)}
	case n < 13:
		c.Op, c.By, c.Offer = w.answer()
	case n < 19:
		c.Op, c.Order = dispatch.OpAdvance, w.order()
		c.To = dispatch.States()[w.choose("to", len(dispatch.States()))]
		w.towards(&c)
		c.By = w.party(c.Order, staff)
	case n < 20:
		c.Op, c.Order = dispatch.OpCancel, w.order()
		if w.choose("lost", 3) == 0 { // as the node sees a driver that is dark, stands or goes elsewhere
			c.By, c.Reason, c.Driver = dispatch.Engine(), "driver_lost", w.journal.orders[c.Order].Driver
		} else if c.By = w.party(c.Order, staff); w.choose("rider", 2) == 0 {
			c.By = dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}
		}
	case n < 22:
		c.Op, c.By, c.Order, c.Driver = dispatch.OpAssign, staff, w.order(), w.driver()
	case n < 23:
		c.Op, c.By, c.Order = dispatch.OpUnassign, staff, w.order()
	default:
		c.Op, c.By, c.Order, c.Priority = dispatch.OpPriority, staff, w.order(), w.choose("priority", 201)-100
		if w.choose("reopen", 2) == 0 {
			c.Op = dispatch.OpSearch
		}
	}
	if w.choose("keyed", 2) == 0 {
		w.keys++
		c.Key = dispatch.Key{ID: fmt.Sprintf("k%d", w.keys), Digest: sha256.Sum256([]byte(c.Op))}
	}
	known := w.journal.known(&c)
	if known.Claim != nil && w.choose("held", 10) == 0 {
		known.Claim.Held = "nyc"
	}
	w.step(Do{Command: c, Known: known})
}

func (w *world) newID() dispatch.OrderID {
	id := dispatch.OrderID(fmt.Sprintf("o%03d", len(w.orders)))
	w.orders = append(w.orders, id)
	return id
}

func (w *world) newOrder() *dispatch.NewOrder {
	n := &dispatch.NewOrder{Kind: dispatch.KindRide, VehicleClass: w.class(), Rider: "r1", Stops: newStops(2 + w.choose("stops", 3))}
	if w.choose("kind", 2) == 0 {
		n.Kind = dispatch.KindDelivery
	}
	if w.choose("later", 4) == 0 {
		n.PickupAt = w.now.Add(time.Duration(w.choose("pickup_at", 1000)-100) * time.Second)
	}
	return n
}

func (w *world) newDuty() *dispatch.DutyRequest {
	d := &dispatch.DutyRequest{Online: w.choose("online", 4) > 0, VehicleClass: w.class(), Capacity: 1 + w.choose("capacity", 3)}
	if w.choose("tagged", 4) == 0 {
		d.Tags = []string{"pets"}
	}
	return d
}

func (w *world) class() string {
	if w.choose("class", 6) == 0 {
		return "van"
	}
	return dispatch.DefaultVehicleClass
}

// answer draws an answer to an offer, mostly by its driver.
func (w *world) answer() (dispatch.Op, dispatch.Actor, dispatch.OfferID) {
	op := dispatch.OpAccept
	if w.choose("decline", 3) == 0 {
		op = dispatch.OpDecline
	}
	if len(w.offers) == 0 {
		return op, dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d1"}, "none"
	}
	id := w.offers[len(w.offers)-1-w.choose("offer", min(6, len(w.offers)))]
	by := w.journal.offers[id].Driver
	if w.choose("foreign", 10) == 0 {
		by = w.driver()
	}
	return op, dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(by)}, id
}

// towards turns most steps of a trip into one that is next.
func (w *world) towards(c *dispatch.Command) {
	o := w.journal.orders[c.Order]
	if !o.State.Assigned() || w.choose("senseless", 6) == 0 {
		return
	}
	for _, rule := range dispatch.Transitions() {
		if rule.From == o.State && dispatch.MayAdvance(dispatch.RoleDriver, &o, rule.To) {
			c.To = rule.To
			if w.choose("this", 2) == 0 {
				return
			}
		}
	}
}

// party draws who asks about an order: its driver mostly, its rider, staff, or a stranger.
func (w *world) party(id dispatch.OrderID, staff dispatch.Actor) dispatch.Actor {
	switch n := w.choose("party", 10); {
	case n < 6:
		return dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(w.journal.orders[id].Driver)}
	case n < 7:
		return dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}
	case n < 8:
		return dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(w.driver())}
	}
	return staff
}

// step steps the three cores, commits, and checks all that must hold.
func (w *world) step(in Input) Effects {
	before := w.core.Now()
	out := w.core.Step(w.now, in)
	if diff := difference(out, w.twin.Step(w.now, in)); diff != "" {
		w.Fatalf("the same inputs gave other effects (-first +second):\n%s", diff)
	}
	inherited := w.heir.Step(w.now, in)
	w.checkNext(&inherited, w.heir)
	inherited.Next = out.Next
	if diff := difference(out, inherited); diff != "" {
		w.Fatalf("a recovered core does otherwise (-old +recovered):\n%s", diff)
	}
	if w.core.Now().Before(before) {
		w.Fatalf("time went back from %v to %v", before, w.core.Now())
	}
	w.next = out.Next
	for _, s := range out.Supply {
		w.free[s.Driver] = s
	}
	if out.Round != nil {
		w.seek = nil
	}
	if out.Seek != nil {
		w.seek = out.Seek
	}
	w.commit(in, &out)
	w.checkCore()
	w.checkNext(&out, w.core)
	return out
}

func difference(a, b Effects) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b, cmpopts.EquateComparable(dispatch.Key{}))
}

func (w *world) commit(in Input, out *Effects) {
	if _, do := in.(Do); do != (out.Reply != nil) {
		w.Fatalf("%T was given the reply %v", in, out.Reply)
	}
	if len(out.Notices) != len(out.Offers) {
		w.Fatalf("%d offers changed and %d were told", len(out.Offers), len(out.Notices))
	}
	b := dispatch.Batch{
		Market: "sf", Epoch: w.journal.lease.Epoch, Batch: w.journal.lease.Batch, At: w.core.Now(),
		Events: out.Events, Offers: out.Offers, Answers: out.Answers,
	}
	if err := w.journal.Commit(w.Context(), &b); err != nil {
		w.Fatalf("%T %+v: %v", in, in, err)
	}
	for _, f := range out.Offers {
		if f.State != dispatch.OfferLive {
			continue
		}
		w.offers = append(w.offers, f.ID)
		if o := w.journal.orders[f.Order]; w.core.barred(&o, f.Driver) ||
			f.Pickup > w.policy.For(o.Kind, o.VehicleClass).MaxPickup || w.policy.For(o.Kind, o.VehicleClass).Mode == dispatch.ModeDirect {
			w.Fatalf("offer %+v of an order with bars %v", f, o.Bars)
		}
		if most := w.policy.Offers.PerMinute; most > 0 && w.askedLately(f.Driver) > most {
			w.Fatalf("offer %+v is one more than %d in a minute", f, most)
		}
	}
}

// inherit gives an heir what is not durable, in which it would differ: where rounds and waves stand, and what drivers
// were asked of late and how long they have been idle.
func inherit(heir, core *Core) {
	round := core.round
	round.waves, round.ready = maps.Clone(round.waves), maps.Clone(round.ready)
	round.table, round.own, round.shadow = table{}, decider{}, decider{} // memory alone: the heir starts cold
	heir.round, heir.touched, heir.free = round, nil, core.free
	for id, at := range round.waves {
		heir.timers.add(at, timerWave, string(id))
	}
	for id, bars := range core.unsaid {
		heir.unsaid[id] = slices.Clone(bars)
	}
	for id, d := range core.drivers {
		h, ok := heir.drivers[id]
		if !ok {
			continue // off duty, and remembered only in case somebody asks
		}
		h.idle, h.toldFree, h.toldEnds, h.asked = d.idle, d.toldFree, d.toldEnds, slices.Clone(d.asked)
		for _, at := range d.asked {
			heir.timers.add(at.Add(time.Minute), timerThaw, string(id))
		}
	}
}

// isFree tells by the journal alone whether a driver may be offered an order.
func (w *world) isFree(d dispatch.DriverID) bool {
	return w.journal.duties[d].Online && w.journal.held(d) == 0 && !w.isAsked(d)
}

// isAsked tells by the journal alone whether a driver holds a live offer.
func (w *world) isAsked(d dispatch.DriverID) bool {
	return slices.ContainsFunc(w.offers, func(id dispatch.OfferID) bool {
		f := w.journal.offers[id]
		return f.Driver == d && f.State == dispatch.OfferLive
	})
}

// askedLately counts by the journal alone the offers of this minute that a driver did not accept, as far as the core
// may know of them.
func (w *world) askedLately(d dispatch.DriverID) (n int) {
	for _, f := range w.journal.offers {
		if f.Driver == d && f.State != dispatch.OfferAccepted && f.CreatedAt.Add(time.Minute).After(w.core.Now()) && f.CreatedAt.After(w.forgot) {
			n++
		}
	}
	return n
}

// isEnding tells by the journal alone whether a driver may be asked for the time after its present trip.
func (w *world) isEnding(d dispatch.DriverID) bool {
	duty := w.journal.duties[d]
	if w.policy.Chain.Within == 0 || !duty.Online || duty.Capacity < 2 || w.journal.held(d) != 1 || w.isAsked(d) {
		return false
	}
	for _, o := range w.journal.orders {
		if o.Driver == d && (o.State == dispatch.StateEnRouteToDropoff || o.State == dispatch.StateArrivedAtDropoff) {
			return true
		}
	}
	return false
}
