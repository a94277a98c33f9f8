package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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

func peopleRider(t *testing.T, h *archive) {
	b := lives(t, h)
	before := history(t, h)
	e, held, err := h.Erase(t.Context(), riderOne)
	ok(t, "erase", err)
	same(t, "erased", held, store.Held{Orders: 4, Places: 4, Events: 17, Offers: 1, Answers: 4, Samples: 8})
	if !strings.HasPrefix(e.Pseudonym, dispatch.ErasedPrefix) || !dispatch.ValidID(e.Pseudonym) {
		t.Errorf("the pseudonym is %q", e.Pseudonym)
	}
	h.reopen(t)
	checkHistory(t, before, history(t, h), riderOne, e.Pseudonym)
	left, err := h.Count(t.Context(), riderOne)
	ok(t, "count", err)
	same(t, "held after", left, store.Held{})
	o, err := h.Order(t.Context(), "o1")
	ok(t, "order", err)
	want := b.Order("o1")
	want.Rider, want.Stops, want.Reason = dispatch.RiderID(e.Pseudonym), nil, ""
	same(t, "order", o, want)
	other, err := h.Order(t.Context(), "o4")
	ok(t, "order of another", err)
	same(t, "order of another", other, b.Order("o4"))
	mine, err := h.Orders(t.Context(), dispatch.OrderFilter{Rider: dispatch.RiderID(e.Pseudonym), Limit: 50})
	ok(t, "orders", err)
	same(t, "orders under the pseudonym", ids(mine), "3210")
	_, known, err := h.Answer(t.Context(), "mary", "ko1")
	ok(t, "answer", err)
	same(t, "key known", known, false)
	rest, err := h.Samples(t.Context(), dispatch.SampleFilter{Limit: 50})
	ok(t, "samples", err)
	sameSamples(t, "samples that are left", rest, []dispatch.Sample{sampleOf(b.Order("o4"), "drew"), sampleOf(b.Order("o4"), "d2")})
	goesOn(t, h)
}

// goesOn proves that the market goes on from what an erasure left.
func goesOn(t *testing.T, h *archive) {
	t.Helper()
	b := NewBook(t, h, sf)
	b.Create("o9", "r9")
	b.Move("o9", dispatch.StateNoDriver, nil)
	b.Commit()
	events := history(t, h)
	for i, e := range events {
		if e.Seq != int64(i)+1 {
			t.Fatalf("event %d has seq %d", i+1, e.Seq)
		}
	}
}

func peopleDriver(t *testing.T, h *archive) {
	b := lives(t, h)
	before := history(t, h)
	e, held, err := h.Erase(t.Context(), driverOne)
	ok(t, "erase", err)
	same(t, "erased", held, store.Held{Orders: 3, Events: 10, Offers: 4, Answers: 1, Samples: 5})
	checkHistory(t, before, history(t, h), driverOne, e.Pseudonym)
	left, err := h.Count(t.Context(), driverOne)
	ok(t, "count", err)
	same(t, "held after", left, store.Held{})
	o, err := h.Order(t.Context(), "o1")
	ok(t, "order", err)
	want := b.Order("o1") // barred for drew, driven by d2; its places are the rider's
	want.Bars, want.Reason = []dispatch.Bar{{Driver: dispatch.DriverID(e.Pseudonym)}}, ""
	same(t, "order", o, want)
	_, err = h.Duty(t.Context(), "drew")
	wantCode(t, "duty", err, dispatch.CodeNotFound)
	duty, err := h.Duty(t.Context(), dispatch.DriverID(e.Pseudonym))
	ok(t, "duty under the pseudonym", err)
	same(t, "duty", []any{duty.Version, duty.Online, duty.Tags}, []any{int64(2), false, []string(nil)})
	offer, err := h.Offer(t.Context(), "f9")
	ok(t, "offer", err)
	same(t, "offer", []any{string(offer.Driver), offer.Reason}, []any{e.Pseudonym, ""})
	goesOn(t, h)
}

