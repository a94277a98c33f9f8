package postgres

import (
	"os"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// cluster is the server of all tests here; it is not durable: a test that asks for that starts its own.
var cluster = pgtest.Cluster{Options: pgtest.Options{NoSync: true}}

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}

// patient are bounds for tests and benchmarks that are not about them: those are to tell what is right, or how long it
// took, and not to fail on a machine that has other work.
func patient() Bounds {
	return Bounds{
		Connect: time.Minute, Acquire: time.Minute, Read: time.Minute, List: time.Minute, Recover: time.Minute,
		Write: time.Minute, Lock: time.Minute,
	}
}

func openAt(t testing.TB, url string, wall dispatch.Clock) *Journal {
	t.Helper()
	return openBounded(t, url, wall, patient())
}

func openBounded(t testing.TB, url string, wall dispatch.Clock, bounds Bounds) *Journal {
	t.Helper()
	j, err := Open(t.Context(), Config{URL: url, Wall: wall, Bounds: bounds})
	if err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

func backend() storetest.Backend {
	known := map[string]string{} // one test at a time
	return storetest.Backend{
		Open: func(t *testing.T, name string, wall dispatch.Clock) store.Journal {
			if known[name] == "" {
				known[name] = place(t)
			}
			return openAt(t, known[name], wall)
		},
	}
}

func TestJournal(t *testing.T) { storetest.Run(t, backend()) }

func TestArchive(t *testing.T) { storetest.RunArchive(t, backend()) }
