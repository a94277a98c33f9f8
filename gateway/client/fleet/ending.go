package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// readers is how many histories are read at once.
const readers = 8

// readWithin is how long a server that is away is asked for one history, wall time.
const readWithin = 30 * time.Second

// leave counts the orders, sends every driver off duty and waits for it.
func (f *Fleet) leave(ctx context.Context) {
	f.mu.Lock()
	f.ended = f.clock.Now()
	f.phase = "going off duty"
	f.mu.Unlock()
	for _, d := range f.drivers {
		d.mu.Lock()
		aboard := d.client != nil
		d.mu.Unlock()
		if aboard {
			d.next(actor.EndShift{})
		} else {
			d.close() // its shift never began
		}
	}
	limit := f.cfg.Clock.Now().Add(leaveWithin)
	for f.onDuty() > 0 && f.cfg.Clock.Now().Before(limit) {
		if !pause(ctx, f.cfg.Clock, look) {
			return
		}
	}
	if left := f.onDuty(); left > 0 {
		f.cfg.Log.Warn("drivers did not go off duty in time", "drivers", left, "within", leaveWithin)
	}
}

func (f *Fleet) onDuty() int {
	n := 0
	for _, d := range f.drivers {
		if !d.offDuty() {
			n++
		}
	}
	return n
}

// closeDrivers ends the drivers' sockets, several at once, for each takes a round trip.
func (f *Fleet) closeDrivers() {
	each(f.drivers, func(d *driver) { d.close() })
}

// each calls do for every value from a few goroutines and waits for them.
func each[T any](values []T, do func(T)) {
	queue := make(chan T)
	var busy sync.WaitGroup
	for range readers {
		busy.Go(func() {
			for v := range queue {
				do(v)
			}
		})
	}
	for _, v := range values {
		queue <- v
	}
	close(queue)
	busy.Wait()
}

// readBack reads the history of each acknowledged order and lets the checker compare.
func (f *Fleet) readBack(ctx context.Context) error {
	f.enter("reading history")
	riders := map[wire.ID]*rider{}
	f.mu.Lock()
	for _, r := range f.riders {
		if r.order != "" {
			riders[r.order] = r
		}
	}
	f.mu.Unlock()
	reading, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	each(f.checker.Acked(), func(id wire.ID) {
		if reading.Err() != nil {
			return
		}
		events, err := f.history(reading, id, riders[id])
		if err != nil {
			giveUp(err) // the first one says why; a server that is away for one order is so for all
			return
		}
		f.checker.History(id, events, riders[id] != nil)
		f.final(riders[id], events)
	})
	if reading.Err() != nil {
		return context.Cause(reading)
	}
	f.checker.Replay(1)
	return nil
}

// history reads the events of an order, again when the server is away, and until its rider has been told of
// all of them or its time is up.
func (f *Fleet) history(ctx context.Context, id wire.ID, r *rider) ([]wire.Event, error) {
	begun := f.cfg.Clock.Now()
	for {
		events, err := f.cfg.API.events(ctx, id)
		waited := f.cfg.Clock.Now().Sub(begun)
		refused, final := errors.AsType[*refusedError](err)
		switch {
		case final:
			return nil, refused
		case err != nil && waited > readWithin:
			return nil, err
		case err == nil && (r == nil || waited > catchUp || !f.checker.RiderBehind(id, int64(len(events)))):
			return events, nil
		}
		if !pause(ctx, f.cfg.Clock, look) {
			return nil, ctx.Err()
		}
	}
}

// final counts an order as its history ends.
func (f *Fleet) final(r *rider, events []wire.Event) {
	if r == nil || len(events) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range events {
		r.pickedUp = r.pickedUp || leftPickup(events[i].To)
	}
	r.state = events[len(events)-1].To
	r.version = events[len(events)-1].Version
}
