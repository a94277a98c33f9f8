package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

// simulate runs the command and gives what it printed.
func simulate(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"simulate"}, args...), stdio{&o, &e})
	return o.String(), e.String(), code
}

// lines decodes --json.
func lines(t *testing.T, out string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, object)
	}
	return all
}

func TestSimulate_json_is_that_of_the_contract(t *testing.T) {
	args := []string{
		"--drivers", "40", "--load", "0.8", "--duration", "20m", "--policy", "nearest,nearest_freed,batch,batch_chain", "--seeds", "2", "--json",
	}
	out, errs, code := simulate(t, args...)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	all := lines(t, out)
	want := []string{
		"cancelled_by_driver", "cancelled_by_rider", "deadhead_m", "deadhead_s", "digest", "gini", "lost", "offers_per_match", "pickup_wait_s",
		"policy", "requested", "seed", "served", "served_share", "utilisation",
	}
	var names []string
	for _, o := range all {
		if keys := slices.Sorted(maps.Keys(o)); !slices.Equal(keys, want) {
			t.Errorf("keys %v, want %v", keys, want)
		}
		if wait := o["pickup_wait_s"].(map[string]any); len(wait) != 3 || wait["mean"].(float64) <= 0 || wait["p95"].(float64) < wait["p50"].(float64) {
			t.Errorf("wait %v", wait)
		}
		names = append(names, fmt.Sprint(o["policy"], o["seed"]))
	}
	if got := strings.Join(names, " "); got != "nearest1 nearest2 nearest_freed1 nearest_freed2 batch1 batch2 batch_chain1 batch_chain2" {
		t.Errorf("lines of %s", got)
	}
	if again, _, _ := simulate(t, args...); again != out {
		t.Errorf("the same seeds gave\n%s\nthen\n%s", out, again)
	}
}

