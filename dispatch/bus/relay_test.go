package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
)

// ear collects what a listener is told.
type ear struct {
	mu        sync.Mutex
	seqs      []int64
	published int64
	overtaken bool // a published seq came before its event
}

func (e *ear) listener() dispatch.Listener {
	return dispatch.Listener{
		Event: func(ev *dispatch.Event) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.seqs = append(e.seqs, ev.Seq)
		},
		Published: func(_ dispatch.MarketID, seq int64) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.published = seq
			if len(e.seqs) > 0 && slices.Max(e.seqs) < seq {
				e.overtaken = true
			}
		},
	}
}

func (e *ear) heard() []int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seqs)
}

func listen(t testing.TB, c *Conn) *ear {
	t.Helper()
	e := &ear{}
	stop, err := c.Subscribe(e.listener())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return e
}

func relayOf(c *Conn, h *history, clock dispatch.Clock) *Relay {
	return NewRelay(RelayConfig{
		Market: "sf", Source: h, Conn: c, Clock: clock, Log: slog.New(slog.DiscardHandler),
	})
}

func begin(t testing.TB, r *Relay) {
	t.Helper()
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { halt(r) })
}

// halt stops a relay in the orderly way.
func halt(r *Relay) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.Stop(ctx)
}

// kill stops a relay without letting it finish: what a crash leaves behind.
func kill(r *Relay) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.cancel()
	r.Stop(ctx)
}

// kept gives the seqs that the stream holds, in its order.
func kept(t testing.TB, c *Conn) []int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := c.js.Stream(ctx, StreamName)
	if err != nil {
		t.Fatal(err)
	}
	state := stream.CachedInfo().State
	var seqs []int64
	for n := state.FirstSeq; n <= state.LastSeq && state.Msgs > 0; n++ {
		m, err := stream.GetMsg(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		e, err := DecodeEvent(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

// failed tells whether the relay has counted a failure.
func failed(t testing.TB, r *Relay) bool {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.failures)
	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return got[0].GetMetric()[0].GetCounter().GetValue() > 0
}

func upTo(n int) []int64 {
	seqs := make([]int64, n)
	for i := range seqs {
		seqs[i] = int64(i + 1)
	}
	return seqs
}

func TestRelay(t *testing.T) {
	t.Run("events_arrive_in_order_and_are_kept", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h, e := &history{}, listen(t, c)
		r := relayOf(c, h, dispatch.Wall{})
		const first, more = 3*chunkSize + 7, 20
		h.commit(first)
		begin(t, r)
		for range more {
			h.commit(1)
			r.Kick()
		}
		want := upTo(first + more)
		within(t, "all events are heard", func() bool { return len(e.heard()) >= len(want) })
		if got := e.heard(); !slices.Equal(got, want) {
			t.Errorf("heard %v", got)
		}
		within(t, "the published seq is heard", func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.published == int64(len(want))
		})
		if e.overtaken {
			t.Error("a published seq came before its event")
		}
		halt(r)
		if got := kept(t, c); !slices.Equal(got, want) {
			t.Errorf("the stream holds %v", got)
		}
		if r.Published() != int64(len(want)) || h.stored() != int64(len(want)) {
			t.Errorf("published %d, cursor %d, want %d", r.Published(), h.stored(), len(want))
		}
	})
	t.Run("a_new_relay_goes_on_from_the_cursor", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		h.commit(10)
		first := relayOf(c, h, dispatch.Wall{})
		begin(t, first)
		halt(first)
		h.commit(5)
		e := listen(t, c)
		second := relayOf(c, h, dispatch.Wall{})
		begin(t, second)
		within(t, "the rest is heard", func() bool { return len(e.heard()) == 5 })
		if got := e.heard(); !slices.Equal(got, []int64{11, 12, 13, 14, 15}) {
			t.Errorf("heard %v", got)
		}
	})
	t.Run("what_is_published_again_after_a_crash_is_kept_once", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		h.commit(10)
		// The hand-moved clock never lets the cursor be stored.
		crashed := relayOf(c, h, dispatch.NewManual(base))
		begin(t, crashed)
		within(t, "all is published", func() bool { return crashed.Published() == 10 })
		kill(crashed)
		if h.stored() != 0 {
			t.Fatalf("the crash left cursor %d, want 0", h.stored())
		}
		e := listen(t, c)
		again := relayOf(c, h, dispatch.Wall{})
		begin(t, again)
		within(t, "the cursor is stored", func() bool { return h.stored() == 10 })
		if got := kept(t, c); !slices.Equal(got, upTo(10)) {
			t.Errorf("the stream holds %v", got)
		}
		within(t, "listeners hear all again", func() bool { return slices.Equal(e.heard(), upTo(10)) })
	})
	t.Run("a_hole_in_the_history_stops_it", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		h.commit(3)
		h.events[2].Seq = 4
		r := relayOf(c, h, dispatch.Wall{})
		begin(t, r)
		within(t, "the failure is counted", func() bool { return failed(t, r) })
		kill(r)
		if r.Published() > 2 {
			t.Errorf("published %d beyond the hole", r.Published())
		}
	})
}

