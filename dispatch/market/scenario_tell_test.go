package market

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// step steps the core, commits what it did, and tells it.
func (s *scenario) step(in Input) {
	s.t.Helper()
	out := s.core.Step(s.now, in)
	s.next = out.Next
	b := dispatch.Batch{
		Market: "sf", Epoch: s.journal.lease.Epoch, Batch: s.journal.lease.Batch, At: s.core.Now(),
		Events: out.Events, Offers: out.Offers, Answers: out.Answers,
	}
	s.tell(&out)
	if b.Empty() {
		return
	}
	if err := s.journal.Commit(s.t.Context(), &b); err != nil {
		s.fatalf("%v\n%s", err, s.out.String())
	}
}

// at is an instant as seconds since the start of the scenario.
func (s *scenario) at(t time.Time) string { return "+" + t.Sub(t0).String() }

// name gives an offer its readable name.
func (s *scenario) name(id dispatch.OfferID) string {
	if id == "" {
		return ""
	}
	if _, ok := s.offers[id]; !ok {
		name := fmt.Sprintf("f%d", len(s.offers)+1)
		s.offers[id], s.byName[name] = name, id
	}
	return s.offers[id]
}

func (s *scenario) sayf(format string, args ...any) {
	fmt.Fprintf(&s.out, format, args...)
	s.out.WriteByte('\n')
}

// words joins key=value pairs, leaving out those without a value.
func words(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, " %s=%s", pairs[i], pairs[i+1])
		}
	}
	return b.String()
}

func (s *scenario) tell(out *Effects) {
	for i := range out.Events {
		s.tellEvent(&out.Events[i])
	}
	for _, f := range out.Offers {
		if f.State == dispatch.OfferLive {
			s.sayf("offer %s %s for %s to %s until %s", s.name(f.ID), f.State, f.Order, f.Driver, s.at(f.ExpiresAt))
		} else {
			s.sayf("offer %s %s%s", s.name(f.ID), f.State, words("reason", f.Reason, "at", s.at(f.EndedAt)))
		}
	}
	for _, a := range out.Answers {
		version := ""
		if a.Order != "" {
			version = fmt.Sprintf("%s/v%d", a.Order, a.Version)
		}
		s.sayf("keep %s/%s: %s%s", a.Sub, a.Key.ID, cmp.Or(string(a.Code), "ok"), words("order", version, "field", a.Field))
	}
	if r := out.Reply; r != nil {
		switch {
		case r.Err != nil:
			s.sayf("reply %s: %s%s", r.Err.Code, r.Err.Detail, words("field", r.Err.Field))
		case r.Order != nil:
			s.sayf("reply %s v%d %s%s", r.Order.ID, r.Order.Version, r.Order.State, words("driver", string(r.Order.Driver)))
		default:
			s.sayf("reply ok")
		}
	}
	for _, n := range out.Notices {
		order := ""
		if n.Order != nil {
			order = fmt.Sprintf(" %s v%d %s", n.Order.ID, n.Order.Version, n.Order.State)
		}
		s.sayf("tell %s: %s %s%s", n.Offer.Driver, s.name(n.Offer.ID), n.Offer.State, order)
	}
	s.tellSearch(out)
}

// tellSearch tells what is for the search and for metrics.
func (s *scenario) tellSearch(out *Effects) {
	if r := out.Round; r != nil {
		more := ""
		if r.Offers != r.Matched {
			more += fmt.Sprintf(" offers=%d", r.Offers)
		}
		if r.Forced > 0 {
			more += fmt.Sprintf(" forced=%d", r.Forced)
		}
		if r.Greedy {
			more += " greedy"
		}
		if h := r.Shadow; h != nil {
			more += fmt.Sprintf(" pickup=%v shadow: matched=%d pickup=%v differ=%d", r.Pickup, h.Matched, h.Pickup, h.Differ)
		}
		if r.Further > 0 {
			more += fmt.Sprintf(" further=%d/%d", r.FurtherMatched, r.Further)
		}
		s.sayf("round orders=%d drivers=%d pairs=%d matched=%d%s", r.Orders, r.Drivers, r.Pairs, r.Matched, more)
	}
	for _, p := range out.Supply {
		free := "busy"
		if p.Free {
			free = "free"
		} else if p.Ends != nil {
			free = "ending"
		}
		s.sayf("supply %s %s%s", p.Driver, free, words("class", p.VehicleClass))
	}
	if out.Seek == nil {
		return
	}
	s.seek = out.Seek
	var b strings.Builder
	for _, o := range out.Seek.Orders {
		fmt.Fprintf(&b, " %s", o.Order)
		if len(o.Barred) > 0 {
			fmt.Fprintf(&b, "(not %v)", o.Barred)
		}
	}
	s.sayf("seek %d at %s:%s", out.Seek.Round, s.at(s.core.Now()), b.String())
}

func (s *scenario) tellEvent(e *dispatch.Event) {
	by := string(e.By.Role) + " " + e.By.Sub
	head := fmt.Sprintf("event %d %s", e.Seq, s.at(e.At))
	if d := e.Duty; d != nil {
		s.sayf("%s %s v%d %s by %s:%s", head, e.Driver, e.Version, e.Type, by,
			words("class", d.VehicleClass, "capacity", fmt.Sprint(d.Capacity), "tags", strings.Join(d.Tags, ",")))
		return
	}
	o := e.Order
	more := words("driver", string(e.Driver), "offer", s.name(e.Offer), "reason", e.Reason, "cancelled_by", o.CancelledBy)
	if o.NextStop > 0 {
		more += fmt.Sprintf(" next_stop=%d/%d", o.NextStop, len(o.Stops))
	}
	if e.Type == dispatch.EventOrderEdited {
		more += fmt.Sprintf(" priority=%d", o.Priority)
	}
	if e.To == dispatch.StateEnRouteToPickup && e.From != e.To {
		more += words("pickup_eta", s.eta(o.PickupETA), "dropoff_eta", s.eta(o.DropoffETA))
	}
	s.sayf("%s %s v%d %s from %q by %s:%s", head, o.ID, e.Version, e.Type, e.From, by, more)
}

func (s *scenario) eta(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return s.at(t)
}

// show tells how an order stands in the journal, what is not public included.
func (s *scenario) show(id string) {
	o, ok := s.journal.orders[dispatch.OrderID(id)]
	if !ok {
		s.fatalf("no order %s", id)
	}
	var bars []string
	for _, b := range o.Bars {
		until := "for good"
		if !b.Until.IsZero() {
			until = "until " + s.at(b.Until)
		}
		bars = append(bars, fmt.Sprintf("%s %s", b.Driver, until))
	}
	s.sayf("%s v%d %s%s", o.ID, o.Version, o.State, words("driver", string(o.Driver), "reason", o.Reason,
		"priority", fmt.Sprint(o.Priority), "search_since", s.at(o.SearchSince), "bars", strings.Join(bars, ", ")))
}
