package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/store"
)

// benchGroup is how many transitions a group holds at most, as in dispatch/market.
const benchGroup = 200

// Bench measures full transitions: the event, the order's row and the answer under an idempotency key, each asked for
// by a caller that waits for its commit before it asks for the next. The callers' transitions are grouped by the rule of
// dispatch/market's loop: one group is being committed, one forms, of at most benchGroup, and a group is what came
// while the one before it was being committed. Reported are transitions a second and what a caller waits. open gives a
// new journal, which the benchmark closes.
func Bench(b *testing.B, open func(b *testing.B) store.Journal) {
	for _, n := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			j := open(b)
			defer func() {
				if err := j.Close(); err != nil {
					b.Error(err)
				}
			}()
			lease, err := j.Lead(b.Context(), sf)
			if err != nil {
				b.Fatal(err)
			}
			f := &former{leads: j, lease: lease, asked: make(chan *asked, n)}
			Callers(b, n, func(caller int) func() error {
				trips := &trips{caller: caller}
				one := &asked{done: make(chan error)}
				return func() error {
					one.event, one.answer = trips.next()
					f.asked <- one
					return <-one.done
				}
			}, f.run)
		})
	}
}

// Callers runs b.N calls of as many callers, each of which begins its next call when the last has returned, beside
// serve, which is to run until its context ends. It reports calls as transitions a second, and the median and the 99th
// percentile of their times.
func Callers(b *testing.B, callers int, call func(caller int) func() error, serve func(context.Context)) {
	ctx, cancel := context.WithCancel(b.Context())
	var serving, calling sync.WaitGroup
	serving.Go(func() { serve(ctx) })
	clock := dispatch.Wall{}
	took := make([][]time.Duration, callers)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	for i := range callers {
		do := call(i)
		calling.Go(func() {
			for left.Add(-1) >= 0 {
				began := clock.Now()
				if err := do(); err != nil {
					if left.Swap(0) > 0 { // the first: the others fail with it
						b.Error(err)
					}
					return
				}
				took[i] = append(took[i], clock.Now().Sub(began))
			}
		})
	}
	calling.Wait()
	b.StopTimer()
	cancel()
	serving.Wait()
	all := slices.Concat(took...)
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "transitions/s")
	for name, share := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
		at := all[int(share*float64(len(all)-1))]
		b.ReportMetric(float64(at)/float64(time.Millisecond), name)
	}
}

// asked is one transition on its way through a former; done is told once its group was committed.
type asked struct {
	event  dispatch.Event
	answer dispatch.Answer
	done   chan error
}

// former groups and commits what is asked. Owned by run.
type former struct {
	leads store.Leads
	lease dispatch.Lease
	seq   int64
	asked chan *asked
}

func (f *former) run(ctx context.Context) {
	committed := make(chan error)
	var forming, inflight []*asked
	for {
		if len(inflight) == 0 && len(forming) > 0 {
			inflight, forming = forming, inflight[:0]
			batch := f.batch(inflight)
			go func() { committed <- f.leads.Commit(ctx, batch) }()
		}
		queue := f.asked
		if len(forming) == benchGroup {
			queue = nil
		}
		select {
		case one := <-queue:
			forming = append(forming, one)
		case err := <-committed:
			f.lease.Batch++
			for _, one := range inflight {
				one.done <- err
			}
			inflight = inflight[:0]
		case <-ctx.Done():
			return
		}
	}
}

func (f *former) batch(group []*asked) *dispatch.Batch {
	b := &dispatch.Batch{Market: f.lease.Market, Epoch: f.lease.Epoch, Batch: f.lease.Batch}
	for _, one := range group {
		f.seq++
		one.event.Seq = f.seq
		b.Events = append(b.Events, one.event)
		b.Answers = append(b.Answers, one.answer)
		b.At = one.event.At
	}
	return b
}

// trips gives the transitions of one order after the other, each from its request to its end.
type trips struct {
	caller int
	trip   int
	step   int
	order  dispatch.Order
}

// next gives a transition and the answer to who asked for it.
func (t *trips) next() (dispatch.Event, dispatch.Answer) {
	way := []dispatch.State{
		dispatch.StateSearching, dispatch.StateOffered, dispatch.StateEnRouteToPickup, dispatch.StateArrivedAtPickup,
		dispatch.StateEnRouteToDropoff, dispatch.StateCompleted,
	}
	now := Start().Add(time.Duration(t.trip)*time.Minute + time.Duration(t.step)*time.Second)
	from := t.order.State
	if t.step == 0 {
		from = ""
		t.order = newTrip(t.caller, t.trip, now)
	}
	o := t.order
	o.State, o.Version, o.ChangedAt = way[t.step], int64(t.step+1), now
	if o.State == dispatch.StateEnRouteToPickup {
		o.Driver = dispatch.DriverID(fmt.Sprintf("driver-%06d", t.caller))
		o.PickupETA, o.DropoffETA = now.Add(4*time.Minute), now.Add(15*time.Minute)
	}
	t.order = o
	if t.step++; t.step == len(way) {
		t.step, t.trip = 0, t.trip+1
	}
	key := dispatch.Key{ID: dispatch.DeriveID(now, "key", string(o.ID), string(o.State)), Digest: [32]byte{1, 2, 31: 3}}
	return dispatch.Event{
			Market: sf, Type: dispatch.Entered(o.State), At: now, By: dispatch.By{Role: dispatch.RoleRider, Sub: string(o.Rider)},
			Version: o.Version, Order: &o, From: from, To: o.State, Driver: o.Driver,
		}, dispatch.Answer{
			Market: sf, Sub: string(o.Rider), Key: key, Order: o.ID, Version: o.Version,
		}
}

func newTrip(caller, trip int, now time.Time) dispatch.Order {
	return dispatch.Order{
		ID:     dispatch.OrderID(dispatch.DeriveID(now, "order", fmt.Sprint(caller), fmt.Sprint(trip))),
		Market: sf, Kind: dispatch.KindRide, Rider: dispatch.RiderID(fmt.Sprintf("rider-%06d-%03d", caller, trip%200)),
		VehicleClass: dispatch.DefaultVehicleClass, RequestedAt: now, SearchSince: now,
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.7749295, Lng: -122.4194155}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.8043637, Lng: -122.2711137}},
		},
	}
}
