package storetest

import (
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

func relayTests() []sentence {
	return []sentence{
		{"market_events_read_back_dense_and_in_pages", relayPages},
		{"the_cursor_never_goes_back", relayCursor},
		{"the_cursor_is_of_one_market_and_no_part_of_the_fence", relayApart},
	}
}

func relayPages(t *testing.T, h *house) {
	b, other := NewBook(t, h, sf), NewBook(t, h, la)
	var want []dispatch.Event
	for _, id := range []dispatch.OrderID{"o1", "o2", "o3"} {
		b.Create(id, "r1")
		b.Duty("d"+dispatch.DriverID(id), true, 1)
		want = append(want, b.batch.Events...)
		b.Commit()
		other.Create("x"+id, "r1")
		other.Commit()
	}
	h.reopen(t)
	var got []dispatch.Event
	for range 3 {
		events, err := h.MarketEvents(t.Context(), sf, int64(len(got)), 4)
		ok(t, "market events", err)
		got = append(got, events...)
	}
	same(t, "events", got, want)
}

func relayCursor(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Create("o2", "r1")
	b.Commit()
	for _, c := range []struct{ set, want int64 }{{0, 0}, {2, 2}, {1, 2}, {0, 2}} {
		ok(t, "set cursor", h.SetCursor(t.Context(), sf, c.set))
		got, err := h.Cursor(t.Context(), sf)
		ok(t, "cursor", err)
		same(t, "cursor", got, c.want)
	}
	h.reopen(t)
	got, err := h.Cursor(t.Context(), sf)
	ok(t, "cursor", err)
	same(t, "cursor after a restart", got, int64(2))
	if err := h.SetCursor(t.Context(), sf, 3); err == nil {
		t.Error("the cursor went past the last event")
	}
}

func relayApart(t *testing.T, h *house) {
	b, other := NewBook(t, h, sf), NewBook(t, h, la)
	b.Create("o1", "r1")
	b.Commit()
	other.Create("o2", "r1")
	other.Commit()
	ok(t, "set cursor", h.SetCursor(t.Context(), sf, 1))
	got, err := h.Cursor(t.Context(), la)
	ok(t, "cursor", err)
	same(t, "cursor of the other market", got, int64(0))
	b.Create("o3", "r1")
	b.Commit()
}
