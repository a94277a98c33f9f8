package market

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// errLost is the error of a commit of which nobody knows whether it is in.
var errLost = errors.New("connection lost")

// fault is what becomes of one commit.
type fault int

const (
	faultNone   fault = iota
	faultIn           // committed, and the acknowledgement lost
	faultOut          // lost before it was committed
	faultRefuse       // a constraint fired
)

// faulty is a journal in memory that fails as it is told to.
type faulty struct {
	*memory
	// fault decides over the n-th commit, from 1; nil: all go well. It is set before the loop starts.
	fault func(n int, b *dispatch.Batch) fault
	// hold, when set before the loop starts, keeps each commit waiting until something is received from it.
	hold chan struct{}
	// deaf: a commit that waits does not hear of the end of its context.
	deaf bool
	// lead, when it is set, is asked before each Lead, which fails with its error. It is set after start.
	lead func() error

	state sync.Mutex
	away  bool // Lead and Recover fail
	sizes []int
}

func (f *faulty) setAway(away bool) {
	f.state.Lock()
	defer f.state.Unlock()
	f.away = away
}

func (f *faulty) isAway() error {
	f.state.Lock()
	defer f.state.Unlock()
	if f.away {
		return dispatch.Unavailable("the store is away", nil)
	}
	return nil
}

// commits tells how many events each commit that was tried had.
func (f *faulty) commits() []int {
	f.state.Lock()
	defer f.state.Unlock()
	return append([]int(nil), f.sizes...)
}

func (f *faulty) Lead(ctx context.Context, m dispatch.MarketID) (dispatch.Lease, error) {
	if err := f.isAway(); err != nil {
		return dispatch.Lease{}, err
	}
	if f.lead != nil {
		if err := f.lead(); err != nil {
			return dispatch.Lease{}, err
		}
	}
	return f.memory.Lead(ctx, m)
}

func (f *faulty) Recover(ctx context.Context, m dispatch.MarketID) (dispatch.Recovery, error) {
	if err := f.isAway(); err != nil {
		return dispatch.Recovery{}, err
	}
	return f.memory.Recover(ctx, m)
}

func (f *faulty) Commit(ctx context.Context, b *dispatch.Batch) error {
	f.state.Lock()
	f.sizes = append(f.sizes, len(b.Events))
	n := len(f.sizes)
	f.state.Unlock()
	if f.hold != nil {
		end := ctx.Done()
		if f.deaf {
			end = nil
		}
		select {
		case <-f.hold:
		case <-end:
			return ctx.Err()
		}
	}
	what := faultNone
	if f.fault != nil {
		what = f.fault(n, b)
	}
	switch what {
	case faultOut:
		return errLost
	case faultRefuse:
		return fmt.Errorf("test: %w", dispatch.ErrRefused)
	case faultIn:
		if err := f.memory.Commit(ctx, b); err != nil {
			return err
		}
		return errLost
	}
	return f.memory.Commit(ctx, b)
}

// committed gives the events of the journal.
func (f *faulty) committed() []dispatch.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]dispatch.Event(nil), f.events...)
}

// finder finds what it is told to.
type finder func(ctx context.Context, s *Seek) Candidates

func (f finder) Find(ctx context.Context, s *Seek) Candidates { return f(ctx, s) }

// bench is a loop under test in a synctest bubble, where wall time is virtual and market time is moved by
// hand. It checks of all that the loop lets out that it was committed before.
type bench struct {
	*testing.T
	journal *faulty
	clock   *dispatch.Manual
	cfg     Config
	loop    *Loop

	mu      sync.Mutex
	told    []dispatch.Event
	notices []dispatch.Notice
	free    map[dispatch.DriverID]bool
	starts  int
}

func newBench(t *testing.T) *bench {
	b := &bench{
		T: t, journal: &faulty{memory: newMemory("sf")}, clock: dispatch.NewManual(t0),
		free: map[dispatch.DriverID]bool{},
	}
	b.cfg = Config{
		Market:  dispatch.Market{ID: "sf", Policy: dispatch.DefaultPolicy()},
		Journal: b.journal, Clock: b.clock, Wall: dispatch.Wall{}, Told: b.tell, Log: slog.New(slog.DiscardHandler),
		Finder: finder(func(_ context.Context, s *Seek) Candidates { return Candidates{Round: s.Round} }),
		Recovered: func(dispatch.Recovery) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.starts++
			clear(b.free)
		},
		Supply: func(supply []Supply) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, s := range supply {
				b.free[s.Driver] = s.Free
			}
		},
	}
	return b
}

