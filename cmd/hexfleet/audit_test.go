package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// audited exports the audit log and gives each entry as one line of text.
func audited(t *testing.T, args ...string) (lines []string, all []object) {
	t.Helper()
	out, code := hexfleetOutput(append([]string{"audit", "export"}, args...)...)
	if code != exitDone {
		t.Fatalf("export: exit %d, said %s", code, out)
	}
	for line := range strings.Lines(out) {
		var e object
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		actor := e["actor"].(object)
		lines = append(lines, fmt.Sprint(e["chain"], " ", actor["role"], "/", actor["sub"], " ", e["action"], " ", e["object"],
			" ", e["outcome"], " ", standingOf(e["before"]), ">", standingOf(e["after"]), " ", e["request_id"]))
		all = append(all, e)
	}
	return lines, all
}

func standingOf(v any) string {
	s, ok := v.(object)
	if !ok {
		return "-"
	}
	return fmt.Sprint(s["state"], s["version"])
}

// TestAudit_TellsWhatStaffDid has staff act, others be refused, and reads the log beside the server and after a kill.
func TestAudit_TellsWhatStaffDid(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	id := p.order("r1", "k1")
	mine := p.create("r9", "k2", rideBody)["id"].(string)
	act := func(path, body, request string, status int) {
		t.Helper()
		a := p.rest("POST", path, p.staff(), body, "X-Request-Id", request)
		if a.status != status || a.header.Get("X-Request-Id") != request {
			t.Errorf("%s answered %d %s as %q", path, a.status, a.raw, a.header.Get("X-Request-Id"))
		}
	}
	act("/v1/orders/"+id+"/priority", `{"priority":5}`, "q1", 200)
	act("/v1/orders/"+id+"/unassign", "", "q2", 409)
	act("/v1/orders/"+id+"/assign", `{"driver_id":"d7"}`, "q3", 404)
	act("/v1/orders/"+id+"/cancel", "", "q4", 200)
	staff := p.dial(p.staff())
	made := staff.acked(object{"type": "order.create", "id": "m1", "market": "sf", "kind": "ride", "rider_id": "r2", "stops": []object{
		{"type": "pickup", "lat": 37.78, "lng": -122.41}, {"type": "dropoff", "lat": 37.75, "lng": -122.42}}})["order"].(object)["id"].(string)
	rider := p.token(dispatch.RoleRider, "r1")

	p.kill() // what staff did is there as soon as it was answered
	market, _ := audited(t, "--data-dir", p.dir, "--chain", "market:sf")
	want := []string{
		"market:sf dispatcher/staff order.priority order:" + id + " ok searching1>searching2 q1",
		"market:sf dispatcher/staff order.unassign order:" + id + " illegal_transition searching2>searching2 q2",
		"market:sf dispatcher/staff order.assign order:" + id + " not_found searching2>searching2 q3",
		"market:sf dispatcher/staff order.cancel order:" + id + " ok searching2>cancelled3 q4",
		"market:sf dispatcher/staff order.create order:" + made + " ok ->searching1 m1",
	}
	if diff := cmp.Diff(want, market); diff != "" {
		t.Errorf("what staff did (-want +got):\n%s", diff)
	}
	p = serve(t, p.dir)
	p.rest("GET", "/v1/orders/"+mine, rider, "", "X-Request-Id", "q6")
	p.rest("POST", "/v1/orders/"+mine+"/cancel", rider, "", "X-Request-Id", "q7")
	p.rest("GET", "/v1/orders/"+mine, "no token", "", "X-Request-Id", "q8")
	p.rest("GET", "/v1/drivers/d7", rider, "", "X-Request-Id", "q9")
	p.rest("POST", "/v1/orders/nothing/cancel", p.staff(), "", "X-Request-Id", "q5")
	var access []string
	var entries []object
	until(t, "the refused accesses are on record", func() bool { // a second behind
		access, entries = audited(t, "--data-dir", p.dir, "--chain", "access", "--reveal")
		return len(entries) == 5
	})
	r1 := entries[0]["actor"].(object)["sub"].(string)
	driver := strings.TrimPrefix(entries[3]["object"].(string), "driver:")
	want = []string{
		"access rider/" + r1 + " read.order order:" + mine + " not_found ->- q6",
		"access rider/" + r1 + " order.cancel order:" + mine + " not_found ->- q7",
		"access <nil>/<nil> read.order order:" + mine + " unauthenticated ->- q8",
		"access rider/" + r1 + " read.driver driver:" + driver + " forbidden ->- q9",
		"access dispatcher/staff order.cancel order:nothing not_found ->- q5",
	}
	if diff := cmp.Diff(want, access); diff != "" {
		t.Errorf("refused accesses (-want +got):\n%s", diff)
	}
	if entries[0]["actor"].(object)["revealed"] != "r1" || !strings.HasPrefix(r1, "sha256:") || !strings.HasPrefix(driver, "sha256:") {
		t.Errorf("the rider stands there as %v, the driver as %s", entries[0]["actor"], driver)
	}
	if out, code := hexfleetOutput("audit", "verify", "--data-dir", p.dir); code != exitDone || strings.Count(out, "\n") != 2 {
		t.Errorf("verify: exit %d, said %s", code, out)
	}
}

