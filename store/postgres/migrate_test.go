package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func stepsOf(t *testing.T, url string, change bool) *store.Schema {
	t.Helper()
	s, err := OpenSchema(t.Context(), url, change)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A node of the version before goes on committing while another brings the tables up to the next, on the connections
// that it has and on new ones.
func TestSchema_Up_under_a_journal_of_the_version_before(t *testing.T) {
	url := cluster.Server(t).Database(t)
	j := openAt(t, url, nil)
	s := stepsOf(t, url, true)
	defer s.Close()
	steps, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done, err := s.Down(t.Context(), steps[len(steps)-2].Version); err != nil || len(done) != 1 {
		t.Fatalf("down: %v, %v", done, err)
	}
	// The program before did not know the column policy.
	j.said = strings.NewReplacer("reason, policy, doc", "reason, doc", "reason,\n        policy, doc", "reason, doc").Replace
	j.forget() // so that its connections are of now
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
	if done, err := s.Up(t.Context(), s.Latest()); err != nil || len(done) != 1 {
		t.Fatalf("up: %v, %v", done, err)
	}
	write("o2")
	j.forget()
	write("o3")
	if o, err := j.Order(t.Context(), "o3"); err != nil || o.State != dispatch.StateOffered {
		t.Errorf("order %+v, %v", o, err)
	}
}

func TestSchema_goes_all_the_way_back_and_forth(t *testing.T) {
	url := cluster.Server(t).Database(t)
	s := stepsOf(t, url, true)
	defer s.Close()
	for range 2 {
		if done, err := s.Up(t.Context(), s.Latest()); err != nil || len(done) == 0 {
			t.Fatalf("up: %v, %v", done, err)
		}
		if done, err := s.Down(t.Context(), 0); err != nil || len(done) == 0 {
			t.Fatalf("down: %v, %v", done, err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var tables, functions int
	err = conn.QueryRow(t.Context(), `
SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version'),
    (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)`).Scan(&tables, &functions)
	if err != nil || tables+functions != 0 {
		t.Errorf("%d tables and %d functions are left after going back: %v", tables, functions, err)
	}
}

func TestOpenSchema_of_no_server(t *testing.T) {
	for _, url := range []string{"postgres://x@127.0.0.1:1/x", "postgres://%zz"} {
		if _, err := OpenSchema(t.Context(), url, false); !errors.Is(err, ErrConnect) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
