package node

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

// fleet is what a market's drivers do, as committed: it may be shown to people. Beside it stands the supply.
type fleet struct {
	supply supply
	demand *demand

	mu sync.RWMutex
	// drivers are those on duty or at work.
	drivers map[dispatch.DriverID]*member
	// holder is the driver of each order at work.
	holder map[dispatch.OrderID]dispatch.DriverID
	// open counts the orders that are not closed, by state.
	open map[dispatch.State]int
	// orders are those that are not closed, committed snapshots.
	orders map[dispatch.OrderID]*dispatch.Order
	// touched are the drivers that may do something else than before; empty between two calls.
	touched []dispatch.DriverID
}

// member is one driver of the fleet. Guarded by fleet.mu; the orders are committed snapshots.
type member struct {
	duty   dispatch.Duty
	offer  dispatch.OfferID
	orders []*dispatch.Order // in the order they were assigned
	seen   *sighting         // has its own lock
}

func newFleet(x *geo.Index) *fleet {
	f := &fleet{supply: newSupply(x), demand: newDemand()}
	f.reset(dispatch.Recovery{})
	return f
}

// reset starts over from the journal; it gives the drivers that are neither on duty nor at work any more.
func (f *fleet) reset(r dispatch.Recovery) (gone []dispatch.DriverID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.drivers
	f.drivers = make(map[dispatch.DriverID]*member, len(r.Duties))
	f.holder = map[dispatch.OrderID]dispatch.DriverID{}
	f.supply.reset()
	for _, d := range r.Duties {
		f.memberLocked(d.Driver).duty = d
	}
	f.open = map[dispatch.State]int{}
	f.orders = make(map[dispatch.OrderID]*dispatch.Order, len(r.Orders))
	for i := range r.Orders {
		f.orderLocked(&r.Orders[i])
		f.open[r.Orders[i].State]++
	}
	for _, o := range r.Offers {
		f.memberLocked(o.Driver).offer = o.ID
	}
	for id, m := range before {
		if still, ok := f.drivers[id]; ok {
			still.seen = m.seen
			continue
		}
		f.leaveLocked(id, m)
		gone = append(gone, id)
	}
	f.demand.recovered(r.Orders)
	return append(gone, f.settleLocked()...)
}

// settleLocked has those who were touched leave the fleet, if they are neither on duty nor at work, and tells the
// demand what the others do now.
func (f *fleet) settleLocked() (gone []dispatch.DriverID) {
	for _, id := range f.touched {
		m, ok := f.drivers[id]
		switch {
		case !ok:
		case m.duty.Online || len(m.orders) > 0:
			f.supply.mark(m.seen.handle, stateOnDuty, m.duty.Online)
			f.demand.driver(id, m.state(), m.seen)
		default:
			delete(f.drivers, id)
			f.leaveLocked(id, m)
			gone = append(gone, id)
		}
	}
	f.touched = f.touched[:0]
	return gone
}

// leaveLocked has a driver that is not of the fleet any more seen no more.
func (f *fleet) leaveLocked(id dispatch.DriverID, m *member) {
	m.seen.leave()
	f.demand.left(id)
}

// told follows what was committed; it gives the drivers that are neither on duty nor at work any more.
func (f *fleet) told(t market.Told) (gone []dispatch.DriverID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range t.Events {
		e := &t.Events[i]
		if e.Duty != nil {
			f.memberLocked(e.Duty.Driver).duty = *e.Duty
		} else {
			f.orderLocked(e.Order)
			f.countLocked(e.From, e.To)
			if e.From == "" {
				f.demand.asked(e.Order)
			}
			f.demand.order(e.Order)
		}
	}
	for _, n := range t.Notices {
		m := f.memberLocked(n.Offer.Driver)
		if n.Order != nil {
			m.offer = n.Offer.ID
		} else if m.offer == n.Offer.ID {
			m.offer = ""
		}
	}
	return f.settleLocked()
}

// countLocked moves one order from a state to another; closed ones, and the "" before the creation, do not
// count.
func (f *fleet) countLocked(from, to dispatch.State) {
	if from != "" && !from.Closed() {
		f.open[from]--
	}
	if !to.Closed() {
		f.open[to]++
	}
}

