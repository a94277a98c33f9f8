package bus

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestConn_Subscribe(t *testing.T) {
	t.Run("notices_and_positions_arrive_whole", func(t *testing.T) {
		server := startServer(t, t.TempDir())
		c := connect(t, server)
		notices := make(chan *dispatch.Notice, 2)
		positions := make(chan *dispatch.Position, 1)
		stop, err := connect(t, server).Subscribe(dispatch.Listener{
			Notice:   func(n *dispatch.Notice) { notices <- n },
			Position: func(p *dispatch.Position) { positions <- p },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		wantNotices, wantPosition := hints()
		for _, want := range wantNotices {
			if err := c.Notice(want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, receive(t, "the notice", notices)); diff != "" {
				t.Errorf("sent (-), got (+):\n%s", diff)
			}
		}
		if err := c.Position(wantPosition); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantPosition, receive(t, "the position", positions), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("sent (-), got (+):\n%s", diff)
		}
	})
	t.Run("a_nudge_arrives_at_its_listener", func(t *testing.T) {
		server := startServer(t, t.TempDir())
		nudges := make(chan *dispatch.Order, 1)
		stop, err := connect(t, server).Subscribe(dispatch.Listener{Nudge: func(o *dispatch.Order) { nudges <- o }})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		notices, _ := hints()
		if err := connect(t, server).Nudge(notices[0].Order); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(notices[0].Order, receive(t, "the nudge", nudges)); diff != "" {
			t.Errorf("sent (-), got (+):\n%s", diff)
		}
	})
	t.Run("a_flood_of_positions_drops_no_notice", func(t *testing.T) {
		server := startServer(t, t.TempDir())
		c := connect(t, server)
		notices := make(chan *dispatch.Notice, 2)
		stuck, free := make(chan struct{}, 1), make(chan struct{})
		listening := connect(t, server)
		stop, err := listening.Subscribe(dispatch.Listener{
			Notice: func(n *dispatch.Notice) { notices <- n },
			Position: func(*dispatch.Position) {
				select {
				case stuck <- struct{}{}:
					<-free // until the notice has been sent
				default:
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		sent, position := hints()
		for range hintsPending + 1000 {
			if err := c.Position(position); err != nil {
				t.Fatal(err)
			}
		}
		receive(t, "the first position", stuck)
		if err := c.Notice(sent[0]); err != nil {
			t.Fatal(err)
		}
		for _, conn := range []*Conn{c, listening} {
			if err := conn.nc.FlushTimeout(flushTimeout); err != nil {
				t.Fatal(err)
			}
		}
		close(free)
		receive(t, "the notice", notices)
		if listening.slow.Load() == 0 {
			t.Error("no position was dropped: the flood is too small to tell")
		}
	})
	t.Run("nothing_is_told_after_stop", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		var mu sync.Mutex
		told := 0
		stop, err := c.Subscribe(dispatch.Listener{Notice: func(*dispatch.Notice) { mu.Lock(); told++; mu.Unlock() }})
		if err != nil {
			t.Fatal(err)
		}
		notices, _ := hints()
		send := func() {
			if err := c.Notice(notices[0]); err != nil {
				t.Fatal(err)
			}
		}
		count := func() int { mu.Lock(); defer mu.Unlock(); return told }
		send()
		within(t, "the first notice", func() bool { return count() == 1 })
		stop()
		stop()
		send()
		if err := c.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != 1 {
			t.Errorf("told %d notices, want 1", n)
		}
	})
	t.Run("a_broken_message_is_left_out", func(t *testing.T) {
		c := connect(t, startServer(t, t.TempDir()))
		var log bytes.Buffer
		c.log = slog.New(slog.NewTextHandler(&log, nil))
		events := make(chan *dispatch.Event, 1)
		stop, err := c.Subscribe(dispatch.Listener{Event: func(e *dispatch.Event) { events <- e }})
		if err != nil {
			t.Fatal(err)
		}
		good, err := EncodeEvent(anEvent(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{[]byte("{"), good} {
			if err := c.nc.Publish(EventSubject(anEvent(1)), b); err != nil {
				t.Fatal(err)
			}
		}
		if e := receive(t, "the good event", events); e.Seq != 1 {
			t.Errorf("seq %d, want 1", e.Seq)
		}
		stop()
		if !strings.Contains(log.String(), "bus message left out") {
			t.Errorf("log %q", log.String())
		}
	})
	t.Run("a_slow_listener_loses_messages_and_is_counted", func(t *testing.T) {
		server := startServer(t, t.TempDir())
		from, to := connect(t, server), connect(t, server)
		hold := make(chan struct{})
		release := sync.OnceFunc(func() { close(hold) })
		defer release()
		stop, err := to.Subscribe(dispatch.Listener{Notice: func(*dispatch.Notice) { <-hold }})
		if err != nil {
			t.Fatal(err)
		}
		notices, _ := hints()
		for range hintsPending + 100 {
			if err := from.Notice(notices[1]); err != nil {
				t.Fatal(err)
			}
		}
		within(t, "the drop is counted", func() bool { return to.slow.Load() > 0 })
		release()
		stop()
	})
}

func TestHints_format(t *testing.T) {
	c := connect(t, startServer(t, t.TempDir()))
	messages := make(chan *nats.Msg, 5)
	sub, err := c.nc.ChanSubscribe("hexfleet.v1.>", messages)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	notices, position := hints()
	for _, n := range notices {
		if err := c.Notice(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Position(position); err != nil {
		t.Fatal(err)
	}
	if err := c.published("sf", 7741); err != nil {
		t.Fatal(err)
	}
	if err := c.Nudge(notices[0].Order); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for range 5 {
		m := receive(t, "a hint", messages)
		got.WriteString(m.Subject + "\n")
		if err := json.Indent(&got, m.Data, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
	}
	golden(t, "testdata/hints.txt", got.Bytes())
}
