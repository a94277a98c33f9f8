package market

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// retryEvery is the wall time between two tries to reach a store that is away.
const retryEvery = 200 * time.Millisecond

// recover takes the market with a new epoch and starts a core from the journal.
func (l *Loop) recover(ctx context.Context) error {
	lease, err := l.cfg.Journal.Lead(ctx, l.cfg.Market.ID)
	if err != nil {
		return fmt.Errorf("lead market %s: %w", l.cfg.Market.ID, err)
	}
	return l.restart(ctx, lease)
}

// restart reads the journal under a lease just taken and steps the new core for the first time.
func (l *Loop) restart(ctx context.Context, lease dispatch.Lease) error {
	r, err := l.cfg.Journal.Recover(ctx, l.cfg.Market.ID)
	if err != nil {
		return fmt.Errorf("recover market %s: %w", l.cfg.Market.ID, err)
	}
	l.lease = lease
	l.core = NewCore(l.cfg.Market.ID, l.cfg.Market.Policy, r)
	l.found = make(chan Candidates, 1)
	l.forming = nil
	l.cfg.Recovered(r)
	l.step(Tick{}, nil)
	l.leads.Store(true)
	l.cfg.Log.Info("market recovered", "market", l.cfg.Market.ID, "epoch", lease.Epoch, "batch", lease.Batch,
		"seq", r.Seq, "open_orders", len(r.Orders), "live_offers", len(r.Offers), "drivers", len(r.Duties))
	return nil
}

// settle takes the outcome of the commit in flight; false when the loop has to end, its core being ahead of
// a store that is away.
func (l *Loop) settle(err error) bool {
	g := l.inflight
	l.inflight = nil
	if err == nil {
		l.lease.Batch++
		l.release(g)
		if len(l.redo) == 0 {
			l.alone = false
		}
		return true
	}
	l.leads.Store(false)
	l.cfg.Log.Error("commit failed", "market", l.cfg.Market.ID, "batch", g.batch.Batch,
		"transitions", len(g.batch.Events), "error", err)
	lease, ok := l.retake()
	if !ok {
		l.giveUp(g)
		return false
	}
	refused := errors.Is(err, dispatch.ErrRefused)
	if !refused && !errors.Is(err, dispatch.ErrFenced) {
		switch {
		case lease.Batch == g.batch.Batch+1 && lease.Last == g.batch.Epoch:
			// The group is in after all: only the acknowledgement was lost. The core stands as it is.
			l.lease = lease
			l.leads.Store(true)
			l.release(g)
			return true
		case lease.Batch != g.batch.Batch:
			// Another led the market meanwhile and committed: whether the group was in before cannot be told.
			// Whoever asks again under its key is given what became of it.
			l.refuse(g)
		}
	}
	if l.cfg.Probe.Recovered != nil {
		l.cfg.Probe.Recovered()
	}
	l.stepAgain(g, refused)
	return l.rebuild(lease)
}

// stepAgain queues the commands of a group that does not stand, and of the one that was forming on top of
// it. After a refusal they go one a group; a command refused alone is the guilty one and is answered.
func (l *Loop) stepAgain(g *group, refused bool) {
	failed := g.replies
	if refused {
		l.alone = true
		if len(failed) == 1 {
			l.cfg.Log.Error("command refused by the journal: a defect", "market", l.cfg.Market.ID,
				"op", failed[0].request.do.Command.Op)
			e := dispatch.Errorf(dispatch.CodeInternal, "", "the request could not be kept")
			l.answer.give(failed[0].request, dispatch.Reply{Err: e})
			failed = nil
		}
	}
	if l.forming != nil {
		failed = append(failed, l.forming.replies...)
	}
	redo := make([]*request, 0, len(failed)+len(l.redo))
	for _, a := range failed {
		redo = append(redo, a.request)
	}
	l.redo = append(redo, l.redo...)
}

// rebuild drops the core and starts a new one, however long that takes; false when the loop is told to stop
// first. It waits a little before, so that a defect that comes back at once does not spin.
func (l *Loop) rebuild(lease dispatch.Lease) bool {
	l.forming = nil
	for l.pause() {
		err := l.restart(l.ctx, lease)
		if err == nil {
			return true
		}
		l.cfg.Log.Warn("recovery failed", "market", l.cfg.Market.ID, "error", err)
	}
	l.giveUp(nil)
	return false
}

// giveUp answers what the loop leaves unanswered when it is told to stop while the store is away.
func (l *Loop) giveUp(g *group) {
	l.refuse(g)
	l.refuse(l.forming)
	for _, r := range l.redo {
		l.answer.give(r, away())
	}
	l.forming, l.redo = nil, nil
}

// refuse answers the commands of a group unavailable; nil is an empty group.
func (l *Loop) refuse(g *group) {
	if g == nil {
		return
	}
	for _, a := range g.replies {
		l.answer.give(a.request, away())
	}
	g.replies = nil
}

// retake takes the market again, however long the store is away; false when the loop is told to stop first.
// Commands wait in the bounded queue meanwhile and are answered unavailable when their time is over.
func (l *Loop) retake() (_ dispatch.Lease, ok bool) {
	for {
		lease, err := l.cfg.Journal.Lead(l.ctx, l.cfg.Market.ID)
		if err == nil {
			return lease, true
		}
		l.cfg.Log.Warn("store is away", "market", l.cfg.Market.ID, "error", err)
		if !l.pause() {
			return dispatch.Lease{}, false
		}
	}
}

func (l *Loop) pause() bool {
	fire, release := l.cfg.Wall.After(l.cfg.Wall.Now().Add(retryEvery))
	defer release()
	select {
	case <-fire:
		return true
	case <-l.quit:
		return false
	}
}
