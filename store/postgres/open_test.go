package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// run runs statements in a database, as an operator's tool would.
func run(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// wantOpenError opens a journal, which must fail with target and a sentence that has the words.
func wantOpenError(t *testing.T, url string, target error, words ...string) {
	t.Helper()
	j, err := Open(t.Context(), Config{URL: url})
	if err == nil {
		_ = j.Close()
	}
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

func TestOpen_Server_that_is_not_there(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, "postgres://u:secret@"+addr+"/hexfleet", ErrConnect, addr, "check that the server runs")
	wantOpenError(t, "postgres://u@host:port/hexfleet", ErrConnect, "malformed")
}

func TestOpen_Password_that_is_wrong(t *testing.T) {
	t.Parallel() // it mostly waits
	s := pgtest.Start(t, pgtest.Options{NoSync: true, Password: "right"})
	url := s.Database(t)
	j, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	wantOpenError(t, strings.Replace(url, "right", "wrong", 1), ErrConnect, "check user and password")
	_, err = Open(t.Context(), Config{URL: strings.Replace(url, "right", "wrong", 1)})
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("%q tells the password", err)
	}
}

func TestOpen_Database_that_is_not_there(t *testing.T) {
	wantOpenError(t, cluster.Server(t).URL("none"), ErrConnect, "none", "createdb")
}

func TestOpen_Newer_schema(t *testing.T) {
	url := cluster.Server(t).Database(t)
	j, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
	wantOpenError(t, url, ErrNewer, "99", "newer hexfleet")
}

func TestOpen_User_without_rights(t *testing.T) {
	t.Parallel() // it mostly waits
	url := cluster.Server(t).Database(t)
	run(t, url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	wantOpenError(t, strings.Replace(url, pgtest.User+"@", "guest@", 1), ErrSettings, "guest", "owner")
}

func TestOpen_Encoding_that_holds_not_every_name(t *testing.T) {
	s := cluster.Server(t)
	run(t, s.URL("postgres"), "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	wantOpenError(t, s.URL("latin"), ErrSettings, "LATIN1", "UTF8")
}

func TestOpen_Server_too_old(t *testing.T) {
	for version, want := range map[string]error{"130013": ErrOld, "140000": nil, "180001": nil, "mine": ErrOld} {
		if err := newEnough(version); !errors.Is(err, want) {
			t.Errorf("version %s gave %v, want %v", version, err, want)
		}
	}
}

func TestOpen_Commits_wait_for_the_disk_whatever_the_database_says(t *testing.T) {
	s := cluster.Server(t)
	url := s.Database(t)
	name := url[strings.LastIndexByte(url, '/')+1 : strings.IndexByte(url, '?')]
	run(t, url, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	j := openAt(t, url, nil)
	for kind, pool := range j.pools() {
		var got string
		if err := pool.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&got); err != nil || kind != "reads" && got != "on" {
			t.Errorf("synchronous_commit of %s is %s, %v", kind, got, err)
		}
	}
	if _, err := j.reads.Exec(t.Context(), "DELETE FROM clock"); codeOf(err) != codeReadOnly {
		t.Errorf("a reader could write: %v", err)
	}
}

func TestOpen_Many_at_once(t *testing.T) {
	url := cluster.Server(t).Database(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			j, err := Open(t.Context(), Config{URL: url})
			if err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			if err := j.Close(); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// Lists and cursors count on ids in the order of their bytes.
func TestOpen_Collation_of_a_people(t *testing.T) {
	s := cluster.Server(t)
	run(t, s.URL("postgres"), "CREATE DATABASE people LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C' TEMPLATE template0")
	j := openAt(t, s.URL("people"), nil)
	b := storetest.NewBook(t, j, "sf")
	want := []string{"A", "B", "Z", "_", "a", "b"}
	for _, i := range []int{4, 1, 0, 5, 3, 2} {
		b.Create(dispatch.OrderID(want[i]), "r1")
	}
	b.Commit()
	r, err := j.Recover(t.Context(), "sf")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range r.Orders {
		got = append(got, string(o.ID))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("orders come as %v, want %v", got, want)
	}
}

func TestBounds_Negative(t *testing.T) {
	_, err := Open(t.Context(), Config{URL: "postgres://", Bounds: Bounds{Lock: -1}})
	if err == nil || !strings.Contains(err.Error(), "Lock") {
		t.Errorf("open gave %v", err)
	}
}
