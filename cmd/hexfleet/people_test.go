package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
)

// Whom these tests erase, and what must be found of them nowhere: ids, words and digits that stand nowhere else.
const (
	maryID, drewID = "zqmary.77", "zqdrew.77"
	maryWords      = "zqElmStreet"
	maryHome       = "37.7812345678"
	maryGoal       = "-122.4219876543"
	drewPlace      = "37.7801357913"
)

// traces are what may be left of mary and drew: ids without their '.', which a subject of NATS spells otherwise, and
// places as digits and as SQLite keeps numbers.
func traces() []string {
	all := []string{"zqmary", "zqdrew", maryWords, maryHome, maryGoal, drewPlace}
	for _, digits := range []string{maryHome, maryGoal, drewPlace} {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			panic(err)
		}
		all = append(all, string(binary.BigEndian.AppendUint64(nil, math.Float64bits(f))))
	}
	return all
}

// tool runs a command of the program and gives what it said.
func tool(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	cmd := hexfleet(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// found tells which files under dir hold a text, "-" for none.
func found(t *testing.T, dir string, texts ...string) string {
	t.Helper()
	where := ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of NATS or SQLite that came and went
		}
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				where += fmt.Sprintf(" %q in %s;", text, strings.TrimPrefix(path, dir))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if where == "" {
		return "-"
	}
	return where
}

// lived plays two rides of mary by drew, one to its end and one that she cancels with words, and one of another pair.
// It gives the orders' ids. Drew is still on duty.
func lived(p *process) (ridden, cancelled, other string, drew *sock) {
	p.t.Helper()
	body := `{"kind":"ride",` + stops(`{"type":"pickup","lat":`+maryHome+`,"lng":-122.41}`, `{"type":"dropoff","lat":37.75,"lng":`+maryGoal+`}`) + `}`
	ridden = p.create(maryID, "zqmary-key", body)["id"].(string)
	drew = onDuty(p, drewID, 37.7801357913, pickupLng)
	drew.accept(ridden)
	until(p.t, "two points of the trip are kept", func() bool {
		drew.send(object{"type": "telemetry", "points": []object{point(37.7801357913, pickupLng, p.now())}})
		return strings.Contains(p.rest("GET", "/metrics", "", "").raw, `hexfleet_samples_total{what="kept"} 2`)
	})
	drew.advance(ridden, "arrived_at_pickup", "en_route_to_dropoff", "completed")
	cancelled = p.create(maryID, "zqmary-other", body)["id"].(string)
	drew.accept(cancelled)
	a := p.rest("POST", "/v1/orders/"+cancelled+"/cancel", p.token(dispatch.RoleRider, maryID), `{"reason":"`+maryWords+`"}`)
	if a.status != 200 {
		p.t.Fatalf("cancel answered %s", a.raw)
	}
	other = p.order("r2", "k2")
	p.done("POST", "/v1/orders/"+other+"/cancel", "{}")
	return ridden, cancelled, other, drew
}

func (p *process) offDuty(d *sock, sub string) {
	p.t.Helper()
	d.acked(object{"type": "duty", "id": "off-" + sub, "state": "offline"})
}

// checkExport reads what is held of mary and drew.
func checkExport(t *testing.T, store []string, ridden string) {
	t.Helper()
	out, errs, code := tool(t, append([]string{"export", "--rider", maryID}, store...)...)
	for _, want := range []string{
		`{"kind":"person","person":{"role":"rider","id":"` + maryID, `{"kind":"order","order":{"id":"` + ridden, maryHome, maryGoal, maryWords,
		`{"kind":"sample","sample":{"order_id":"` + ridden, drewPlace, `{"kind":"key","key":{"key":"zqmary-key"`, `"type":"order.completed"`,
	} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("the rider's export ended with %d %s and has no %s:\n%s", code, errs, want, out)
		}
	}
	file := filepath.Join(t.TempDir(), "export")
	_, errs, code = tool(t, append([]string{"export", "--driver", drewID, "--out", file}, store...)...)
	data, err := os.ReadFile(file)
	if err != nil || code != 0 {
		t.Fatalf("the driver's export ended with %d %s: %v", code, errs, err)
	}
	out = string(data)
	for _, want := range []string{`{"kind":"duty","duty":{"market":"sf"`, `{"kind":"duty_event"`, `{"kind":"offer"`, drewPlace, ridden} {
		if !strings.Contains(out, want) {
			t.Errorf("the driver's export has no %s:\n%s", want, out)
		}
	}
	for _, not := range []string{"zqmary", maryHome, maryGoal} {
		if strings.Contains(out, not) {
			t.Errorf("the driver's export tells %s of the rider:\n%s", not, out)
		}
	}
}