// TestAudit_FindsWhatWasChanged changes the log as somebody may who can write to the file.
func TestAudit_FindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if out, code := hexfleetOutput("migrate", "up", "--data-dir", dir); code != exitDone {
		t.Fatalf("exit %d, said %s", code, out)
	}
	record := func(n int) {
		j, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		for range n {
			err := j.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{{Action: "read.order", Outcome: dispatch.CodeForbidden}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	record(5)
	kept := filepath.Join(t.TempDir(), "heads")
	heads, code := hexfleetOutput("audit", "verify", "--data-dir", dir)
	if code != exitDone || !strings.Contains(heads, "access 5 ") || !strings.Contains(heads, "operator 1 ") {
		t.Fatalf("exit %d, said %s", code, heads)
	}
	if err := os.WriteFile(kept, []byte(heads), 0o600); err != nil {
		t.Fatal(err)
	}
	record(1)
	if out, code := hexfleetOutput("audit", "verify", "--data-dir", dir, "--heads", kept); code != exitDone {
		t.Errorf("a log that has grown: exit %d, said %s", code, out)
	}
	tamper := func(queries ...string) { change(t, dir, queries...) }
	tamper("DROP TRIGGER audit_never_changes", "DROP TRIGGER audit_never_goes", "DROP TRIGGER audit_chains_never_go",
		"UPDATE audit SET outcome = 'ok' WHERE chain = 'access' AND n = 4")
	for _, cmd := range [][]string{{"audit", "verify"}, {"audit", "export", "--chain", "access"}} {
		out, code := hexfleetOutput(append(cmd, "--data-dir", dir)...)
		if code != exitFailure || !strings.Contains(out, "audit chain access: entry 4 does not match its hash") {
			t.Errorf("%v of a changed entry: exit %d, said %s", cmd, code, out)
		}
	}
	// A whole chain that is gone with its head is known to who kept the heads alone.
	tamper("DELETE FROM audit WHERE chain = 'access'", "DELETE FROM audit_chains WHERE id = 'access'")
	if out, code := hexfleetOutput("audit", "verify", "--data-dir", dir); code != exitDone {
		t.Errorf("exit %d, said %s", code, out)
	}
	out, code := hexfleetOutput("audit", "verify", "--data-dir", dir, "--heads", kept)
	if code != exitFailure || !strings.Contains(out, "the chain had 5 entries and is gone") {
		t.Errorf("a chain that is gone: exit %d, said %s", code, out)
	}
	record(6)
	out, code = hexfleetOutput("audit", "verify", "--data-dir", dir, "--heads", kept)
	if code != exitFailure || !strings.Contains(out, "written anew") {
		t.Errorf("a chain written anew: exit %d, said %s", code, out)
	}
}

// change writes to the database of a data dir behind the program's back.
func change(t *testing.T, dir string, queries ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(dir, "hexfleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range queries {
		if _, err := db.Exec(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

func TestAudit_Export_of_a_time(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2031, 1, 1, 12, 0, 0, 0, time.UTC)
	for n := range 4 {
		e := dispatch.AuditEntry{At: day.AddDate(0, 0, n), Action: "read.order", Outcome: dispatch.CodeForbidden, RequestID: fmt.Sprint("q", n)}
		if err := j.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	lines, _ := audited(t, "--data-dir", dir, "--from", "2031-01-02", "--to", "2031-01-04T12:00:00Z")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "q1") || !strings.HasSuffix(lines[1], "q2") {
		t.Errorf("got %v", lines)
	}
	for _, args := range [][]string{{"--from", "yesterday"}, {"--to", "1"}, {"--database-url", "postgres://x", "--data-dir", dir}} {
		if out, code := hexfleetOutput(append([]string{"audit", "export", "--data-dir", dir}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d, said %s", args, code, out)
		}
	}
	if out, code := hexfleetOutput("audit", "export", "--data-dir", dir, "--chain", "market:mars"); code != exitFailure || !strings.Contains(out, "market:mars") {
		t.Errorf("exit %d, said %s", code, out)
	}
}
