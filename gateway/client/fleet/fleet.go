package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Config is what a Fleet is given; every field without a stated zero value is required.
type Config struct {
	// URL is the server's, http(s)://host:port.
	URL string
	// Token mints a token of a role for a sub.
	Token func(role, sub string) (string, error)
	API   *API
	// Market is where drivers go on duty and orders are placed.
	Market string
	// SearchTimeout is that market's: how long the fleet plays on at most after the last order, market time.
	SearchTimeout time.Duration
	Plan          Plan
	Conduct       Conduct
	// Network is how bad the network is; its zero value leaves it as it is.
	Network Network
	// Clock is the wall clock.
	Clock Clock
	Log   *slog.Logger
	// Dialer opens the sockets; nil means one that shares its write buffers among all clients.
	Dialer *websocket.Dialer
}

const (
	// openPerSecond is how many drivers connect each wall second before the first order: below what one small
	// server greets without queueing.
	openPerSecond = 500
	// warmUp is the wall time from the last of them to the first order, for duty and the first positions.
	warmUp = 2 * time.Second
	// leaveWithin is how long drivers are waited for when they are sent off duty, wall time.
	leaveWithin = 20 * time.Second
	// catchUp is how long riders are waited for until they have been told what is committed, wall time.
	catchUp = 10 * time.Second
	// look is how often the fleet looks whether it is done, wall time.
	look = 50 * time.Millisecond
	// wheelsPerFleet spreads the actors over a few goroutines, so that one socket that blocks in a write does
	// not hold up all.
	wheelsPerFleet = 4
)

// Fleet is one run of a plan. Make it with New, then Run it once.
type Fleet struct {
	// What follows is immutable after New, but for cancel, which Run sets before anything moves.
	cfg     Config
	clock   *marketClock
	wheels  []*wheel
	checker *Checker
	drivers []*driver
	riders  []*rider
	seats   []*seat   // of all of them
	start   time.Time // market instant of the first order
	stop    time.Time // market instant of the last
	cancel  context.CancelCauseFunc

	ack, offer, accept *histogram
	// cuts counts sockets that were cut on purpose, repeats requests sent once more after their answer, twins
	// second devices.
	cuts, repeats, twins atomic.Int64

	// mu guards what follows and the books of the riders.
	mu      sync.Mutex
	phase   string
	accepts map[acceptance]time.Time
	ended   time.Time // market instant at which the orders are counted; zero while it runs
}

// New prepares a run against a server whose market clock shows m.ServerTime now; it is to be Run at once.
func New(cfg Config, m wire.Market) (*Fleet, error) {
	if err := cfg.Plan.validate(); err != nil {
		return nil, err
	}
	if err := cfg.Conduct.validate(); err != nil {
		return nil, err
	}
	if err := cfg.Network.validate(); err != nil {
		return nil, err
	}
	if !(m.TimeScale > 0) {
		return nil, fmt.Errorf("fleet: the server tells a time scale of %v", m.TimeScale)
	}
	if cfg.Dialer == nil {
		cfg.Dialer = &websocket.Dialer{
			ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, WriteBufferPool: &sync.Pool{},
		}
	}
	f := &Fleet{
		cfg: cfg, clock: newMarketClock(cfg.Clock, m.ServerTime.Time, m.TimeScale), checker: NewChecker(cfg.Clock),
		ack: newHistogram(), offer: newHistogram(), accept: newHistogram(),
		phase: "connecting", accepts: map[acceptance]time.Time{},
	}
	for range wheelsPerFleet {
		f.wheels = append(f.wheels, newWheel(f.clock))
	}
	f.board()
	return f, nil
}

// Run plays the plan to its end, or until ctx ends; then drivers are taken off duty and the histories read
// all the same. The error is why the run could not go on, such as a server that refuses the token; a broken
// promise is no error but stands in the report.
func (f *Fleet) Run(ctx context.Context) (Report, error) {
	play, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.cancel = cancel
	wheels, stopWheels := context.WithCancel(context.WithoutCancel(ctx))
	var turning sync.WaitGroup
	for _, w := range f.wheels {
		turning.Go(func() { w.run(wheels) })
	}
	network, mend := context.WithCancel(play)
	var cutting sync.WaitGroup
	cutting.Go(func() { f.cutSockets(network) })
	f.play(play)
	mend()
	cutting.Wait()
	failed := context.Cause(play)
	if failed == nil {
		failed = f.unsent()
	}
	if ctx.Err() != nil {
		failed = nil // asked to stop: not a failure
	}
	after := context.WithoutCancel(ctx)
	if failed == nil {
		f.leave(after)
	}
	f.closeDrivers()
	if failed == nil {
		failed = f.readBack(after)
	}
	stopWheels()
	turning.Wait()
	for _, r := range f.riders {
		r.close()
	}
	return f.report(), failed
}