func TestSimulate_prints_one_table(t *testing.T) {
	out, errs, code := simulate(t, "--drivers", "30", "--duration", "10m", "--policy", "nearest,batch")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"served %", "deadhead s", "Gini", "round gap %", "nearest", "batch", "round optimum", "clairvoyant", "an estimate"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestSimulate_files(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		data := []byte(text)
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write(data) // into memory
			_ = z.Close()
			data = b.Bytes()
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Chicago, which no market holds, one trip in San Francisco, rows in no order.
	const head = "trip_id,cab,pickup_unix,pickup_lat,pickup_lon,dropoff_unix,dropoff_lat,dropoff_lon\n"
	const rows = "c,y,1400001200,41.89,-87.62,1400001500,41.88,-87.63\n" +
		"a,x,1400000000,41.88,-87.63,1400000600,41.90,-87.63\n" +
		"far,x,1400000500,37.78,-122.41,1400000600,37.77,-122.41\n" +
		"b,x,1400000900,41.90,-87.63,1400001300,41.89,-87.62\n"
	sessions := write("sessions.csv.gz", "driver,on_unix,lat,lon,off_unix\ny,1400000000,41.88,-87.63,\nx,1399999000,41.88,-87.63,1400009000\n")
	trips := write("trips.csv", head+rows)
	out, errs, code := simulate(t, "--trips", trips, "--sessions", sessions, "--json")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if all := lines(t, out); len(all) != 1 || all[0]["requested"] != 3.0 || all[0]["served"] != 3.0 {
		t.Errorf("got %s, want the three trips in Chicago served", out)
	}
	if !strings.Contains(errs, "market city: 2 drivers, 3 orders") || !strings.Contains(errs, "1 trips that begin elsewhere") {
		t.Errorf("said %q", errs)
	}
	if zipped, _, _ := simulate(t, "--trips", write("trips.csv.gz", head+rows), "--sessions", sessions, "--json"); zipped != out {
		t.Errorf("the same zipped:\n%s\nnot\n%s", zipped, out)
	}
	table, errs, code := simulate(t, "--trips", trips, "--sessions", sessions, "--from", "+0s", "--to", "+1h")
	if code != exitDone || !strings.Contains(table, "human fleet") {
		t.Errorf("exit %d: %s\n%s", code, errs, table)
	}
	markets := write("markets.json", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"chi","name":"Chicago",
		"timezone":"America/Chicago","policy":{"mode":"nearest","max_pickup_s":60}},"geometry":{"type":"Polygon","coordinates":
		[[[-88,41],[-87,41],[-87,42],[-88,42],[-88,41]]]}}]}`)
	out, errs, code = simulate(t, "--trips", trips, "--sessions", sessions, "--policy", markets+",batch", "--json")
	if all := lines(t, out); code != exitDone || len(all) != 2 || all[0]["policy"] != markets || !strings.Contains(errs, "market chi") {
		t.Errorf("exit %d: %s %s", code, errs, out)
	}
}

// writeFiles writes texts under names into a folder and gives their paths.
func writeFiles(t *testing.T, texts map[string]string) map[string]string {
	t.Helper()
	dir, paths := t.TempDir(), map[string]string{}
	for name, text := range texts {
		paths[name] = filepath.Join(dir, name)
		if err := os.WriteFile(paths[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func TestSimulate_city_across_the_date_line(t *testing.T) {
	files := writeFiles(t, map[string]string{
		"trips.csv": "pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n" +
			"1400000000,-16.8,179.99,-16.8,-179.99\n1400000300,-16.81,-179.98,-16.8,179.98\n1400000600,-16.79,-179.99,-16.81,-179.98\n",
		"sessions.csv": "cab,on_unix,lat,lon\nx,1400000000,-16.8,-179.995\ny,1400000000,-16.8,179.995\nfar,1400000000,-16.8,178\n",
	})
	report := filepath.Join(t.TempDir(), "city.html")
	out, errs, code := simulate(t, "--trips", files["trips.csv"], "--sessions", files["sessions.csv"], "--json", "--report", report)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if all := lines(t, out); len(all) != 1 || all[0]["served"] != 3.0 {
		t.Errorf("got %s, want the three trips served", out)
	}
	if !strings.Contains(errs, "market city: 2 drivers, 3 orders") || !strings.Contains(errs, "1 sessions that begin elsewhere are left out") {
		t.Errorf("said %q, want the driver 200 km away left out", errs)
	}
	page, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	// 2014-05-13T16:53:20Z
	if text := html.UnescapeString(string(page)); !strings.Contains(text, "2014-05-14T04:53:20+12:00") {
		t.Error("the report does not tell the time of the date line, +12:00")
	}
}

// TestSimulate_rows_that_stand_twice plays them as different orders: each is accounted for.
func TestSimulate_rows_that_stand_twice(t *testing.T) {
	const trips = "trip_id,pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n"
	const orders = "seed,order,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n"
	files := writeFiles(t, map[string]string{
		"trips.csv":     trips + strings.Repeat("a,1400000000,41.88,-87.63,41.89,-87.63\n", 3),
		"sessions.csv":  "cab,on_unix,lat,lon\nx,1400000000,41.88,-87.63\n",
		"orders.csv":    orders + strings.Repeat("0,a,600,1200,0.01,0,0.02,0\n", 3),
		"couriers.csv":  "seed,courier,on_s,off_s,lat,lon\n0,d,0,72000,0.01,0\n",
		"instances.csv": "seed,m_per_min,pickup_service_min,dropoff_service_min,target_click_to_door_min,max_click_to_door_min\n0,320,4,4,40,90\n",
	})
	for _, args := range [][]string{
		{"--trips", files["trips.csv"], "--sessions", files["sessions.csv"]},
		{"--trips", files["orders.csv"], "--sessions", files["couriers.csv"], "--instances", files["instances.csv"]},
	} {
		out, errs, code := simulate(t, append(args, "--json")...)
		if code != exitDone {
			t.Fatalf("exit %d: %s", code, errs)
		}
		o := lines(t, out)[0]
		if o["requested"] != 3.0 || o["served"].(float64)+o["lost"].(float64) != 3 {
			t.Errorf("three orders gave %s", out)
		}
	}
	wrong := writeFiles(t, map[string]string{"orders.csv": orders + "0,a,x,1200,0.01,0,0.02,0\n", "none.csv": orders + "1,a,1,1200,0.01,0,0.02,0\n"})
	for name, says := range map[string]string{
		"orders.csv": "line 2, column placed_s", "none.csv": "none.csv holds no order of instance 0",
	} {
		if _, errs, code := simulate(t, "--trips", wrong[name], "--sessions", files["couriers.csv"], "--instances", files["instances.csv"]); code != exitFailure ||
			!strings.Contains(errs, says) || strings.Contains(errs, "hexfleet: --instances:") {
			t.Errorf("exit %d: %q, want %q", code, errs, says)
		}
	}
}

func TestSimulate_nobody_on_shift(t *testing.T) {
	const trip = "pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n1400000000,41.88,-87.63,41.9,-87.63\n"
	const head = "cab,on_unix,off_unix,lat,lon\n"
	for name, c := range map[string]struct{ sessions, says string }{
		"none":      {head, "sessions.csv holds no session"},
		"over":      {head + "x,1300000000,1300001000,41.88,-87.63\n", "nobody is on shift in market city from 2014-05-13T16:53:20Z"},
		"elsewhere": {head + "x,1400000000,,37.78,-122.41\n", "1 sessions begin elsewhere"},
	} {
		files := writeFiles(t, map[string]string{"trips.csv": trip, "sessions.csv": c.sessions})
		out, errs, code := simulate(t, "--trips", files["trips.csv"], "--sessions", files["sessions.csv"])
		if code != exitFailure || out != "" || !strings.Contains(errs, "--sessions: ") || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d, %q, %q, want %q", name, code, out, errs, c.says)
		}
	}
}

func TestSimulate_report_that_cannot_be_written(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]int{dir: exitFailure, filepath.Join(dir, "none", "x.html"): exitUsage} {
		if out, errs, code := simulate(t, "--drivers", "10", "--duration", "5m", "--report", path); code != want || out != "" || !strings.Contains(errs, "--report: open") ||
			strings.Contains(errs, "market lab") {
			t.Errorf("%s: exit %d, %q, %q, want %d before anything was read", path, code, out, errs, want)
		}
	}
	kept := writeFiles(t, map[string]string{"old.html": "old"})["old.html"]
	if _, errs, code := simulate(t, "--trips", kept, "--sessions", kept, "--report", kept); code != exitFailure {
		t.Errorf("exit %d: %s", code, errs)
	}
	if got, err := os.ReadFile(kept); err != nil || string(got) != "old" {
		t.Errorf("a run that failed left %q (%v) of the old report", got, err)
	}
	if _, errs, code := simulate(t, "--trips", kept, "--sessions", kept, "--report", filepath.Join(dir, "new.html")); code != exitFailure {
		t.Errorf("exit %d: %s", code, errs)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a run that failed left %v (%v)", left, err)
	}
}

func TestSimulate_interrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"simulate", "--drivers", "10", "--duration", "5m", "--json"}, stdio{&out, &errs}); code != exitFailure ||
		!strings.HasSuffix(errs.String(), "hexfleet: interrupted before all was played\n") || out.Len() > 0 {
		t.Errorf("exit %d, %q, %q", code, out.String(), errs.String())
	}
}

func TestMeridians(t *testing.T) {
	for want, lngs := range map[[2]float64][]float64{
		{-122.5, -122.3}: {-122.4, -122.5, -122.3}, {179, 182}: {179, -178, -179.5}, {-180, -179}: {-179, -180}, {179, 180}: {180, 179},
		{-1, 1}: {-1, 1, 0}, {5, 5}: {5},
	} {
		var trips []sim.Trip
		for _, lng := range lngs {
			trips = append(trips, sim.Trip{Pickup: geo.LatLng{Lng: lng}})
		}
		west, east := meridians(trips)
		if math.Abs(math.Remainder(west-want[0], 360)) > 1e-9 || math.Abs(east-west-(want[1]-want[0])) > 1e-9 {
			t.Errorf("%v: got %v to %v, want %v", lngs, west, east, want)
		}
		m, err := madeUpMarket(trips)
		if err != nil {
			t.Fatal(err)
		}
		for _, lng := range lngs {
			if !m.Area.Contains(geo.LatLng{Lng: lng}) {
				t.Errorf("%v: the market does not hold %v", lngs, lng)
			}
		}
		if m.Area.Contains(geo.LatLng{Lng: math.Remainder(want[1]+1, 360)}) {
			t.Errorf("%v: the market reaches a degree beyond", lngs)
		}
	}
}

func TestSimulate_meals(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out, errs, code := simulate(t, "--json",
		"--trips", file("orders.csv", "seed,order,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n0,a,600,1200,0.01,0,0.02,0\n"),
		"--sessions", file("couriers.csv", "seed,courier,on_s,off_s,lat,lon\n0,d,0,7200,0.01,0\n"),
		"--instances", file("instances.csv", "seed,m_per_min,pickup_service_min,dropoff_service_min,target_click_to_door_min,"+
			"max_click_to_door_min\n0,320,4,4,40,90\n"))
	all := lines(t, out)
	if code != exitDone || len(all) != 1 {
		t.Fatalf("exit %d: %s%s", code, errs, out)
	}
	// Ready at 1,200 s, the courier waits there; 1,112 m are 4 min, and 4 min at the door.
	if door := all[0]["click_to_door_s"].(map[string]any); door["mean"] != 1080.0 || all[0]["on_time_share"] != 1.0 || all[0]["busy_courier_hours"] != 0.2 {
		t.Errorf("got %s", out)
	}
}

func TestSimulate_flags(t *testing.T) {
	for args, says := range map[string]string{
		"--policy best":                         `there is no policy "best"`,
		"--policy ,":                            "--policy names no policy",
		"--policy batch,/dev/null":              "--policy: markets file /dev/null: ",
		"--report -":                            "--report must be the name of a file",
		"--drivers=-1":                          "must not be negative",
		"--load 1 --rate 1":                     "--rate and --load exclude each other",
		"--load NaN":                            "--load must be from 0",
		"--window 1ns":                          "--window must be from 10ms",
		"--seeds 0":                             "--seeds must be from 1",
		"--trips x":                             "--trips and --sessions go together",
		"--drivers 5 --trips x --sessions y":    "do not go with --trips",
		"--market nowhere":                      `there is no market "nowhere"`,
		"--decline 2":                           "--decline must be from 0 to 1",
		"--lost-network 1":                      "--lost-network must be from 0 to below 1",
		"--gps-noise-m=-3":                      "--gps-noise-m must be from 0",
		"--circuity 0.5":                        "--circuity from 1",
		"--travel fast":                         "--travel",
		"--trips missing.csv --sessions nope.c": "missing.csv",
	} {
		if out, errs, code := simulate(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(errs, says) || out != "" {
			t.Errorf("simulate %s: exit %d, %q, %q, want %q", args, code, out, errs, says)
		}
	}
}
