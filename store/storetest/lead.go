package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func leadTests() []sentence {
	return []sentence{
		{"each_taking_has_the_next_epoch_and_keeps_the_batch", leadCounts},
		{"a_new_market_recovers_to_nothing", recoverNew},
		{"recovery_equals_what_was_committed", recoverAll},
		{"recovery_is_of_one_market", recoverOne},
		{"recovery_has_the_driver_off_duty_that_still_has_an_order", recoverWorking},
		{"recovery_starts_no_earlier_than_anything_told", recoverAt},
		{"a_market_nobody_has_led_is_not_found", recoverUnknown},
	}
}

func leadCounts(t *testing.T, h *house) {
	for epoch := int64(1); epoch <= 3; epoch++ {
		lease, err := h.Lead(t.Context(), sf)
		ok(t, "lead", err)
		same(t, "lease", lease, dispatch.Lease{Market: sf, Epoch: epoch})
	}
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Commit()
	b.Commit() // empty: a batch all the same
	h.reopen(t)
	lease, err := h.Lead(t.Context(), sf)
	ok(t, "lead", err)
	same(t, "lease", lease, dispatch.Lease{Market: sf, Epoch: 5, Batch: 2, Last: 4})
	lease, err = h.Lead(t.Context(), sf)
	ok(t, "lead", err)
	same(t, "lease taken anew", lease, dispatch.Lease{Market: sf, Epoch: 6, Batch: 2, Last: 4})
	other, err := h.Lead(t.Context(), la)
	ok(t, "lead", err)
	same(t, "lease of another market", other, dispatch.Lease{Market: la, Epoch: 1})
}

func recoverNew(t *testing.T, h *house) {
	_, err := h.Lead(t.Context(), sf)
	ok(t, "lead", err)
	r, err := h.Recover(t.Context(), sf)
	ok(t, "recover", err)
	same(t, "recovery", r, dispatch.Recovery{})
}

// fullOrder is a change that gives an order every member that a searching one may have.
func fullOrder(o *dispatch.Order) {
	o.PickupAt = Start().Add(time.Hour)
	o.PickupETA, o.DropoffETA = Start().Add(2*time.Hour), Start().Add(3*time.Hour+time.Microsecond)
	o.Priority, o.NextStop, o.Reason, o.VehicleClass = -7, 1, "late, \"very\" late\n\u00fc", "xl"
	o.Bars = []dispatch.Bar{{Driver: "d7"}, {Driver: "d8", Until: Start().Add(time.Minute)}}
}

func recoverAll(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	for i := range 3 {
		b.Duty(dispatch.DriverID(fmt.Sprint("d", i)), true, i+1)
		b.Create(dispatch.OrderID(fmt.Sprint("o", 9-i)), "r1")
	}
	b.Edit("o9", dispatch.EventOrderEdited, fullOrder)
	b.Move("o8", dispatch.StateEnRouteToPickup, With("d0"))
	b.Move("o7", dispatch.StateCancelled, Cancelled)
	b.Duty("d1", false, 0)
	b.Move("o9", dispatch.StateOffered, nil)
	live := b.Offer("f2", "o9", "d2", dispatch.OfferLive)
	b.Offer("f1", "o9", "d1", dispatch.OfferDeclined)
	b.Commit()
	want := dispatch.Recovery{
		Seq: 11, At: b.Now, Orders: []dispatch.Order{b.Order("o8"), b.Order("o9")},
		Offers: []dispatch.Offer{live}, Duties: []dispatch.Duty{b.duties["d0"], b.duties["d2"]},
	}
	h.reopen(t)
	r, err := h.Recover(t.Context(), sf)
	ok(t, "recover", err)
	same(t, "recovery", r, want)
}

func recoverOne(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Duty("d1", true, 1)
	b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	b.Commit()
	other := NewBook(t, h, la)
	other.Create("o2", "r1")
	other.Commit()
	r, err := h.Recover(t.Context(), la)
	ok(t, "recover", err)
	same(t, "recovery", r, dispatch.Recovery{Seq: 1, At: other.Now, Orders: []dispatch.Order{other.Order("o2")}})
}

func recoverWorking(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 1)
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateEnRouteToPickup, With("d1"))
	b.Duty("d1", false, 0)
	b.Commit()
	r, err := h.Recover(t.Context(), sf)
	ok(t, "recover", err)
	same(t, "duties", r.Duties, []dispatch.Duty{b.duties["d1"]})
	b.Move("o1", dispatch.StateArrivedAtPickup, nil)
	b.Move("o1", dispatch.StateEnRouteToDropoff, nil)
	b.Move("o1", dispatch.StateCompleted, nil)
	b.Commit()
	r, err = h.Recover(t.Context(), sf)
	ok(t, "recover", err)
	same(t, "duties once the order is over", r.Duties, []dispatch.Duty{})
}

func recoverAt(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	late := b.Now.Add(time.Hour + 1500*time.Nanosecond) // finer than a backend keeps
	b.Now = late
	b.Commit() // no event: live offers and answers move time on, too
	b.Now = Start()
	b.Commit() // never back
	r, err := h.Recover(t.Context(), sf)
	ok(t, "recover", err)
	if r.At.Before(late) || r.At.Sub(late) >= time.Microsecond {
		t.Errorf("recovery starts at %v, must be %v or at most a microsecond later", r.At, late)
	}
}

func recoverUnknown(t *testing.T, h *house) {
	_, err := h.Recover(t.Context(), sf)
	wantCode(t, "recover", err, dispatch.CodeNotFound)
	_, err = h.Cursor(t.Context(), sf)
	wantCode(t, "cursor", err, dispatch.CodeNotFound)
	wantCode(t, "set cursor", h.SetCursor(t.Context(), sf, 0), dispatch.CodeNotFound)
	_, err = h.MarketEvents(t.Context(), sf, 0, 10)
	wantCode(t, "market events", err, dispatch.CodeNotFound)
	wantIs(t, "commit", h.Commit(t.Context(), &dispatch.Batch{Market: sf, Epoch: 1}), dispatch.ErrFenced)
}
