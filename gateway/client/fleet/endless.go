package fleet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Endless is a fleet that plays until it is stopped: the drivers of a plan, and riders that come as they are
// asked for and are forgotten when their order is over and checked. What it keeps does not grow with time.
type Endless struct {
	fleet *Fleet
	ask   Asking

	// mu guards what follows; taken before fleet.mu, never after.
	mu sync.Mutex
	// riders are those not yet forgotten: true for one that has gone, whose order is to be checked.
	riders map[*rider]bool
	// came counts all riders, refused those whose order was; past the orders of riders that are forgotten.
	came, refused int
	past          Orders
}

// Asking gives the riders that ask between now and now + span, market time; open orders are not over yet. The
// At of a plan counts from now. It is called by one goroutine.
type Asking func(now time.Time, span time.Duration, open int) []RiderPlan

const (
	// askEvery is how often new riders are asked for, wall time.
	askEvery = 250 * time.Millisecond
	// checkEvery is how often orders that are over are checked, wall time.
	checkEvery = time.Second
	// sweepEvery is how often the checker forgets what no order takes along, wall time: long after any repeat
	// or late message, short against the memory that it costs.
	sweepEvery = 20 * time.Minute
	// lingers is how many times linger a rider stays for what it has still to be told.
	lingers = 10
	// leaveSoon is how long drivers are waited for at the end, wall time: a server drains after them.
	leaveSoon = 4 * time.Second
)

// NewEndless prepares a fleet like New; the plan names no riders.
func NewEndless(cfg Config, m wire.Market, ask Asking) (*Endless, error) {
	if len(cfg.Plan.Riders) > 0 || ask == nil {
		return nil, errors.New("fleet: the riders of an endless fleet come by Asking, not from the plan")
	}
	f, err := New(cfg, m)
	if err != nil {
		return nil, err
	}
	return &Endless{fleet: f, ask: ask, riders: map[*rider]bool{}}, nil
}

// Run plays until ctx ends, then takes the drivers off duty. The error is why it could not go on before.
func (e *Endless) Run(ctx context.Context) error {
	f := e.fleet
	play, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.cancel = cancel
	after := context.WithoutCancel(ctx)
	wheels, stopWheels := context.WithCancel(after)
	var turning, working sync.WaitGroup
	for _, w := range f.wheels {
		turning.Go(func() { w.run(wheels) })
	}
	f.enter("playing")
	working.Go(func() { f.cutSockets(play) })
	working.Go(func() { e.bring(play) })
	working.Go(func() { e.check(play) })
	working.Wait() // until play ends
	if ctx.Err() != nil {
		soon, enough := context.WithTimeout(after, leaveSoon)
		f.leave(soon)
		enough()
	}
	f.closeDrivers()
	stopWheels()
	turning.Wait()
	each(e.list(), func(r *rider) { r.close() })
	if ctx.Err() != nil {
		return nil // asked to stop: not a failure
	}
	return context.Cause(play)
}

// list gives all riders that are not forgotten.
func (e *Endless) list() []*rider {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Keys(e.riders))
}

// left gives the riders that have gone.
func (e *Endless) left() []*rider {
	return slices.DeleteFunc(e.list(), func(r *rider) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return !e.riders[r]
	})
}

// bring brings riders until ctx ends, and sends away those that were refused.
func (e *Endless) bring(ctx context.Context) {
	f := e.fleet
	last := f.start
	for pause(ctx, f.cfg.Clock, askEvery) {
		now := f.clock.Now()
		if !now.After(last) {
			continue
		}
		open := 0
		for _, r := range e.list() {
			f.mu.Lock()
			refused, over := r.refused != "", closed(r.state)
			f.mu.Unlock()
			if refused {
				e.gone(r)
			} else if !over {
				open++
			}
		}
		for _, p := range e.ask(now, now.Sub(last), open) {
			p.At += now.Sub(f.start)
			e.come(p)
		}
		last = now
	}
}

// come seats one more rider; it connects a moment before it asks.
func (e *Endless) come(p RiderPlan) {
	f := e.fleet
	e.mu.Lock()
	r := f.newRider(e.came, p)
	e.came++
	e.riders[r] = false
	e.mu.Unlock()
	lingered := 0
	r.leave = newAlarm(func() {
		f.mu.Lock()
		order, version := r.order, r.version
		f.mu.Unlock()
		if lingered++; lingered < lingers && f.checker.RiderBehind(order, version) {
			r.wheel.set(r.leave, f.clock.Now().Add(f.clock.market(linger)))
			return
		}
		e.gone(r)
	})
	r.wheel.set(r.alarm, r.automaton.Wake().Add(-f.clock.market(rideAhead)))
}

// gone ends a rider's seat; its order is checked soon.
func (e *Endless) gone(r *rider) {
	r.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, here := e.riders[r]; here {
		e.riders[r] = true
	}
}

// check checks what is over and forgets it, until ctx ends; each broken promise is logged when it is seen.
func (e *Endless) check(ctx context.Context) {
	f := e.fleet
	held := spans{}
	told := 0
	known := map[wire.ID]bool{}
	swept := f.cfg.Clock.Now()
	for pause(ctx, f.cfg.Clock, checkEvery) {
		for _, r := range e.left() {
			if err := e.settle(ctx, r, held); err != nil {
				if ctx.Err() == nil {
					f.fail(err)
				}
				return
			}
		}
		for _, b := range f.checker.since(told) {
			f.cfg.Log.Error("promise broken", "promise", b.Promise, "order", b.OrderID, "detail", b.Detail)
			told++
		}
		if now := f.cfg.Clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			known = e.sweep(known)
		}
	}
}

// settle checks the order of a rider that has gone, and forgets both.
func (e *Endless) settle(ctx context.Context, r *rider, held spans) error {
	f := e.fleet
	f.mu.Lock()
	order, version, refused := r.order, r.version, r.refused
	f.mu.Unlock()
	if order != "" {
		events, err := f.history(ctx, order, nil) // nil: the rider has gone and hears no more
		if err != nil {
			return err
		}
		// What came after the rider had gone (a dispatcher searched again) it could not be told.
		f.checker.History(order, events, int64(len(events)) == version)
		f.checker.settle(order, events, held)
		f.final(r, events)
	}
	if refused != "" {
		f.cfg.Log.Error("order refused", "rider", r.sub, "code", refused)
	}
	e.forget(r)
	return nil
}

// forget counts a rider's order and lets go of both.
func (e *Endless) forget(r *rider) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fleet.mu.Lock()
	defer e.fleet.mu.Unlock()
	r.count(&e.past, true)
	if r.refused != "" {
		e.refused++
	}
	delete(e.riders, r)
}

// sweep forgets what no order takes along.
func (e *Endless) sweep(known map[wire.ID]bool) map[wire.ID]bool {
	f := e.fleet
	known = f.checker.sweep(known)
	for _, d := range f.drivers {
		d.sweep()
	}
	f.mu.Lock()
	clear(f.accepts) // an acceptance on its way then is not timed
	f.mu.Unlock()
	return known
}

// Broken counts the promises seen broken so far.
func (e *Endless) Broken() int {
	c := e.fleet.checker
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.broken.all)
}

// Progress tells how the city stands; the orders are those since the beginning.
func (e *Endless) Progress() Progress {
	f := e.fleet
	p := f.Progress()
	e.mu.Lock()
	defer e.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	p.Planned, p.Refused, p.Orders = e.came, e.refused, e.past
	for r := range e.riders {
		r.count(&p.Orders, false)
	}
	return p
}
