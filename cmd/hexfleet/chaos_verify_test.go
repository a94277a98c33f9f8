package main

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/bus"
	"github.com/hexfleet/hexfleet/store"
)

// book is what a journal tells, checked by the law while it is read.
type book struct {
	t *testing.T
	j store.Journal

	events map[dispatch.MarketID][]dispatch.Event // each dense from seq 1
	orders map[dispatch.OrderID]dispatch.Order    // as the last event tells them
	duties map[dispatch.DriverID]dispatch.Duty
	// shifts are the versions of each driver's duty; a driver's events stand in every market that it worked in.
	shifts map[dispatch.DriverID][]int64
	// working counts the open orders of each driver.
	working map[dispatch.DriverID]int
	// complaints counts what was wrong.
	complaints int
}

// readBook reads the whole history of the markets and proves P2 and P3 of it: seq and versions dense, each
// transition legal, no driver with more orders than its capacity, and each order's row as its last event says.
func readBook(t *testing.T, j store.Journal, markets ...dispatch.MarketID) *book {
	t.Helper()
	b := &book{t: t, j: j, events: map[dispatch.MarketID][]dispatch.Event{}, orders: map[dispatch.OrderID]dispatch.Order{},
		duties: map[dispatch.DriverID]dispatch.Duty{}, shifts: map[dispatch.DriverID][]int64{}, working: map[dispatch.DriverID]int{}}
	for _, m := range markets {
		for {
			page, err := j.MarketEvents(t.Context(), m, int64(len(b.events[m])), 1000)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				if want := int64(len(b.events[m])) + 1; e.Seq != want {
					t.Fatalf("%s: seq %d stands where %d should", m, e.Seq, want)
				}
				b.events[m] = append(b.events[m], e)
				b.add(&e)
			}
		}
	}
	for d, versions := range b.shifts {
		slices.Sort(versions)
		for i, v := range versions {
			if v != int64(i+1) {
				t.Fatalf("driver %s has versions %v", d, versions)
			}
		}
	}
	for id, o := range b.orders {
		row, err := j.Order(t.Context(), id)
		if err != nil || row.Version != o.Version || row.State != o.State || row.Driver != o.Driver {
			t.Errorf("order %s is %s of %q at %d (%v), its last event says %s of %q at %d",
				id, row.State, row.Driver, row.Version, err, o.State, o.Driver, o.Version)
		}
	}
	return b
}

// wrong fails the test; of a history gone wrong in many places the first few are told.
func (b *book) wrong(format string, args ...any) {
	b.t.Helper()
	if b.complaints++; b.complaints <= 10 {
		b.t.Errorf(format, args...)
	}
}

// add checks one event against those before it.
func (b *book) add(e *dispatch.Event) {
	b.t.Helper()
	if e.Duty != nil {
		b.shifts[e.Duty.Driver] = append(b.shifts[e.Duty.Driver], e.Version)
		b.duties[e.Duty.Driver] = *e.Duty
		return
	}
	before, known := b.orders[e.Order.ID]
	if e.Version != before.Version+1 || e.Version != e.Order.Version {
		b.wrong("order %s is told at version %d after %d", e.Order.ID, e.Version, before.Version)
	}
	if (e.From != "") != known || known && before.State != e.From {
		b.wrong("order %s goes from %q, but was %q", e.Order.ID, e.From, before.State)
	}
	if e.From != e.To && !dispatch.May(e.By.Role, e.From, e.To) {
		b.wrong("order %s goes from %q to %q by %s", e.Order.ID, e.From, e.To, e.By.Role)
	}
	b.holds(&before, -1)
	b.orders[e.Order.ID] = *e.Order
	b.holds(e.Order, 1)
	if d := e.Order.Driver; d != "" && b.working[d] > max(1, b.duties[d].Capacity) {
		b.wrong("driver %s has %d orders at seq %d of %s", d, b.working[d], e.Seq, e.Market)
	}
}

// holds counts an order for its driver while it is open.
func (b *book) holds(o *dispatch.Order, n int) {
	if o.Driver != "" && o.State.Assigned() {
		b.working[o.Driver] += n
	}
}

// has proves that what was acknowledged is there (P1).
func (b *book) has(acks []ack) (checked int) {
	b.t.Helper()
	for _, a := range acks {
		if a.order == "" {
			continue
		}
		checked++
		o, err := b.j.OrderAt(b.t.Context(), a.id(), a.version)
		if err != nil || string(o.State) != a.state {
			b.wrong("acknowledged, but missing: %s\nwas answered %s\nthe journal has %q (%v)", a.what, a.text, o.State, err)
		}
	}
	return checked
}

// published proves that the stream has each committed event, in order, and nothing else (P4); a repeat of what
// it has had is allowed.
func (b *book) published(messages map[dispatch.MarketID][][]byte) {
	b.t.Helper()
	for m, events := range b.events {
		next := 0
		for i, got := range messages[m] {
			e, err := bus.DecodeEvent(got)
			if err != nil {
				b.t.Fatalf("message %d of %s: %v", i, m, err)
			}
			if e.Seq < 1 || e.Seq > int64(len(events)) {
				b.wrong("the stream has seq %d of %s, the journal only %d", e.Seq, m, len(events))
				continue
			}
			want, err := bus.EncodeEvent(&events[e.Seq-1])
			if err != nil {
				b.t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				b.wrong("seq %d of %s is published as %s\nand committed as %s", e.Seq, m, got, want)
			}
			if e.Seq > int64(next)+1 {
				b.wrong("seq %d of %s is published after %d", e.Seq, m, next)
			}
			next = max(next, int(e.Seq))
		}
		if next != len(events) {
			b.wrong("the stream ends at seq %d of %s, the journal at %d", next, m, len(events))
		}
	}
}

// readStream reads what the NATS in the process of a server, which has ended, keeps of its events.
func readStream(t *testing.T, dir string) map[dispatch.MarketID][][]byte {
	t.Helper()
	ns, err := natsd.NewServer(&natsd.Options{ServerName: "hexfleet", DontListen: true, NoSigs: true, JetStream: true,
		StoreDir: filepath.Join(dir, "nats")})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	}()
	if !ns.ReadyForConnections(patience) {
		t.Fatal("the server's NATS does not come up again")
	}
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return readMessages(t, nc)
}

// readMessages reads the stream of events to its present end, by market.
func readMessages(t *testing.T, nc *nats.Conn) map[dispatch.MarketID][][]byte {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := js.Stream(ctx, bus.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages := map[dispatch.MarketID][][]byte{}
	for n := uint64(0); n < info.State.Msgs; {
		batch, err := consumer.Fetch(1000, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			e, err := bus.DecodeEvent(m.Data())
			if err != nil {
				t.Fatal(err)
			}
			messages[e.Market] = append(messages[e.Market], m.Data())
			n++
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d messages came", n, info.State.Msgs)
		}
	}
	return messages
}
