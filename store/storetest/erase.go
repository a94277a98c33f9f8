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
