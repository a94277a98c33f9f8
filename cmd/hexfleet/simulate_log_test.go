package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// TestSimulate_log records a server under load, and plays what it recorded again under other policies.
func TestSimulate_log(t *testing.T) {
	t.Parallel()
	dir, logs := t.TempDir(), t.TempDir()
	p := serve(t, dir, "--time-scale", "60", "--record", logs)
	r := load(t, p, nil, "--drivers", "60", "--rate", "25", "--duration", "3s", "--seed", "3",
		"--decline", "0.2", "--ignore", "0.02", "--driver-cancel", "0.05", "--patience", "100s")
	if code, _ := p.terminate(); code != exitDone {
		t.Errorf("the server ended with %d", code)
	}
	orders := stored(t, dir)
	if r.Orders.Acked != len(orders) || len(orders) < 30 {
		t.Fatalf("%d orders in the store, %d acknowledged", len(orders), r.Orders.Acked)
	}
	t.Run("takes_demand_and_supply_from_the_log", func(t *testing.T) { ofTheLog(t, logs, orders, 60) })
	t.Run("tells_what_really_happened", func(t *testing.T) { asRecorded(t, logs, orders) })
	t.Run("shows_it_in_table_and_report", func(t *testing.T) {
		page := filepath.Join(t.TempDir(), "r.html")
		out, errs, code := simulate(t, "--log", logs, "--policy", "nearest", "--report", page)
		html, err := os.ReadFile(page)
		if code != exitDone || err != nil || strings.Count(string(html), "as recorded") < 3 {
			t.Errorf("exit %d, %v: %s", code, err, errs)
		}
		for _, want := range []string{"nearest: digest", "as recorded: reference", "round optimum", "clairvoyant"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
	t.Run("goes_on_with_the_next_term_though_it_was_killed", func(t *testing.T) {
		p := serve(t, dir, "--time-scale", "60", "--record", logs)
		half := hexfleet("load", "--url", p.url, "--data-dir", dir, "--drivers", "30", "--rate", "40", "--duration", "60s", "--seed", "2")
		if err := half.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "more orders came", func() bool { return len(p.orders()) > len(orders)+20 })
		p.kill()
		_ = half.Process.Kill()
		_ = half.Wait() // it was killed
		out, errs, code := simulate(t, "--log", logs, "--json")
		all := lines(t, out)
		if code != exitDone || len(all) != 3 || all[2]["requested"].(float64) < float64(len(orders)+15) {
			t.Errorf("exit %d: %s%s", code, errs, out)
		}
		for _, want := range []string{"log of epoch 1: ", "log of epoch 2: ", "up to where the log is cut", "were not over when the log ended"} {
			if !strings.Contains(errs, want) {
				t.Errorf("no %q in %s", want, errs)
			}
		}
	})
	t.Run("refuses_a_damaged_one", func(t *testing.T) {
		paths, _ := filepath.Glob(filepath.Join(logs, "lab.*"))
		data, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(paths[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, errs, code := simulate(t, "--log", logs); code != exitFailure || !strings.Contains(errs, "damaged") || !strings.Contains(errs, filepath.Base(paths[0])) {
			t.Errorf("exit %d: %s", code, errs)
		}
		if _, errs, code := simulate(t, "--log", logs, "--market", "sf"); code != exitFailure || !strings.Contains(errs, "nobody ordered in market sf") {
			t.Errorf("exit %d: %s", code, errs)
		}
		if _, errs, code := simulate(t, "--log", logs, "--market", "paris"); code != exitUsage || !strings.Contains(errs, "only of lab, ") {
			t.Errorf("exit %d: %s", code, errs)
		}
	})
}

// stored are the orders of market lab as they stand in the store.
func stored(t *testing.T, dir string) map[string]dispatch.Order {
	t.Helper()
	j, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	list, err := j.Orders(t.Context(), dispatch.OrderFilter{Market: "lab", Limit: 500})
	if err != nil || len(list) == 500 {
		t.Fatalf("%d orders, %v", len(list), err)
	}
	orders := map[string]dispatch.Order{}
	for _, o := range list {
		orders[string(o.ID)] = o
	}
	return orders
}

// ofTheLog compares what is played with the orders in the store.
func ofTheLog(t *testing.T, logs string, orders map[string]dispatch.Order, drivers int) {
	t.Helper()
	day, err := chooseDay(logs, "")
	if err != nil || day.Market != "lab" {
		t.Fatalf("chose %+v, %v", day, err)
	}
	past, err := watchDay(day, time.UTC, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if g := past.Gaps; len(past.Trips) != len(orders) || len(past.Workers) != drivers || g.Carried+g.Staffed+int(g.Missing) > 0 {
		t.Errorf("%d trips of %d, %d drivers, %+v", len(past.Trips), len(orders), len(past.Workers), g)
	}
	for _, trip := range past.Trips {
		o := orders[trip.ID]
		if !o.RequestedAt.Equal(trip.At) || o.VehicleClass != trip.VehicleClass || o.Kind != trip.Kind || o.Pickup() != trip.Pickup || o.Dropoff() != trip.Dropoff {
			t.Errorf("%+v is not %+v", trip, o)
		}
		if cancelled := o.CancelledBy == "passenger"; cancelled != (trip.Patience+trip.Quit > 0) ||
			cancelled && !trip.At.Add(trip.Patience+trip.Quit).Equal(o.ChangedAt) {
			t.Errorf("patience %s, quit %s of %+v", trip.Patience, trip.Quit, o)
		}
	}
	for _, w := range past.Workers {
		if len(w.Shifts) != 1 || w.Shifts[0].Class != "standard" || w.Shifts[0].On.Before(past.From) || !w.Shifts[0].Off.After(w.Shifts[0].On) {
			t.Errorf("driver %s was on duty %+v", w.ID, w.Shifts)
		}
	}
	if e := past.Evidence; e.Declined == 0 || e.Accepted < 30 {
		t.Errorf("evidence %+v", e)
	}
}

// asRecorded compares the reference with the orders in the store.
func asRecorded(t *testing.T, logs string, orders map[string]dispatch.Order) {
	t.Helper()
	out, errs, code := simulate(t, "--log", logs, "--json")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	all := lines(t, out)
	if len(all) != 3 || all[0]["policy"] != "recorded" || all[1]["policy"] != "batch" || all[2]["policy"] != "as recorded" {
		t.Fatalf("said %s", out)
	}
	count := map[string]float64{}
	for _, o := range orders {
		switch {
		case o.State.PickedUp() || o.State == dispatch.StateCompleted:
			count["served"]++
		case o.State == dispatch.StateNoDriver:
			count["lost"]++
		case o.CancelledBy == "driver":
			count["cancelled_by_driver"]++
		case o.State == dispatch.StateCancelled:
			count["cancelled_by_rider"]++
		}
	}
	really := all[2]
	for _, key := range []string{"served", "lost", "cancelled_by_rider", "cancelled_by_driver"} {
		if really[key] != count[key] {
			t.Errorf("%s: %v, in the store %v", key, really[key], count[key])
		}
	}
	if really["requested"] != float64(len(orders)) || really["seed"] != nil || really["deadhead_m"] != nil || really["digest"] != "" ||
		really["pickup_wait_s"].(object)["mean"].(float64) <= 0 || really["offers_per_match"].(float64) <= 1 || really["utilisation"].(float64) <= 0 {
		t.Errorf("as recorded %v", really)
	}
	// The model under the log's own policy comes near to it: what differs is drawn by chance, or by the machine's delays
	// at sixty times the speed.
	model := all[0]
	if got, want := model["served"].(float64), really["served"].(float64); math.Abs(got-want) > 0.25*want || model["requested"] != really["requested"] {
		t.Errorf("the model serves %v of %v, really it were %v", got, model["requested"], want)
	}
	if again, _, _ := simulate(t, "--log", logs, "--json"); again != out {
		t.Errorf("the same log gave\n%s\nthen\n%s", out, again)
	}
	if !strings.Contains(errs, "assumed, as in the log: offers declined") || !strings.Contains(errs, "drives from a pickup to a drop-off") {
		t.Errorf("said %s", errs)
	}
}

func TestSimulate_log_flags(t *testing.T) {
	empty := t.TempDir()
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"--log /nowhere":                {exitUsage, "/nowhere"},
		"--log " + empty:                {exitFailure, "there is no log"},
		"--log x --trips a":             {exitUsage, "do not go with it"},
		"--log x --from +1h":            {exitUsage, "do not go with it"},
		"--log x --instance 1":          {exitUsage, "do not go with it"},
		"--log x --load 1":              {exitUsage, "do not go with --log"},
		"--policy recorded":             {exitUsage, "--policy recorded is that of a --log"},
		"--log x --policy ,":            {exitUsage, "--policy names no policy"},
		"--log x --decline 3 --seeds 2": {exitUsage, "--decline must be from 0 to 1"},
	} {
		if out, errs, code := simulate(t, strings.Fields(args)...); code != want.code || !strings.Contains(errs, want.says) || out != "" {
			t.Errorf("simulate %s: exit %d, %q, %q, want %q", args, code, out, errs, want.says)
		}
	}
	if err := os.WriteFile(filepath.Join(empty, "lab.000001.x.hexlog"), []byte("hexflog0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := simulate(t, "--log", empty); code != exitFailure || !strings.Contains(errs, "damaged") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
