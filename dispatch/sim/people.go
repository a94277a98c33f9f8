package sim

import (
	"cmp"
	"math/rand/v2"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// driver is one driver of a run, with what the server knows of it.
type driver struct {
	id    dispatch.DriverID
	slot  int
	actor *actor.Driver
	// version counts its duty events; class is the vehicle class of its last.
	version int64
	class   string
	line    line
	seen    seen
	book    driverBook
}

// rider is one rider of a run.
type rider struct {
	id    dispatch.RiderID
	slot  int
	actor *actor.Rider
	book  *orderBook
	// priority is what a dispatcher gives its order.
	priority int
}

// people puts everybody in their place.
func (w *world) people() {
	ready := map[actor.RiderID]time.Time{}
	for i := range w.sc.Trips {
		r := w.newRider(i)
		w.riders = append(w.riders, r)
		w.riderOf[r.id] = r
		if t := w.sc.Trips[i].Ready; !t.IsZero() {
			ready[r.id] = t
		}
	}
	for i := range w.sc.Workers {
		d := w.newDriver(i, ready)
		w.drivers = append(w.drivers, d)
		w.driverOf[d.id], w.tally.driverOf[d.id] = d, &d.book
		w.queue.set(d.slot, later(d.actor.Wake(), w.now))
		w.finder.join(d)
	}
	for i, r := range w.riders {
		r.slot = 1 + len(w.drivers) + i
		w.queue.set(r.slot, later(r.actor.Wake(), w.now))
	}
	w.networks()
}

func (w *world) newDriver(i int, ready map[actor.RiderID]time.Time) *driver {
	c, worker := &w.sc.Conduct, &w.sc.Workers[i]
	// Its positions are asked for (sample), not sent: so long between two is never.
	const never = 100 * 365 * 24 * time.Hour
	return &driver{
		id: worker.ID, slot: 1 + i,
		actor: actor.NewDriver(actor.DriverConfig{
			ID: worker.ID, Market: w.sc.Market.ID, Shifts: worker.Shifts, Travel: w.sc.Travel.Drive, Ping: never,
			Think: c.Think, PickupService: c.PickupService, DropoffService: c.DropoffService, Ready: ready,
			Haunts: w.sc.Haunts, Chances: c.Chances, NoShowAfter: w.pol.Market.NoShow, Capacity: w.pol.Capacity,
			Seed: mix(w.seed, uint64(i)),
		}),
		line: line{rng: rand.New(rand.NewPCG(w.seed, 2*uint64(i)+1))},
	}
}

func (w *world) newRider(i int) *rider {
	t := &w.sc.Trips[i]
	id := dispatch.RiderID(PartyID("rider", t.ID, i))
	return &rider{
		id: id, book: &w.tally.orders[i], priority: t.Priority,
		actor: actor.NewRider(actor.RiderConfig{
			ID: id, Market: w.sc.Market.ID, At: t.At,
			Patience: cmp.Or(t.Patience, w.sc.Conduct.Patience), Quit: t.Quit,
			New: actor.NewOrder{
				Kind: w.sc.kind(t), VehicleClass: cmp.Or(t.VehicleClass, dispatch.DefaultVehicleClass), Rider: id,
				PickupAt: t.Ready, Stops: t.stops(),
			},
		}),
	}
}

// stops are a trip's.
func (t *Trip) stops() []dispatch.Stop {
	stops := []dispatch.Stop{{Type: dispatch.StopPickup, LatLng: t.Pickup}}
	for _, at := range t.Via {
		stops = append(stops, dispatch.Stop{Type: dispatch.StopBetween, LatLng: at})
	}
	return append(stops, dispatch.Stop{Type: dispatch.StopDropoff, LatLng: t.Dropoff})
}

// drive has a driver hear something, and carries out what it then says. Without network it hears only the time.
func (w *world) drive(d *driver, e actor.Event) {
	_, tick := e.(actor.Tick)
	if d.line.cut && !tick {
		d.line.inbox = append(d.line.inbox, e)
		return
	}
	commands := d.actor.Next(w.now, e)
	w.queue.set(d.slot, d.actor.Wake())
	for _, c := range commands {
		if d.line.cut {
			d.line.outbox = append(d.line.outbox, c)
			continue
		}
		w.say(d, c)
	}
}

// say carries out what a driver says.
func (w *world) say(d *driver, c actor.Command) {
	if _, ok := c.(actor.Telemetry); ok {
		w.finder.send(d, w.now)
		return
	}
	do, ok := w.asked(d, c)
	if !ok {
		return
	}
	reply := w.step(do)
	w.mail = append(w.mail, letter{driver: d, event: answer(c, reply)})
}

// asked is a driver's command as the core hears it; false when its answer is known here.
func (w *world) asked(d *driver, c actor.Command) (market.Do, bool) {
	cmd := dispatch.Command{Market: w.sc.Market.ID, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(d.id)}}
	var known market.Known
	switch c := c.(type) {
	case actor.Online:
		cmd.Op, cmd.Driver = dispatch.OpDuty, d.id
		with := d.actor.Shift().Vehicle
		cmd.Duty = &dispatch.DutyRequest{
			Online: true, VehicleClass: cmp.Or(with.Class, dispatch.DefaultVehicleClass),
			Capacity: max(w.pol.Capacity, with.Capacity), Tags: with.Tags,
		}
		known.Claim = &dispatch.Claim{Version: d.version}
	case actor.Offline:
		cmd.Op, cmd.Driver, cmd.Duty = dispatch.OpDuty, d.id, &dispatch.DutyRequest{}
		known.Claim = &dispatch.Claim{Version: d.version}
	case actor.Accept:
		cmd.Op, cmd.Offer = dispatch.OpAccept, c.Offer
	case actor.Decline:
		cmd.Op, cmd.Offer = dispatch.OpDecline, c.Offer
	case actor.Advance:
		cmd.Op, cmd.Order, cmd.To = dispatch.OpAdvance, c.Order, c.To
		known.Order = w.orders[c.Order]
	case actor.Cancel:
		cmd.Op, cmd.Order, cmd.Reason = dispatch.OpCancel, c.Order, c.Reason
		known.Order = w.orders[c.Order]
	case actor.Watch:
		w.mail = append(w.mail, letter{driver: d, event: w.watched(d, c)})
		return market.Do{}, false
	}
	return market.Do{Command: cmd, Known: known}, true
}

