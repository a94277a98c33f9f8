package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func houseTests() []sentence {
	return []sentence{
		{"the_anchor_is_kept", houseAnchor},
		{"the_latest_instant_is_that_of_every_market", houseLatest},
		{"it_answers_a_ping", housePing},
		{"closed_it_is_unavailable_and_closes_again", houseClosed},
	}
}

func houseAnchor(t *testing.T, h *house) {
	a, err := h.Anchor(t.Context())
	ok(t, "anchor", err)
	same(t, "anchor of a new store", a, dispatch.Anchor{})
	for _, scale := range []float64{1, 0.1} {
		want := dispatch.Anchor{Wall: wallStart().Add(time.Microsecond), Market: Start(), Scale: scale}
		ok(t, "set anchor", h.SetAnchor(t.Context(), want))
		h.reopen(t)
		a, err = h.Anchor(t.Context())
		ok(t, "anchor", err)
		same(t, "anchor", a, want)
	}
}

func houseLatest(t *testing.T, h *house) {
	at, err := h.Latest(t.Context())
	ok(t, "latest", err)
	same(t, "latest instant of a new store", at, time.Time{})
	early, late := NewBook(t, h, sf), NewBook(t, h, "late")
	early.Create("o1", "r1")
	early.Commit()
	late.Now = Start().Add(time.Hour)
	late.Answer("r1", "k1", "", nil)
	late.Commit()
	at, err = h.Latest(t.Context())
	ok(t, "latest", err)
	same(t, "latest instant", at, Start().Add(time.Hour))
}

func housePing(t *testing.T, h *house) { ok(t, "ping", h.Ping(t.Context())) }

func houseClosed(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	ok(t, "close", h.Close())
	ok(t, "close again", h.Close())
	wantCode(t, "ping", h.Ping(t.Context()), dispatch.CodeUnavailable)
	_, err := h.Order(t.Context(), "o1")
	wantCode(t, "order", err, dispatch.CodeUnavailable)
	_, err = h.Claim(t.Context(), "d1", sf)
	wantCode(t, "claim", err, dispatch.CodeUnavailable)
	_, err = h.Lead(t.Context(), sf)
	wantCode(t, "lead", err, dispatch.CodeUnavailable)
	err = h.Commit(t.Context(), b.Batch())
	if err == nil || errors.Is(err, dispatch.ErrFenced) || errors.Is(err, dispatch.ErrRefused) {
		t.Errorf("commit gave %v, want an ambiguous error", err)
	}
}
