package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
)

// busy is a server under load.
type busy struct {
	p    *process
	quit chan struct{}
	work sync.WaitGroup

	mu    sync.Mutex
	acked []string // guarded by mu; ids of orders
}

// keepBusy has riders order until stop.
func keepBusy(p *process) *busy {
	b := &busy{p: p, quit: make(chan struct{})}
	for r := range 3 {
		token := p.token(dispatch.RoleRider, fmt.Sprint("r", r))
		b.work.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-b.quit:
					return
				default:
				}
				a := p.rest("POST", "/v1/orders", token, rideBody, "Idempotency-Key", fmt.Sprintf("k-%d-%d", r, n))
				if id, ok := a.body["id"].(string); ok && a.status == 201 {
					b.mu.Lock()
					b.acked = append(b.acked, id)
					b.mu.Unlock()
				}
			}
		})
	}
	return b
}

// orders waits for n more orders and gives all that were acknowledged.
func (b *busy) orders(n int) []string {
	b.p.t.Helper()
	b.mu.Lock()
	want := len(b.acked) + n
	b.mu.Unlock()
	until(b.p.t, "more orders come in", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.acked) >= want
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.acked...)
}

func (b *busy) stop() {
	close(b.quit)
	b.work.Wait()
}

// wantRestored checks that a restored server has what was acknowledged before the backup, whole, lacks what came long
// after it, and goes on.
func wantRestored(t *testing.T, p *process, before, after []string, staffed string) {
	t.Helper()
	all := p.orders()
	for _, id := range before {
		if all[id] == nil {
			t.Errorf("order %s, acknowledged before the backup, is gone", id)
			continue
		}
		if n := len(p.history(id)); float64(n) != all[id]["version"] {
			t.Errorf("order %s has %d events, its version is %v", id, n, all[id]["version"])
		}
	}
	for _, id := range after {
		if all[id] != nil {
			t.Errorf("order %s of after the backup is there", id)
		}
	}
	p.wantStates(staffed, "searching", "cancelled")
	rider := p.dial(p.token(dispatch.RoleRider, "rx"))
	id := p.order("rx", "new")
	rider.find("order", event(id, 1))
}

// TestBackup_SQLite backs up a server under load and starts one on the backup.
func TestBackup_SQLite(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	staffed := p.order("rs", "ks")
	p.done("POST", "/v1/orders/"+staffed+"/cancel", "")
	b := keepBusy(p)
	before := b.orders(30)
	to := filepath.Join(t.TempDir(), "backup")
	if out, code := hexfleetOutput("backup", "--data-dir", p.dir, "--to", to); code != exitDone || !strings.Contains(out, to) {
		t.Fatalf("exit %d, said %s", code, out)
	}
	mark := len(b.orders(10)) // those under way when the backup ended may be in or not
	after := b.orders(30)[mark:]
	b.stop()
	p.kill()

	restored := serve(t, to)
	wantRestored(t, restored, before, after, staffed)
	lines, _ := audited(t, "--data-dir", to)
	want := []string{"market:sf dispatcher/staff order.cancel order:" + staffed + " ok searching1>cancelled2"}
	if diff := cmp.Diff(want, []string{strings.Join(strings.Fields(lines[0])[:6], " ")}); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
	if !strings.Contains(lines[len(lines)-1], "backup") {
		t.Errorf("the backup does not tell of itself: %v", lines)
	}
	for _, args := range [][]string{{"--to", to}, {"--to", t.TempDir(), "--data-dir", t.TempDir()}} {
		if out, code := hexfleetOutput(append([]string{"backup", "--data-dir", p.dir}, args...)...); code != exitFailure {
			t.Errorf("backup %v: exit %d, said %s", args, code, out)
		}
	}
}

