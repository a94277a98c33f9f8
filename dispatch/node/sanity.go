package node

import (
	"math"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

const (
	// maxAhead is how far ahead of the market clock a point's timestamp may lie (contract, duty).
	maxAhead = 30 * time.Second
	// worstAccuracy is the radius above which a point says too little of where a driver is. Each of two points may
	// be off by as much: noise is no speed.
	worstAccuracy = 50 // metres
	// topSpeed is what nothing on a road exceeds: 252 km/h.
	topSpeed = 70 // metres a second
	// rowSpan is how far back a row of points is held together: what is allowed for noise counts once in it, however
	// many points a second there are.
	rowSpan = 10 * time.Second
	// coarsest is how much two timestamps may be off together: many receivers tell whole seconds.
	coarsest = time.Second
	// teleport is how far an impossible step must lead to cast doubt on a driver at once; a shorter one is a
	// receiver's slip unless another follows. Of the fixes of 489 real cabs on a day (30 May 2008) 0.7 % of the
	// steps are impossible: two thirds of them longer than this.
	teleport = 1000 // metres
	// agreeing is how many points in a row must agree for a driver in doubt to be believed, where it was or at a
	// new place: one that crossed by ferry with its phone off is never locked out.
	agreeing = 3
)

// The reasons why a point is not taken, as metrics tell them; taken is none.
const (
	taken          = ""
	droppedFuture  = "future"   // its timestamp lies too far ahead
	droppedStale   = "stale"    // it is older than the last fix, or came after a newer one that contradicts it as well
	droppedRepeat  = "repeated" // it has the timestamp of the last fix
	droppedBlurred = "accuracy"
	droppedSpeed   = "speed"
	droppedJump    = "teleport"
)

// spot is where a driver was.
type spot struct {
	geo.LatLng
	at int64 // market time, Unix nanoseconds
}

// track judges the points of one driver. It is a pure state machine: the same points at the same instants give
// the same verdicts. Its zero value has seen nothing.
//
// Two points agree when a vehicle can have made the step, given how wrong places and times may be. A point is
// taken when it agrees with the last fix, or when it ends a row of agreeing points each of which agrees with the
// one before. So a lone outlier is dropped, and who really is elsewhere is believed at the third point, whatever
// came before; and as time goes by ever farther places agree with the last fix.
type track struct {
	// last is the last fix that was taken, prev the last point that was judged. Valid when row > 0.
	last, prev spot
	// mark is a point of the row that ends with prev, its first or about rowSpan older than prev.
	mark spot
	// row is how many points up to prev agree, each with the one before and with the mark; counted to agreeing.
	row uint8
	// dropped is how many points up to prev were not taken, in a row; counted to 2.
	dropped uint8
	// suspect: the driver is given no new offers. Set by a teleport and by two impossible points in a row,
	// cleared by a row of agreeing points.
	suspect bool
}

// judge tells why a point is not taken, and follows it. Points that say nothing of the way, by their time or
// accuracy, change nothing.
func (t *track) judge(f *geo.Fix, now time.Time) (reason string) {
	s := spot{f.LatLng, f.At.UnixNano()}
	switch {
	case f.At.After(now.Add(maxAhead)):
		return droppedFuture
	case t.row > 0 && s.at < t.last.at:
		return droppedStale
	case t.row > 0 && s.at == t.last.at:
		return droppedRepeat
	case f.AccuracyM > worstAccuracy: // not known (NaN) is not greater
		return droppedBlurred
	case t.row == 0:
		t.last, t.prev, t.mark, t.row = s, s, s, 1
		return taken
	}
	steady := t.prev.at < s.at && t.prev.leadsTo(&s) && t.mark.leadsTo(&s)
	straight := steady && t.prev == t.last || t.prev != t.last && t.last.leadsTo(&s)
	if !straight && s.at <= t.prev.at {
		return droppedStale // a point like this was judged already: it is no further witness
	}
	t.follow(s, steady)
	if straight || t.row == agreeing {
		t.last, t.dropped = s, 0
		t.suspect = t.suspect && t.row < agreeing
		return taken
	}
	jumped := geo.Distance(t.last.LatLng, s.LatLng) > teleport
	t.dropped = min(t.dropped+1, 2)
	t.suspect = t.suspect || jumped || t.dropped == 2
	if jumped {
		return droppedJump
	}
	return droppedSpeed
}

// follow goes on to s, which goes on with the row when it is steady.
func (t *track) follow(s spot, steady bool) {
	t.prev = s
	switch {
	case !steady:
		t.mark, t.row = s, 1
		return
	case time.Duration(s.at-t.mark.at) >= rowSpan:
		t.mark = s
	}
	t.row = min(t.row+1, agreeing)
}

// leadsTo tells whether a vehicle can have come from a to the later b.
func (a *spot) leadsTo(b *spot) bool {
	reach := 2*worstAccuracy + topSpeed*(time.Duration(b.at-a.at)+coarsest).Seconds()
	// Not less than the distance, and known at once: what most steps are decided by.
	const degree = float64(geo.EarthRadius) * math.Pi / 180
	if degree*(math.Abs(b.Lat-a.Lat)+math.Abs(b.Lng-a.Lng)) <= reach {
		return true
	}
	return float64(geo.Distance(a.LatLng, b.LatLng)) <= reach
}