// checkErased looks at the history as it is told after both were erased.
func checkErased(p *process, ridden, cancelled, other string) {
	p.t.Helper()
	o := p.stands(ridden)
	rider, driver := fmt.Sprint(o["rider_id"]), fmt.Sprint(o["driver_id"])
	if !strings.HasPrefix(rider, dispatch.ErasedPrefix) || !strings.HasPrefix(driver, dispatch.ErasedPrefix) || rider == driver {
		p.t.Errorf("the order is of %s by %s", rider, driver)
	}
	wantFields(p.t, "the ridden order", o, object{"state": "completed", "stops": []any{}, "version": 6.0})
	wantFields(p.t, "the cancelled order", p.stands(cancelled), object{"state": "cancelled", "cancelled_by": "passenger", "reason": nil, "rider_id": rider})
	p.wantStates(ridden, "searching", "offered", "en_route_to_pickup", "arrived_at_pickup", "en_route_to_dropoff", "completed")
	if by := p.history(ridden)[0]["by"].(object); by["sub"] != rider {
		p.t.Errorf("the first event is by %v", by)
	}
	if stops := p.stands(other)["stops"].([]any); len(stops) != 2 {
		p.t.Errorf("the order of another has the stops %v", stops)
	}
	for who, token := range map[string]string{"rider": p.token(dispatch.RoleRider, maryID), "driver": p.token(dispatch.RoleDriver, drewID)} {
		if a := p.rest("GET", "/v1/orders", token, ""); a.raw != `{"items":[],"next_cursor":null}` {
			p.t.Errorf("the erased %s is told %s", who, a.raw)
		}
	}
}

// TestErase_Beside_a_server erases a rider and a driver while the server runs.
func TestErase_Beside_a_server(t *testing.T) {
	t.Parallel()
	p := town(t, "", "--time-scale", "30")
	ridden, cancelled, other, drew := lived(p)
	store := []string{"--data-dir", p.dir}
	checkExport(t, store, ridden)
	out, _, code := tool(t, append([]string{"erase", "--rider", maryID}, store...)...)
	if code != 0 || !strings.Contains(out, "2 orders, 2 orders' places,") || !strings.Contains(out, "Nothing was erased") {
		t.Errorf("the dry run ended with %d: %s", code, out)
	}
	if p.stands(ridden)["rider_id"] != maryID {
		t.Error("the dry run has erased")
	}
	_, errs, code := tool(t, append([]string{"erase", "--driver", drewID, "--yes"}, store...)...)
	if code != 1 || !strings.Contains(errs, "the driver is on duty in market sf") {
		t.Errorf("erasing a driver on duty ended with %d: %s", code, errs)
	}
	p.offDuty(drew, drewID)
	for _, who := range [][]string{{"--rider", maryID}, {"--driver", drewID}} {
		args := append([]string{"erase", "--yes", "--rewrite"}, append(who, store...)...)
		out, errs, code := tool(t, args...)
		if code != 0 || !strings.Contains(out, "stands where the id stood") || !strings.Contains(out, "The copies in the stream are overwritten") {
			t.Fatalf("%v ended with %d: %s%s", args, code, out, errs)
		}
	}
	checkErased(p, ridden, cancelled, other)
	if where := found(t, p.dir, traces()...); where != "-" {
		t.Errorf("traces while the server runs:%s", where)
	}
	p.order("r3", "k3") // the market goes on
	p.terminate()
	if where := found(t, p.dir, traces()...); where != "-" {
		t.Errorf("traces after the server ended:%s", where)
	}
	logged(t, p)
}

// logged holds the log against whom it must not name.
func logged(t *testing.T, p *process) {
	t.Helper()
	for _, text := range append(traces(), "r2", "-122.41", "37.78") {
		if strings.Contains(p.logs.String(), text) {
			t.Errorf("the log names %s", text)
		}
	}
}

