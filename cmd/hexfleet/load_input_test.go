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
	"github.com/hexfleet/hexfleet/geo"
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
	orders := file("orders.csv", "seed,order,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n3,a,5,6,0,0,0,0\n4,a,5,x,0,0,0,0\n")
	couriers := file("couriers.csv", "seed,courier,on_s,off_s,lat,lon\n3,d,0,9,0,0\n")
	meals := file("instances.csv", "seed,m_per_min,pickup_service_min,dropoff_service_min,target_click_to_door_min,max_click_to_door_min\n"+
		"3,320,4,5,40,90\n4,320,4,5,40,90\n")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--instances x", exitUsage, "--trips and --sessions go together"},
		{"--instance 1", exitUsage, "--instance goes with --instances"},
		{"--decline 1.5", exitUsage, "--decline must be from 0 to 1"},
		{"--decline 0.6 --ignore 0.6", exitUsage, "--decline and --ignore together"},
		{"--cut NaN", exitUsage, "--cut must be from 0 to 1"},
		{"--lag 1h", exitUsage, "--lag must be from 0 to"},
		{"--patience=-1s", exitUsage, "--patience must not be negative"},
		{"--instance 7 --trips " + orders + " --sessions " + couriers + " --instances " + meals, exitUsage, "the file has 3, 4"},
		{"--instance 3 --from 2008-05-31T06:10:00Z --trips " + orders + " --sessions " + couriers + " --instances " + meals,
			exitUsage, "--from must be the time from the beginning of the day"},
		{"--instance 3 --to +3 --trips " + orders + " --sessions " + couriers + " --instances " + meals, exitUsage, "such as +3h"},
		{"--instance 4 --trips " + orders + " --sessions " + couriers + " --instances " + meals,
			exitFailure, orders + ": line 3, column ready_s"},
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
	in := loadInput{recorded: recorded{
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
	}}
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

func TestLoadInput_meals(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := loadCmd{recordedFlags: recordedFlags{recordedFiles: recordedFiles{
		Trips: file("orders.csv", "seed,order,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n"+
			"0,late,9000,9600,0.01,0,0.02,0\n0,a,600,1200,0.01,0,0.02,0\n0,b,1500,1500,0.01,0,0.02,0\n"),
		Sessions: file("couriers.csv", "seed,courier,on_s,off_s,lat,lon\n0,d,0,7200,0.03,0\n"),
		Instances: file("instances.csv", "seed,m_per_min,pickup_service_min,dropoff_service_min,target_click_to_door_min,"+
			"max_click_to_door_min\n0,300,4,5,40,90\n"),
	}, To: "+20m"}, conductFlags: conductFlags{Patience: time.Hour}}
	in, err := c.input()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := in.plan(wire.Market{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Riders) != 2 || plan.Riders[0].Kind != "delivery" || plan.Riders[0].Ready != 10*time.Minute ||
		plan.Riders[1].At != 15*time.Minute || plan.Riders[1].Patience != time.Hour || plan.Length != 20*time.Minute {
		t.Errorf("got %+v", plan)
	}
	if shift := plan.Drivers[0].Shifts[0]; shift.On != -10*time.Minute || shift.Off != 110*time.Minute || len(plan.Haunts) != 0 {
		t.Errorf("got shift %+v, haunts %v", shift, plan.Haunts)
	}
	conduct := c.conduct(wire.Market{TimeScale: 1}, in.meals)
	if conduct.SpeedMps != 5 || conduct.Circuity != 1 || conduct.PickupService != 4*time.Minute || conduct.DropoffService != 5*time.Minute {
		t.Errorf("got conduct %+v", conduct)
	}
	c.From = "10m30s"
	if in, err = c.input(); err != nil || len(in.trips) != 1 || !in.to.Equal(sim.DayStart().Add(30*time.Minute+30*time.Second)) {
		t.Errorf("got %d trips to %v, %v", len(in.trips), in.to, err)
	}
}

func TestHaunts(t *testing.T) {
	var trips []sim.Trip
	for i := range 250 {
		trips = append(trips, sim.Trip{At: time.Unix(int64(i), 0), Dropoff: geo.LatLng{Lat: 1}})
	}
	if got := haunts(trips, time.Unix(99, 0)); len(got) != 250 {
		t.Errorf("got %d haunts of 99 trips before, want the 250 pickups of the file", len(got))
	}
	if got := haunts(trips, time.Unix(100, 0)); len(got) != 200 {
		t.Errorf("got %d haunts of 100 trips before, want their 200 ends", len(got))
	}
}