// start starts the loop; it is stopped when the test ends, with every commit let go.
func (b *bench) start() *bench {
	b.Helper()
	b.loop = NewLoop(b.cfg)
	lease, err := b.journal.Lead(b.Context(), "sf")
	if err != nil {
		b.Fatal(err)
	}
	if err := b.loop.Start(b.Context(), lease); err != nil {
		b.Fatal(err)
	}
	return b
}

// tell is the loop's Told: events leave once, in the order of their seq, and never before they are committed.
func (b *bench) tell(t Told) {
	committed := b.journal.committed()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range t.Events {
		if n := len(b.told); n > 0 && e.Seq <= b.told[n-1].Seq {
			b.Errorf("event %d was told after event %d", e.Seq, b.told[n-1].Seq)
		}
		if int(e.Seq) > len(committed) || subject(&committed[e.Seq-1]) != subject(&e) {
			b.Errorf("event %d, %s, was told and is not committed", e.Seq, subject(&e))
		}
		b.told = append(b.told, e)
	}
	b.notices = append(b.notices, t.Notices...)
}

// subject says in a word what an event is about.
func subject(e *dispatch.Event) string {
	if e.Order != nil {
		return fmt.Sprintf("%s/%d %s", e.Order.ID, e.Version, e.To)
	}
	return fmt.Sprintf("%s/%d %s", e.Driver, e.Version, e.Type)
}

// ask asks in a goroutine of its own. Of a success it checks that it was committed and told before.
func (b *bench) ask(ctx context.Context, c dispatch.Command) <-chan dispatch.Reply {
	answer := make(chan dispatch.Reply, 1)
	go func() {
		read := time.Now()
		r := b.loop.Do(ctx, read, Do{Command: c, Known: b.journal.known(&c)})
		if r.Err == nil && r.Order != nil && !b.was(fmt.Sprintf("%s/%d %s", r.Order.ID, r.Order.Version, r.Order.State)) {
			b.Errorf("%s was answered and not told", r.Order.ID)
		}
		answer <- r
	}()
	return answer
}

// fillGroup has the journal, which is held, commit one group and the loop form a full one: what is asked next
// waits in the queue.
func (b *bench) fillGroup() {
	b.ask(b.Context(), create("first", ""))
	synctest.Wait()
	for i := range maxGroup {
		b.ask(b.Context(), create(fmt.Sprintf("full%d", i), ""))
	}
	synctest.Wait()
}

// was tells whether an event was told.
func (b *bench) was(what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.told {
		if subject(&b.told[i]) == what {
			return true
		}
	}
	return false
}

// create is a rider's command for a new order; key may be empty.
func create(id, key string) dispatch.Command {
	c := dispatch.Command{
		Op: dispatch.OpCreate, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: dispatch.OrderID(id),
		New: &dispatch.NewOrder{Kind: dispatch.KindRide, VehicleClass: dispatch.DefaultVehicleClass, Rider: "r1", Stops: newStops(2)},
	}
	return keyedAs(c, key, "create")
}

func cancel(id, key string) dispatch.Command {
	c := dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Order: dispatch.OrderID(id)}
	return keyedAs(c, key, "cancel "+id)
}

func online(id string) dispatch.Command {
	return dispatch.Command{
		Op: dispatch.OpDuty, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: id}, Driver: dispatch.DriverID(id),
		Duty: &dispatch.DutyRequest{Online: true, VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1},
	}
}

func keyedAs(c dispatch.Command, key, content string) dispatch.Command {
	if key != "" {
		c.Key = dispatch.Key{ID: key, Digest: sha256.Sum256([]byte(content))}
	}
	return c
}

// wantOK fails unless the answer is a success; in a bubble an answer that never comes is a deadlock, and fails.
func (b *bench) wantOK(answer <-chan dispatch.Reply) dispatch.Reply {
	b.Helper()
	r := <-answer
	if r.Err != nil {
		b.Errorf("answer: %v", r.Err)
	}
	return r
}

func (b *bench) wantCode(answer <-chan dispatch.Reply, code dispatch.Code) {
	b.Helper()
	if r := <-answer; r.Err == nil || r.Err.Code != code {
		b.Errorf("answer: %+v, want %s", r, code)
	}
}

// pending fails when an answer is there already.
func (b *bench) pending(answer <-chan dispatch.Reply) {
	b.Helper()
	select {
	case r := <-answer:
		b.Fatalf("answered before the commit: %+v", r)
	default:
	}
}

// history is what the journal holds, in words.
func (b *bench) history() []string {
	var words []string
	for _, e := range b.journal.committed() {
		words = append(words, subject(&e))
	}
	return words
}

// after waits for a span of (virtual) wall time.
func after(d time.Duration) { <-time.After(d) }