// TestBackup_Postgres dumps the database of a server under load by Postgres's own means, and restores it into another.
func TestBackup_Postgres(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{NoSync: true})
	c := onPostgres(t, s)
	p := c.join()
	c.wantStanding(p, "leads")
	staffed := p.order("rs", "ks")
	p.done("POST", "/v1/orders/"+staffed+"/cancel", "")
	b := keepBusy(p)
	before := b.orders(30)
	dump := filepath.Join(t.TempDir(), "dump")
	pgtest.Client(t, "pg_dump", "--format=custom", "--file="+dump, c.url)
	mark := len(b.orders(10))
	after := b.orders(30)[mark:]
	b.stop()
	p.kill()

	fresh := onPostgres(t, s)
	pgtest.Client(t, "pg_restore", "--exit-on-error", "--no-owner", "--dbname="+fresh.url, dump)
	restored := fresh.join()
	fresh.wantStanding(restored, "leads")
	wantRestored(t, restored, before, after, staffed)
	if out, code := hexfleetOutput("audit", "verify", "--database-url", fresh.url); code != exitDone || !strings.Contains(out, "market:sf 1 ") {
		t.Errorf("verify: exit %d, said %s", code, out)
	}
}

// TestMigrate_Postgres goes the whole way up and down beside a server.
func TestMigrate_Postgres(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{NoSync: true})
	c := onPostgres(t, s)
	said := func(code int, words []string, args ...string) {
		t.Helper()
		out, got := hexfleetOutput(append([]string{"migrate"}, append(args, "--database-url", c.url)...)...)
		if got != code {
			t.Errorf("%v: exit %d, want %d; said %s", args, got, code, out)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%v does not say %q: %s", args, w, out)
			}
		}
	}
	said(exitDone, []string{"1       pending"}, "status")
	said(exitDone, []string{"applied 00001_journal.sql"}, "up", "--to", "1")
	said(exitDone, []string{"CREATE TABLE audit ("}, "up", "--dry-run")
	said(exitDone, []string{"applied 00004_audit.sql"}, "up")
	p := c.join()
	c.wantStanding(p, "leads")
	p.order("r1", "k1")
	said(exitDone, []string{"nothing to do: the schema is up to date"}, "up")
	// Beside a server, which goes on: the step that goes back is one that it can live without for a while.
	said(exitDone, []string{"undone 00007_explanations.sql"}, "down", "--yes")
	p.order("r1", "k2")
	said(exitDone, []string{"applied 00007_explanations.sql"}, "up")
	p.order("r1", "k3")
	lines, _ := audited(t, "--database-url", c.url, "--chain", "operator")
	if len(lines) != 3 || !strings.Contains(lines[0], "migrate.up schema:") { // what came before the table is told nowhere
		t.Errorf("on record is %v", lines)
	}
	newer := "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)"
	pgtest.Client(t, "psql", "--dbname="+c.url, "--command="+newer)
	said(exitDone, []string{"99      unknown"}, "status")
	said(exitFailure, []string{"99", "newer hexfleet"}, "up")
	out, code := hexfleetOutput("serve", "--database-url", c.url, "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0")
	if code != exitFailure || !strings.Contains(out, "start the newer hexfleet, or restore a backup") {
		t.Errorf("serve on a newer database: exit %d, said %s", code, out)
	}
}

func TestServe_RefusesANewerDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, code := hexfleetOutput("migrate", "up", "--data-dir", dir); code != exitDone {
		t.Fatalf("exit %d, said %s", code, out)
	}
	change(t, dir, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	out, code := hexfleetOutput("serve", "--data-dir", dir, "--listen", "127.0.0.1:0")
	if code != exitFailure || !strings.Contains(out, "start the newer hexfleet, or restore a backup") || strings.Count(out, "\n") != 1 {
		t.Errorf("a newer database: exit %d, said %s", code, out)
	}
	file := filepath.Join(dir, "hexfleet.db")
	db, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, db[:len(db)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	out, code = hexfleetOutput("serve", "--data-dir", dir, "--listen", "127.0.0.1:0")
	if code != exitFailure || !strings.Contains(out, "restore it from a backup") || strings.Count(out, "\n") != 1 {
		t.Errorf("a damaged database: exit %d, said %s", code, out)
	}
}
