package market

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Journal is what the loop needs of the store; store.Leads has it.
type Journal interface {
	Lead(ctx context.Context, m dispatch.MarketID) (dispatch.Lease, error)
	Recover(ctx context.Context, m dispatch.MarketID) (dispatch.Recovery, error)
	Commit(ctx context.Context, b *dispatch.Batch) error
}

// Finder answers a Seek within a time budget of its own; it always answers, with nothing if need be.
type Finder interface {
	Find(ctx context.Context, s *Seek) Candidates
}

// Told is what a group of steps has made true, once it is committed. Values are shared, not to be written.
type Told struct {
	Events  []dispatch.Event
	Notices []dispatch.Notice
}

// Probe is told figures for metrics, from the loop's goroutine; nil functions are not called.
type Probe struct {
	// Round tells a round's figures and the wall time from its Seek to its offers being decided.
	Round func(s RoundStats, took time.Duration)
	// Commit tells how many transitions a group held and the wall time its commit took.
	Commit func(transitions int, took time.Duration, err error)
	// Waited tells the wall time that a command queued before it was stepped.
	Waited func(d time.Duration)
	// Recovered tells that the core was dropped and read again.
	Recovered func()
}

// Config is what a Loop is made of; all fields but Valid, Patience, Probe, Record and Explained are
// required.
type Config struct {
	Market  dispatch.Market
	Journal Journal
	Finder  Finder
	// Clock is market time, Wall real time.
	Clock, Wall dispatch.Clock
	// Told is called after each commit, in commit order, before the replies leave. It must not block.
	Told func(Told)
	// Recovered is called with what the journal holds each time a core is started from it, before its first
	// step: whatever was told as Supply before is void.
	Recovered func(dispatch.Recovery)
	// Supply is called after each step whose drivers became free or busy; it must not block.
	Supply func([]Supply)
	// Valid tells whether this node still stands within the lease under which it took the market; once false it
	// stays so. nil: always, where nobody else can take it.
	Valid func() bool
	// Patience is how long (wall) those who wait are kept waiting for one commit; 0: for as long as it takes.
	Patience time.Duration
	Log      *slog.Logger
	Probe    Probe
	// Record is told every step; nil: nobody is.
	Record Recorder
	// Explained is told how rounds dealt with each order, after the commit and before the replies leave; it must not
	// block. nil: nobody is, and nothing is gathered.
	Explained func([]dispatch.Explanation)
}

// maxGroup is how many rows a group writes at most before it waits for the commit ahead of it. A transition that
// was asked for is two or three (event, answer, offer): beyond about 200 transitions a larger group only makes
// everyone in it wait longer. With fewer, a machine that has little time for the server loses more of it in
// between two commits than in them.
const maxGroup = 500

// stopFor is how long (wall) Stop waits for what the store has under way; commitFor is how long one commit may
// take before it counts as lost: far longer than any that succeeds, for it costs a recovery.
const (
	stopFor   = 5 * time.Second
	commitFor = 10 * time.Second
)

