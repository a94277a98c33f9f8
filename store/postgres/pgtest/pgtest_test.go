package pgtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
)

// child, when set, makes the test binary a process that starts a server, pauses it and waits to be killed.
const child = "HEXFLEET_PGTEST_CHILD"

func one(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT 1")
	return errors.Join(err, conn.Close(ctx))
}

func TestServer_Faults(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	url := s.Database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var fsync, commit, user string
	err = conn.QueryRow(t.Context(), `SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_user`).
		Scan(&fsync, &commit, &user)
	if err != nil || fsync != "on" || commit != "on" || user != pgtest.User {
		t.Errorf("fsync %s, synchronous_commit %s, user %s, %v", fsync, commit, user, err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
	s.Pause(t)
	if err := one(t, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server gave %v", err)
	}
	s.Resume(t)
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("a resumed server gave %v on an old connection", err)
	}
	s.Kill(t)
	if err := one(t, url); err == nil {
		t.Error("a killed server answered")
	}
	for range 2 { // after a crash, and in order
		s.Restart(t)
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := conn.QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 7 {
			t.Errorf("the table holds %d, %v", n, err)
		}
	}
	s.Stop()
	if err := one(t, url); err == nil {
		t.Error("a stopped server answered")
	}
}

// TestServer_Child is the process that is killed in the test below.
func TestServer_Child(t *testing.T) {
	dir := os.Getenv(child)
	if dir == "" {
		return // nothing to test: the test below runs it
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		t.Fatal(err)
	}
	s := pgtest.Start(t, pgtest.Options{NoSync: true})
	s.Pause(t)
	if _, err := os.Stdout.WriteString(s.URL("postgres") + "\n"); err != nil {
		t.Fatal(err)
	}
	select {} // until killed
}

func TestServer_Leaves_nothing_when_its_tests_are_killed(t *testing.T) {
	dir, err := os.MkdirTemp("", "pgtest") // not t.TempDir: the server's user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServer_Child$")
	cmd.Env = append(os.Environ(), child+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, err := out.Read(line)
	url := strings.TrimSpace(string(line[:n]))
	if err != nil || !strings.HasPrefix(url, "postgres://") {
		t.Fatalf("the child said %q, %v", url, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v is left", left)
		}
	}
	if err := one(t, url); err == nil {
		t.Error("the server of a killed test answered")
	}
}
