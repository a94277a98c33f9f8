package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

const (
	// margin is how much of its lease a node does not use: what it decided just before the end has to be on its
	// way before another may lead, and the clocks of two machines may run apart by a few parts in ten thousand.
	margin = 500 * time.Millisecond
	// renewFor bounds one renewal, renewAgain is the pause after one that failed; wall time. A lease of 3 s less
	// the margin so outlives one renewal that is lost and a second that is late.
	renewFor   = time.Second
	renewAgain = 250 * time.Millisecond
)

// Leases is what a node keeps its markets with; store.Leads has it.
type Leases interface {
	Renew(ctx context.Context) error
	Resign(ctx context.Context) error
}

// term is a span of time, without a gap, in which no other node can have taken a market from this one: what was
// taken in it is led until it ends. It is over for good once the node's row may have run out in the store, also
// when a later renewal succeeds, for another may have led in between.
type term struct {
	wall dispatch.Clock // immutable
	// until is when it ends unless the row is renewed; moved by the lease's goroutine, and never once it is past.
	until atomic.Pointer[time.Time]
	ended chan struct{} // closed by the lease's goroutine, a moment after the end at the latest
}

// valid tells whether it goes on. The monotonic clock runs on while the process is paused, and the wall clock, which
// may be set, also over the sleep of a whole machine: either can end a term. It stays false.
func (t *term) valid() bool {
	select {
	case <-t.ended:
		return false
	default:
		now := t.wall.Now()
		until := t.until.Load()
		return until == nil || now.Before(*until) && now.Round(0).Before(until.Round(0))
	}
}

// leaseConfig is what a lease is made of.
type leaseConfig struct {
	store    Leases
	wall     dispatch.Clock
	patience time.Duration // renewFor when it is 0
	log      *slog.Logger
	lapsed   func() // told that a term has ended by itself
}

// lease renews this node's row in the store each dispatch.RenewEvery, and tells whether that stands. The row is
// the store's, on the store's clock: a term ends dispatch.LeaseFor, less the margin, after the instant before the
// last renewal that succeeded was sent, which is before the store counted it.
type lease struct {
	cfg  leaseConfig
	quit chan struct{}
	stop sync.Once
	work sync.WaitGroup
	// away: the last renewal failed, or takes longer than patience. Written by the goroutine.
	away atomic.Bool

	mu      sync.Mutex
	term    *term         // guarded by mu; nil while there is none
	changed chan struct{} // guarded by mu; closed when a term begins, and replaced
}

func newLease(cfg leaseConfig) *lease {
	if cfg.patience <= 0 {
		cfg.patience = renewFor
	}
	return &lease{cfg: cfg, quit: make(chan struct{}), changed: make(chan struct{})}
}

// start renews for the first time, and from then on until end. A store that is only slow to answer is asked again:
// there is no term until it does.
func (l *lease) start(ctx context.Context) error {
	sent := l.cfg.wall.Now()
	err := l.cfg.store.Renew(ctx)
	if err != nil && !slow(ctx, err) {
		return err
	}
	next := l.answered(sent, err)
	l.work.Go(func() { l.run(next) })
	return nil
}

// slow tells that a call failed because the store did not answer in time, while whoever asked has time left.
func slow(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// forever begins a term that does not end: where the store is this process's alone.
func (l *lease) forever() { l.begin(&term{wall: l.cfg.wall, ended: make(chan struct{})}) }

// end stops renewing and waits for a renewal under way. It may be called more than once, and without start.
func (l *lease) end() {
	l.stop.Do(func() { close(l.quit) })
	l.work.Wait()
}

// present gives the term that goes on, nil when there is none, and what is closed when another begins.
func (l *lease) present() (*term, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.term, l.changed
}

func (l *lease) begin(t *term) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term = t
	close(l.changed)
	l.changed = make(chan struct{})
}

// renewed takes a renewal sent at an instant and answered by now. It goes on with the present term when that has
// not run out, and else begins another.
func (l *lease) renewed(sent time.Time) {
	until := sent.Add(dispatch.LeaseFor - margin)
	if t, _ := l.present(); t != nil {
		if t.valid() {
			t.until.Store(&until)
			return
		}
		l.lapse(t)
	}
	t := &term{wall: l.cfg.wall, ended: make(chan struct{})}
	t.until.Store(&until)
	l.begin(t)
}

// lapse ends a term.
func (l *lease) lapse(t *term) {
	l.mu.Lock()
	l.term = nil
	l.mu.Unlock()
	close(t.ended)
	l.cfg.log.Error("lease has run out: this node leads nothing until it is renewed", "was_until", *t.until.Load())
	l.cfg.lapsed()
}

// run is the goroutine; next is when a renewal is due. One is under way at most.
func (l *lease) run(next time.Time) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var sent time.Time
	var answer chan error // nil while none is under way
	defer func() {
		if answer != nil {
			cancel()
			if err := <-answer; err != nil {
				l.cfg.log.Debug("last renewal", "error", err)
			}
		}
	}()
	for {
		wake := next
		if answer != nil {
			wake = sent.Add(l.cfg.patience)
			if l.away.Load() {
				wake = sent.Add(2 * renewFor) // it answers before
			}
		}
		t, _ := l.present()
		if t != nil && t.until.Load().Before(wake) {
			wake = *t.until.Load()
		}
		fire, free := l.cfg.wall.After(wake)
		select {
		case <-l.quit:
			free()
			return
		case err := <-answer:
			answer = nil
			next = l.answered(sent, err)
		case <-fire:
			now := l.cfg.wall.Now()
			if t != nil && !t.valid() {
				l.lapse(t)
			}
			switch {
			case answer != nil && now.Sub(sent) >= l.cfg.patience:
				l.lost(errSlow)
			case answer == nil && !now.Before(next):
				sent, answer = now, l.renew(ctx)
			}
		}
		free()
	}
}

// renew sends a renewal.
func (l *lease) renew(ctx context.Context) chan error {
	answer := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, renewFor)
		defer cancel()
		answer <- l.cfg.store.Renew(ctx)
	}()
	return answer
}

// answered takes a renewal's outcome and gives when the next one is due.
func (l *lease) answered(sent time.Time, err error) time.Time {
	if err != nil {
		l.lost(err)
		return l.cfg.wall.Now().Add(renewAgain)
	}
	if l.away.Swap(false) {
		l.cfg.log.Info("lease is renewed again")
	}
	l.renewed(sent)
	return sent.Add(dispatch.RenewEvery)
}

// errNoTerm is why nothing is taken while there is no term.
var errNoTerm = errors.New("the lease is not renewed")

// errSlow tells of a renewal that is not answered, and may be yet.
var errSlow = errors.New("the store has not answered yet")

// lost notes that a renewal failed, or is not answered.
func (l *lease) lost(err error) {
	if !l.away.Swap(true) {
		l.cfg.log.Warn("lease is not renewed", "error", err)
	}
}