// Loop is the goroutine that owns one market's Core, for as long as this node leads the market: a loop that finds
// that another leads, or that its lease may have run out, answers whoever waits with unavailable and ends. Its
// node starts a new one when it leads again.
type Loop struct {
	cfg   Config
	queue chan *request
	done  chan struct{} // closed when the goroutine has ended

	start  sync.Once
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // the goroutine's own lifetime, from Start to Stop
	quit   chan struct{}   // closed by Stop
	stop   sync.Once
	reload chan dispatch.Policy // capacity 0: Reload waits for its turn
	// leads is true while the core stands on a journal that answers; written by Start and the goroutine.
	leads atomic.Bool
	// outage is the one that is on, or the next; replaced by the goroutine when it is over.
	outage atomic.Pointer[outage]

	// What follows is owned by the goroutine.

	core   *Core
	lease  dispatch.Lease
	answer *answers
	// forming takes the effects of steps, inflight is being committed; nil when there is none.
	forming, inflight *group
	committed         chan error // capacity 1: one commit is under way at most
	// found brings the candidates of the present core's Seek; made anew at each recovery, so that an answer
	// to a dropped core's Seek is heard by nobody. Capacity 1: one Seek is out at most.
	found  chan Candidates
	sought time.Time // wall instant of the Seek that is out
	next   time.Time // when the core wants to be stepped
	// redo are commands to be stepped again after a recovery; alone says that a group was refused, so that
	// they go one a group until the guilty one is known.
	redo  []*request
	alone bool
	// facts is the wall instant from which on what an asker read is as new as the core: it was taken after the
	// lease on which the core was recovered. keys is the same for looks at kept answers, which go on being good
	// over a recovery as long as no other leader has committed. facts >= keys.
	facts, keys time.Time
	// late fires when the commit in flight, and what has to be done when it failed, have tried the askers'
	// patience; nil while nothing has. calm releases its timer.
	late <-chan time.Time
	calm func()
	// suspended: an outage is on.
	suspended bool
	// reloaded: the policy has changed and the core does not know.
	reloaded bool
	// stopping: Stop was called; over fires when the store has been waited for long enough, free releases it.
	stopping bool
	over     <-chan time.Time
	free     func()
	// finders are the goroutines that search; Stop waits for them.
	finders sync.WaitGroup
}

