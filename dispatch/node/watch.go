package node

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	// progress is how much nearer to the pickup, along the straight line, a driver must get to count as coming. It is
	// a block: less is the noise of a receiver between tall buildings.
	progress geo.Meters = 50
	// there is how near to the pickup a driver is not held to be stalled: it looks for its rider, or forgot to say that
	// it has arrived.
	there geo.Meters = 100
)

// cause is why a driver is held not to come. Its text is the reason of the redispatch, and the label of metrics.
type cause string

// The causes.
const (
	driverLost      cause = "driver_lost"      // no telemetry
	driverStalled   cause = "driver_stalled"   // it does not get nearer
	driverRetreated cause = "driver_retreated" // it drives away
)

// approach is a driver on its way to a pickup, as it is seen at one look.
type approach struct {
	order  dispatch.OrderID
	driver dispatch.DriverID
	pickup geo.LatLng
	// since is when it was set on its way.
	since time.Time
	// heard is its last sign of life, its being set on its way included.
	heard time.Time
	// fix is its last, nil when there is none.
	fix *geo.Fix
	// alone: it works on no other order. Else it may well be driving elsewhere, and only its silence tells.
	alone bool
}

// advice is what is to be done about a driver on its way: it is nudged, or the order is given to another.
type advice struct {
	order  dispatch.OrderID
	driver dispatch.DriverID
	cause  cause
	nudge  bool
}

// watch follows the drivers on their way to pickups and says who is held not to come. It is pure: the same looks give
// the same advice. It remembers what it saw since its leader began, and nothing from before: a new leader counts
// anew. Owned by the goroutine of the sweep.
type watch struct {
	courses map[dispatch.OrderID]*course
}

// course is what was seen of one way so far.
type course struct {
	driver dispatch.DriverID
	since  time.Time
	// tracked: the distances count; from the first fix of a driver that is alone on.
	tracked bool
	// mark is the distance at the last progress, moved when that was: the fix's time, so that a driver of whom nothing
	// is heard does not stall.
	mark  geo.Meters
	moved time.Time
	// nearest is the least distance. nearest <= mark < nearest + progress.
	nearest geo.Meters
	// nudged are the causes for which it was.
	nudged map[cause]bool
	// seen: the way is among those of the look under way; false between two.
	seen bool
}

func newWatch() *watch { return &watch{courses: map[dispatch.OrderID]*course{}} }

// look follows all ways at the market instant now, and gives what is to be done, in their order: a nudge once for each
// cause, and who is to be taken off at each look until it is. A driver whose fix counts as fresh is not lost.
func (w *watch) look(now time.Time, p *dispatch.Policy, ways []approach) (out []advice) {
	for i := range ways {
		y := &ways[i]
		c := w.courses[y.order]
		if c == nil || c.driver != y.driver || !c.since.Equal(y.since) {
			c = &course{driver: y.driver, since: y.since, nudged: map[cause]bool{}}
			w.courses[y.order] = c
		}
		c.seen = true
		c.follow(y)
		if a, ok := c.judge(now, p, y); ok {
			out = append(out, a)
		}
	}
	for id, c := range w.courses {
		if !c.seen {
			delete(w.courses, id)
		}
		c.seen = false
	}
	return out
}

// follow takes in where the driver is now.
func (c *course) follow(y *approach) {
	if !y.alone {
		c.tracked = false
		return
	}
	if y.fix == nil || y.fix.At.Before(y.since) {
		return
	}
	d := geo.Distance(y.fix.LatLng, y.pickup)
	switch {
	case !c.tracked:
		c.tracked, c.mark, c.nearest, c.moved = true, d, d, y.fix.At
	case d <= c.mark-progress:
		c.mark, c.moved = d, y.fix.At
	}
	c.nearest = min(c.nearest, d)
}

// judge tells what is to be done now, if anything.
func (c *course) judge(now time.Time, p *dispatch.Policy, y *approach) (advice, bool) {
	r := &p.Redispatch
	lost := r.Lost
	if lost > 0 {
		lost = max(lost, p.Freshness)
	}
	if a, ok := c.weigh(driverLost, now.Sub(y.heard).Seconds(), lost.Seconds(), r.Nudge.Seconds()); ok {
		return a.about(y), true
	}
	if !c.tracked {
		return advice{}, false
	}
	d := geo.Distance(y.fix.LatLng, y.pickup)
	var nudge geo.Meters
	if r.Nudge > 0 {
		nudge = r.Retreat // halfway there
	}
	if a, ok := c.weigh(driverRetreated, float64(d-c.nearest), float64(r.Retreat), float64(nudge)); ok {
		return a.about(y), true
	}
	if d <= there {
		return advice{}, false
	}
	a, ok := c.weigh(driverStalled, y.fix.At.Sub(c.moved).Seconds(), r.Stall.Seconds(), r.Nudge.Seconds())
	return a.about(y), ok
}

// weigh compares with a threshold, of which 0 is none, and with that of the nudge: half of the threshold if it would come
// no earlier.
func (c *course) weigh(why cause, is, limit, nudge float64) (advice, bool) {
	switch {
	case limit <= 0:
		return advice{}, false
	case is >= limit:
		return advice{cause: why}, true
	case nudge >= limit:
		nudge = limit / 2
	}
	if nudge <= 0 || is < nudge || c.nudged[why] {
		return advice{}, false
	}
	c.nudged[why] = true
	return advice{cause: why, nudge: true}, true
}

func (a advice) about(y *approach) advice {
	a.order, a.driver = y.order, y.driver
	return a
}
