package sqlite

import (
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func openAt(t testing.TB, dir string, wall dispatch.Clock) *Journal {
	t.Helper()
	j, err := Open(t.Context(), Config{Dir: dir, Wall: wall})
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	return j
}

func backend() storetest.Backend {
	return storetest.Backend{
		Open: func(t *testing.T, place string, wall dispatch.Clock) store.Journal { return openAt(t, place, wall) },
	}
}

func TestJournal(t *testing.T) { storetest.Run(t, backend()) }

func TestArchive(t *testing.T) { storetest.RunArchive(t, backend()) }
