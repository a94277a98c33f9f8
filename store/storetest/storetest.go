// Package storetest is the one suite that every backend of store.Journal passes: a sentence a behaviour. It
// also offers Book, with which tests elsewhere write a history.
//
// It does not test what only one backend has (files, locks, servers): that backend's own tests do. It owns
// nothing that outlives a test; it may import dispatch, geo and store.
package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Backend is a kind of journal under test.
type Backend struct {
	// Open opens the journal kept at place, an empty directory at first: the same place gives the same data
	// again once the journal before it was closed. A backend that keeps nothing in files takes place as a
	// name. wall is to be its wall clock.
	Open func(t *testing.T, place string, wall dispatch.Clock) store.Journal
}

// The markets of the suite.
const (
	sf dispatch.MarketID = "sf"
	la dispatch.MarketID = "la"
)

// Start is market time at the beginning of each test.
func Start() time.Time { return time.Date(2026, 5, 31, 6, 10, 0, 0, time.UTC) }

// wallStart is wall time at the beginning of each test; far from Start, so that a mix of the two shows.
func wallStart() time.Time { return time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC) }

// house is what one test works with.
type house struct {
	store.Journal
	backend Backend
	place   string
	wall    *dispatch.Manual
}

func open(t *testing.T, b Backend) *house {
	t.Helper()
	h := &house{backend: b, place: t.TempDir(), wall: dispatch.NewManual(wallStart())}
	h.Journal = b.Open(t, h.place, h.wall)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// reopen closes the journal and opens what it left.
func (h *house) reopen(t *testing.T) {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	h.Journal = h.backend.Open(t, h.place, h.wall)
}

// Run runs the suite.
func Run(t *testing.T, b Backend) {
	for _, group := range []struct {
		name  string
		tests []sentence
	}{
		{"Lead", leadTests()},
		{"Commit", commitTests()},
		{"Law", lawTests()},
		{"History", historyTests()},
		{"Offers", offerTests()},
		{"Answers", answerTests()},
		{"Duties", dutyTests()},
		{"Relay", relayTests()},
		{"Audit", auditTests()},
		{"House", houseTests()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, s := range group.tests {
				t.Run(s.name, func(t *testing.T) { s.test(t, open(t, b)) })
			}
		})
	}
}

// sentence is one behaviour.
type sentence struct {
	name string
	test func(*testing.T, *house)
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantCode(t *testing.T, what string, err error, code dispatch.Code) {
	t.Helper()
	if err == nil || dispatch.CodeOf(err) != code {
		t.Errorf("%s gave %v, want %s", what, err, code)
	}
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s gave %v, want %v", what, err, target)
	}
}