// unsent is an error when riders could not even send their orders: there was no connection.
func (f *Fleet) unsent() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sent := f.countLocked().Sent; sent < len(f.riders) {
		return fmt.Errorf("%d of %d orders could not be sent: their riders had no connection", len(f.riders)-sent, len(f.riders))
	}
	return nil
}

// fail ends the run with err; the first one counts.
func (f *Fleet) fail(err error) {
	if err != nil {
		f.cancel(err)
	}
}

// board makes the actors and sets when each of them connects.
func (f *Fleet) board() {
	now := f.clock.Now()
	step := f.clock.market(time.Second) / openPerSecond
	ready := now.Add(time.Duration(len(f.cfg.Plan.Drivers))*step + f.clock.market(warmUp))
	f.start, f.stop = ready, ready.Add(f.cfg.Plan.Length)
	early := f.clock.market(rideAhead)
	meals := f.cfg.Plan.ready(f.start)
	for i := range f.cfg.Plan.Drivers {
		d := f.newDriver(i, meals)
		f.drivers = append(f.drivers, d)
		f.seats = append(f.seats, &d.seat)
		if wake := d.automaton.Wake(); !wake.IsZero() {
			opens := wake.Add(-early)
			if soonest := now.Add(time.Duration(i) * step); opens.Before(soonest) {
				opens = soonest
			}
			d.wheel.set(d.alarm, opens)
		}
	}
	for i := range f.cfg.Plan.Riders {
		r := f.newRider(i, f.cfg.Plan.Riders[i])
		f.riders = append(f.riders, r)
		f.seats = append(f.seats, &r.seat)
		r.wheel.set(r.alarm, r.automaton.Wake().Add(-early))
	}
}

// play waits until the orders are placed and each is picked up or over, at most one search timeout longer.
func (f *Fleet) play(ctx context.Context) {
	end := f.stop.Add(f.cfg.SearchTimeout)
	for pause(ctx, f.cfg.Clock, look) {
		switch now := f.clock.Now(); {
		case now.Before(f.start):
		case now.Before(f.stop):
			f.enter("ordering")
		case now.Before(end) && !f.settled():
			f.enter("playing on")
		default:
			return
		}
	}
}

func (f *Fleet) enter(phase string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase = phase
}

func (f *Fleet) settled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.riders {
		if !r.settled() {
			return false
		}
	}
	return true
}

// Progress tells how the run stands.
func (f *Fleet) Progress() Progress {
	p := Progress{Broken: len(f.checker.Broken()), Planned: len(f.cfg.Plan.Riders)}
	for _, d := range f.drivers {
		if !d.offDuty() {
			p.OnDuty++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.Phase = f.phase
	p.Elapsed = f.clock.Now().Sub(f.start)
	p.Orders = f.countLocked()
	for _, r := range f.riders {
		if r.refused != "" {
			p.Refused++
		}
	}
	return p
}

func (f *Fleet) countLocked() Orders {
	var o Orders
	now := f.ended
	if now.IsZero() {
		now = f.clock.Now()
	}
	for _, r := range f.riders {
		r.count(&o, now.Sub(r.placed) >= f.cfg.SearchTimeout)
	}
	return o
}

func (f *Fleet) report() Report {
	broken := f.checker.Broken()
	if broken == nil {
		broken = []Broken{} // an empty list in JSON, not null
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return Report{
		Orders: f.countLocked(), Broken: broken,
		OrderAck: f.ack.latency(), OrderOffer: f.offer.latency(), AcceptTold: f.accept.latency(),
		Cuts: f.cuts.Load(), Repeats: f.repeats.Load(), Twins: f.twins.Load(),
	}
}
