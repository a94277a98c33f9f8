package bus

import (
	"bytes"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hexfleet/hexfleet/dispatch"
)

// words is a log that may be read while others write.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func tellingRelay(c *Conn, h *history, clock dispatch.Clock) (*Relay, *words) {
	w := &words{}
	return NewRelay(RelayConfig{Market: "sf", Source: h, Conn: c, Clock: clock, Log: slog.New(slog.NewTextHandler(w, nil))}), w
}

func TestRelay_wiped_stream(t *testing.T) {
	t.Run("while_it_runs_begins_anew_at_the_cursor", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h, e, clock := &history{}, listen(t, c), dispatch.NewManual(base)
		r, log := tellingRelay(c, h, clock)
		begin(t, r)
		h.commit(5)
		r.Kick()
		within(t, "the cursor is stored", func() bool { clock.Advance(saveEvery / 4); return h.stored() == 5 })
		if err := c.js.DeleteStream(t.Context(), StreamName); err != nil {
			t.Fatal(err)
		}
		h.commit(5)
		r.Kick()
		within(t, "the rest is published", func() bool { clock.Advance(minBackoff); return r.Published() == 10 })
		if got := kept(t, c); !slices.Equal(got, []int64{6, 7, 8, 9, 10}) {
			t.Errorf("the stream holds %v", got)
		}
		within(t, "listeners have heard all, in order but for repeats", func() bool { return slices.Equal(firsts(e.heard()), upTo(10)) })
		if !strings.Contains(log.String(), "stream=0 cursor=5") {
			t.Errorf("nobody was told that the stream lost events: %s", log)
		}
	})
	t.Run("while_it_was_down_begins_anew_at_the_cursor", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		h.commit(5)
		first := relayOf(c, h, dispatch.Wall{})
		begin(t, first)
		halt(first)
		if err := c.js.DeleteStream(t.Context(), StreamName); err != nil {
			t.Fatal(err)
		}
		h.commit(5)
		begin(t, relayOf(c, h, dispatch.Wall{}))
		within(t, "the rest is kept", func() bool { return h.stored() == 10 })
		if got := kept(t, c); !slices.Equal(got, []int64{6, 7, 8, 9, 10}) {
			t.Errorf("the stream holds %v", got)
		}
	})
	t.Run("of_another_history_is_told_of", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		h.commit(9)
		before := relayOf(c, h, dispatch.Wall{})
		begin(t, before)
		halt(before)
		restored := &history{cursor: 3}
		restored.commit(5)
		r, log := tellingRelay(c, restored, dispatch.Wall{})
		begin(t, r)
		within(t, "it goes on all the same", func() bool { return r.Published() == 5 })
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "another history") {
			t.Errorf("log %s", log)
		}
	})
	t.Run("behind_nothing_is_worth_no_word", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		h.commit(5)
		crashed := relayOf(c, h, dispatch.NewManual(base))
		begin(t, crashed)
		within(t, "all is published", func() bool { return crashed.Published() == 5 })
		kill(crashed) // before the cursor was stored: the stream is ahead of it, not of the history
		r, log := tellingRelay(c, h, dispatch.Wall{})
		begin(t, r)
		within(t, "the cursor is stored", func() bool { return h.stored() == 5 })
		if log.String() != "" {
			t.Errorf("log %s", log)
		}
	})
}

// firsts leaves out what is not higher than all before.
func firsts(seqs []int64) (list []int64) {
	for _, seq := range seqs {
		if len(list) == 0 || seq > list[len(list)-1] {
			list = append(list, seq)
		}
	}
	return list
}

// outside is a NATS of its own process in all but the process: it has a port, goes away and comes back.
func outside(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "outside", Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the outside NATS does not start")
	}
	return s
}

// TestRelay_outside_NATS has an outside NATS go away under load, and come back with what it had, then without: events
// are heard in order, at least once, and each is kept once under its id.
func TestRelay_outside_NATS(t *testing.T) {
	dir := t.TempDir()
	first := outside(t, dir, server.RANDOM_PORT)
	port := first.Addr().(*net.TCPAddr).Port
	c, err := Dial(first.ClientURL(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	h, e, clock := &history{}, listen(t, c), dispatch.NewManual(base)
	r := relayOf(c, h, clock)
	begin(t, r)
	committed := 0
	commit := func(n int) {
		h.commit(n)
		committed += n
		r.Kick()
	}
	published := func() {
		t.Helper()
		within(t, "all is published", func() bool { clock.Advance(maxBackoff); return r.Published() == int64(committed) })
		within(t, "the cursor is stored", func() bool { clock.Advance(saveEvery); return h.stored() == int64(committed) })
		within(t, "all is heard in order", func() bool { return slices.Equal(firsts(e.heard()), upTo(committed)) })
	}
	commit(chunkSize + 10)
	published()

	first.Shutdown()
	first.WaitForShutdown()
	commit(2*chunkSize + 10)
	within(t, "the failure is counted", func() bool { return failed(t, r) })
	second := outside(t, dir, port)
	published()
	if got := kept(t, c); !slices.Equal(got, upTo(committed)) {
		t.Errorf("after it came back the stream holds %v", got)
	}

	second.Shutdown()
	second.WaitForShutdown()
	lost := committed
	commit(chunkSize + 10)
	outside(t, t.TempDir(), port)
	published()
	if got := kept(t, c); !slices.Equal(got, upTo(committed)[lost:]) {
		t.Errorf("after it came back empty the stream holds %v, want those after %d", got, lost)
	}
}
