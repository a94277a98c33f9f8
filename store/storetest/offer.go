package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

func offerTests() []sentence {
	return []sentence{
		{"offers_read_back_as_they_were_written", offerReads},
		{"one_live_offer_a_driver", offerOneLive},
		{"an_offer_may_follow_the_last_in_one_batch", offerFollows},
		{"an_offer_told_twice_in_a_batch_stands_as_told_last", offerTwice},
		{"an_offer_that_has_ended_never_changes", offerFinal},
		{"ended_offers_are_known_for_a_day_of_wall_time", offerDay},
		{"offers_of_an_order_come_in_the_order_in_which_they_were_made", offerOfOrder},
	}
}

// offering gives a book with an order and an offered driver, d1.
func offering(t *testing.T, h *house) *Book {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateOffered, nil)
	b.Duty("d1", true, 1)
	return b
}

func offerReads(t *testing.T, h *house) {
	b := offering(t, h)
	live := b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	ended := b.Offer("f2", "o1", "d2", dispatch.OfferWithdrawn)
	b.Commit()
	h.reopen(t)
	for _, want := range []dispatch.Offer{live, ended} {
		got, err := h.Offer(t.Context(), want.ID)
		ok(t, "offer", err)
		same(t, "offer", got, want)
	}
	offers, err := h.LiveOffers(t.Context(), "d1")
	ok(t, "live offers", err)
	same(t, "live offers", offers, []dispatch.Offer{live})
	offers, err = h.LiveOffers(t.Context(), "d2")
	ok(t, "live offers", err)
	same(t, "live offers of one whose offer ended", offers, []dispatch.Offer{})
}

func offerOneLive(t *testing.T, h *house) {
	b := offering(t, h)
	b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	b.Commit()
	b.Create("o2", "r2")
	b.Offer("f2", "o2", "d1", dispatch.OfferLive)
	wantIs(t, "a second live offer", b.TryCommit(), dispatch.ErrRefused)
	b.Offer("f2", "o1", "d2", dispatch.OfferLive) // the same order to another driver
	b.Commit()
	other := NewBook(t, h, la)
	other.Create("o3", "r3")
	other.Offer("f3", "o3", "d1", dispatch.OfferLive)
	wantIs(t, "a live offer of another market", other.TryCommit(), dispatch.ErrRefused)
}

func offerFollows(t *testing.T, h *house) {
	b := offering(t, h)
	b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	b.Commit()
	next := b.Offer("f2", "o1", "d1", dispatch.OfferLive) // before the end of the last
	b.Offer("f1", "o1", "d1", dispatch.OfferExpired)
	b.Commit()
	offers, err := h.LiveOffers(t.Context(), "d1")
	ok(t, "live offers", err)
	same(t, "live offers", offers, []dispatch.Offer{next})
}

func offerTwice(t *testing.T, h *house) {
	b := offering(t, h)
	b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	want := b.Offer("f1", "o1", "d1", dispatch.OfferDeclined)
	b.Commit()
	got, err := h.Offer(t.Context(), "f1")
	ok(t, "offer", err)
	same(t, "offer", got, want)
}

func offerFinal(t *testing.T, h *house) {
	b := offering(t, h)
	want := b.Offer("f1", "o1", "d1", dispatch.OfferDeclined)
	b.Commit()
	for _, s := range []dispatch.OfferState{dispatch.OfferLive, dispatch.OfferAccepted, dispatch.OfferDeclined} {
		b.Offer("f1", "o1", "d1", s)
		wantIs(t, "declined, then "+string(s), b.TryCommit(), dispatch.ErrRefused)
	}
	b.Offer("f2", "o1", "d1", dispatch.OfferLive)
	b.Commit()
	b.Offer("f2", "o1", "d2", dispatch.OfferAccepted)
	wantIs(t, "accepted by another driver", b.TryCommit(), dispatch.ErrRefused)
	got, err := h.Offer(t.Context(), "f1")
	ok(t, "offer", err)
	same(t, "offer", got, want)
}

func offerDay(t *testing.T, h *house) {
	b := offering(t, h)
	b.Offer("f1", "o1", "d1", dispatch.OfferLive)
	b.Offer("f2", "o1", "d2", dispatch.OfferDeclined)
	b.Commit()
	h.wall.Advance(store.KeepFor - time.Second)
	_, err := h.Offer(t.Context(), "f2")
	ok(t, "offer within the day", err)
	n, err := h.Prune(t.Context(), h.wall.Now().Add(-store.KeepFor))
	ok(t, "prune", err)
	same(t, "pruned within the day", n, int64(0))
	h.wall.Advance(2 * time.Second)
	_, err = h.Offer(t.Context(), "f2")
	wantCode(t, "offer after the day", err, dispatch.CodeNotFound)
	n, err = h.Prune(t.Context(), h.wall.Now().Add(-store.KeepFor))
	ok(t, "prune", err)
	same(t, "pruned after the day", n, int64(1))
	_, err = h.Offer(t.Context(), "f1")
	ok(t, "live offer after the day", err)
}

func offerOfOrder(t *testing.T, h *house) {
	b := offering(t, h)
	want := []dispatch.Offer{
		b.Offer("f9", "o1", "d2", dispatch.OfferDeclined),
		b.Offer("f1", "o1", "d1", dispatch.OfferLive),
		b.Offer("f2", "o1", "d3", dispatch.OfferExpired),
	}
	b.Commit()
	b.Create("o2", "r2")
	b.Move("o2", dispatch.StateOffered, nil)
	b.Offer("f3", "o2", "d2", dispatch.OfferLive)
	b.Commit()
	h.reopen(t)
	slices.SortStableFunc(want, func(a, b dispatch.Offer) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	got, err := h.OrderOffers(t.Context(), "o1")
	ok(t, "offers of an order", err)
	same(t, "offers of an order", got, want)
	got, err = h.OrderOffers(t.Context(), "o9")
	ok(t, "offers of nothing", err)
	same(t, "offers of nothing", got, []dispatch.Offer{})
	h.wall.Advance(store.KeepFor + time.Second)
	got, err = h.OrderOffers(t.Context(), "o1")
	ok(t, "offers after a day", err)
	same(t, "offers after a day", got, slices.DeleteFunc(want, func(o dispatch.Offer) bool { return o.State != dispatch.OfferLive }))
}