func peopleTwo(t *testing.T, h *archive) {
	b := NewBook(t, h, sf)
	b.Duty("x", true, 1)
	b.Create("o1", "x")
	b.Move("o1", dispatch.StateEnRouteToPickup, With("x"))
	b.by(dispatch.RoleDriver, "x", "")
	b.Move("o1", dispatch.StateCancelled, Cancelled)
	b.by(dispatch.RoleRider, "x", "no_show")
	b.Duty("x", false, 1)
	b.Commit()
	rider, _, err := h.Erase(t.Context(), dispatch.Person{Role: dispatch.RoleRider, ID: "x"})
	ok(t, "erase the rider", err)
	events := history(t, h)
	same(t, "the driver is still named", []string{events[2].By.Sub, string(events[2].Driver), string(events[2].Order.Driver)}, []string{"x", "x", "x"})
	same(t, "the rider is not", []string{events[3].By.Sub, string(events[3].Order.Rider)}, []string{rider.Pseudonym, rider.Pseudonym})
	same(t, "a reason of the contract stays", events[3].Reason, "no_show")
	_, _, err = h.Erase(t.Context(), dispatch.Person{Role: dispatch.RoleDriver, ID: "x"})
	ok(t, "erase the driver", err)
	if told := fmt.Sprintf("%+v", history(t, h)[2]); strings.Contains(told, `Sub:x`) || strings.Contains(told, "Driver:x") {
		t.Errorf("the driver is still told: %s", told)
	}
}

func peopleReturn(t *testing.T, h *archive) {
	lives(t, h)
	_, _, err := h.Erase(t.Context(), driverOne)
	ok(t, "erase", err)
	claim, err := h.Claim(t.Context(), "drew", sf)
	ok(t, "claim", err)
	same(t, "claim of one never seen", claim, dispatch.Claim{})
	b := NewBook(t, h, sf)
	b.Duty("drew", true, 1)
	b.Commit()
	duty, err := h.Duty(t.Context(), "drew")
	ok(t, "duty", err)
	same(t, "version of a new driver", duty.Version, int64(1))
}

func peopleBusy(t *testing.T, h *archive) {
	b := NewBook(t, h, sf)
	refused := func(p dispatch.Person, why string) {
		t.Helper()
		_, _, err := h.Erase(t.Context(), p)
		if !errors.Is(err, store.ErrBusyPerson) || !strings.Contains(err.Error(), why) {
			t.Errorf("erase %+v gave %v, want a refusal because of %q", p, err, why)
		}
	}
	_, err := h.Claim(t.Context(), "drew", sf)
	ok(t, "claim", err)
	refused(driverOne, "going on duty in market sf")
	b.Duty("drew", true, 1)
	b.Create("o1", "mary")
	b.Commit()
	refused(riderOne, "order o1 is not closed")
	refused(driverOne, "on duty in market sf")
	b.Offer("f1", "o1", "drew", dispatch.OfferLive)
	b.Duty("drew", false, 1)
	b.Commit()
	refused(driverOne, "live offer f1")
	b.Offer("f1", "o1", "drew", dispatch.OfferExpired)
	b.Edit("o1", dispatch.EventOrderEdited, func(o *dispatch.Order) { o.Bars = []dispatch.Bar{{Driver: "drew"}} })
	b.Commit()
	refused(driverOne, "order o1, which is not closed")
	b.Move("o1", dispatch.StateNoDriver, nil)
	b.Commit()
	refused(driverOne, "order o1, which was not to be offered")
	refused(riderOne, "order o1 found no driver a moment ago")
	same(t, "nothing was rewritten", history(t, h)[1].By, dispatch.By{Role: dispatch.RoleRider, Sub: "mary"})
	b.Now = b.Now.Add(time.Hour)
	b.Answer("r2", "k", "", nil)
	b.Commit()
	_, _, err = h.Erase(t.Context(), driverOne)
	ok(t, "erase the driver", err)
	_, _, err = h.Erase(t.Context(), riderOne)
	ok(t, "erase the rider", err)
}