func (f *fleet) memberLocked(id dispatch.DriverID) *member {
	f.touched = append(f.touched, id)
	m, ok := f.drivers[id]
	if !ok {
		m = &member{duty: dispatch.Duty{Driver: id}, seen: &sighting{handle: f.supply.join(id)}}
		f.drivers[id] = m
	}
	return m
}

// orderLocked keeps an order while it is open, and puts it with the driver that works on it now.
func (f *fleet) orderLocked(o *dispatch.Order) {
	if o.State.Closed() {
		delete(f.orders, o.ID)
	} else {
		f.orders[o.ID] = o
	}
	if old, ok := f.holder[o.ID]; ok && (!o.State.Assigned() || old != o.Driver) {
		m := f.memberLocked(old)
		m.orders = slices.DeleteFunc(m.orders, func(p *dispatch.Order) bool { return p.ID == o.ID })
		delete(f.holder, o.ID)
	}
	if !o.State.Assigned() {
		return
	}
	m := f.memberLocked(o.Driver)
	f.holder[o.ID] = o.Driver
	if i := slices.IndexFunc(m.orders, func(p *dispatch.Order) bool { return p.ID == o.ID }); i >= 0 {
		m.orders[i] = o
	} else {
		m.orders = append(m.orders, o)
	}
}

// get tells what a driver does; false when it is neither on duty nor at work here.
func (f *fleet) get(id dispatch.DriverID) (dispatch.Driver, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	m, ok := f.drivers[id]
	if !ok {
		return dispatch.Driver{}, false
	}
	d := dispatch.Driver{Duty: m.duty, State: m.state(), Suspect: m.seen.doubted.Load()}
	for _, o := range m.orders {
		d.Orders = append(d.Orders, o.ID)
	}
	return d, true
}

// member gives a driver as it stands; false when it is neither on duty nor at work here.
func (f *fleet) member(id dispatch.DriverID) (member, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	m, ok := f.drivers[id]
	if !ok {
		return member{}, false
	}
	copied := *m
	copied.orders = slices.Clone(m.orders)
	return copied, true
}

// state is what the driver does; the caller holds fleet.mu.
func (m *member) state() dispatch.DriverState {
	states := make([]dispatch.State, len(m.orders))
	for i, o := range m.orders {
		states[i] = o.State
	}
	return dispatch.StateOf(m.duty.Online, m.offer != "", states)
}

// count tells how many orders are open and how many drivers there are, by state.
func (f *fleet) count() (orders map[dispatch.State]int, drivers map[dispatch.DriverState]int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	drivers = map[dispatch.DriverState]int{}
	for _, m := range f.drivers {
		drivers[m.state()]++
	}
	return maps.Clone(f.open), drivers
}

// at gives the orders that a driver works on, and where it was seen: nil when its telemetry is of no use here.
func (f *fleet) at(id dispatch.DriverID) (orders []*dispatch.Order, seen *sighting) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	m, ok := f.drivers[id]
	if !ok || (!m.duty.Online && len(m.orders) == 0) {
		return nil, nil
	}
	return slices.Clone(m.orders), m.seen
}

// idle gives the duties of the drivers on duty without an order, ascending by id.
func (f *fleet) idle() []dispatch.Duty {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]dispatch.Duty, 0, len(f.drivers))
	for _, m := range f.drivers {
		if m.duty.Online && len(m.orders) == 0 {
			out = append(out, m.duty)
		}
	}
	slices.SortFunc(out, func(a, b dispatch.Duty) int { return cmp.Compare(a.Driver, b.Driver) })
	return out
}

// coming is an order whose driver is on its way to the pickup.
type coming struct {
	order *dispatch.Order // a committed snapshot
	duty  dispatch.Duty
	// alone: the driver works on no other order.
	alone bool
}

// coming gives them all, ascending by order.
func (f *fleet) coming() []coming {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []coming
	for id, d := range f.holder {
		o, m := f.orders[id], f.drivers[d]
		if o != nil && m != nil && o.State == dispatch.StateEnRouteToPickup && len(o.Stops) > 0 {
			out = append(out, coming{order: o, duty: m.duty, alone: len(m.orders) == 1})
		}
	}
	slices.SortFunc(out, func(a, b coming) int { return cmp.Compare(a.order.ID, b.order.ID) })
	return out
}
