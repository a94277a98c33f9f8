package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// counter reads a metric without labels.
func (st *stage) counter(name string) float64 {
	st.t.Helper()
	families, err := st.srv.cfg.Registry.Gather()
	if err != nil {
		st.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	st.t.Fatalf("there is no metric %s", name)
	return 0
}

// turning is the state of an order that is searched for again and again.
func turning(version int64) dispatch.State {
	if version%2 == 0 {
		return offered
	}
	return searching
}

func TestHub_slow_client(t *testing.T) {
	st := newStage(t, nil)
	st.order("o1", "r1")
	fast := st.enter(dispatch.RoleDispatcher, "fast")
	st.tight.Store(true)
	slow := st.enter(dispatch.RoleDispatcher, "slow")
	for _, p := range []*peer{fast, slow} {
		p.ask(frame{"type": "order.watch", "id": "w", "order_id": "o1"})
	}
	version := int64(1)
	burst := func() {
		for range 100 {
			version++
			st.step("o1", turning(version), "")
		}
		for v := version - 99; v <= version; v++ {
			fast.want("o1", v, true) // nobody waits for the slow one
		}
	}
	for st.counter("hexfleet_gateway_queue_overflows_total") == 0 {
		if version > 1e6 {
			t.Fatal("the slow client is never cut")
		}
		burst()
	}
	before, code := slow.closed()
	if code != 4008 {
		t.Errorf("got close %d, want 4008", code)
	}
	for i, m := range before {
		if m.num("event", "version") != int64(i)+2 {
			t.Fatalf("frame %d is %v, want version %d: what a slow client gets has no hole", i, m, i+2)
		}
	}
	burst()
}

func TestHub_holes(t *testing.T) {
	st := newStage(t, nil)
	p := st.enter(dispatch.RoleRider, "r1")
	p.quiet("q")
	st.run(t, "a_hole_is_filled_from_the_history_when_the_next_event_shows_it", func(t *testing.T) {
		st.lose = func(seq int64) bool { return seq < 4 }
		st.order("o1", "r1")
		for v := int64(2); v <= 4; v++ {
			st.step("o1", turning(v), "")
		}
		for v := int64(1); v <= 4; v++ {
			p.want("o1", v, true)
		}
	})
	st.run(t, "a_lost_last_event_is_a_hole_too", func(t *testing.T) {
		st.lose = func(int64) bool { return true }
		st.step("o1", searching, "")
		p.quiet("q5")
		st.published("west")
		p.want("o1", 5, true)
	})
	st.run(t, "repeats_are_dropped", func(t *testing.T) {
		st.lose = nil
		for i := range st.seq["west"] {
			st.listener.Event(&st.seq["west"][i])
		}
		st.step("o1", offered, "")
		p.want("o1", 6, true)
		p.quiet("q6")
	})
}

func TestLane_overflow(t *testing.T) {
	st := newStage(t, nil)
	p := st.enter(dispatch.RoleRider, "r1")
	p.quiet("q")
	asked, back := make(chan struct{}, 1), make(chan struct{})
	st.mu.Lock()
	st.lose = func(seq int64) bool { return seq == 1 }
	st.away = func(_ context.Context, what string, m dispatch.MarketID) error {
		if what == "market events" && m == "west" {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-back
		}
		return nil
	}
	st.mu.Unlock()
	st.order("west-1", "nobody")
	st.step("west-1", offered, "")
	<-asked
	n := int64(2)
	for ; n < laneLimit+500; n++ {
		st.step("west-1", turning(n+1), "")
	}
	st.order("west-2", "r1")
	st.lose = nil
	st.orderIn("east-1", "r1", "east")
	p.want("east-1", 1, true) // the other market does not wait
	l := st.srv.hub.lane("west")
	l.mu.Lock()
	queued := len(l.queue)
	l.mu.Unlock()
	if queued > laneLimit {
		t.Errorf("the queue holds %d events, want at most %d", queued, laneLimit)
	}
	close(back)
	p.want("west-2", 1, true)
}

// TestSession_resume_exactness has clients drop their connection at any moment while their orders move and the
// feed loses every fifth event: they see each version of each order exactly once, in order.
func TestSession_resume_exactness(t *testing.T) {
	const orders, versions, clients = 6, 60, 4
	st := newStage(t, nil)
	ids := make([]dispatch.OrderID, orders)
	for i := range ids {
		ids[i] = dispatch.OrderID("o" + strconv.Itoa(i))
		st.order(ids[i], "r1")
	}
	lost := rand.New(rand.NewPCG(1, 2))
	st.mu.Lock()
	st.lose = func(int64) bool { return lost.IntN(5) == 0 }
	st.mu.Unlock()
	done := make(chan error, clients+1)
	go func() {
		for v := int64(2); v <= versions; v++ {
			for _, id := range ids {
				st.step(id, turning(v), "")
			}
			st.published("west")
		}
		done <- nil
	}()
	for c := range clients {
		role, sub := dispatch.RoleRider, "r1"
		if c%2 == 1 {
			role, sub = dispatch.RoleDispatcher, "boss"
		}
		go func() { done <- st.follow(role, sub, ids, versions, rand.New(rand.NewPCG(3, uint64(c)))) }()
	}
	for range clients + 1 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(3 * patience):
			t.Fatal("a client never saw the last version")
		}
	}
}