// NewLoop makes a loop; it does nothing before Start.
func NewLoop(cfg Config) *Loop {
	l := &Loop{
		cfg:       cfg,
		queue:     make(chan *request, queueLen),
		done:      make(chan struct{}),
		quit:      make(chan struct{}),
		reload:    make(chan dispatch.Policy),
		committed: make(chan error, 1),
		answer:    newAnswers(cfg.Wall),
		calm:      func() {},
		free:      func() {},
	}
	if l.cfg.Valid == nil {
		l.cfg.Valid = func() bool { return true }
	}
	l.outage.Store(newOutage())
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Start recovers the market under a lease just taken, and begins to step. It gives the error of the first
// recovery.
func (l *Loop) Start(ctx context.Context, lease dispatch.Lease) error {
	var failure error = dispatch.Unavailable("the loop was started before", nil)
	l.start.Do(func() {
		l.keys = l.cfg.Wall.Now()
		if failure = l.restart(ctx, lease, l.keys); failure != nil {
			close(l.done)
			return
		}
		go l.run()
	})
	return failure
}

// Done is closed when the loop has ended: by Stop, or because the market is not led here any more.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Stop refuses new commands, commits what was stepped, answers it, and waits for the end: at most stopFor for a
// store that hangs, and not at all for one when the lease has run out. It may be called more than once, and
// without Start.
func (l *Loop) Stop() {
	l.start.Do(func() { close(l.done) })
	l.stop.Do(func() { close(l.quit) })
	<-l.done
	l.cancel()
	l.finders.Wait()
}

// Reload changes the market's policy; it returns once the loop has taken it, or has ended.
func (l *Loop) Reload(p dispatch.Policy) {
	select {
	case l.reload <- p:
	case <-l.done:
	}
}

// Leads tells whether the loop runs and commits: not before Start, not once it stops, and not while it tries
// to take the market again from a journal that is away. It knows of the journal by its last commit.
func (l *Loop) Leads() bool {
	select {
	case <-l.quit:
		return false
	case <-l.done:
		return false
	default:
		return l.leads.Load()
	}
}

// run is the goroutine: until Stop, and until nothing that was stepped is left unanswered; or until the market is
// not led here any more.
func (l *Loop) run() {
	defer close(l.done)
	defer func() {
		l.leads.Store(false)
		l.calm()
		l.free()
	}()
	for l.pump() && !(l.stopping && l.inflight == nil) && l.await() {
	}
}

// await takes the next thing that happens; false when the loop is over. Told to stop, it begins nothing new: what
// becomes due is the next leader's to do. In an outage it goes no further ahead of the store.
func (l *Loop) await() bool {
	queue, found, quit := l.queue, l.found, l.quit
	timer, release := l.timer()
	defer release()
	switch {
	case l.stopping:
		queue, found, timer, quit = nil, nil, nil, nil
	case l.suspended:
		found, timer = nil, nil // the queue is emptied: nobody waits for what is in it
	case len(l.redo) > 0 || (l.forming != nil && (l.forming.size() >= maxGroup || l.alone)):
		queue = nil // let the commit ahead finish first, and those that came before
	}
	select {
	case r := <-queue:
		return l.take(r)
	case c := <-found:
		l.step(c, nil)
	case <-timer:
		l.step(Tick{}, nil)
	case p := <-l.reload:
		l.cfg.Market.Policy = p
		l.step(Reload{Policy: p}, nil)
	case err := <-l.committed:
		return l.settle(err)
	case <-l.late:
		l.suspend()
	case <-quit:
		return l.wind()
	case <-l.over:
		l.cfg.Log.Error("stopped without waiting for the store", "market", l.cfg.Market.ID)
		return l.end()
	}
	return true
}

// wind begins the end: what was stepped is still committed, unless the lease has run out.
func (l *Loop) wind() bool {
	if !l.cfg.Valid() {
		return l.end()
	}
	l.stopping = true
	l.over, l.free = l.cfg.Wall.After(l.cfg.Wall.Now().Add(stopFor))
	return true
}

// end answers whoever waits with unavailable; it gives false, for the loop is over. A commit that is still under
// way may succeed: that is for the next leader to find.
func (l *Loop) end() bool {
	l.giveUp(l.inflight)
	l.inflight = nil
	return false
}

// timer fires when the core wants to be stepped; while a full group waits for its turn it does not.
func (l *Loop) timer() (<-chan time.Time, func()) {
	if l.next.IsZero() || (l.forming != nil && l.forming.size() >= maxGroup) {
		return nil, func() {}
	}
	return l.cfg.Clock.After(l.next)
}

// take steps a queued command, unless it is stale or its key has been seen; false when the loop is over.
func (l *Loop) take(r *request) bool {
	now := l.cfg.Wall.Now()
	if l.cfg.Probe.Waited != nil {
		l.cfg.Probe.Waited(now.Sub(r.queued))
	}
	if !l.cfg.Valid() { // before repeats, which answers from memory
		return l.end()
	}
	if r.stale(now) || l.overtaken(r) {
		r.reply <- dispatch.Reply{Err: dispatch.Unavailable("the market did not come to it in time", nil)}
		return true
	}
	if !l.answer.repeats(r) {
		l.judge(r)
	}
	return true
}

// overtaken tells that another leader has committed since the request's key was looked for, and so may have
// answered it.
func (l *Loop) overtaken(r *request) bool { return r.do.Command.Key.ID != "" && r.read.Before(l.keys) }

// judge steps a request.
func (l *Loop) judge(r *request) {
	do := r.do
	do.Known.Stale = r.read.Before(l.facts)
	l.step(do, r)
}

// step runs the core once and gathers its effects.
func (l *Loop) step(in Input, r *request) {
	now := l.cfg.Clock.Now()
	out := l.core.Step(now, in)
	l.next = out.Next
	explained := out.Explained
	out.Explained = nil // no part of what a replay has to repeat
	if l.cfg.Record != nil {
		l.cfg.Record.Stepped(now, in, out)
	}
	if len(out.Supply) > 0 {
		l.cfg.Supply(out.Supply)
	}
	if out.Round != nil && l.cfg.Probe.Round != nil {
		l.cfg.Probe.Round(*out.Round, l.cfg.Wall.Now().Sub(l.sought))
	}
	if out.Seek != nil {
		l.seek(out.Seek)
	}
	if l.forming == nil {
		l.forming = &group{}
	}
	l.forming.add(r, &out, l.core.Now())
	l.forming.explained = append(l.forming.explained, explained...)
}

// seek sends for candidates in a goroutine of its own, so that pings and commands never wait for a round.
func (l *Loop) seek(s *Seek) {
	l.sought = l.cfg.Wall.Now()
	found := l.found
	l.finders.Go(func() { found <- l.cfg.Finder.Find(l.ctx, s) })
}