func TestRelay_pace(t *testing.T) {
	c := connect(t, startServer(t, t.TempDir()))
	h, clock := &history{}, dispatch.NewManual(base)
	r := relayOf(c, h, clock)
	heard := make(chan int64, 16)
	stop, err := c.Subscribe(dispatch.Listener{Published: func(_ dispatch.MarketID, seq int64) { heard <- seq }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	begin(t, r)
	if seq := receive(t, "the first telling", heard); seq != 0 {
		t.Errorf("told %d, want 0", seq)
	}
	h.commit(3)
	r.Kick()
	if seq := receive(t, "the telling after a chunk", heard); seq != 3 {
		t.Errorf("told %d, want 3", seq)
	}
	if h.stored() != 0 {
		t.Errorf("the cursor was stored at once: %d", h.stored())
	}
	within(t, "the cursor is stored in time", func() bool { clock.Advance(saveEvery / 10); return h.stored() == 3 })
	h.commit(2) // and no kick
	within(t, "the poll finds it", func() bool { clock.Advance(tellEvery / 10); return r.Published() == 5 })
}

func TestRelay_failures(t *testing.T) {
	t.Run("a_store_that_is_away_loses_nothing", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h, e, clock := &history{}, listen(t, c), dispatch.NewManual(base)
		r := relayOf(c, h, clock)
		begin(t, r)
		h.commit(5)
		r.Kick()
		within(t, "the first part is heard", func() bool { return len(e.heard()) == 5 })
		h.fail(errors.New("the store is away"))
		h.commit(5)
		r.Kick()
		within(t, "the failure is counted", func() bool { return failed(t, r) })
		h.fail(nil)
		within(t, "the rest is published", func() bool { clock.Advance(minBackoff); return r.Published() == 10 })
		if got := kept(t, c); !slices.Equal(got, upTo(10)) {
			t.Errorf("the stream holds %v", got)
		}
	})
	t.Run("a_stream_that_is_away_loses_nothing", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		ctx := t.Context()
		h, clock := &history{}, dispatch.NewManual(base)
		r := relayOf(c, h, clock)
		begin(t, r)
		h.commit(1)
		r.Kick()
		within(t, "the first event is published", func() bool { return r.Published() == 1 })
		// One that refuses what is new stands for a full disk; the relay's next start mends it.
		stuck := jetstream.StreamConfig{
			Name: StreamName, Subjects: []string{eventRoot + ">"}, MaxMsgs: 1, Discard: jetstream.DiscardNew,
		}
		if _, err := c.js.UpdateStream(ctx, stuck); err != nil {
			t.Fatal(err)
		}
		h.commit(9)
		r.Kick()
		within(t, "the failure is counted", func() bool { return failed(t, r) })
		within(t, "all is published", func() bool { clock.Advance(minBackoff); return r.Published() == 10 })
		if got := kept(t, c); !slices.Equal(got, upTo(10)) {
			t.Errorf("the stream holds %v", got)
		}
	})
	t.Run("a_server_that_restarts_loses_nothing", func(t *testing.T) {
		dir := t.TempDir()
		first := startServer(t, dir)
		var mu sync.Mutex
		now := first
		provider := providerFunc(func() *EmbeddedServer { mu.Lock(); defer mu.Unlock(); return now })
		c, err := dial("", slog.New(slog.DiscardHandler), nats.InProcessServer(provider))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		h, clock := &history{}, dispatch.NewManual(base)
		r := relayOf(c, h, clock)
		begin(t, r)
		h.commit(5)
		r.Kick()
		within(t, "the first part is published", func() bool { return r.Published() == 5 })
		first.Stop()
		h.commit(5)
		r.Kick()
		within(t, "the failure is counted", func() bool { return failed(t, r) })
		second := startServer(t, dir)
		mu.Lock()
		now = second
		mu.Unlock()
		within(t, "the rest is published", func() bool { clock.Advance(maxBackoff); return r.Published() == 10 })
		if got := kept(t, c); !slices.Equal(got, upTo(10)) {
			t.Errorf("the stream holds %v", got)
		}
	})
}

