package eta

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// What a drive must be to be learnt from.
const (
	minDrive      = 10 * time.Second
	maxDrive      = 3 * time.Hour
	maxObservedMS = 45 // metres of straight line a second; above it a fix was wrong
	maxCircuity   = 5  // a path longer than that is told by a driver who went elsewhere first
)

// Observation is a drive that somebody made. Its zero Path is one that is not known.
type Observation struct {
	From, To geo.LatLng
	Start    time.Time
	Duration time.Duration
	// Path is metres driven.
	Path geo.Meters
}

// observe learns from a drive; false when it says nothing of speeds: it is too short for that, a round trip,
// a jump, or not a drive at all.
func (l *Learnt) observe(m *model, o *Observation) bool {
	from, to := l.cells.at(o.From), l.cells.at(o.To)
	if from == 0 || to == 0 || o.Duration < minDrive || o.Duration > maxDrive {
		return false
	}
	d := drive{metres: geo.Distance(o.From, o.To), from: from, to: to, sector: sectorOf(o.From, o.To)}
	seconds := o.Duration.Seconds()
	if d.metres < firstKnot || float64(d.metres) > maxObservedMS*seconds {
		return false
	}
	d.day, d.week = hours(o.Start.In(l.zone))
	path := o.Path
	if !(path >= d.metres && path <= maxCircuity*d.metres) {
		path = 0
	}
	m.learn(&d, seconds, path)
	return true
}

// What breaks a run: after such a silence, or such a step, nobody knows what the driver did.
const (
	maxSilence = 5 * time.Minute
	maxStepMps = 70
)

// Run collects the fixes of one way from end to end into an Observation. It takes whole ways only: parts of
// them were tried (each fix to the last, the first to each, all pairs) and made estimates worse, as the parts
// of a long way are faster than a short way (docs/bench/eta.md). Its zero value has seen nothing. Owned by
// whoever feeds it.
type Run struct {
	first, last geo.Fix
	path        geo.Meters
	fixes       int
	broken      bool
}

// Add takes in the next fix of the way; one that is not newer than the last is ignored.
func (r *Run) Add(fix geo.Fix) {
	if r.fixes > 0 {
		silence := fix.At.Sub(r.last.At)
		if silence <= 0 {
			return
		}
		step := geo.Distance(r.last.LatLng, fix.LatLng)
		if silence > maxSilence || float64(step) > maxStepMps*silence.Seconds() {
			r.broken = true
		}
		r.path += step
	} else {
		r.first = fix
	}
	r.last = fix
	r.fixes++
}

// Last is when the last fix was; zero when there is none.
func (r *Run) Last() time.Time { return r.last.At }

// Observation gives the way as a drive; false when it tells none.
func (r *Run) Observation() (Observation, bool) {
	if r.fixes < 2 || r.broken {
		return Observation{}, false
	}
	return Observation{
		From: r.first.LatLng, To: r.last.LatLng, Start: r.first.At, Duration: r.last.At.Sub(r.first.At), Path: r.path,
	}, true
}
