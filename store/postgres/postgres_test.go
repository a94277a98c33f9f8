package postgres

import (
	"os"
	"sync"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// cluster is the server of all tests here, durable only where a test starts its own.
var cluster = pgtest.Cluster{Options: pgtest.Options{NoSync: true}}

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}

func openAt(t testing.TB, url string, wall dispatch.Clock) *Journal {
	t.Helper()
	j, err := Open(t.Context(), Config{URL: url, Wall: wall})
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

// template is the database that has tables and nothing in them.
const template = "journal_template"

// migrated makes the template once.
var migrated sync.Once

// place gives a database with the tables, empty; it is dropped when the test ends.
func place(t testing.TB) string {
	t.Helper()
	server := cluster.Server(t)
	migrated.Do(func() {
		server.Exec(t, "CREATE DATABASE "+template)
		j, err := Open(t.Context(), Config{URL: server.URL(template)})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return server.DatabaseFrom(t, template)
}

func TestJournal(t *testing.T) {
	places := map[string]string{} // one test at a time
	storetest.Run(t, storetest.Backend{
		Open: func(t *testing.T, name string, wall dispatch.Clock) store.Journal {
			if places[name] == "" {
				places[name] = place(t)
			}
			return openAt(t, places[name], wall)
		},
	})
}
