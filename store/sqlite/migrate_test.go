package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func openSchema(t *testing.T, dir string, change bool) *store.Schema {
	t.Helper()
	s, err := OpenSchema(t.Context(), dir, change)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, what string, close func() error) {
	t.Helper()
	if err := close(); err != nil {
		t.Fatalf("close %s: %v", what, err)
	}
}

// stepsMade gives the versions that were made.
func stepsMade(t *testing.T, s *store.Schema) (made []int64) {
	t.Helper()
	steps, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if !step.Applied.IsZero() {
			made = append(made, step.Version)
		}
	}
	return made
}

func TestSchema_of_a_directory_without_a_database(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	s := openSchema(t, dir, false)
	defer s.Close()
	if made := stepsMade(t, s); len(made) != 0 {
		t.Errorf("made %v", made)
	}
	plan, err := s.Plan(t.Context(), true, s.Latest())
	if err != nil || int64(len(plan)) != s.Latest() {
		t.Errorf("plan %v, %v", plan, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a look made the directory: %v", err)
	}
}

func TestSchema_up_and_down_one_by_one(t *testing.T) {
	dir := t.TempDir()
	s := openSchema(t, dir, true)
	defer s.Close()
	last := s.Latest()
	for _, up := range []bool{true, false, true} {
		for n := range last {
			to, by := n+1, s.Up
			if !up {
				to, by = last-n-1, s.Down
			}
			plan, err := s.Plan(t.Context(), up, to)
			if err != nil || len(plan) != 1 {
				t.Fatalf("plan to %d: %v, %v", to, plan, err)
			}
			text, err := s.SQL(plan[0], up)
			if err != nil || strings.TrimSpace(text) == "" || strings.Contains(text, "goose") || strings.Contains(text, "DROP TABLE audit;") == up && plan[0].Version == 4 {
				t.Errorf("the SQL of %+v: %v\n%s", plan[0], err, text)
			}
			done, err := by(t.Context(), to)
			if err != nil || len(done) != 1 || done[0].Name != plan[0].Name {
				t.Fatalf("to %d: %v, %v", to, done, err)
			}
			if made := stepsMade(t, s); int64(len(made)) != to {
				t.Errorf("after %d: made %v", to, made)
			}
		}
	}
	if done, err := s.Up(t.Context(), last); err != nil || len(done) != 0 {
		t.Errorf("up to date: %v, %v", done, err)
	}
	if _, err := s.Plan(t.Context(), true, last+1); !errors.Is(err, store.ErrNoStep) {
		t.Errorf("a version that is not there: %v", err)
	}
}

func TestSchema_Up_that_fails_leaves_the_steps_before(t *testing.T) {
	dir := t.TempDir()
	s := openSchema(t, dir, true)
	defer s.Close()
	if _, err := s.Up(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	run(t, raw(t, dir), "CREATE TABLE audit_actors (id TEXT)") // in the way of the fourth step
	done, err := s.Up(t.Context(), s.Latest())
	if err == nil || len(done) != 2 || len(stepsMade(t, s)) != 3 {
		t.Errorf("done %v, %v", done, err)
	}
	var tables int
	if err := raw(t, dir).QueryRow("SELECT count(*) FROM sqlite_schema WHERE name = 'audit'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables of the step that failed are left: %v", tables, err)
	}
}

func TestSchema_beside_a_server(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, nil)
	defer j.Close()
	if _, err := OpenSchema(t.Context(), dir, true); !errors.Is(err, ErrLocked) {
		t.Errorf("a change beside a server: %v", err)
	}
	s := openSchema(t, dir, false)
	defer s.Close()
	if made := stepsMade(t, s); int64(len(made)) != s.Latest() {
		t.Errorf("made %v", made)
	}
	storetest.NewBook(t, j, "sf").Commit()
}

