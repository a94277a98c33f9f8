package fleet

import (
	"math/rand/v2"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// driver is a seat with a driver in it.
type driver struct {
	seat
	automaton *actor.Driver // guarded by seat.mu
	// offers names the order of each offer heard; owned by the client's goroutine, which hears offers, and
	// read under fleet.mu.
	offers map[actor.OfferID]wire.ID
}

func (f *Fleet) newDriver(i int, ready map[actor.RiderID]time.Time) *driver {
	p := f.cfg.Plan.Drivers[i]
	d := &driver{
		automaton: f.cfg.Conduct.driver(f.cfg.Plan, i, f.cfg.Market, f.start, ready),
		offers:    map[actor.OfferID]wire.ID{},
	}
	d.seat = seat{
		fleet: f, role: "driver", sub: p.ID, party: f.checker.Party("driver", p.ID), actor: d.automaton,
		wheel: f.wheels[i%len(f.wheels)], sees: d.sees, does: d.does,
		line: f.newLine(2 * uint64(i)), rng: rand.New(rand.NewPCG(f.cfg.Conduct.Seed, 2*uint64(i))),
	}
	d.alarm = newAlarm(d.ring)
	d.twins()
	return d
}

func (d *driver) sees(m client.Message) {
	if offer, ok := m.(*wire.Offer); ok {
		d.fleet.mu.Lock()
		d.offers[actor.OfferID(offer.OfferID)] = offer.Order.ID
		d.fleet.mu.Unlock()
	}
}

// does notes when an offer was accepted.
func (d *driver) does(c actor.Command) {
	accept, ok := c.(actor.Accept)
	if !ok {
		return
	}
	f := d.fleet
	now := f.cfg.Clock.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepts[acceptance{d.offers[accept.Offer], wire.ID(d.sub)}] = now
	delete(d.offers, accept.Offer)
}

// offDuty tells that the driver is off duty for good.
func (d *driver) offDuty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.client == nil || d.automaton.OffDuty()
}

// acceptance is one driver's yes to one order.
type acceptance struct{ order, driver wire.ID }

// rider is a seat with a rider in it.
type rider struct {
	seat
	automaton *actor.Rider // guarded by seat.mu

	// What follows is guarded by fleet.mu.
	sent, acked, offered time.Time // wall time; zero while not
	placed               time.Time // market time of the order
	pickedUp             bool
	order                wire.ID
	state                string
	version              int64
	refused              string

	// leave closes the socket some time after the order is over.
	leave *alarm
}

// linger is how long a rider still listens when its order is over, wall time: what comes then and should not
// is seen.
const linger = 3 * time.Second

// rideAhead is how long before its order a rider connects, wall time.
const rideAhead = time.Second

// newRider makes the i-th rider.
func (f *Fleet) newRider(i int, p RiderPlan) *rider {
	r := &rider{automaton: p.rider(f.cfg.Market, f.start)}
	r.seat = seat{
		fleet: f, role: "rider", sub: p.ID, party: f.checker.Party("rider", p.ID), actor: r.automaton,
		wheel: f.wheels[i%len(f.wheels)], sees: r.sees, does: r.does,
		line: f.newLine(2*uint64(i) + 1), rng: rand.New(rand.NewPCG(f.cfg.Conduct.Seed, 2*uint64(i)+1)),
	}
	r.alarm = newAlarm(r.ring)
	r.leave = newAlarm(r.close)
	return r
}

// does notes when the order was first sent.
func (r *rider) does(c actor.Command) {
	if _, ok := c.(actor.Create); !ok {
		return
	}
	f := r.fleet
	now := f.cfg.Clock.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	r.sent = now
	r.placed = f.clock.Now()
}

// sees keeps the rider's book and times what it is told. The answer to its order is the only ack that comes
// while it has no order.
func (r *rider) sees(m client.Message) {
	f := r.fleet
	now := f.cfg.Clock.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m := m.(type) {
	case *wire.Ack:
		if m.Order != nil && r.order == "" {
			r.order, r.acked = m.Order.ID, now
			f.ack.add(now.Sub(r.sent))
			if !r.offered.IsZero() {
				f.offer.add(0) // told of the offer before the answer arrived
			}
			r.stands(m.Order)
		}
	case *wire.Error:
		if m.ID != nil && r.order == "" && !temporary(m.Code) {
			r.refused = m.Code
		}
	case *wire.OrderUpdate:
		if r.sent.IsZero() || r.order != "" && r.order != m.Order.ID {
			return // an order of a life before
		}
		r.told(now, m)
	}
}

// told times the events of the order.
func (r *rider) told(now time.Time, m *wire.OrderUpdate) {
	f := r.fleet
	if r.order == m.Order.ID {
		r.stands(&m.Order)
	}
	if m.Event == nil {
		return
	}
	switch {
	case m.Event.To == "offered" && r.offered.IsZero():
		r.offered = now
		if !r.acked.IsZero() {
			f.offer.add(now.Sub(r.acked))
		}
	case m.Event.To == "en_route_to_pickup" && m.Event.DriverID != nil:
		key := acceptance{m.Order.ID, *m.Event.DriverID}
		if at, ok := f.accepts[key]; ok {
			f.accept.add(now.Sub(at))
			delete(f.accepts, key)
		}
	}
}

// stands notes the state of the order; fleet.mu is held.
func (r *rider) stands(o *wire.Order) {
	if o.Version < r.version {
		return
	}
	r.version, r.state = o.Version, o.State
	r.pickedUp = r.pickedUp || leftPickup(o.State)
	if closed(o.State) {
		r.wheel.set(r.leave, r.fleet.clock.Now().Add(r.fleet.clock.market(linger)))
	}
}

// settled tells that nothing is left to wait for; fleet.mu is held.
func (r *rider) settled() bool {
	return r.refused != "" || r.pickedUp || r.order != "" && closed(r.state)
}

func temporary(code string) bool {
	return code == "unavailable" || code == "overloaded" || code == "rate_limited"
}

func closed(state string) bool {
	switch state {
	case "completed", "cancelled", "returned", "no_driver":
		return true
	}
	return false
}

// leftPickup tells whether an order in this state has been picked up.
func leftPickup(state string) bool {
	switch state {
	case "en_route_to_stop", "arrived_at_stop", "en_route_to_dropoff", "arrived_at_dropoff",
		"returning", "returned", "completed":
		return true
	}
	return false
}

// count adds the rider's order; aged tells whether it is old enough to be judged; fleet.mu is held.
func (r *rider) count(o *Orders, aged bool) {
	if r.sent.IsZero() {
		return
	}
	o.Sent++
	if r.order == "" {
		return
	}
	o.Acked++
	if aged {
		o.Aged++
	}
	if r.pickedUp {
		o.PickedUp++
		if aged {
			o.AgedPickedUp++
		}
	}
	switch {
	case r.state == "completed", r.state == "returned":
		o.Completed++
	case r.state == "no_driver":
		o.NoDriver++
	case r.state == "cancelled":
		o.Cancelled++
	case r.pickedUp:
		o.OnTrip++
	default:
		o.Waiting++
	}
}
