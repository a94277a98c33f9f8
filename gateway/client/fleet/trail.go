package fleet

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	// lateBy is how long after a rider was told that its driver's work is over a position may still come, wall
	// time: the two come from different places in the server.
	lateBy = 2 * time.Second
	// staleBy is how much older than the beginning of a driver's work its position may be, market time: by
	// default an order is given to a driver whose last position is no older than that.
	staleBy = time.Minute
	// trailLength is how many positions of a driver are kept: a rider is told of one within seconds.
	trailLength = 128
)

// trail is the positions that a driver sent of late, the oldest overwritten; guarded by the Checker's mu.
type trail struct {
	points []wire.Point
	next   int // the place of the next one
}

func (t *trail) add(p wire.Point) {
	if len(t.points) < trailLength {
		t.points = append(t.points, p)
		return
	}
	t.points[t.next] = p
	t.next = (t.next + 1) % trailLength
}

// denies tells whether a position of the trail's time cannot be this driver's: it sent another one at that
// instant, or none between an earlier and a later one.
func (t *trail) denies(at time.Time, lat, lng float64) bool {
	var before, after bool
	for i := range t.points {
		p := &t.points[i]
		switch p.Timestamp.Compare(at) {
		case 0:
			if p.Lat == lat && p.Lng == lng {
				return false
			}
			before, after = true, true
		case -1:
			before = true
		case 1:
			after = true
		}
	}
	return before && after
}

// Placed hears of a position before a driver sends it.
func (c *Checker) Placed(driver string, point wire.Point) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trails[driver] == nil {
		c.trails[driver] = &trail{}
	}
	c.trails[driver].add(point)
}

// position checks that the order is the rider's own and that the place is one where a driver of the order
// said it was. Whether the driver was at work then is seen in the history.
func (p *Party) position(m *wire.DriverPosition) {
	c := p.checker
	known, ok := p.told[m.OrderID]
	if p.role != "rider" || !ok || !known.mine {
		c.broken.add(Private, m.OrderID, "%s %s was told where the driver is", p.role, p.sub)
		return
	}
	r := c.record(m.OrderID)
	if !known.working && m.Timestamp.After(known.at) && c.wall.Now().Sub(known.heard) > lateBy {
		r.strays = append(r.strays, stray{m.Timestamp.Time, known.version})
	}
	denied := func(driver string) bool {
		t := c.trails[driver]
		return t != nil && t.denies(m.Timestamp.Time, m.Lat, m.Lng)
	}
	if len(r.drivers) > 0 && !slices.ContainsFunc(r.drivers, func(d string) bool { return !denied(d) }) {
		c.broken.add(Private, m.OrderID, "rider %s was told the place (%v, %v) of %v, where no driver of the order said it was",
			p.sub, m.Lat, m.Lng, m.Timestamp.Time)
	}
}

// stray is the instant of a position that a rider was told when, by what it was told before, the order had no
// driver; after is the version of which it was told last.
type stray struct {
	at    time.Time
	after int64
}

// atWork checks that positions of drivers that the rider had not been told of have overtaken that news and
// nothing else; mu is held.
func (c *Checker) atWork(id wire.ID, r *record, events []wire.Event) {
	for _, s := range r.strays {
		overtook := slices.ContainsFunc(events, func(e wire.Event) bool {
			return e.Version > s.after && actor.State(e.To).Assigned() && !s.at.Before(e.At.Add(-staleBy))
		})
		if !overtook {
			c.broken.add(Private, id, "its rider was told where a driver was at %v, when none was at work for it", s.at)
			return
		}
	}
}
