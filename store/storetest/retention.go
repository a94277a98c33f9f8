package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

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