// follow reads the events of some orders over many connections until it has seen the last version of each.
func (st *stage) follow(role dispatch.Role, sub string, ids []dispatch.OrderID, last int64, r *rand.Rand) error {
	seen := map[string]int64{}
	for {
		var resume []frame
		behind := false
		for _, id := range ids {
			resume = append(resume, from(id, int(seen[string(id)])))
			behind = behind || seen[string(id)] < last
		}
		if !behind {
			return nil
		}
		p := st.dial(nil)
		p.send(frame{"type": "auth", "token": st.token(role, sub), "resume": resume})
		for range 1 + r.IntN(120) {
			m, err := p.next()
			if err != nil {
				return fmt.Errorf("%s reads: %w", sub, err)
			}
			if m.str("type") != "order" {
				continue
			}
			id, v := m.str("order", "id"), m.num("event", "version")
			if v != seen[id]+1 {
				return fmt.Errorf("%s got version %d of order %s after %d", sub, v, id, seen[id])
			}
			if m.num("order", "version") != v {
				return fmt.Errorf("%s got order version %d with event version %d", sub, m.num("order", "version"), v)
			}
			if seen[id] = v; v == last && caughtUp(seen, len(ids), last) {
				break
			}
		}
		_ = p.conn.Close()
	}
}

func caughtUp(seen map[string]int64, n int, last int64) bool {
	for _, v := range seen {
		if v < last {
			return false
		}
	}
	return len(seen) == n
}

func TestHub_start(t *testing.T) {
	t.Run("what_is_published_before_the_cursor_is_read_is_not_told_again", func(t *testing.T) {
		st := newStage(t, nil)
		st.order("o1", "r1")
		st.told()
		again := newHub(st.srv.cfg, st.srv.metrics, st.srv.duties)
		if err := again.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer again.stop()
		if at := again.passed("west"); at != 1 {
			t.Errorf("the hub starts at %d, want 1", at)
		}
	})
	t.Run("a_duty_event_moves_the_telemetry", func(t *testing.T) {
		st := newStage(t, nil)
		duty := dispatch.Duty{Driver: "d1", Market: "east", Online: true, Version: 3}
		st.srv.duties.told(&duty)
		older := duty
		older.Market, older.Version = "west", 2
		st.mu.Lock()
		st.seq["west"] = append(st.seq["west"], dispatch.Event{Market: "west", Seq: 1, Type: dispatch.EventDriverOnline, Duty: &older})
		st.mu.Unlock()
		st.published("west")
		st.told()
		if at, err := st.srv.duties.of(t.Context(), "d1"); err != nil || at.market != "east" {
			t.Errorf("got %v (%v), want the later duty in east", at, err)
		}
	})
}

// TestSession_watch_exactness watches and unwatches an order that moves all the while: what follows each ack goes
// on where the watch asked for, without a hole and without a repeat.
func TestSession_watch_exactness(t *testing.T) {
	const versions = 3000
	st := newStage(t, nil)
	st.order("o1", "r1")
	moved := make(chan struct{})
	// ahead is how far the order may be ahead of the client: less than what makes the client slow.
	ahead := make(chan struct{}, holdLimit/2)
	p := st.enter(dispatch.RoleDispatcher, "boss")
	go func() {
		defer close(moved)
		for v := int64(2); v <= versions; v++ {
			ahead <- struct{}{}
			st.step("o1", turning(v), "")
		}
	}()
	var seen int64
	r := rand.New(rand.NewPCG(5, 6))
	next := func() (answered bool) {
		m := p.read()
		switch m.str("type") {
		case "ack":
			return true
		case "order":
			if v := m.num("event", "version"); v != seen+1 {
				t.Fatalf("got version %d after %d", v, seen)
			}
			if seen++; seen > 1 {
				<-ahead
			}
		default:
			t.Fatalf("got %v", m)
		}
		return false
	}
	for round := 0; seen < versions; round++ {
		id := strconv.Itoa(round)
		p.send(frame{"type": "order.watch", "id": "w" + id, "order_id": "o1", "after_version": seen})
		if !next() {
			t.Fatal("an event came before the ack of its watch")
		}
		for range 1 + r.IntN(200) {
			if seen < versions {
				next()
			}
		}
		p.send(frame{"type": "order.unwatch", "id": "u" + id, "order_id": "o1"})
		for !next() {
		}
	}
	<-moved
}
