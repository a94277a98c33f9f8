package storetest

import (
	"testing"

	"github.com/hexfleet/hexfleet/store"
)

// archive is what one test of store.Archive works with: a house whose journal is an archive too.
type archive struct {
	*house
	store.Archive
}

// account is one behaviour of an archive.
type account struct {
	name string
	test func(*testing.T, *archive)
}

// reopen closes the journal and opens what it left.
func (a *archive) reopen(t *testing.T) {
	t.Helper()
	a.house.reopen(t)
	a.Archive = archiveOf(t, a.house)
}

func archiveOf(t *testing.T, h *house) store.Archive {
	t.Helper()
	a, is := h.Journal.(store.Archive)
	if !is {
		t.Fatalf("%T is no store.Archive", h.Journal)
	}
	return a
}

// RunArchive runs the suite of a backend's store.Archive, which its journal has to be.
func RunArchive(t *testing.T, b Backend) {
	for _, group := range []struct {
		name  string
		tests []account
	}{
		{"People", peopleTests()},
		{"Samples", sampleTests()},
		{"Explanations", explanationTests()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, a := range group.tests {
				t.Run(a.name, func(t *testing.T) {
					h := open(t, b)
					a.test(t, &archive{h, archiveOf(t, h)})
				})
			}
		})
	}
}
