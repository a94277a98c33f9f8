package actor

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// retryAfter is how long a driver waits before it repeats a refused request: long enough that a defect does
// not become a storm, short against a search timeout.
const retryAfter = 5 * time.Second

// Shift is a span of duty.
type Shift struct {
	// On < Off; a zero Off means to the end.
	On, Off time.Time
	// At is where the driver comes on.
	At geo.LatLng
	Vehicle
}

// Vehicle is what a driver comes on duty with; the zero Vehicle is one of the default class.
type Vehicle struct {
	// Class is the vehicle class; "" for the default one.
	Class string
	// Capacity is how many orders the driver takes at once where DriverConfig.Capacity is not more.
	Capacity int
	// Tags are those of the duty, sorted.
	Tags []string
}

// DriverConfig is one driver's character. Spans are market time.
type DriverConfig struct {
	ID     DriverID
	Market MarketID
	// Shifts ascend and do not overlap.
	Shifts []Shift
	// SpeedMps is the speed on the road, Circuity the road's length against the straight line; both above 0, unless
	// Travel tells.
	SpeedMps, Circuity float64
	// Travel tells how long a drive that begins at an instant takes; nil: by SpeedMps and Circuity.
	Travel func(from, to geo.LatLng, begin time.Time) time.Duration
	// Capacity is how many orders the driver takes at once, one after the other; 0 means 1.
	Capacity int
	// Ping is the time between two positions sent, above 0.
	Ping time.Duration
	// Think is the time from an offer to its answer.
	Think time.Duration
	// PickupService is the time at a pickup, DropoffService that at every other stop: boarding, loading, paying.
	PickupService, DropoffService time.Duration
	// Ready is when what a rider ordered can be taken along, by rider: a pickup is not left before it. Shared,
	// never written. A rider that is not in it is ready at once.
	Ready map[RiderID]time.Time
	// Haunts are the places to which a free driver cruises, each as likely as another: those where riders are
	// found. Shared, never written. None: it stays where it is.
	Haunts []geo.LatLng
	Chances
	// NoShowAfter is how long the driver waits at a pickup for a rider that does not show up.
	NoShowAfter time.Duration
	// Seed makes the driver's chances its own.
	Seed uint64
}

// Chances are the probabilities of what goes wrong with a driver, each from 0 to 1; Decline + Ignore <= 1.
type Chances struct {
	// Decline is that an offer is declined, Ignore that it is left unanswered.
	Decline, Ignore float64
	// GiveBack is that an order is given back on the way to its pickup.
	GiveBack float64
	// NoShow is that nobody comes to the pickup, so that the driver cancels after the wait.
	NoShow float64
}

type duty int

const (
	dutyOff duty = iota
	dutyComing
	dutyOn
	dutyLeaving
)

// Driver is one driver: it goes on duty with its shift, tells where it is, takes offers, with room for another order also
// while it is at work, drives its orders one after the other in straight lines, cruises to one of its haunts when it is free, and
// goes off duty once its shift is over and its order is done. One that is set going in the midst of a shift
// has been cruising since the shift began. What it knows of orders is only what it was told.
type Driver struct {
	cfg  DriverConfig
	rng  *rand.Rand
	duty duty
	// shift is the index of the present or next shift.
	shift int
	ended bool
	place motion
	// fresh tells that it has not been on duty yet. An order that it then holds is of a life before, and it is
	// taken to be at the stop that it left last: its shift may begin on another continent.
	fresh bool
	// idle tells that it is free and not yet on its way to a haunt.
	idle bool
	ping time.Time
	// asked is the duty, accept or trip request that is not yet answered; nil for none. There is at most one.
	asked Command
	// retry is the instant before which nothing is asked again after a refusal.
	retry time.Time
	offer offer
	// ignored is the offer that it last decided to leave unanswered.
	ignored OfferID
	trip    trip
	out     []Command
	wake    alarm
}

// offer is the live offer to be answered at decide; ID "" is none.
type offer struct {
	id              OfferID
	decide, expires time.Time
}

