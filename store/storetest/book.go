package storetest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/store"
)

// Book writes the history of one market as its leader does: it numbers events and versions, forms a batch and
// commits it. It judges nothing: a test may write what is against the law. Not safe for concurrent use.
type Book struct {
	tb      testing.TB
	journal store.Leads
	// Lease is what the next commit must find.
	Lease dispatch.Lease
	// Seq is that of the last event, committed or forming.
	Seq int64
	// Now is the market time of the next event; each event moves it on by a millisecond.
	Now time.Time

	orders map[dispatch.OrderID]dispatch.Order
	duties map[dispatch.DriverID]dispatch.Duty
	batch  dispatch.Batch // forming
}

// NewBook takes the market and goes on from what is stored.
func NewBook(tb testing.TB, j store.Leads, m dispatch.MarketID) *Book {
	tb.Helper()
	b := &Book{tb: tb, journal: j, Now: Start()}
	b.Lease.Market = m
	b.Recover()
	return b
}

// rival gives a second leader that believes the same of the market.
func (b *Book) rival() *Book {
	r := *b
	r.orders, r.duties = maps.Clone(b.orders), maps.Clone(b.duties)
	return &r
}

// Recover takes the market with a new epoch and forgets what was not committed.
func (b *Book) Recover() dispatch.Recovery {
	b.tb.Helper()
	lease, err := b.journal.Lead(context.Background(), b.Lease.Market)
	if err != nil {
		b.tb.Fatalf("lead %s: %v", b.Lease.Market, err)
	}
	r, err := b.journal.Recover(context.Background(), b.Lease.Market)
	if err != nil {
		b.tb.Fatalf("recover %s: %v", b.Lease.Market, err)
	}
	b.Lease, b.Seq, b.batch = lease, r.Seq, dispatch.Batch{}
	b.orders = make(map[dispatch.OrderID]dispatch.Order)
	for _, o := range r.Orders {
		b.orders[o.ID] = o
	}
	b.duties = make(map[dispatch.DriverID]dispatch.Duty)
	for _, d := range r.Duties {
		b.duties[d.Driver] = d
	}
	if r.At.After(b.Now) {
		b.Now = r.At
	}
	return r
}

// Event adds an event, numbered, to the forming batch.
func (b *Book) Event(e dispatch.Event) {
	b.Seq++
	b.Now = b.Now.Add(time.Millisecond)
	e.Market, e.Seq, e.At = b.Lease.Market, b.Seq, b.Now
	b.batch.Events = append(b.batch.Events, e)
}

// Create adds a new order of a rider, searching.
func (b *Book) Create(id dispatch.OrderID, rider dispatch.RiderID) {
	b.create(id, rider, dispatch.KindRide)
}

func (b *Book) create(id dispatch.OrderID, rider dispatch.RiderID, kind dispatch.Kind) {
	o := dispatch.Order{
		ID: id, Market: b.Lease.Market, Kind: kind, State: dispatch.StateSearching, Version: 1,
		Rider: rider, VehicleClass: dispatch.DefaultVehicleClass, RequestedAt: b.Now,
		SearchSince: b.Now, ChangedAt: b.Now,
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.7749295, Lng: -122.4194155}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.8043637, Lng: -122.2711137}},
		},
	}
	b.orders[id] = o
	b.Event(dispatch.Event{
		Type: dispatch.Entered(o.State), By: dispatch.By{Role: dispatch.RoleRider, Sub: string(rider)},
		Version: 1, Order: &o, To: o.State,
	})
}

// Move adds an order's step to a state, after change (which may be nil) was made to it.
func (b *Book) Move(id dispatch.OrderID, to dispatch.State, change func(*dispatch.Order)) {
	b.move(id, dispatch.Entered(to), to, change)
}

// Edit adds an event of type t that keeps the order's state.
func (b *Book) Edit(id dispatch.OrderID, t dispatch.EventType, change func(*dispatch.Order)) {
	b.move(id, t, b.orders[id].State, change)
}

// Order gives an order as the book last wrote it.
func (b *Book) Order(id dispatch.OrderID) dispatch.Order { return b.orders[id] }

