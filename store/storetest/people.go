package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

func peopleTests() []account {
	return []account{
		{"all_that_is_held_of_a_person_is_told", peopleTold},
		{"an_erased_rider_is_named_nowhere_and_its_history_stands", peopleRider},
		{"an_erased_driver_is_named_nowhere_and_its_history_stands", peopleDriver},
		{"a_rider_and_a_driver_of_one_id_are_two", peopleTwo},
		{"an_erased_driver_may_come_back_as_a_new_one", peopleReturn},
		{"who_has_something_under_way_is_not_erased", peopleBusy},
		{"an_erasure_that_was_cut_off_goes_on", peopleCutOff},
		{"an_erased_id_is_forgotten_when_all_is_done", peopleForgotten},
		{"places_go_when_their_order_is_closed_for_long", peoplePlaces},
		{"history_goes_when_it_is_old", peopleHistory},
		{"history_that_the_bus_has_not_got_stays", peopleUnpublished},
	}
}

var (
	riderOne  = dispatch.Person{Role: dispatch.RoleRider, ID: "mary"}
	driverOne = dispatch.Person{Role: dispatch.RoleDriver, ID: "drew"}
)

// lives commits the closed orders o0 to o3 of mary (by drew, by drew and then d2, cancelled without a driver, by d2) and
// o4 of r2 (by drew), with words of people, offers, keys and samples, and leaves everyone off duty.
func lives(t *testing.T, h *archive) *Book {
	t.Helper()
	b := NewBook(t, h, sf)
	b.Duty("drew", true, 9)
	b.Duty("d2", true, 9)
	for i, way := range [][]dispatch.DriverID{{"drew"}, {"drew", "d2"}, {}, {"d2"}, {"drew"}} {
		id, rider := dispatch.OrderID(fmt.Sprint("o", i)), dispatch.RiderID("mary")
		if i == 4 {
			rider = "r2"
		}
		b.Create(id, rider)
		b.Move(id, dispatch.StateOffered, nil)
		for n, d := range way {
			b.Offer(dispatch.OfferID(fmt.Sprint("f", i, n)), id, d, dispatch.OfferAccepted)
			b.Move(id, dispatch.StateEnRouteToPickup, With(d))
			b.by(dispatch.RoleDriver, string(d), "")
			if n+1 < len(way) {
				b.Move(id, dispatch.StateSearching, func(o *dispatch.Order) {
					o.Bars, o.Driver = []dispatch.Bar{{Driver: d}}, ""
				})
				b.by(dispatch.RoleDriver, string(d), "met Mrs Smith of Elm Street")
				b.batch.Events[len(b.batch.Events)-1].Driver = d
			}
		}
		b.Move(id, dispatch.StateCancelled, func(o *dispatch.Order) { o.CancelledBy, o.Reason = "passenger", "I am Mrs Smith" })
		b.by(dispatch.RoleRider, string(rider), "I am Mrs Smith")
		o := b.Order(id)
		b.Answer(string(rider), "k"+string(id), "", &o)
		ok(t, "add samples", h.AddSamples(t.Context(), []dispatch.Sample{sampleOf(o, "drew"), sampleOf(o, "d2")}))
	}
	b.Offer("f9", "o0", "drew", dispatch.OfferDeclined)
	b.Answer("drew", "kd1", "", nil)
	b.Duty("drew", false, 9)
	b.Duty("d2", false, 9)
	b.Commit()
	return b
}

// by says who caused the last event of the forming batch, and in what words.
func (b *Book) by(role dispatch.Role, sub, reason string) {
	e := &b.batch.Events[len(b.batch.Events)-1]
	e.By, e.Reason = dispatch.By{Role: role, Sub: sub}, reason
}

func sampleOf(o dispatch.Order, d dispatch.DriverID) dispatch.Sample {
	s := samples()[0]
	s.Order, s.Driver, s.Market, s.At = o.ID, d, o.Market, o.RequestedAt
	if d == "d2" {
		s.At = s.At.Add(time.Second)
	}
	return s
}

func peopleTold(t *testing.T, h *archive) {
	lives(t, h)
	for _, c := range []struct {
		person dispatch.Person
		held   store.Held
	}{
		// Events: 4 of o0 and o3, 6 of o1, 3 of o2; of drew two of duty, 2 of o0 and o4, 4 of o1.
		{riderOne, store.Held{Orders: 4, Places: 4, Events: 17, Answers: 4, Samples: 8}},
		{driverOne, store.Held{Orders: 2, Events: 10, Offers: 4, Answers: 1, Samples: 5}},
		{dispatch.Person{Role: dispatch.RoleRider, ID: "r7"}, store.Held{}},
		{dispatch.Person{Role: dispatch.RoleDriver, ID: "d7"}, store.Held{}},
	} {
		held, err := h.Count(t.Context(), c.person)
		ok(t, "count", err)
		same(t, fmt.Sprintf("held of %+v", c.person), held, c.held)
	}
	stop := errors.New("enough")
	n := 0
	err := h.Tell(t.Context(), driverOne, func(store.Record) error {
		n++
		return stop
	})
	wantIs(t, "tell that is stopped", err, stop)
	same(t, "told before it was stopped", n, 1)
}

// history gives all events of sf as they are told, for comparing.
func history(t *testing.T, h *archive) []dispatch.Event {
	t.Helper()
	events, err := h.MarketEvents(t.Context(), sf, 0, 1000)
	ok(t, "market events", err)
	return events
}

// checkHistory holds events after an erasure against those before it: the same seq, versions, states and times, and
// nothing of the person.
func checkHistory(t *testing.T, before, after []dispatch.Event, p dispatch.Person, pseudonym string) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("%d events before, %d after", len(before), len(after))
	}
	for i := range before {
		want, _ := store.Rewritten(before[i], p, pseudonym)
		got := after[i]
		if want.Order != nil && len(got.Order.Stops) == 0 {
			want.Order.Stops = nil
		}
		same(t, fmt.Sprint("event ", i+1), got, want)
		if told := fmt.Sprintf("%+v %+v %+v", got, got.Order, got.Duty); strings.Contains(told, p.ID) {
			t.Errorf("event %d tells %s: %s", i+1, p.ID, told)
		}
		b, a := before[i], got
		same(t, "what stays", []any{a.Seq, a.Version, a.Type, a.At, a.From, a.To, a.Offer, a.By.Role},
			[]any{b.Seq, b.Version, b.Type, b.At, b.From, b.To, b.Offer, b.By.Role})
	}
}
