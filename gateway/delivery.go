package gateway

import (
	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// holdLimit is how many live events are kept back while a socket is told the past: a whole commit group of a
// market (about 200 transitions) a few times over. A socket that needs more is as slow as one whose queue is
// full, and is cut like one.
const holdLimit = 1024

// told is one event as sockets are told it: encoded once, whoever it goes to.
type told struct {
	event *dispatch.Event
	frame []byte
}

// verdict is what is to be done with one event for one socket.
type verdict int

const (
	// drop: the socket has it already, or may not have it.
	drop verdict = iota
	// send: it is next; it counts as sent from now on.
	send
	// hold: the past is being told; the event waits in its track.
	hold
	// fill: versions before it are missing. The event waits, the track is busy, and the caller now has to
	// settle it.
	fill
	// overflow: more is held than holdLimit.
	overflow
)

// track is what one socket has been told of one order. Versions of an order are dense, so two numbers tell
// it all:
//
//	0 <= from <= last; every version in (from, last] was sent as an event, or was not the socket's to have.
//
// A present state told without an event sets both to its version.
type track struct {
	order      dispatch.OrderID
	market     dispatch.MarketID // "" until something was told
	from, last int64
	// seq is the market's number of the last event sent, 0 when only a state was told.
	seq int64
	// state and driver are the order's as last told.
	state  dispatch.State
	driver dispatch.DriverID
	// party: the socket's driver is the order's driver as last told. Always false for other roles.
	party bool
	// watched: an order.watch or resume asked for it. following: the directory names the session for it.
	watched, following bool
	// busy is not nil while one goroutine, the track's holder, tells the past; it is closed when that ends.
	// Live events wait in held meanwhile, ascending.
	busy chan struct{}
	held []told
}

// delivery decides which event of which order a socket is sent next, so that each comes once, in order, and
// without a gap, however many reasons there are to send it. It is pure: no I/O, no goroutine, no clock. It
// is guarded by its session's mutex.
type delivery struct {
	by     auth.Principal
	tracks map[dispatch.OrderID]*track
	// connecting: the socket has not been told the present yet. Live events of all orders wait in early,
	// in the order they came.
	connecting bool
	early      []told
}

func newDelivery(by auth.Principal) delivery {
	return delivery{by: by, tracks: map[dispatch.OrderID]*track{}, connecting: true}
}

// connect ends the time of connecting and gives the events that waited for it.
func (d *delivery) connect() []told {
	early := d.early
	d.connecting, d.early = false, nil
	return early
}

// live judges an event that the hub tells now.
func (d *delivery) live(n told) (*track, verdict) {
	if d.connecting {
		if len(d.early) >= holdLimit {
			return nil, overflow
		}
		d.early = append(d.early, n)
		return nil, hold
	}
	e := n.event
	t := d.tracks[e.Order.ID]
	if t == nil {
		t = &track{order: e.Order.ID, from: e.Version - 1, last: e.Version - 1}
		if !d.own() || !d.sees(t, e) {
			return nil, drop
		}
		d.tracks[t.order] = t
	}
	if t.busy != nil {
		if len(t.held) >= holdLimit {
			return t, overflow
		}
		t.held = append(t.held, n)
		return t, hold
	}
	v := d.judge(t, e)
	if v == fill {
		t.busy = make(chan struct{})
		t.held = append(t.held, n)
	}
	return t, v
}

// judge decides about an event for a track that nobody else tells the past of; send marks it as sent.
func (d *delivery) judge(t *track, e *dispatch.Event) verdict {
	switch {
	case e.Version <= t.last || !d.sees(t, e):
		return drop
	case e.Version == t.last+1:
	case d.away(t):
		t.from = e.Version - 1 // what came while the driver was no party is not its to have
	default:
		return fill
	}
	d.advance(t, e)
	return send
}

// past judges an event read from the history by the track's holder. Versions that the socket may not have
// are passed over, and count as told.
func (d *delivery) past(t *track, e *dispatch.Event) verdict {
	if e.Version <= t.last {
		return drop
	}
	if !d.sees(t, e) {
		t.last = e.Version
		return drop
	}
	d.advance(t, e)
	return send
}

// advance counts e as sent.
func (d *delivery) advance(t *track, e *dispatch.Event) {
	t.last, t.seq = e.Version, e.Seq
	d.stand(t, e.Order)
}

// present counts the order as told without an event.
func (d *delivery) present(t *track, o *dispatch.Order) {
	t.from, t.last = o.Version, o.Version
	d.stand(t, o)
}

func (d *delivery) stand(t *track, o *dispatch.Order) {
	t.market, t.state, t.driver = o.Market, o.State, o.Driver
	t.party = d.by.Role == dispatch.RoleDriver && d.may(o)
}

// own tells whether the socket is told of orders without having asked. What others may read reaches them only
// while they watch; the hub may still hand them an event that was on its way when they ended that.
func (d *delivery) own() bool {
	return d.by.Role == dispatch.RoleRider || d.by.Role == dispatch.RoleDriver
}

// may asks the policy.
func (d *delivery) may(o *dispatch.Order) bool {
	return auth.Allow(d.by, auth.ReadOrder, auth.Target{Market: o.Market, Order: o}) == nil
}

// sees tells whether the socket may have event e: its actor may read the order as it then stood, or is the
// driver that this very event takes off.
func (d *delivery) sees(t *track, e *dispatch.Event) bool {
	if d.may(e.Order) {
		return true
	}
	if d.by.Role != dispatch.RoleDriver || !d.by.In(e.Market) {
		return false
	}
	return t.party || e.Driver != "" && e.Driver == dispatch.DriverID(d.by.Sub)
}

// away tells whether the socket's driver is no party of the order as last told, so that versions may lie
// between that and the event which assigns it again.
func (d *delivery) away(t *track) bool { return d.by.Role == dispatch.RoleDriver && !t.party }

// over tells whether no event can follow the last one told.
func (t *track) over() bool { return t.state.Closed() && t.state != dispatch.StateNoDriver }

// acquire takes a track for its caller, who becomes its holder; nil and the channel to wait on when another
// has it. The track is made when there is none; it then begins at version 0.
func (d *delivery) acquire(id dispatch.OrderID) (t *track, fresh bool, wait <-chan struct{}) {
	t = d.tracks[id]
	if t == nil {
		t = &track{order: id}
		d.tracks[id] = t
		fresh = true
	}
	if t.busy != nil {
		return nil, false, t.busy
	}
	t.busy = make(chan struct{})
	return t, fresh, nil
}

// next gives the holder the event that has waited longest. When there is none, the track is free again.
func (t *track) next() (n told, ok bool) {
	if len(t.held) == 0 {
		t.held = nil
		t.free()
		return told{}, false
	}
	n = t.held[0]
	t.held = t.held[1:]
	return n, true
}

// free ends the holder's work.
func (t *track) free() {
	close(t.busy)
	t.busy = nil
}

// forget drops a track; its holder calls it.
func (d *delivery) forget(t *track) {
	delete(d.tracks, t.order)
	t.held = nil
	t.free()
}

// sweep drops the tracks of orders that are over for good, or of which the driver is no party any more, once
// the hub has passed their last event: no event of theirs can then come again. passed tells the hub's
// place.
func (d *delivery) sweep(passed func(t *track) bool) {
	for id, t := range d.tracks {
		if (t.over() || d.away(t)) && !t.watched && t.busy == nil && t.seq > 0 && passed(t) {
			delete(d.tracks, id)
		}
	}
}
