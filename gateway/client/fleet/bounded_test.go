package fleet

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// ride is the history of an order that driver held from seq from to before seq to.
func ride(order, driver wire.ID, from, to int64) []wire.Event {
	step := func(version, seq int64, state string, driver *wire.ID) wire.Event {
		return wire.Event{OrderID: order, Version: version, Market: "lab", Seq: seq, To: state, DriverID: driver}
	}
	return []wire.Event{
		step(1, from-1, "searching", nil), step(2, from, "en_route_to_pickup", &driver),
		step(3, from+1, "arrived_at_pickup", &driver), step(4, to, "completed", &driver),
	}
}

func TestSpans(t *testing.T) {
	for name, c := range map[string]struct {
		other []wire.Event
		want  int
	}{
		"after":                   {ride("b", "d", 20, 30), 0},
		"at_once_after":           {ride("b", "d", 19, 30), 0},
		"before_and_closed_later": {ride("b", "d", 2, 9), 0},
		"another_driver":          {ride("b", "e", 12, 15), 0},
		"within":                  {ride("b", "d", 12, 15), 1},
		"overlapping":             {ride("b", "d", 18, 30), 1},
	} {
		s := spans{}
		s.add(ride("a", "d", 10, 19))
		if got := s.add(c.other); len(got) != c.want {
			t.Errorf("%s: held together with %v, want %d orders", name, got, c.want)
		}
	}
	s := spans{}
	for i := range int64(1000) {
		s.add(ride("a", "d", 100*i+1, 100*i+50))
	}
	if n := len(s["d"]); n > keptSpans {
		t.Errorf("%d spans are kept, want at most %d", n, keptSpans)
	}
}

func TestChecker_settle(t *testing.T) {
	c := NewChecker(&handClock{})
	held := spans{}
	for _, id := range []wire.ID{"a", "b"} { // the same driver at the same time
		events := ride(id, "d", 10, 19)
		c.History(id, events, false)
		c.settle(id, events, held)
	}
	single := 0
	for _, b := range c.since(0) {
		if b.Promise == Single {
			single++
		}
	}
	if single != 1 {
		t.Errorf("got %+v, want one driver with two orders", c.since(0))
	}
	if len(c.orders) != 0 || len(c.histories) != 0 {
		t.Errorf("%d orders and %d events are kept, want none", len(c.orders), len(c.histories))
	}
	if n := len(c.since(0)); len(c.since(n)) != 0 {
		t.Error("what was told before is told again")
	}
}

func TestChecker_sweep(t *testing.T) {
	c := NewChecker(&handClock{})
	c.record("old")
	known := c.sweep(map[wire.ID]bool{})
	c.record("new")
	c.seqs[seqKey{"lab", 1}], c.seqs[seqKey{"lab", keptSeqs + 2}] = "old", "new"
	if known = c.sweep(known); len(c.orders) != 1 || c.orders["new"] == nil || !known["new"] {
		t.Errorf("got %v, known %v, want the new order alone", c.orders, known)
	}
	if len(c.seqs) != 1 {
		t.Errorf("%d seqs are kept, want the new one", len(c.seqs))
	}
}

func TestParty_sweep(t *testing.T) {
	c := NewChecker(&handClock{})
	p := c.Party("driver", "d")
	now := time.Unix(1000, 0)
	id := wire.ID("answered")
	p.Sent(now, wire.TypeDuty, id)
	p.Heard(&wire.Ack{ID: &id})
	p.Sent(now, wire.TypeDuty, "open")
	p.Heard(&wire.OfferWithdrawn{OfferID: "f"})
	p.told["forgotten"] = last{version: 3, mine: true}
	p.sweep()
	if len(p.requests) != 1 || p.requests["open"] == nil || len(p.withdrawn) != 0 || len(p.told) != 0 {
		t.Errorf("kept %v, %v, %v, want the open request alone", p.requests, p.withdrawn, p.told)
	}
}
