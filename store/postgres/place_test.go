package postgres

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// places are databases with the tables and nothing in them. Making one costs 100 ms and 300 files, so that one whose
// test has ended is emptied and given out again.
var places struct {
	mu   sync.Mutex
	free []string // guarded by mu; URLs
}

// place gives such a database until the test ends.
func place(t testing.TB) string {
	t.Helper()
	places.mu.Lock()
	var url string
	if n := len(places.free); n > 0 {
		url, places.free = places.free[n-1], places.free[:n-1]
	}
	places.mu.Unlock()
	if url == "" {
		url = newPlace(t)
	}
	t.Cleanup(func() {
		if empty(t, url) {
			places.mu.Lock()
			defer places.mu.Unlock()
			places.free = append(places.free, url)
		}
	})
	return url
}

func newPlace(t testing.TB) string {
	t.Helper()
	url := cluster.Server(t).DatabaseForGood(t)
	j, err := Open(t.Context(), Config{URL: url, Bounds: patient()})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return url
}

// empty deletes what a test has written, the law notwithstanding, and tells whether it could.
func empty(t testing.TB, url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, `
SET session_replication_role = replica;
DROP FUNCTION IF EXISTS lasting CASCADE;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT oid::regclass FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT IN ('goose_db_version', 'transitions')
    LOOP
        EXECUTE 'DELETE FROM ' || name;
    END LOOP;
END
$$`)
	}
	if err != nil {
		t.Logf("not used again: %s: %v", url, err)
	}
	return err == nil
}