func TestRelay_Stop(t *testing.T) {
	t.Run("publishes_what_is_committed", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{}
		r := relayOf(c, h, dispatch.NewManual(base))
		begin(t, r)
		h.commit(2*chunkSize + 1) // and no kick
		halt(r)
		halt(r)
		if h.stored() != 2*chunkSize+1 {
			t.Errorf("cursor %d, want %d", h.stored(), 2*chunkSize+1)
		}
	})
	t.Run("does_nothing_unstarted", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		r := relayOf(c, &history{}, dispatch.Wall{})
		halt(r)
		if err := r.Start(t.Context()); err == nil {
			t.Error("a stopped relay was started")
		}
	})
	t.Run("gives_up_with_its_context", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		h := &history{fault: errors.New("the store is away")}
		r := relayOf(c, h, dispatch.Wall{})
		begin(t, r)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r.Stop(ctx)
	})
}

func TestRelay_metrics(t *testing.T) {
	c := connect(t, startServer(t, t.TempDir()))
	h, reg, clock := &history{}, prometheus.NewRegistry(), dispatch.NewManual(base)
	r := NewRelay(RelayConfig{
		Market: "sf", Source: h, Conn: c, Clock: clock, Log: slog.New(slog.DiscardHandler), Registerer: reg,
	})
	h.fail(errors.New("the store is away"))
	begin(t, r)
	within(t, "the failure is counted", func() bool { return failed(t, r) })
	clock.Advance(minBackoff / 2)
	if lag := r.Lag(); lag <= 0 {
		t.Errorf("lag %v while the relay stands", lag)
	}
	h.fail(nil)
	within(t, "the lag is gone", func() bool { clock.Advance(minBackoff); return r.Lag() == 0 })
	if got, err := reg.Gather(); err != nil || len(got) != 3 {
		t.Errorf("%d metrics, %v; want 3", len(got), err)
	}
	halt(r)
	if got, err := reg.Gather(); err != nil || len(got) != 0 {
		t.Errorf("%d metrics after Stop, %v; want 0", len(got), err)
	}
}

// BenchmarkRelay is the way of one event from the history to the stream's acknowledgement.
func BenchmarkRelay(b *testing.B) {
	for _, backlog := range []int{1, chunkSize} {
		b.Run(fmt.Sprintf("backlog=%d", backlog), func(b *testing.B) {
			c := connect(b, startServer(b, b.TempDir()))
			h := &history{}
			r := relayOf(c, h, dispatch.Wall{})
			begin(b, r)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%backlog != 0 {
					continue // the whole backlog is counted at its first event
				}
				h.commit(backlog)
				r.Kick()
				for r.Published() < int64(len(h.events)) {
					<-time.After(10 * time.Microsecond)
				}
			}
		})
	}
}