// TestErase_Without_a_server erases while nobody serves; the next start does the rest.
func TestErase_Without_a_server(t *testing.T) {
	t.Parallel()
	p := town(t, "", "--time-scale", "30")
	ridden, cancelled, other, drew := lived(p)
	p.offDuty(drew, drewID)
	p.terminate()
	where := found(t, p.dir, traces()...)
	for _, in := range []string{"/nats/", "/hexfleet.db", "/samples/"} {
		if !strings.Contains(where, in) {
			t.Fatalf("before the erasure traces are in%s, none in %s", where, in)
		}
	}
	for _, who := range [][]string{{"--rider", maryID}, {"--driver", drewID}} {
		args := append([]string{"erase", "--yes", "--data-dir", p.dir}, who...)
		out, errs, code := tool(t, args...)
		if code != 0 || !strings.Contains(out, "the next to start overwrites the copies") {
			t.Fatalf("%v ended with %d: %s%s", args, code, out, errs)
		}
	}
	if where := found(t, p.dir, traces()[2:]...); strings.Contains(where, "hexfleet.db") || strings.Contains(where, "samples") {
		t.Errorf("words and places after the erasure:%s", where)
	}
	p = p.again("--markets", markets(t, quick), "--time-scale", "30")
	until(t, "the erasures are done", func() bool { return strings.Count(p.logs.String(), "erasure done") == 2 })
	checkErased(p, ridden, cancelled, other)
	p.terminate()
	if where := found(t, p.dir, traces()...); where != "-" {
		t.Errorf("traces after the next start:%s", where)
	}
	logged(t, p)
}

// TestErase_On_Postgres erases beside a server whose store is a database.
func TestErase_On_Postgres(t *testing.T) {
	t.Parallel()
	c := onPostgres(t, pgtest.Start(t, pgtest.Options{NoSync: true}), "--markets", markets(t, quick), "--time-scale", "30")
	p := c.join()
	ridden, cancelled, other, drew := lived(p)
	store := []string{"--database-url", c.url}
	checkExport(t, store, ridden)
	p.offDuty(drew, drewID)
	for _, who := range [][]string{{"--rider", maryID}, {"--driver", drewID}} {
		args := append([]string{"erase", "--yes", "--wait", "0s"}, append(who, store...)...)
		if out, errs, code := tool(t, args...); code != 0 || !strings.Contains(out, "stands where the id stood") {
			t.Fatalf("%v ended with %d: %s%s", args, code, out, errs)
		}
	}
	checkErased(p, ridden, cancelled, other)
	until(t, "the erasures are done", func() bool { return strings.Count(p.logs.String(), "erasure done") == 2 })
	conn, err := pgx.Connect(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var tables []string
	if err := conn.QueryRow(t.Context(), `SELECT array_agg(relname::text) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'erasure%'`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		for _, trace := range traces()[:6] {
			var rows int
			err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()+` t WHERE strpos(t::text, $1) > 0`, trace).Scan(&rows)
			if err != nil || rows > 0 {
				t.Errorf("%s stands in %d rows of %s, %v", trace, rows, table, err)
			}
		}
	}
	p.terminate()
	if where := found(t, p.dir, traces()...); where != "-" {
		t.Errorf("traces in the data dir:%s", where)
	}
	logged(t, p)
}

// TestErase_Refuses_what_it_cannot_do asks for what cannot be.
func TestErase_Refuses_what_it_cannot_do(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	p.order("r1", "k1")
	for want, args := range map[string][]string{
		"is not closed":           {"erase", "--yes", "--rider", "r1", "--data-dir", p.dir},
		"there is no database in": {"erase", "--rider", "r1", "--data-dir", t.TempDir()},
	} {
		if _, errs, code := tool(t, args...); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%v ended with %d: %s", args, code, errs)
		}
	}
	for _, args := range [][]string{
		{"erase", "--yes"}, {"erase", "--rider", "r1", "--driver", "d1"}, {"export", "--rider", "r 1"},
		{"serve", "--keep-places", "1h"}, {"serve", "--keep-history", "-1h"},
	} {
		if _, errs, code := tool(t, args...); code != 2 {
			t.Errorf("%v ended with %d: %s", args, code, errs)
		}
	}
	if out, _, code := tool(t, "erase", "--yes", "--rider", "nobody", "--data-dir", p.dir); code != 0 || !strings.Contains(out, "Erased: nothing.") {
		t.Errorf("erasing nobody ended with %d: %s", code, out)
	}
}
