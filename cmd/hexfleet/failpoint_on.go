//go:build failpoint

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/gateway"
)

// failpoint names an instant at which a server built for the crash tests can be told to die.
type failpoint string

// The failpoints, in the order in which a command comes by them.
const (
	failBeforeCommit failpoint = "before-commit" // stepped and grouped, nothing of it in the store
	failAfterCommit  failpoint = "after-commit"  // in the store, nobody was told
	failBeforeAck    failpoint = "before-ack"    // the gateway has the answer and has not sent it
	failAfterPublish failpoint = "after-publish" // a chunk is in the stream, the stored cursor is behind it
	failBeforeCursor failpoint = "before-cursor" // the cursor is about to be stored
)

// failpointEnv tells where to die: name:n, at the n-th time that the process comes by. It is read here and not
// in config.go because it is no setting of the program: the build that operators get does not know it.
const failpointEnv = "HEXFLEET_FAILPOINT"

// trap is the failpoint that is set. The zero one never springs.
type trap struct {
	at failpoint

	mu   sync.Mutex
	left int // guarded by mu; how often the process still comes by, the last time included
}

// setTrap reads the environment; a failpoint that cannot be understood ends the process, or a crash test would
// pass without a crash.
func setTrap() *trap {
	text, ok := os.LookupEnv(failpointEnv)
	if !ok {
		return &trap{}
	}
	name, count, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("%s=%q is not name:n", failpointEnv, text))
	}
	return &trap{at: failpoint(name), left: n}
}

// by is called where a failpoint is. When it is the one that is set, and its time has come, the process says so
// and is killed as by kill -9: no deferred call runs, no buffer is flushed. It does not return then.
func (t *trap) by(at failpoint) {
	if at != t.at {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left--; t.left != 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "failpoint %s reached\n", at)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail for oneself
	select {}                                      // the signal is on its way to this thread
}

// failingStore dies around commits, and around what the relay does with its source.
type failingStore struct {
	node.Store
	trap *trap

	mu sync.Mutex
	// stored is where the cursor of each market stands in the store. Guarded by mu.
	stored map[dispatch.MarketID]int64
}

func failStore(s node.Store) node.Store {
	return &failingStore{Store: s, trap: setTrap(), stored: map[dispatch.MarketID]int64{}}
}

// Commit implements market.Journal.
func (f *failingStore) Commit(ctx context.Context, b *dispatch.Batch) error {
	f.trap.by(failBeforeCommit)
	err := f.Store.Commit(ctx, b)
	if err == nil {
		f.trap.by(failAfterCommit)
	}
	return err
}

// Cursor implements bus.Source.
func (f *failingStore) Cursor(ctx context.Context, m dispatch.MarketID) (int64, error) {
	seq, err := f.Store.Cursor(ctx, m)
	if err == nil {
		f.stands(m, seq)
	}
	return seq, err
}

// MarketEvents implements bus.Source. A relay that asks for what comes after a seq has heard that the stream
// took all up to it.
func (f *failingStore) MarketEvents(
	ctx context.Context, m dispatch.MarketID, after int64, limit int,
) ([]dispatch.Event, error) {
	f.mu.Lock()
	stored := f.stored[m]
	f.mu.Unlock()
	if after > stored {
		f.trap.by(failAfterPublish)
	}
	return f.Store.MarketEvents(ctx, m, after, limit)
}

// SetCursor implements bus.Source.
func (f *failingStore) SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error {
	f.trap.by(failBeforeCursor)
	err := f.Store.SetCursor(ctx, m, seq)
	if err == nil {
		f.stands(m, seq)
	}
	return err
}

func (f *failingStore) stands(m dispatch.MarketID, seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored[m] = seq
}

// failingOrders dies with answers in hand.
type failingOrders struct {
	gateway.Orders
	trap *trap
}

func failOrders(o gateway.Orders) gateway.Orders { return &failingOrders{o, setTrap()} }

// Do implements gateway.Orders.
func (f *failingOrders) Do(ctx context.Context, c dispatch.Command) dispatch.Reply {
	reply := f.Orders.Do(ctx, c)
	if reply.Err == nil {
		f.trap.by(failBeforeAck)
	}
	return reply
}
