package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// killsAGroup is how many kills one set of data goes through, each failpoint and as many by chance; the next group begins anew, so that a long run
// does not slow down by what it has written.
const killsAGroup = 10

// TestChaos_Crash kills servers under load, at the failpoints and at instants of chance, and proves after each
// restart that nothing that was acknowledged is missing or told differently (P1, P7), and after each group that the
// history is lawful (P2, P3) and that the stream has all of it (P4).
func TestChaos_Crash(t *testing.T) {
	t.Parallel()
	for _, kind := range journalKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			rng := seeded(t)
			sum := &crashSum{}
			t.Cleanup(func() { t.Logf("%s: %v", kind.name, sum) })
			for g := range times(1, 50) {
				rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
				t.Run(fmt.Sprintf("group_%d", g+1), func(t *testing.T) {
					t.Parallel()
					sum.add(crashGame{kind: kind, dir: t.TempDir()}.play(t, rng))
					t.Logf("so far on %s: %v", kind.name, sum)
				})
			}
		})
	}
}

// crashSum counts what crash tests have seen.
type crashSum struct {
	mu sync.Mutex
	// Guarded by mu: kills, of them those before the server was ready, requests in flight at kills by chance,
	// answers checked, events and messages.
	kills, early, inFlight, acks, events, messages int
}

func (s *crashSum) add(o *crashSum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kills += o.kills
	s.early += o.early
	s.inFlight += o.inFlight
	s.acks += o.acks
	s.events += o.events
	s.messages += o.messages
}

func (s *crashSum) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d killed (%d of them before they were ready), %d requests in flight at kills by chance, %d answers checked, %d events, %d messages",
		s.kills, s.early, s.inFlight, s.acks, s.events, s.messages)
}

// failpoints gives every failpoint once, to be reached early or late.
func failpoints(rng *rand.Rand) []string {
	var all []string
	for _, f := range []struct {
		name string
		most int // the process comes by often enough to reach the most-th time soon
	}{{"before-commit", 60}, {"after-commit", 60}, {"before-ack", 60}, {"after-publish", 30}, {"before-cursor", 3}} {
		all = append(all, fmt.Sprintf("%s:%d", f.name, 1+rng.IntN(f.most)))
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// crashGame is one set of data and what is done to its server.
type crashGame struct {
	kind journalKind
	dir  string
	env  []string // more of the server's environment
	died func()   // called after each kill, before the server starts again; nil for nothing
}

// play takes the data through its kills and reads everything back.
func (g crashGame) play(t *testing.T, rng *rand.Rand) *crashSum {
	t.Helper()
	sum := &crashSum{}
	at := g.kind.place(t, g.dir)
	v := &victim{t: t, binary: crashableBinary(t), dir: g.dir, listen: steadyPort(t, rng), env: g.env,
		args: append([]string{"--markets", markets(t, quick+`,"search_timeout_s":3600`)}, at.args...)}
	v.start("")
	c := newCrowd(t, v)
	c.come(rng)
	defer c.close()
	g.kill(v) // one more: who comes must find the server up, and a failpoint is set at the start
	for _, failpoint := range failpoints(rng) {
		if !v.start(failpoint) {
			sum.early++
		}
		v.fails(failpoint)
		g.after()
		v.start("")
		c.repeat(c.recent(20))
		c.answered() // a server that leads by lease may wait for the one before
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		sum.inFlight += c.inFlight()
		g.kill(v)
		sum.kills += 2
	}
	v.start("")
	c.leave()
	c.repeat(0)
	v.terminate()
	c.report()
	b := readBook(t, at.open(t), "sf", "nyc")
	sum.acks = b.has(c.acks)
	messages := readStream(t, g.dir)
	b.published(messages)
	for m := range b.events {
		sum.events += len(b.events[m])
		sum.messages += len(messages[m])
	}
	if sum.kills != killsAGroup || sum.inFlight == 0 || sum.acks < killsAGroup {
		t.Errorf("the kills hit next to nothing: %s", sum)
	}
	return sum
}

func (g crashGame) kill(v *victim) {
	v.t.Helper()
	v.kill()
	g.after()
}

func (g crashGame) after() {
	if g.died != nil {
		g.died()
	}
}
