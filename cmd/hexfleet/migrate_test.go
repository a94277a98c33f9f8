package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMigrate_SQLite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	said := func(code int, words []string, args ...string) {
		t.Helper()
		out, got := hexfleetOutput(append([]string{"migrate"}, append(args, "--data-dir", dir)...)...)
		if got != code {
			t.Errorf("%v: exit %d, want %d; said %s", args, got, code, out)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%v does not say %q: %s", args, w, out)
			}
		}
	}
	said(exitDone, []string{"pending  -", "00004_audit.sql"}, "status")
	said(exitDone, []string{"applied 00001_journal.sql", "applied 00002_leases.sql"}, "up", "--to", "2")
	said(exitDone, []string{"2       applied", "3       pending"}, "status")
	said(exitDone, []string{"make 00004_audit.sql", "CREATE TABLE audit ("}, "up", "--dry-run")
	said(exitDone, []string{"applied 00004_audit.sql"}, "up")
	said(exitDone, []string{"nothing to do: the schema is up to date"}, "up")
	said(exitUsage, []string{"--yes"}, "down")
	said(exitDone, []string{"undo ", "DROP TABLE"}, "down", "--dry-run", "--to", "0")
	said(exitFailure, []string{"no such schema: 99"}, "up", "--to", "99")

	p := serve(t, dir)
	p.order("r1", "k1")
	said(exitFailure, []string{"data directory is in use", dir}, "down", "--yes")
	said(exitFailure, []string{"data directory is in use"}, "up")
	said(exitDone, []string{"4       applied"}, "status")
	said(exitDone, []string{"nothing to do"}, "up", "--dry-run")
	p.kill()

	said(exitDone, []string{"undone 00004_audit.sql"}, "down", "--yes", "--to", "3")
	said(exitDone, []string{"4       pending"}, "status")
	again := serve(t, dir) // which brings the tables up to date
	if n := len(again.rest("GET", "/v1/orders", again.staff(), "").body["items"].([]any)); n != 1 {
		t.Errorf("%d orders after going back and forth", n)
	}
}
