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

// restart reads the journal under a lease taken before the wall instant read, and steps the new core for the first
// time.
func (l *Loop) restart(ctx context.Context, lease dispatch.Lease, read time.Time) error {
	r, err := l.cfg.Journal.Recover(ctx, l.cfg.Market.ID)
	if err != nil {
		return fmt.Errorf("recover market %s: %w", l.cfg.Market.ID, err)
	}
	l.begin(lease, r, read)
	return nil
}

// begin starts a core.
func (l *Loop) begin(lease dispatch.Lease, r dispatch.Recovery, read time.Time) {
	l.lease, l.facts, l.reloaded = lease, read, false
	l.core = NewCore(l.cfg.Market.ID, l.cfg.Market.Policy, r)
	if l.cfg.Explained != nil {
		l.core.Explain()
	}
	l.found = make(chan Candidates, 1)
	l.forming = nil
	if l.cfg.Record != nil {
		l.cfg.Record.Began(lease.Epoch, l.cfg.Market.Policy, r)
	}
	l.cfg.Recovered(r)
	l.step(Tick{}, nil)
	l.resume()
	l.cfg.Log.Info("market recovered", "market", l.cfg.Market.ID, "epoch", lease.Epoch, "batch", lease.Batch,
		"seq", r.Seq, "open_orders", len(r.Orders), "live_offers", len(r.Offers), "drivers", len(r.Duties))
}

// settle takes the outcome of the commit in flight; false when the loop is over.
func (l *Loop) settle(err error) bool {
	g := l.inflight
	l.inflight = nil
	if err == nil {
		l.lease.Batch++
		l.resume()
		if !l.release(g) {
			return false
		}
		if len(l.redo) == 0 {
			l.alone = false
		}
		return true
	}
	l.leads.Store(false)
	l.cfg.Log.Error("commit failed", "market", l.cfg.Market.ID, "batch", g.batch.Batch,
		"transitions", len(g.batch.Events), "error", err)
	lease, read, ok := l.retake()
	if !ok {
		l.giveUp(g)
		return false
	}
	refused := errors.Is(err, dispatch.ErrRefused)
	if !refused && isIn(&g.batch, lease) {
		// Only the acknowledgement was lost. The core stands as it is.
		l.lease = lease
		l.resume()
		if l.reloaded {
			l.step(Reload{Policy: l.cfg.Market.Policy}, nil)
		}
		l.reloaded = false
		return l.release(g)
	}
	if lease.Batch != g.batch.Batch {
		// Another has led the market meanwhile and committed, maybe under the keys of those who wait here. Whoever
		// asks again is given what became of it.
		l.keys = read
		if !refused && !errors.Is(err, dispatch.ErrFenced) {
			l.refuse(g) // whether the group was in before cannot be told
		}
	}
	if l.cfg.Probe.Recovered != nil {
		l.cfg.Probe.Recovered()
	}
	l.stepAgain(g, refused)
	return l.rebuild(lease, read)
}

// isIn tells of a batch whose commit was not acknowledged that it is in, by the lease that was taken next: an
// epoch is of one leader alone, so that a last commit of the batch's epoch, one batch on, is the batch itself,
// however many others have tried to lead since.
func isIn(b *dispatch.Batch, next dispatch.Lease) bool {
	return next.Batch == b.Batch+1 && next.Last == b.Epoch
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

// rebuild drops the core and starts a new one, however long that takes; false when the loop is over first. It
// waits a little before, so that a defect that comes back at once does not spin.
func (l *Loop) rebuild(lease dispatch.Lease, read time.Time) bool {
	l.forming = nil
	for l.pause() {
		r, err := ask(l, func(ctx context.Context) (dispatch.Recovery, error) {
			return l.cfg.Journal.Recover(ctx, l.cfg.Market.ID)
		})
		if err == nil {
			l.begin(lease, r, read)
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

// retake takes the market again, however long the store is away, and gives a wall instant after that; false when
// the loop is over: it is told to stop, its lease has run out, or another leads.
func (l *Loop) retake() (_ dispatch.Lease, read time.Time, ok bool) {
	for tries := 1; ; tries++ {
		lease, err := ask(l, func(ctx context.Context) (dispatch.Lease, error) {
			return l.cfg.Journal.Lead(ctx, l.cfg.Market.ID)
		})
		if err == nil {
			return lease, l.cfg.Wall.Now(), l.cfg.Valid()
		}
		if errors.Is(err, dispatch.ErrHeld) {
			l.cfg.Log.Warn("market is led by another node", "market", l.cfg.Market.ID)
			return dispatch.Lease{}, time.Time{}, false
		}
		if tries == 1 {
			l.cfg.Log.Warn("market cannot be taken again, trying on", "market", l.cfg.Market.ID, "error", err)
		}
		if !l.pause() {
			return dispatch.Lease{}, time.Time{}, false
		}
	}
}

// errStopped ends an ask because the loop was told to stop.
var errStopped = errors.New("told to stop")

// ask puts a question to the store and waits for its answer: at most commitFor, after a Stop at most stopFor, and
// not at all once the lease has run out. Meanwhile those who wait lose their patience.
func ask[T any](l *Loop, question func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(l.ctx, commitFor)
	defer cancel()
	answer := make(chan result, 1) // nobody may be left to take it
	go func() {
		value, err := question(ctx)
		answer <- result{value, err}
	}()
	for {
		quit := l.quit
		if l.stopping {
			quit = nil
		}
		select {
		case r := <-answer:
			return r.value, r.err
		case <-l.late:
			l.suspend()
		case p := <-l.reload:
			l.cfg.Market.Policy, l.reloaded = p, true
		case <-ctx.Done():
			return *new(T), ctx.Err()
		case <-quit:
			if !l.wind() {
				return *new(T), errStopped
			}
		case <-l.over:
			return *new(T), errStopped
		}
	}
}

// pause waits for the next try; false when there is to be none.
func (l *Loop) pause() bool {
	if l.stopping {
		return false
	}
	fire, release := l.cfg.Wall.After(l.cfg.Wall.Now().Add(retryEvery))
	defer release()
	for {
		select {
		case <-fire:
			return l.cfg.Valid()
		case <-l.late:
			l.suspend()
		case p := <-l.reload:
			l.cfg.Market.Policy, l.reloaded = p, true
		case <-l.quit:
			return false
		}
	}
}
