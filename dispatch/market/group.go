package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// group is what one commit makes durable and, after it, lets out: the effects of the steps that were taken
// while the group before it was being committed. Owned by the loop's goroutine; the batch is lent to the
// committing goroutine while the group is in flight.
type group struct {
	batch   dispatch.Batch
	replies []answered
	notices []dispatch.Notice
}

// answered is a request and the answer that waits for the commit.
type answered struct {
	request *request
	reply   dispatch.Reply
}

func (g *group) add(r *request, out *Effects, at time.Time) {
	g.batch.At = at
	g.batch.Events = append(g.batch.Events, out.Events...)
	g.batch.Offers = append(g.batch.Offers, out.Offers...)
	g.batch.Answers = append(g.batch.Answers, out.Answers...)
	g.batch.Audit = append(g.batch.Audit, out.Audit...)
	g.notices = append(g.notices, out.Notices...)
	if r != nil {
		g.replies = append(g.replies, answered{r, *out.Reply})
	}
}

// size is the number of rows that the group writes, by which groups are bounded.
func (g *group) size() int {
	return len(g.batch.Events) + len(g.batch.Offers) + len(g.batch.Answers) + len(g.batch.Audit)
}

// pump lets the forming group go when nothing is in flight: to the journal, or straight out when it has
// nothing to make durable.
func (l *Loop) pump() {
	for l.inflight == nil {
		if l.forming == nil && len(l.redo) > 0 {
			l.again()
		}
		g := l.forming
		if g == nil {
			return
		}
		l.forming = nil
		if g.batch.Empty() {
			l.release(g)
			continue
		}
		g.batch.Market, g.batch.Epoch, g.batch.Batch = l.cfg.Market.ID, l.lease.Epoch, l.lease.Batch
		l.inflight = g
		go func() {
			began := l.cfg.Wall.Now()
			err := l.cfg.Journal.Commit(l.ctx, &g.batch)
			if l.cfg.Probe.Commit != nil {
				l.cfg.Probe.Commit(len(g.batch.Events), l.cfg.Wall.Now().Sub(began), err)
			}
			l.committed <- err
		}()
	}
}

// again steps commands that a recovery left unanswered: all, or one at a time after a refusal.
func (l *Loop) again() {
	n := len(l.redo)
	if l.alone {
		n = 1
	}
	for _, r := range l.redo[:n] {
		l.step(r.do, r)
	}
	l.redo = l.redo[n:]
	if len(l.redo) == 0 {
		l.redo = nil // lets the requests go
	}
}

// release lets out what a committed group has to say.
func (l *Loop) release(g *group) {
	if len(g.batch.Events) > 0 || len(g.notices) > 0 {
		l.cfg.Told(Told{Events: g.batch.Events, Notices: g.notices})
	}
	for _, a := range g.replies {
		l.answer.give(a.request, a.reply)
	}
}