// NewDriver makes a driver that is off duty.
func NewDriver(cfg DriverConfig) *Driver {
	d := &Driver{cfg: cfg, fresh: true, rng: rand.New(rand.NewPCG(cfg.Seed, 0x6865786665657431))}
	d.trip.done = map[OrderID]int64{}
	if len(cfg.Shifts) > 0 {
		d.place = stay(cfg.Shifts[0].At, cfg.Shifts[0].On)
		d.wake.set(cfg.Shifts[0].On)
	}
	return d
}

// Where is the driver's true position at an instant not before the last event, or shortly before.
func (d *Driver) Where(at time.Time) geo.Fix { return d.place.fix(at) }

// Wake is the instant at which the driver wants a Tick; zero for none.
func (d *Driver) Wake() time.Time { return d.wake.at }

// Shift is the present or next shift; the zero one when none is left.
func (d *Driver) Shift() Shift {
	if d.shift >= len(d.cfg.Shifts) {
		return Shift{}
	}
	return d.cfg.Shifts[d.shift]
}

// capacity is how many orders the driver takes at once, at least 1.
func (d *Driver) capacity() int { return max(1, d.cfg.Capacity, d.Shift().Capacity) }

// OffDuty tells that the driver is off duty for good: no shift is left.
func (d *Driver) OffDuty() bool {
	return d.duty == dutyOff && (d.ended || d.shift >= len(d.cfg.Shifts))
}

// Next is the driver's answer to what it hears at now; now never goes back.
func (d *Driver) Next(now time.Time, ev Event) []Command {
	d.out = nil
	switch e := ev.(type) {
	case Connected:
		d.ping = now
	case OfferMade:
		d.hearOffer(now, e)
	case OfferWithdrawn:
		if d.offer.id == e.Offer {
			d.offer = offer{}
		}
	case OrderTold:
		d.told(now, &e.Order)
	case OrderLost:
		d.drop(now, e.Order, 0)
	case Answered:
		d.answered(now, e)
	case EndShift:
		d.ended = true
	}
	d.wake = alarm{}
	d.act(now)
	return d.out
}

// act does what is due and sets the next alarm.
func (d *Driver) act(now time.Time) {
	if d.asked == nil && d.due(now, d.retry) {
		d.actDuty(now)
	}
	if d.asked == nil && d.due(now, d.retry) {
		d.actOffer(now)
	}
	if d.asked == nil && d.due(now, d.retry) {
		d.actTrip(now)
	}
	if d.idle && d.duty == dutyOn && len(d.trip.orders) == 0 {
		d.cruise(now)
	}
	if (d.duty == dutyOn || len(d.trip.orders) > 0) && d.due(now, d.ping) {
		d.send(now)
	}
}

// due tells whether t has come, and sets the alarm when it has not.
func (d *Driver) due(now, t time.Time) bool {
	if now.Before(t) {
		d.wake.set(t)
		return false
	}
	return true
}

// ask sends a request that must be answered before the next one.
func (d *Driver) ask(c Command) {
	d.asked = c
	d.out = append(d.out, c)
}

// send tells the position and sets the next ping.
func (d *Driver) send(now time.Time) {
	d.out = append(d.out, Telemetry{Fix: d.place.fix(now)})
	d.ping = now.Add(d.cfg.Ping)
	d.wake.set(d.ping)
}

func (d *Driver) actDuty(now time.Time) {
	switch d.duty {
	case dutyOff:
		if d.ended || d.shift >= len(d.cfg.Shifts) || !d.due(now, d.cfg.Shifts[d.shift].On) {
			return
		}
		if len(d.trip.orders) == 0 { // else it is still driving an order of a life before
			shift := d.cfg.Shifts[d.shift]
			d.place = stay(shift.At, shift.On)
			d.idle = true
			d.cruise(shift.On)
		}
		d.duty = dutyComing
		d.ask(Online{Market: d.cfg.Market})
	case dutyOn:
		if d.ended {
			d.leave()
			return
		}
		// Who would be asked for more while at work goes off duty before the work is done.
		if off := d.cfg.Shifts[d.shift].Off; !off.IsZero() && d.due(now, off) && (len(d.trip.orders) == 0 || d.capacity() > 1) {
			d.leave()
		}
	case dutyComing, dutyLeaving: // asked is not nil
	}
}

