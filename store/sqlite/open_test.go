package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/store/storetest"
)

// raw opens the database file beside the journal, as an operator's tool would.
func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func run(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestOpen_Pragmas(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1",
	}
	for pool, db := range map[string]*sql.DB{"writer": j.writer, "reader": j.reader} {
		for name, value := range want {
			var got string
			if err := db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || got != value {
				t.Errorf("%s: pragma %s is %q (%v), want %q", pool, name, got, err, value)
			}
		}
	}
	if n := j.writer.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d connections may write, want 1", n)
	}
	if _, err := j.reader.ExecContext(t.Context(), "DELETE FROM clock"); err == nil {
		t.Error("a reader could write")
	}
}

func TestOpen_Pragmas_that_do_not_hold_are_an_error(t *testing.T) {
	for name, pragmas := range map[string][]pragma{
		"an option the driver does not know": {{"_synchronos", "FULL", "synchronous", "2"}},
		"a value that SQLite does not take":  {{"_journal_mode", "OFF", "journal_mode", "wal"}},
	} {
		db, err := connect(t.Context(), filepath.Join(t.TempDir(), FileName), pragmas, 1)
		if err == nil {
			_ = db.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), pragmas[0].name) {
			t.Errorf("%s: %v does not name %s", name, err, pragmas[0].name)
		}
	}
}

func TestOpen_Dir_with_any_name(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d&e#f%41")
	if err := openAt(t, dir, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_Lock_held_by_another(t *testing.T) {
	dir := t.TempDir()
	first := openAt(t, dir, nil)
	_, err := Open(t.Context(), Config{Dir: dir})
	wantOpenError(t, err, ErrLocked, dir, "another hexfleet")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openAt(t, dir, nil).Close(); err != nil {
		t.Fatal(err)
	}
}

func wantOpenError(t *testing.T, err, target error, words ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("open gave %v, want %v", err, target)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.ContainsRune(err.Error(), '\n') {
		t.Errorf("%q is more than one line", err)
	}
}

// filled gives a data directory with a history, closed.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	j := openAt(t, dir, nil)
	b := storetest.NewBook(t, j, "sf")
	for i := range 500 {
		b.Create(orderID(i), "r1")
	}
	b.Commit()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpen_Damaged_file(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"a text":             func([]byte) []byte { return []byte("dear diary, " + strings.Repeat("nothing happened. ", 100)) },
		"a header destroyed": func(db []byte) []byte { copy(db, make([]byte, 100)); return db },
		"a schema destroyed": func(db []byte) []byte { copy(db[100:4096], bytes.Repeat([]byte{0xff}, 3996)); return db },
		"cut in the middle":  func(db []byte) []byte { return db[:len(db)/2] },
		"cut within a page":  func(db []byte) []byte { return db[:5000] },
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			dir := filled(t)
			file := filepath.Join(dir, FileName)
			db, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(db), 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := Open(t.Context(), Config{Dir: dir})
			if err == nil {
				_ = j.Close()
			}
			wantOpenError(t, err, ErrDamaged, file, "backup")
		})
	}
}

func TestOpen_Newer_schema(t *testing.T) {
	dir := filled(t)
	run(t, raw(t, dir), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	_, err := Open(t.Context(), Config{Dir: dir})
	wantOpenError(t, err, ErrNewer, dir, "99", "newer hexfleet")
}

func TestOpen_Dir_that_cannot_be_used(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	holds := t.TempDir()
	if err := os.Mkdir(filepath.Join(holds, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"below a file":                   filepath.Join(file, "data"),
		"a file":                         file,
		"where nothing can be made":      "/proc/hexfleet",
		"with a directory named like it": holds,
		"where no file can be made":      "/proc/self",
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			_, err := Open(t.Context(), Config{Dir: dir})
			wantOpenError(t, err, ErrDir, dir, "write")
		})
	}
}