func TestSchema_newer(t *testing.T) {
	dir := filled(t)
	run(t, raw(t, dir), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	s := openSchema(t, dir, true)
	defer s.Close()
	for name, change := range map[string]func() ([]store.Step, error){
		"up":   func() ([]store.Step, error) { return s.Up(t.Context(), s.Latest()) },
		"down": func() ([]store.Step, error) { return s.Down(t.Context(), 0) },
	} {
		if done, err := change(); !errors.Is(err, ErrNewer) || len(done) > 0 || !strings.Contains(err.Error(), "99") {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
	steps, err := s.Status(t.Context())
	if last := steps[len(steps)-1]; err != nil || last.Version != 99 || last.Name != "" || last.Applied.IsZero() {
		t.Errorf("status %v, %v", steps, err)
	}
}

// A node of the version before goes on committing while the tables are brought up to the next: the statements that
// it prepared keep their meaning.
func TestSchema_Up_under_a_journal_of_the_version_before(t *testing.T) {
	dir := t.TempDir()
	s := openSchema(t, dir, true)
	if _, err := s.Up(t.Context(), s.Latest()-1); err != nil {
		t.Fatal(err)
	}
	closed(t, "schema", s.Close)
	j := openBefore(t, dir)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	write := func(o dispatch.OrderID) {
		t.Helper()
		b.Duty("d"+dispatch.DriverID(o), true, 1)
		b.Create(o, "r1")
		b.Move(o, dispatch.StateOffered, nil)
		b.Offer("f"+dispatch.OfferID(o), o, "d"+dispatch.DriverID(o), dispatch.OfferLive)
		order := b.Order(o)
		b.Answer("r1", "k"+string(o), "", &order)
		b.Commit()
	}
	write("o1")
	db, err := connect(t.Context(), filepath.Join(dir, FileName), writerPragmas(), 1)
	if err != nil {
		t.Fatal(err)
	}
	next, err := schema(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if done, err := next.Up(t.Context(), next.Latest()); err != nil || len(done) != 1 {
		t.Fatalf("up: %v, %v", done, err)
	}
	write("o2")
	if o, err := j.Order(t.Context(), "o2"); err != nil || o.State != dispatch.StateOffered {
		t.Errorf("order %+v, %v", o, err)
	}
}

// openBefore opens a journal on the tables as they are, as a program does that knows no later ones.
func openBefore(t *testing.T, dir string) *Journal {
	t.Helper()
	j := newJournal(Config{})
	var err error
	path := filepath.Join(dir, FileName)
	if j.writer, err = connect(t.Context(), path, writerPragmas(), 1); err != nil {
		t.Fatal(err)
	}
	if j.reader, err = connect(t.Context(), path, readerPragmas(), readers); err != nil {
		t.Fatal(err)
	}
	// The program before did not know the column policy, which is the 15th of 16 values.
	before := strings.NewReplacer("reason, policy, doc)", "reason, doc)", "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?16)").Replace(insertEvent)
	if j.stmts, err = prepare(t.Context(), j.writer, before); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestOpenReader(t *testing.T) {
	t.Run("reads_beside_a_server_and_cannot_write", func(t *testing.T) {
		dir := t.TempDir()
		j := openAt(t, dir, nil)
		defer j.Close()
		r, err := OpenReader(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b := storetest.NewBook(t, j, "sf")
		b.Create("o1", "r1")
		b.Commit()
		if _, err := r.Order(t.Context(), "o1"); err != nil {
			t.Errorf("order: %v", err)
		}
		if err := r.SetCursor(t.Context(), "sf", 1); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
			t.Errorf("a reader moved the cursor: %v", err)
		}
	})
	t.Run("takes_no_older_tables", func(t *testing.T) {
		dir := t.TempDir()
		s := openSchema(t, dir, true)
		if _, err := s.Up(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		closed(t, "schema", s.Close)
		_, err := OpenReader(t.Context(), Config{Dir: dir})
		wantOpenError(t, err, ErrOlder, dir, "hexfleet migrate up")
	})
	t.Run("takes_no_newer_tables", func(t *testing.T) {
		dir := filled(t)
		run(t, raw(t, dir), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
		_, err := OpenReader(t.Context(), Config{Dir: dir})
		wantOpenError(t, err, ErrNewer, dir, "99", "newer hexfleet")
	})
	t.Run("tells_of_damage", func(t *testing.T) {
		dir := filled(t)
		file := filepath.Join(dir, FileName)
		if err := os.WriteFile(file, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenReader(t.Context(), Config{Dir: dir})
		wantOpenError(t, err, ErrDamaged, file, "backup")
	})
	t.Run("makes_nothing", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "none")
		if _, err := OpenReader(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrOlder) {
			t.Errorf("err %v", err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a look made the directory: %v", err)
		}
	})
}
