package eta

import (
	"math"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

const (
	// cellResolution is of the cells that have speeds of their own: about 5 km2, some hundred in a city.
	cellResolution = 7
	// sectors are the directions in which a cell's speeds differ: a freeway leaves it one way only.
	sectors = 8
	// maxCells bounds a model: cells seen later are not learnt. A city of 10,000 km2 has as many.
	maxCells = 2048

	// trust is how many drives weigh as much as the prior: with fewer, what is learnt is shrunk to it.
	trust = 20
	// memory is how many drives an effect remembers; older ones fade.
	memory = 10000
	// clip bounds how far (in the logarithm: a factor of 1.8) one drive may pull: whoever stopped for lunch,
	// or whose fix was a kilometre off, counts as much as somebody who was slow.
	clip = 0.6
	// steepest and shallowest bound what all effects of a pair may change together.
	steepest = 1.4 // a factor of 4
	// slowing is the least growth of the travel time, in the logarithm, from a knot to the next: who drives
	// farther takes longer.
	slowing = 0.05
	// topSpeedMps bounds the straight-line speed of an estimate; 40 m/s is 144 km/h, above any city's limit.
	topSpeedMps = 40
)

// A model gives the logarithm of a drive's seconds as a sum:
//
//	log T = curve(distance) + day(hour of the day) + week(hour of the week)
//	      + leave(cell of the source) + leave(that cell, direction)
//	      + reach(cell of the target) + reach(that cell, direction)
//
// The naive way, a table of speeds by cell and hour, is nearly empty: a city has a hundred cells, a week 168
// hours, and drives go from cell to cell. A sum shares each drive among all effects that it says something
// about; where few drives were, an effect stays near zero and the others speak, which is what a new city, a
// new hour or a new cell needs. The designs that were tried are in docs/bench/eta.md.
//
// It is learnt one drive at a time: what the sum gets wrong, clipped, is given to each of its effects in the
// measure in which that effect is still unsure, weight/(drives so far + trust). That is backfitting of an
// additive model (Hastie and Tibshirani, Generalized Additive Models, 1990, section 4.4) by single steps, with
// shrinkage to zero in the manner of empirical Bayes, and in effect an estimate between the mean and the
// median. The same drives in the same order give the same model, bit for bit.
//
// Invariants: every number is finite; 0 <= weight <= memory; seconds[i] + slowing <= seconds[i+1]. A model
// that is shown to readers is immutable.
type model struct {
	// drives is how many were learnt.
	drives int64
	// seconds is the curve: the logarithm of the travel time at each knot, in seconds.
	seconds [knots]effect
	// circuity is the logarithm of metres driven for each metre of straight line, at each knot.
	circuity [knots]effect
	// day is by local hour, week by local hour from Sunday 0 h.
	day  [24]effect
	week [7 * 24]effect
	// leave and reach are of drives that begin and that end in a cell.
	leave, reach map[geo.Cell]*place
}

// effect is one number learnt.
type effect struct {
	value float64
	// weight is how many drives it was learnt from; they count by their share at a knot.
	weight float64
}

// place is what a cell adds: in all directions, and in each. Directions are of the drive, sector 0 from west
// on against the clock.
type place struct {
	level  effect
	toward [sectors]effect
}

// newModel is the prior.
func newModel() *model {
	m := &model{leave: map[geo.Cell]*place{}, reach: map[geo.Cell]*place{}}
	for i := range knots {
		m.seconds[i].value = math.Log(priorSeconds[i])
		m.circuity[i].value = math.Log(priorCircuity[i])
	}
	return m
}

// clone gives a model to change.
func (m *model) clone() *model {
	c := *m
	c.leave, c.reach = cloned(m.leave), cloned(m.reach)
	return &c
}

func cloned(places map[geo.Cell]*place) map[geo.Cell]*place {
	c, all := make(map[geo.Cell]*place, len(places)), make([]place, 0, len(places))
	for cell, p := range places {
		all = append(all, *p)
		c[cell] = &all[len(all)-1]
	}
	return c
}

// drive is what the model has to know of a drive: a straight line of metres from cell to cell, in a direction,
// at local hours.
type drive struct {
	metres    geo.Meters
	from, to  geo.Cell
	sector    int
	day, week int
}

// hours are the hour of the day and of the week of an instant in its zone.
func hours(local time.Time) (day, week int) {
	return local.Hour(), int(local.Weekday())*24 + local.Hour()
}

// sectorOf is the direction from a to b as on a plane map; across the antimeridian it goes the short way. The sectors
// meet at the axes and the diagonals, so that comparing the two sides tells what an arctangent would.
func sectorOf(a, b geo.LatLng) int {
	north, east := b.Lat-a.Lat, b.Lng-a.Lng
	if east < -180 || east > 180 {
		east = math.Remainder(east, 360)
	}
	east *= math.Cos((a.Lat + b.Lat) * (math.Pi / 360))
	switch {
	case north < 0 && east < 0 && north > east:
		return 0
	case north < 0 && east < 0:
		return 1
	case north < 0 && -north > east:
		return 2
	case north < 0:
		return 3
	case east > north, east == 0 && north == 0:
		return 4
	case east > 0:
		return 5
	case north > -east:
		return 6
	}
	return 7
}

// effects is the sum of what the hours and the cells add.
func (m *model) effects(d *drive) float64 {
	sum := m.day[d.day].value + m.week[d.week].value
	if p := m.leave[d.from]; p != nil {
		sum += p.level.value + p.toward[d.sector].value
	}
	if p := m.reach[d.to]; p != nil {
		sum += p.level.value + p.toward[d.sector].value
	}
	return max(-steepest, min(steepest, sum))
}

// at reads a curve.
func at(curve *[knots]effect, below int, above float64) float64 {
	return curve[below].value*(1-above) + curve[below+1].value*above
}

// estimate is the drive; learnt tells whether drives of such a distance were learnt, more than the prior
// weighs. Beyond the knots the speed stays; below them the time falls to zero with the distance.
func (m *model) estimate(d *drive) (seconds float64, road geo.Meters, learnt bool) {
	below, above := knotAt(d.metres)
	seconds = math.Exp(at(&m.seconds, below, above) + m.effects(d))
	switch last := firstKnot * float64(int(1)<<(knots-1)); {
	case d.metres < firstKnot:
		seconds *= float64(d.metres) / firstKnot
	case float64(d.metres) > last:
		seconds *= float64(d.metres) / last
	}
	seconds = max(seconds, float64(d.metres)/topSpeedMps)
	road = d.metres * geo.Meters(math.Exp(at(&m.circuity, below, above)))
	return seconds, road, m.seconds[below].weight+m.seconds[below+1].weight > trust
}

// learn takes in one drive of at least the first knot's distance; path is 0 when not known.
func (m *model) learn(d *drive, seconds float64, path geo.Meters) {
	m.drives++
	below, above := knotAt(d.metres)
	missed := math.Log(seconds) - at(&m.seconds, below, above) - m.effects(d)
	if last := firstKnot * float64(int(1)<<(knots-1)); float64(d.metres) > last {
		missed -= math.Log(float64(d.metres) / last)
	}
	missed = max(-clip, min(clip, missed))
	learnCurve(&m.seconds, below, above, missed)
	m.ascend()
	m.day[d.day].learn(missed, 1)
	m.week[d.week].learn(missed, 1)
	if p := known(m.leave, d.from); p != nil {
		p.level.learn(missed, 1)
		p.toward[d.sector].learn(missed, 1)
	}
	if p := known(m.reach, d.to); p != nil {
		p.level.learn(missed, 1)
		p.toward[d.sector].learn(missed, 1)
	}
	if path > 0 {
		missed = math.Log(float64(path/d.metres)) - at(&m.circuity, below, above)
		learnCurve(&m.circuity, below, above, max(-clip, min(clip, missed)))
	}
}

// known gives a cell's effects, new ones while there is room.
func known(places map[geo.Cell]*place, c geo.Cell) *place {
	p := places[c]
	if p == nil && len(places) < maxCells {
		p = &place{}
		places[c] = p
	}
	return p
}

func learnCurve(curve *[knots]effect, below int, above, missed float64) {
	curve[below].learn(missed, 1-above)
	curve[below+1].learn(missed, above)
}

// learn moves the effect towards what was missed, by its share of it.
func (e *effect) learn(missed, share float64) {
	e.weight = min(e.weight+share, memory)
	e.value += missed * share / (e.weight + trust)
}

// ascend keeps the curve rising: neighbours that do not rise meet in the middle, each moved in the measure in
// which it is unsure. It ends because each pass leaves less to mend; what tiny rest is left is lifted.
func (m *model) ascend() {
	for range knots {
		risen := true
		for i := range knots - 1 {
			a, b := &m.seconds[i], &m.seconds[i+1]
			lack := a.value + slowing - b.value
			if lack <= 0 {
				continue
			}
			risen = false
			down := (b.weight + trust) / (a.weight + b.weight + 2*trust)
			a.value -= lack * down
			b.value += lack * (1 - down)
		}
		if risen {
			return
		}
	}
	for i := range knots - 1 {
		m.seconds[i+1].value = max(m.seconds[i+1].value, m.seconds[i].value+slowing)
	}
}
