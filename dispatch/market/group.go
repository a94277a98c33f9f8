package market

import (
	"context"
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
	// explained are the rounds of the steps, order by order.
	explained []dispatch.Explanation
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
// nothing to make durable. It gives false when the loop is over.
func (l *Loop) pump() bool {
	for l.inflight == nil {
		if l.forming == nil && len(l.redo) > 0 {
			l.again()
		}
		g := l.forming
		if g == nil {
			break
		}
		l.forming = nil
		if !g.batch.Empty() {
			l.commit(g)
		} else if !l.release(g) {
			return false
		}
	}
	return true
}

// commit has a group made durable, in a goroutine of its own.
func (l *Loop) commit(g *group) {
	g.batch.Market, g.batch.Epoch, g.batch.Batch = l.cfg.Market.ID, l.lease.Epoch, l.lease.Batch
	l.inflight = g
	l.try()
	go func() {
		ctx, cancel := context.WithTimeout(l.ctx, commitFor)
		defer cancel()
		began := l.cfg.Wall.Now()
		err := l.cfg.Journal.Commit(ctx, &g.batch)
		if l.cfg.Probe.Commit != nil {
			l.cfg.Probe.Commit(len(g.batch.Events), l.cfg.Wall.Now().Sub(began), err)
		}
		l.committed <- err
	}()
}

// again steps commands that a recovery left unanswered: all, or one at a time after a refusal. Of those for whose
// answer nobody waits since an outage nothing has been done, and nothing is.
func (l *Loop) again() {
	n := len(l.redo)
	if l.alone {
		n = 1
	}
	for _, r := range l.redo[:n] {
		if l.overtaken(r) || r.outage.on() {
			l.answer.give(r, away())
		} else {
			l.judge(r)
		}
	}
	l.redo = l.redo[n:]
	if len(l.redo) == 0 {
		l.redo = nil // lets the requests go
	}
}

// release lets out what a committed group has to say; false when the loop is over. Past the margin of its lease a
// node says nothing, not even what is true: of a group that is committed the next leader tells whoever asks again,
// and of one that has nothing durable, refusals from memory, nobody can tell any more whether they are right.
func (l *Loop) release(g *group) bool {
	if !l.cfg.Valid() {
		l.cfg.Log.Warn("the lease has run out: nothing is answered", "market", l.cfg.Market.ID)
		l.refuse(g)
		return l.end()
	}
	if len(g.batch.Events) > 0 || len(g.notices) > 0 {
		l.cfg.Told(Told{Events: g.batch.Events, Notices: g.notices})
	}
	if len(g.explained) > 0 {
		l.cfg.Explained(g.explained)
	}
	for _, a := range g.replies {
		l.answer.give(a.request, a.reply)
	}
	return true
}
