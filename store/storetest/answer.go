package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

func answerTests() []sentence {
	return []sentence{
		{"answers_read_back_as_they_were_written", answerReads},
		{"a_key_is_of_one_sub", answerSub},
		{"a_key_has_one_answer", answerOnce},
		{"answers_are_kept_for_a_day_of_wall_time", answerDay},
		{"prune_forgets_what_ended_before_and_nothing_else", answerPrune},
	}
}

func answerReads(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	o := b.Order("o1")
	want := []dispatch.Answer{
		b.Answer("r1", "k1", "", &o),
		b.Answer("d1", "k2", dispatch.CodeTaken, nil),
		b.Answer("d1", "k3", "", nil), // duty
	}
	b.Commit()
	h.reopen(t)
	for _, a := range want {
		a.At = wallStart()
		got, kept, err := h.Answer(t.Context(), a.Sub, a.Key.ID)
		ok(t, "answer", err)
		same(t, "kept", kept, true)
		same(t, "answer", got, a)
	}
}

func answerSub(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Answer("r1", "k1", dispatch.CodeTaken, nil)
	b.Answer("r2", "k1", dispatch.CodeExpired, nil)
	b.Commit()
	for sub, want := range map[string]dispatch.Code{"r1": dispatch.CodeTaken, "r2": dispatch.CodeExpired, "r3": ""} {
		a, kept, err := h.Answer(t.Context(), sub, "k1")
		ok(t, "answer", err)
		same(t, "kept for "+sub, kept, want != "")
		same(t, "code for "+sub, a.Code, want)
	}
}

func answerOnce(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Answer("r1", "k1", dispatch.CodeTaken, nil)
	b.Commit()
	b.Create("o1", "r1")
	b.Answer("r1", "k1", dispatch.CodeExpired, nil)
	wantIs(t, "a second answer", b.TryCommit(), dispatch.ErrRefused)
	_, err := h.Order(t.Context(), "o1")
	wantCode(t, "its order", err, dispatch.CodeNotFound)
	b.Answer("r1", "k2", "", nil)
	b.Answer("r1", "k2", "", nil)
	wantIs(t, "two answers in a batch", b.TryCommit(), dispatch.ErrRefused)
	a, kept, err := h.Answer(t.Context(), "r1", "k1")
	ok(t, "answer", err)
	if !kept || a.Code != dispatch.CodeTaken {
		t.Errorf("the first answer is now %+v, kept %v", a, kept)
	}
}

func answerDay(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Answer("r1", "k1", dispatch.CodeTaken, nil)
	b.Commit()
	h.wall.Advance(store.KeepFor - time.Second)
	_, kept, err := h.Answer(t.Context(), "r1", "k1")
	ok(t, "answer", err)
	same(t, "kept within the day", kept, true)
	h.wall.Advance(2 * time.Second)
	_, kept, err = h.Answer(t.Context(), "r1", "k1")
	ok(t, "answer", err)
	same(t, "kept after the day", kept, false)
	b.Answer("r1", "k1", dispatch.CodeExpired, nil) // free again, pruned or not
	b.Commit()
	a, kept, err := h.Answer(t.Context(), "r1", "k1")
	ok(t, "answer", err)
	if !kept || a.Code != dispatch.CodeExpired || !a.At.Equal(h.wall.Now()) {
		t.Errorf("the key's next answer is %+v, kept %v", a, kept)
	}
}

func answerPrune(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	const old = 1203 // more than a backend deletes at once
	for i := range old {
		b.Answer("r1", fmt.Sprint("old", i), dispatch.CodeTaken, nil)
	}
	b.Commit()
	h.wall.Advance(time.Hour)
	b.Answer("r1", "new", dispatch.CodeTaken, nil)
	b.Commit()
	n, err := h.Prune(t.Context(), h.wall.Now())
	ok(t, "prune", err)
	same(t, "pruned", n, int64(old))
	n, err = h.Prune(t.Context(), h.wall.Now())
	ok(t, "prune", err)
	same(t, "pruned again", n, int64(0))
	_, kept, err := h.Answer(t.Context(), "r1", "new")
	ok(t, "answer", err)
	same(t, "the new one is kept", kept, true)
	_, kept, err = h.Answer(t.Context(), "r1", "old0")
	ok(t, "answer", err)
	same(t, "an old one is kept", kept, false)
}
