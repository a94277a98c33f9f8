package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
)

// startNATS starts a NATS with JetStream on a port, -1 for a free one.
func startNATS(t *testing.T, dir string, port int) *natsd.Server {
	t.Helper()
	s, err := natsd.NewServer(&natsd.Options{
		ServerName: "outside", Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { endNATS(s) })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	return s
}

func endNATS(s *natsd.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// streamed gives the message ids that the stream holds, in its order; the time of a gap bounds the reading.
func streamed(t *testing.T, url string) []string {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), bus.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	state := stream.CachedInfo().State
	for n := state.FirstSeq; n <= state.LastSeq && state.Msgs > 0; n++ {
		m, err := stream.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.DecodeEvent(m.Data); err != nil {
			t.Error(err)
		}
		ids = append(ids, m.Header.Get(jetstream.MsgIDHeader))
	}
	return ids
}

// TestServe_NATSAway has an outside NATS go away for ten seconds under load, and come back, first with its streams and
// then without: orders go on all the while, riders are told every version in the end, and the stream holds every event
// in order under its id.
func TestServe_NATSAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startNATS(t, dir, natsd.RANDOM_PORT)
	url, port := first.ClientURL(), first.Addr().(*net.TCPAddr).Port
	p := serve(t, t.TempDir(), "--nats-url", url)
	rider := p.dial(p.token(dispatch.RoleRider, "r0"))
	b := keepBusy(p)
	b.orders(20)
	mine := p.order("r0", "mine")

	endNATS(first)
	until(t, "the server is not ready without its bus", func() bool { return p.rest("GET", "/readyz", "", "").status == 503 })
	for gone := time.Now(); time.Since(gone) < 10*time.Second; {
		b.orders(20) // orders go on
	}
	p.done("POST", "/v1/orders/"+mine+"/priority", `{"priority":1}`)
	second := startNATS(t, dir, port)
	until(t, "the server is ready again", func() bool { return p.rest("GET", "/readyz", "", "").status == 200 })
	rider.find("order", event(mine, 2))
	caughtUp := func() (last int) {
		until(t, "the relay has caught up", func() bool {
			// Twice the same: the relay may not have heard of the last events yet when it is asked first.
			before := last
			last = int(p.metric(`hexfleet_bus_relay_published_seq{market="sf"}`))
			time.Sleep(300 * time.Millisecond)
			return before == last && p.metric(`hexfleet_bus_relay_lag_seconds{market="sf"}`) == 0
		})
		return last
	}
	b.stop()
	last := caughtUp()
	wantStream(t, url, 1, last)

	endNATS(second)
	p.done("POST", "/v1/orders/"+mine+"/priority", `{"priority":2}`)
	more := keepBusy(p)
	more.orders(20)
	startNATS(t, t.TempDir(), port)
	rider.find("order", event(mine, 3))
	more.orders(20)
	more.stop()
	wantStream(t, url, last+1, caughtUp())
}

// wantStream checks that the stream holds the events of sf from first to last, each once and in order.
func wantStream(t *testing.T, url string, first, last int) {
	t.Helper()
	ids := streamed(t, url)
	if len(ids) != last-first+1 {
		t.Errorf("the stream holds %d events, want %d to %d", len(ids), first, last)
	}
	for i, id := range ids {
		if want := fmt.Sprint("sf:", first+i); id != want {
			t.Fatalf("message %d of the stream is %s, want %s", i, id, want)
		}
	}
}