// dying is a context that ends when it was looked at a number of times.
type dying struct {
	context.Context //nolint:containedctx // it is one
	left            atomic.Int64
	end             context.CancelFunc
}

// Done implements context.Context.
func (d *dying) Done() <-chan struct{} {
	if d.left.Add(-1) == 0 {
		d.end()
	}
	return d.Context.Done()
}

func peopleCutOff(t *testing.T, h *archive) {
	lives(t, h)
	before := history(t, h)
	pseudonym := ""
	for _, p := range []dispatch.Person{riderOne, driverOne} {
		cut := 0
		for looks := int64(2); ; looks += 3 {
			base, end := context.WithCancel(t.Context())
			ctx := &dying{Context: base, end: end}
			ctx.left.Store(looks)
			e, _, err := h.Erase(ctx, p)
			end()
			if err == nil {
				break
			}
			if cut++; e.Pseudonym != "" && pseudonym == "" {
				pseudonym = e.Pseudonym
			}
			if cut > 200 {
				t.Fatalf("the erasure never comes to its end: %v", err)
			}
		}
		if cut == 0 {
			t.Error("the erasure was never cut off")
		}
		left, err := h.Count(t.Context(), p)
		ok(t, "count", err)
		same(t, "held after", left, store.Held{})
		h.wall.Advance(time.Minute)
	}
	all, err := h.Erasures(t.Context())
	ok(t, "erasures", err)
	if len(all) != 2 || all[0].Pseudonym != pseudonym {
		t.Fatalf("erasures %+v, want two, the first under %s", all, pseudonym)
	}
	after := history(t, h)
	for i := range before {
		before[i], _ = store.Rewritten(before[i], riderOne, pseudonym)
	}
	checkHistory(t, before, after, driverOne, all[1].Pseudonym)
}

func peopleForgotten(t *testing.T, h *archive) {
	lives(t, h)
	rider, _, err := h.Erase(t.Context(), riderOne)
	ok(t, "erase", err)
	h.wall.Advance(time.Minute)
	driver, _, err := h.Erase(t.Context(), driverOne)
	ok(t, "erase", err)
	all, err := h.Erasures(t.Context())
	ok(t, "erasures", err)
	if len(all) != 2 {
		t.Fatalf("erasures: %+v", all)
	}
	for i, want := range []dispatch.Erasure{rider, driver} {
		same(t, "erasure", all[i].Pseudonym+all[i].Sub+string(all[i].Role), want.Pseudonym+want.Sub+string(want.Role))
		same(t, "requested at", all[i].RequestedAt, wallStart().Add(time.Duration(i)*time.Minute))
	}
	seqs := map[string]int64{}
	for _, e := range history(t, h) {
		if e.Order != nil {
			seqs[string(e.Order.ID)] = e.Seq
		}
	}
	for _, s := range all[0].Subjects {
		if s.Market != sf || s.Driver != "" || s.Seq != seqs[string(s.Order)] {
			t.Errorf("subject of the rider %+v, the last event of the order is %d", s, seqs[string(s.Order)])
		}
	}
	same(t, "subjects of the rider", len(all[0].Subjects), 4)
	same(t, "subjects of the driver", len(all[1].Subjects), 4) // its duty, o0, o1, o4
	ok(t, "forget", h.Forget(t.Context(), rider.ID))
	wantCode(t, "forget one unknown", h.Forget(t.Context(), "e9"), dispatch.CodeNotFound)
	h.reopen(t)
	all, err = h.Erasures(t.Context())
	ok(t, "erasures", err)
	if len(all) != 1 || all[0].ID != driver.ID {
		t.Errorf("erasures after one was forgotten: %+v", all)
	}
	_, err = h.Scrub(t.Context(), true)
	ok(t, "scrub", err)
}

