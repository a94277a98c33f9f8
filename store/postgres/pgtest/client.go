package pgtest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Client runs one of Postgres's client programs, such as pg_dump, as the test's own user, and fails the test when it
// fails. What it says is for the test's log.
func Client(tb testing.TB, name string, args ...string) {
	tb.Helper()
	bin, err := programs()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := exec.CommandContext(tb.Context(), filepath.Join(bin, name), args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}
