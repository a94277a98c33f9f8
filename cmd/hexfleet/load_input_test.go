package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

func TestLoad_flags(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trips := file("trips.csv", "pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n100,37.7,-122.4,37.8,-122.4\n")
	sessions := file("sessions.csv", "cab,on_unix,on_lat,on_lon\na,50,37.7,-122.4\n")
	bad := file("bad.csv", "pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n100,99,-122.4,37.8,-122.4\n")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--instances x", exitUsage, "meal instances are not built yet"},
		{"--trips " + trips, exitUsage, "--trips and --sessions go together"},
		{"--from 2008-05-31T06:10:00Z", exitUsage, "--trips and --sessions go together"},
		{"--drivers 5 --trips " + trips + " --sessions " + sessions, exitUsage, "do not go with --trips"},
		{"--drivers=-1", exitUsage, "--drivers must be at least 0"},
		{"--rate NaN", exitUsage, "--rate must be from 0 to 100000"},
		{"--duration=-1s", exitUsage, "--duration must not be negative"},
		{"--market a/b", exitUsage, "is no market id"},
		{"--from yesterday --trips " + trips + " --sessions " + sessions, exitUsage, "--from must be a time in RFC 3339"},
		{"--trips missing.csv --sessions " + sessions, exitUsage, "missing.csv"},
		{"--trips " + bad + " --sessions " + sessions, exitFailure, bad + ": line 2, column pickup_lat"},
		{"--from 1970-01-01T00:02:00Z --trips " + trips + " --sessions " + sessions, exitUsage, "must be before --to"},
		{"--to 1970-01-01T00:01:00Z --from 1970-01-01T00:00:00Z --trips " + trips + " --sessions " + sessions,
			exitFailure, "holds no trip from"},
		{"--data-dir " + dir, exitFailure, "there is no secret"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"load"}, strings.Fields(c.args)...), stdio{&out, &errs})
		if code != c.code || !strings.Contains(errs.String(), c.says) || out.Len() > 0 {
			t.Errorf("load %s: exit %d, %q, %q, want %d and %q", c.args, code, out.String(), errs.String(), c.code, c.says)
		}
	}
}

func TestLoadInput_plan(t *testing.T) {
	from := time.Unix(1000, 0).UTC()
	at := func(s int) time.Time { return from.Add(time.Duration(s) * time.Second) }
	in := loadInput{
		from: from, to: at(600),
		trips: []sim.Trip{{ID: "a", At: at(5)}, {ID: "not an id", At: at(7)}},
		sessions: []sim.Session{
			{Driver: "long_gone", On: at(-900), Off: at(0)},
			{Driver: "cab", On: at(-300), Off: at(60)},
			{Driver: "cab 2", On: at(-200)},
			{Driver: "cab", On: at(50), Off: at(90)},
			{Driver: "cab", On: at(400), Off: at(500)},
			{Driver: "tomorrow", On: at(600)},
		},
	}
	plan, err := in.plan(wire.Market{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Drivers) != 2 || plan.Drivers[0].ID != "cab" || !dispatch.ValidID(plan.Drivers[1].ID) {
		t.Fatalf("got drivers %+v, want cab and one more with a valid id", plan.Drivers)
	}
	var spans []time.Duration
	for _, s := range plan.Drivers[0].Shifts {
		spans = append(spans, s.On/time.Second, s.Off/time.Second)
	}
	if want := []time.Duration{-300, 60, 60, 90, 400, 500}; len(spans) != 6 || [6]time.Duration(spans) != [6]time.Duration(want) {
		t.Errorf("got shifts %v, want %v", spans, want)
	}
	if !plan.Drivers[1].Shifts[0].Open {
		t.Error("a session without an end has one")
	}
	if plan.Length != 10*time.Minute || plan.Riders[0].ID != "rider:a" || plan.Riders[0].At != 5*time.Second ||
		!dispatch.ValidID(plan.Riders[1].ID) {
		t.Errorf("got length %v, riders %+v", plan.Length, plan.Riders)
	}
}
