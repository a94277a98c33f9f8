package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
)

// Options are how a run is watched; its zero value watches nothing.
type Options struct {
	// Progress is told now and then how many of how many orders are over; nil: nobody is.
	Progress func(over, all int)
	// Record is told every step of the core; nil: nobody is.
	Record market.Recorder
}

// world is one run: a real core and index, stepped on a virtual clock by what happens next. What happens at one instant
// happens in the order of the slots: the core first, then drivers, riders and networks, each in the scenario's order;
// and what that makes others hear, in the order in which it was said. Owned by the goroutine of Run.
type world struct {
	sc   *Scenario
	pol  *Policy
	seed uint64
	opt  Options

	now   time.Time
	core  *market.Core
	queue queue
	// mail is what is still to be heard at this instant, from next on.
	mail []letter
	next int

	drivers  []*driver
	riders   []*rider
	driverOf map[dispatch.DriverID]*driver
	riderOf  map[dispatch.RiderID]*rider
	// orders are all that were placed, as they stand.
	orders map[dispatch.OrderID]*dispatch.Order
	over   int

	finder  *finder
	tally   *tally
	history *history
}

// letter is an event for a driver or a rider, or a question of the core.
type letter struct {
	driver *driver
	rider  *rider
	event  actor.Event
	seek   *market.Seek
}

// coreSlot is the core's place in the queue; drivers, riders and the drivers' networks follow.
const coreSlot = 0

// lateEnd is how long after the last order a run is broken off: whoever is still on the way then never arrives.
const lateEnd = 24 * time.Hour

// progressEvery is how many wakings lie between two looks at the context and two words of progress.
const progressEvery = 4096

// Run simulates a scenario under a policy. The same scenario, policy and seed give the same Result, whatever the machine;
// the seed decides every chance.
func Run(ctx context.Context, sc *Scenario, p Policy, seed uint64, opt Options) (*Result, error) {
	if err := sc.Validate(); err != nil {
		return nil, err
	}
	w := newWorld(sc, &p, seed, opt)
	end := sc.To.Add(lateEnd)
	for n := 0; ; n++ {
		if n%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("simulate %s: %w", p.Name, err)
			}
			if opt.Progress != nil {
				opt.Progress(w.over, len(w.riders))
			}
		}
		slot, at, ok := w.queue.first()
		if !ok || at.After(end) || !at.Before(sc.To) && (sc.Cut || w.over == len(w.riders)) {
			break
		}
		if at.After(w.now) {
			w.now = at
		}
		w.queue.drop(slot)
		w.wake(slot)
		w.hear()
	}
	if opt.Progress != nil {
		opt.Progress(w.over, len(w.riders))
	}
	return w.result(), nil
}

func newWorld(sc *Scenario, p *Policy, seed uint64, opt Options) *world {
	n, m := len(sc.Workers), len(sc.Trips)
	w := &world{
		sc: sc, pol: p, seed: seed, opt: opt, now: sc.From.Truncate(time.Microsecond),
		queue:    newQueue(1 + n + m + n),
		driverOf: make(map[dispatch.DriverID]*driver, n), riderOf: make(map[dispatch.RiderID]*rider, m),
		orders: make(map[dispatch.OrderID]*dispatch.Order, m),
		tally:  newTally(sc), history: newHistory(),
	}
	recovery := dispatch.Recovery{}
	w.core = market.NewCore(sc.Market.ID, p.Market, recovery)
	if opt.Record != nil {
		opt.Record.Began(1, p.Market, recovery)
	}
	w.finder = newFinder(w)
	w.queue.set(coreSlot, w.now)
	w.people()
	return w
}

// wake gives a slot its turn.
func (w *world) wake(slot int) {
	n, m := len(w.drivers), len(w.riders)
	switch i := slot - 1; {
	case slot == coreSlot:
		w.step(market.Tick{})
	case i < n:
		w.drive(w.drivers[i], actor.Tick{})
	case i < n+m:
		w.ride(w.riders[i-n], actor.Tick{})
	default:
		w.network(w.drivers[i-n-m])
	}
}

// hear lets everybody hear what was said at this instant.
func (w *world) hear() {
	for w.next < len(w.mail) {
		l := w.mail[w.next]
		w.next++
		switch {
		case l.seek != nil:
			w.step(w.finder.find(l.seek))
		case l.driver != nil:
			w.drive(l.driver, l.event)
		default:
			w.ride(l.rider, l.event)
		}
	}
	clear(w.mail)
	w.mail, w.next = w.mail[:0], 0
}

// step runs the core once and lets out what came of it.
func (w *world) step(in market.Input) *dispatch.Reply {
	out := w.core.Step(w.now, in)
	if w.opt.Record != nil {
		w.opt.Record.Stepped(w.now, in, out)
	}
	w.queue.set(coreSlot, later(out.Next, w.now))
	for i := range out.Events {
		w.happened(&out.Events[i])
	}
	w.finder.hint(out.Supply)
	if c, ok := in.(market.Candidates); ok {
		w.tally.gap.round(&c, &out, &w.pol.Market)
	}
	for i := range out.Notices {
		w.notice(&out.Notices[i])
	}
	if out.Seek != nil {
		w.mail = append(w.mail, letter{seek: out.Seek})
	}
	return out.Reply
}

// later is the later of two instants; a zero one stays.
func later(at, now time.Time) time.Time {
	if !at.IsZero() && at.Before(now) {
		return now
	}
	return at
}

// happened takes note of an event and tells those whom it concerns.
func (w *world) happened(e *dispatch.Event) {
	w.history.add(e)
	if e.Duty != nil {
		d := w.driverOf[e.Duty.Driver]
		d.version = e.Version
		d.class = e.Duty.VehicleClass
		w.tally.duty(w.now, &d.book, e.Duty.Online, d.where(w.now))
		return
	}
	o := e.Order
	if e.To.Closed() && !e.From.Closed() {
		w.over++
	}
	w.orders[o.ID] = o
	w.tally.order(w.now, e)
	if r := w.riderOf[o.Rider]; r != nil {
		w.mail = append(w.mail, letter{rider: r, event: actor.OrderTold{Order: *o}})
	}
	if d := w.driverOf[o.Driver]; d != nil {
		w.finder.moved(d)
		w.mail = append(w.mail, letter{driver: d, event: actor.OrderTold{Order: *o}})
	}
	if d := w.driverOf[e.Driver]; d != nil && e.Driver != o.Driver {
		w.mail = append(w.mail, letter{driver: d, event: actor.OrderLost{Order: o.ID}})
	}
}

// notice tells a driver of an offer.
func (w *world) notice(n *dispatch.Notice) {
	d := w.driverOf[n.Offer.Driver]
	if d == nil {
		return
	}
	var e actor.Event
	d.book.answers.told(n.Offer.State)
	switch n.Offer.State {
	case dispatch.OfferLive:
		w.tally.offers++
		e = actor.OfferMade{Offer: n.Offer.ID, ExpiresAt: n.Offer.ExpiresAt}
	case dispatch.OfferAccepted, dispatch.OfferDeclined:
		return // the driver's own doing
	default:
		e = actor.OfferWithdrawn{Offer: n.Offer.ID}
	}
	w.mail = append(w.mail, letter{driver: d, event: e})
}
