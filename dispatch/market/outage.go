package market

import (
	"github.com/hexfleet/hexfleet/dispatch"
)

// outage is a span in which the store has tried the patience of those who wait: everybody is answered unavailable
// by itself, and nobody else may begin to wait, until the store has answered. What was stepped before is committed
// all the same when the store comes back; whoever asks again under its key is given that answer.
type outage struct {
	begun chan struct{} // closed when the outage begins
}

func newOutage() *outage { return &outage{begun: make(chan struct{})} }

// on tells whether the outage has begun; it may be over.
func (o *outage) on() bool {
	select {
	case <-o.begun:
		return true
	default:
		return false
	}
}

// Suspended tells whether commands are refused at once because the store does not answer.
func (l *Loop) Suspended() bool { return l.outage.Load().on() }

// silent is the answer in an outage.
func silent() dispatch.Reply {
	return dispatch.Reply{Err: dispatch.Unavailable("the store does not answer at present", nil)}
}

// try begins to count the patience of those who wait.
func (l *Loop) try() {
	if l.cfg.Patience <= 0 {
		return
	}
	l.calm()
	l.late, l.calm = l.cfg.Wall.After(l.cfg.Wall.Now().Add(l.cfg.Patience))
}

// suspend begins an outage.
func (l *Loop) suspend() {
	l.late = nil
	l.suspended = true
	l.leads.Store(false)
	close(l.outage.Load().begun)
	l.cfg.Log.Error("store does not answer: everybody is refused until it does",
		"market", l.cfg.Market.ID, "patience", l.cfg.Patience)
}

// resume tells that the store has answered: what is counted is over, and so is an outage.
func (l *Loop) resume() {
	l.calm()
	l.late, l.calm = nil, func() {}
	l.leads.Store(true)
	if l.suspended {
		l.suspended = false
		l.outage.Store(newOutage())
		l.cfg.Log.Info("store answers again", "market", l.cfg.Market.ID)
	}
}