func peoplePlaces(t *testing.T, h *archive) {
	b := NewBook(t, h, sf)
	for i := range 4 {
		id := dispatch.OrderID(fmt.Sprint("o", i))
		b.Create(id, "mary")
		if i < 3 {
			b.Move(id, dispatch.StateNoDriver, nil)
		}
		b.Now = b.Now.Add(time.Hour)
	}
	b.Commit()
	places := func() (told string) {
		for i := range 4 {
			o, err := h.Order(t.Context(), dispatch.OrderID(fmt.Sprint("o", i)))
			ok(t, "order", err)
			told += fmt.Sprint(len(o.Stops))
		}
		return told
	}
	closed := b.Order("o1").ChangedAt.Add(time.Millisecond)
	for _, c := range []struct {
		before time.Time
		n      int64
		want   string
	}{
		{Start(), 0, "2222"}, {closed, 1, "0222"}, {closed.Add(time.Microsecond), 1, "0022"}, {Start(), 0, "0022"},
		{b.Now.Add(time.Hour), 1, "0002"}, {b.Now.Add(2 * time.Hour), 0, "0002"},
	} {
		n, err := h.DropPlaces(t.Context(), c.before)
		ok(t, "drop places", err)
		same(t, "places dropped", n, c.n)
		same(t, "places left", places(), c.want)
	}
	b.Move("o3", dispatch.StateNoDriver, nil) // long after what was seen to
	b.Now = b.Now.Add(3 * time.Hour)
	b.Move("o3", dispatch.StateSearching, nil)
	b.Move("o3", dispatch.StateNoDriver, nil)
	b.Commit()
	n, err := h.DropPlaces(t.Context(), b.Now.Add(time.Hour))
	ok(t, "drop places", err)
	same(t, "places dropped of the last", n, int64(1))
}

func peopleHistory(t *testing.T, h *archive) {
	b := lives(t, h)
	ok(t, "set cursor", h.SetCursor(t.Context(), sf, b.Seq))
	h.wall.Advance(2 * store.KeepFor)
	_, err := h.Prune(t.Context(), h.wall.Now())
	ok(t, "prune", err)
	n, err := h.DropHistory(t.Context(), Start())
	ok(t, "drop history", err)
	same(t, "dropped of what is not old", n, int64(0))
	cut := b.Order("o2").RequestedAt.Add(time.Microsecond) // o0 and o1 were closed before, drew and d2 went on duty
	_, err = h.DropHistory(t.Context(), cut)
	ok(t, "drop history", err)
	var seqs []int64
	for _, e := range history(t, h) {
		seqs = append(seqs, e.Seq)
	}
	same(t, "the first event that is left", seqs[0], int64(13)) // 2 of duty, 4 of o0, 6 of o1
	_, err = h.Order(t.Context(), "o1")
	wantCode(t, "order that is old", err, dispatch.CodeNotFound)
	_, err = h.Order(t.Context(), "o2")
	ok(t, "order that is not", err)
	next := NewBook(t, h, sf)
	next.SetDuty(b.duties["drew"])
	next.Duty("drew", true, 1) // follows the last of its duty
	next.Create("o9", "mary")
	next.Commit()
}

func peopleUnpublished(t *testing.T, h *archive) {
	b := lives(t, h)
	h.wall.Advance(2 * store.KeepFor)
	_, err := h.Prune(t.Context(), h.wall.Now())
	ok(t, "prune", err)
	ok(t, "set cursor", h.SetCursor(t.Context(), sf, 6)) // to the end of o0
	_, err = h.DropHistory(t.Context(), b.Now.Add(time.Hour))
	ok(t, "drop history", err)
	events, err := h.MarketEvents(t.Context(), sf, 6, 1000)
	ok(t, "market events", err)
	same(t, "events that are left to publish", int64(len(events)), b.Seq-6)
}