func (b *Book) move(id dispatch.OrderID, t dispatch.EventType, to dispatch.State, change func(*dispatch.Order)) {
	o := b.orders[id]
	from := o.State
	o.Version++
	if from != to {
		o.State, o.ChangedAt = to, b.Now
	}
	if change != nil {
		change(&o)
	}
	b.orders[id] = o
	b.Event(dispatch.Event{
		Type: t, By: dispatch.By{Role: dispatch.RoleEngine}, Version: o.Version, Order: &o, From: from, To: to,
		Driver: o.Driver, Reason: o.Reason,
	})
}

// With gives the change by which an order gets a driver.
func With(d dispatch.DriverID) func(*dispatch.Order) {
	return func(o *dispatch.Order) { o.Driver = d }
}

// Cancelled is the change by which an order is cancelled by its rider.
func Cancelled(o *dispatch.Order) { o.CancelledBy, o.Reason = "passenger", "changed_plans" }

// Duty adds a driver's duty event; capacity counts when it goes online.
func (b *Book) Duty(d dispatch.DriverID, online bool, capacity int) {
	duty := b.duties[d]
	duty.Driver, duty.Market, duty.Online, duty.Since = d, b.Lease.Market, online, b.Now
	duty.Version++
	t := dispatch.EventDriverOffline
	if online {
		t = dispatch.EventDriverOnline
		duty.VehicleClass, duty.Capacity, duty.Tags = dispatch.DefaultVehicleClass, capacity, []string{"child_seat", "pets"}
	}
	b.duties[d] = duty
	b.Event(dispatch.Event{
		Type: t, By: dispatch.By{Role: dispatch.RoleDriver, Sub: string(d)}, Version: duty.Version, Duty: &duty,
	})
}

// SetDuty tells the book how a driver's duty stands that another market wrote.
func (b *Book) SetDuty(d dispatch.Duty) { b.duties[d.Driver] = d }

// Offer adds an offer as it stands; while it is live it runs out in 15 s.
func (b *Book) Offer(id dispatch.OfferID, o dispatch.OrderID, d dispatch.DriverID, s dispatch.OfferState) dispatch.Offer {
	offer := dispatch.Offer{
		ID: id, Order: o, Market: b.Lease.Market, Driver: d, State: s,
		Pickup: 4*time.Minute + 1, Trip: 11 * time.Minute, Source: "line",
		CreatedAt: Start(), ExpiresAt: Start().Add(15 * time.Second),
	}
	if s != dispatch.OfferLive {
		offer.EndedAt, offer.Reason = b.Now, "said_so"
	}
	b.batch.Offers = append(b.batch.Offers, offer)
	return offer
}

// Answer adds an answer under a key of a sub, and gives it as it is kept but for At.
func (b *Book) Answer(sub, key string, code dispatch.Code, o *dispatch.Order) dispatch.Answer {
	a := dispatch.Answer{Market: b.Lease.Market, Sub: sub, Key: dispatch.Key{ID: key, Digest: [32]byte{1, 2, 31: 3}}, Code: code}
	if code != "" {
		a.Detail, a.Field = "no longer so", "/to"
	}
	if o != nil {
		a.Order, a.Version = o.ID, o.Version
	}
	b.batch.Answers = append(b.batch.Answers, a)
	return a
}

// Batch gives what Commit would commit now.
func (b *Book) Batch() *dispatch.Batch {
	batch := b.batch
	batch.Market, batch.Epoch, batch.Batch, batch.At = b.Lease.Market, b.Lease.Epoch, b.Lease.Batch, b.Now
	return &batch
}

// Commit commits the forming batch; a failure ends the test.
func (b *Book) Commit() {
	b.tb.Helper()
	if err := b.TryCommit(); err != nil {
		b.tb.Fatal(err)
	}
}

// TryCommit commits the forming batch. After an error the book recovers, as a leader does.
func (b *Book) TryCommit() error {
	b.tb.Helper()
	if err := b.journal.Commit(context.Background(), b.Batch()); err != nil {
		b.Recover()
		return err
	}
	b.Lease.Batch++
	b.batch = dispatch.Batch{}
	return nil
}