// watched answers how an order stands, to whom it concerns.
func (w *world) watched(d *driver, c actor.Watch) actor.Event {
	o := w.orders[c.Order]
	if o == nil || o.Driver != d.id {
		return actor.Answered{To: c, Code: dispatch.CodeNotFound}
	}
	copied := *o
	return actor.Answered{To: c, Order: &copied}
}

func answer(to actor.Command, r *dispatch.Reply) actor.Event {
	a := actor.Answered{To: to, Order: r.Order}
	if r.Err != nil {
		a.Code = r.Err.Code
	}
	return a
}

// ride has a rider hear something, and carries out what it then says.
func (w *world) ride(r *rider, e actor.Event) {
	commands := r.actor.Next(w.now, e)
	w.queue.set(r.slot, r.actor.Wake())
	for _, c := range commands {
		cmd := dispatch.Command{Market: w.sc.Market.ID, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: string(r.id)}}
		var known market.Known
		switch c := c.(type) {
		case actor.Create:
			cmd.Op, cmd.New = dispatch.OpCreate, &c.New
			cmd.Order = dispatch.OrderID(dispatch.DeriveID(w.now, "sim", string(r.id)))
			r.book.requested = w.now
			w.tally.orderOf[cmd.Order] = r.book
		case actor.Cancel:
			cmd.Op, cmd.Order, cmd.Reason = dispatch.OpCancel, c.Order, c.Reason
			known.Order = w.orders[c.Order]
		}
		reply := w.step(market.Do{Command: cmd, Known: known})
		if _, created := c.(actor.Create); created && reply.Err != nil {
			w.over++ // refused: there is nothing to wait for
		} else if created && r.priority != 0 {
			w.step(market.Do{Command: dispatch.Command{
				Op: dispatch.OpPriority, Market: w.sc.Market.ID, By: dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "sim"},
				Order: cmd.Order, Priority: r.priority,
			}})
		}
		w.mail = append(w.mail, letter{rider: r, event: answer(c, reply)})
	}
}

// where is a driver's true position.
func (d *driver) where(at time.Time) geo.LatLng { return d.actor.Where(at).LatLng }

// mix makes a seed of a seed and a number (SplitMix64: Steele, Lea and Flood, Fast splittable pseudorandom number
// generators, 2014).
func mix(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
