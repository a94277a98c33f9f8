package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// wave sets when an offered order asks more drivers, after those that it asked at an instant; never, in a mode that
// asks one at a time.
func (c *Core) wave(o *dispatch.Order, asked time.Time) {
	delete(c.round.ready, o.ID)
	terms := c.policy.For(o.Kind, o.VehicleClass)
	if terms.Mode != dispatch.ModeWave && terms.Mode != dispatch.ModeBroadcast {
		delete(c.round.waves, o.ID)
		return
	}
	at := asked.Add(terms.Wave)
	c.round.waves[o.ID] = at
	c.timers.add(at, timerWave, string(o.ID))
}

// waveDue lets an order ask more drivers in the next round; at is what its timer was set to.
func (c *Core) waveDue(id dispatch.OrderID, at time.Time) {
	if due, ok := c.round.waves[id]; ok && due.Equal(at) {
		delete(c.round.waves, id)
		c.round.ready[id] = struct{}{}
	}
}

// standbyEvery is the time between two looks for a driver who would be at the pickup much sooner than the one on the way:
// about the time in which somebody becomes free near by in a busy city.
const standbyEvery = 15 * time.Second

// standBy sets when an order with a driver on the way looks for a better one; never, unless the policy says so and its
// mode asks drivers.
func (c *Core) standBy(o *dispatch.Order) {
	c.calm(o.ID)
	if c.policy.StandbyGain > 0 && c.policy.For(o.Kind, o.VehicleClass).Mode != dispatch.ModeDirect {
		at := c.now.Add(standbyEvery)
		c.round.waves[o.ID] = at
		c.timers.add(at, timerWave, string(o.ID))
	}
}

// better has an order go from the driver on the way to one who has accepted to be there sooner. The first is not barred:
// it did nothing wrong.
func (c *Core) better(o *dispatch.Order, d *driver, f *dispatch.Offer) {
	old := o.Driver
	ch := change{to: dispatch.StateSearching, by: dispatch.Engine(), driver: old, reason: "better_driver"}
	c.transition(o, ch, func(o *dispatch.Order) {
		o.Driver, o.PickupETA, o.DropoffETA = "", time.Time{}, time.Time{}
		o.SearchSince = c.now
	})
	c.release(old, o.ID)
	c.give(o, d, *f, dispatch.Engine())
}

// calm ends the waves of an order that has left the state in which it had them.
func (c *Core) calm(id dispatch.OrderID) {
	delete(c.round.waves, id)
	delete(c.round.ready, id)
}

// resumeWaves sets the waves of orders anew: counted from their latest live offer, and none before an instant. After a
// recovery that is later than anything committed: a further offer makes no version, so that only its instant tells it
// from one that was made to the same driver before and is forgotten.
func (c *Core) resumeWaves(earliest time.Time) {
	latest := map[dispatch.OrderID]time.Time{}
	for _, f := range c.offers {
		if f.State == dispatch.OfferLive && f.CreatedAt.After(latest[f.Order]) {
			latest[f.Order] = f.CreatedAt
		}
	}
	for id, at := range latest {
		if o := c.orders[id]; o.State == dispatch.StateOffered {
			if floor := earliest.Add(-c.policy.For(o.Kind, o.VehicleClass).Wave); at.Before(floor) {
				at = floor
			}
			c.wave(o, at)
		}
	}
}