// cruise sets out for a haunt.
func (d *Driver) cruise(now time.Time) {
	d.idle = false
	if n := len(d.cfg.Haunts); n > 0 {
		d.drive(now, d.cfg.Haunts[d.rng.IntN(n)])
	}
}

// drive sets out for a place.
func (d *Driver) drive(now time.Time, to geo.LatLng) {
	if d.cfg.Travel == nil {
		d.place = d.place.drive(now, to, d.cfg.SpeedMps, d.cfg.Circuity)
		return
	}
	from := d.place.at(now)
	d.place = motion{from: from, to: to, start: now, end: now.Add(d.cfg.Travel(from, to, now))}
}

func (d *Driver) leave() {
	d.duty = dutyLeaving
	d.offer = offer{} // going off duty withdraws it
	d.ask(Offline{})
}

func (d *Driver) hearOffer(now time.Time, e OfferMade) {
	accept, asked := d.asked.(Accept)
	if asked && accept.Offer == e.Offer || d.offer.id == e.Offer || d.ignored == e.Offer {
		return // told again
	}
	if d.duty != dutyOn || len(d.trip.orders) >= d.capacity() {
		d.out = append(d.out, Decline{Offer: e.Offer})
		return
	}
	switch chance := d.rng.Float64(); {
	case chance < d.cfg.Decline:
		d.out = append(d.out, Decline{Offer: e.Offer})
	case chance < d.cfg.Decline+d.cfg.Ignore:
		d.ignored = e.Offer
	default:
		d.offer = offer{id: e.Offer, decide: now.Add(d.cfg.Think), expires: e.ExpiresAt}
	}
}

func (d *Driver) actOffer(now time.Time) {
	if d.offer.id == "" || !d.due(now, d.offer.decide) {
		return
	}
	taken := d.offer
	d.offer = offer{}
	if now.Before(taken.expires) {
		d.ask(Accept{Offer: taken.id})
	}
}

// answered takes the answer to the request that stands in asked; answers to a Decline change nothing.
func (d *Driver) answered(now time.Time, e Answered) {
	if _, ok := e.To.(Decline); ok {
		return
	}
	d.asked = nil
	switch to := e.To.(type) {
	case Online:
		if e.Code != "" {
			d.duty, d.retry = dutyOff, now.Add(retryAfter)
			return
		}
		d.duty, d.fresh, d.ping = dutyOn, false, now
	case Offline:
		if e.Code != "" {
			d.duty, d.retry = dutyOn, now.Add(retryAfter)
			return
		}
		d.duty = dutyOff
		d.shift++
	case Advance:
		d.refusedStep(to.Order, e.Code)
	case Cancel:
		d.refusedStep(to.Order, e.Code)
	case Watch:
		switch e.Code {
		case "":
			d.trip.unsure = ""
			if e.Order != nil && d.trip.knows(e.Order) { // nothing new: not at once the same request
				d.retry = now.Add(retryAfter)
			}
		case dispatch.CodeNotFound:
			d.trip.unsure = ""
			d.drop(now, to.Order, 0)
		default:
			d.retry = now.Add(retryAfter)
		}
	}
	if e.Order != nil {
		d.told(now, e.Order)
	}
}

// refusedStep asks how an order stands of which the driver knows less than the server.
func (d *Driver) refusedStep(id OrderID, code Code) {
	if code != "" {
		d.trip.unsure = id
	}
}

// Orders are those the driver works on, the present one first; for reading only.
func (d *Driver) Orders() []Order { return slices.Clone(d.trip.orders) }
