package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/tune"
)

// runTune runs the command and gives what it printed.
func runTune(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"tune"}, args...), stdio{&o, &e})
	return o.String(), e.String(), code
}

// tuneLine is any line of --json.
type tuneLine struct {
	Kind       string
	Change     map[string]string
	Policy     json.RawMessage
	Cost       spanJSON  `json:"cost_s"`
	Days       []string  `json:"days"`
	CostOfDays []float64 `json:"cost_s_by_day"`
	Base, Best tuneFiguresJSON
	BetterOn   int `json:"better_on"`
	Wins       bool
}

// tuneLines runs the command with --json, and gives the trials and the validation.
func tuneLines(t *testing.T, args ...string) (trials []tuneLine, verdict tuneLine) {
	t.Helper()
	out, errs, code := runTune(t, append(args, "--json")...)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for line := range strings.Lines(out) {
		var l tuneLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		trials = append(trials, l)
	}
	n := len(trials) - 1
	for i, l := range trials {
		if want := map[bool]string{true: "validation", false: "trial"}[i == n]; l.Kind != want {
			t.Fatalf("line %d is of a %s, want a %s", i, l.Kind, want)
		}
	}
	return trials[:n], trials[n]
}

func TestTune_made_up_city(t *testing.T) {
	scene := []string{"--drivers", "20", "--duration", "20m", "--load", "0.9", "--decline", "0.2", "--seeds", "2"}
	args := append(slices.Clone(scene), "--vary", "max_pickup_s=60,600", "--vary", "chain_s=0,120", "--vary", "cost/age_weight=3")
	trials, verdict := tuneLines(t, args...)
	seen := map[string]bool{}
	least := trials[0]
	for _, l := range trials {
		if l.Cost.Mean < least.Cost.Mean {
			least = l
		}
		if seen[string(l.Policy)] || len(l.CostOfDays) != 2 {
			t.Errorf("%s has the costs %v, and was tried before: %v", l.Policy, l.CostOfDays, seen[string(l.Policy)])
		}
		seen[string(l.Policy)] = true
	}
	if len(trials) < 5 || string(trials[0].Policy) != "{}" || trials[1].Change["max_pickup_s"] != "60" {
		t.Errorf("tried %+v", trials)
	}
	if string(verdict.Policy) != string(least.Policy) || !slices.Equal(verdict.Days, []string{"seed 3", "seed 4"}) {
		t.Errorf("validated %s on %v, the best of training is %s", verdict.Policy, verdict.Days, least.Policy)
	}
	if mean := (verdict.Best.CostOfDays[0] + verdict.Best.CostOfDays[1]) / 2; math.Abs(mean-verdict.Best.Cost.Mean) > 1e-9 ||
		verdict.Wins != (verdict.Best.Cost.Mean < verdict.Base.Cost.Mean) {
		t.Errorf("the verdict is %+v", verdict)
	}
	again, _ := tuneLines(t, args...)
	if !reflect.DeepEqual(again, trials) {
		t.Errorf("the same seeds gave %+v, then %+v", trials, again)
	}
	// The base is played as simulate plays it, on the days trained on and on the others.
	out, _, _ := simulate(t, append(slices.Clone(scene[:len(scene)-1]), "4", "--json")...)
	for i, l := range lines(t, out) {
		share := l["served_share"].(float64)
		mean := func(key string) float64 { return l[key].(map[string]any)["mean"].(float64) }
		want := share*(mean("pickup_wait_s")+mean("deadhead_s")) + (1-share)*3600
		if got := slices.Concat(trials[0].CostOfDays, verdict.Base.CostOfDays)[i]; math.Abs(got-want) > 1e-6 {
			t.Errorf("seed %d costs %v, by simulate %v", i+1, got, want)
		}
	}
	text, _, _ := runTune(t, args...)
	for _, want := range []string{"trained on seed 1, seed 2", "max_pickup_s=60\n", "base, seed 3\n", "base, least\n", string(verdict.Policy) + "\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// tuneCity writes trips of some days about Chicago, twelve an hour from the instant at on, and its drivers.
func tuneCity(t *testing.T, days int) []string {
	t.Helper()
	dir := t.TempDir()
	at := time.Date(2014, 5, 13, 5, 30, 0, 0, time.UTC) // 23:30 on the 12th by the clock of the longitude
	trips, sessions := "cab,pickup_unix,pickup_lat,pickup_lon,dropoff_unix,dropoff_lat,dropoff_lon\n", "driver,on_unix,lat,lon,off_unix\n"
	for d := range days {
		for i := range 12 {
			begin := at.AddDate(0, 0, d).Add(time.Duration(i) * 5 * time.Minute).Unix()
			trips += fmt.Sprintf("x,%d,41.8%d,-87.63,%d,41.88,-87.6%d\n", begin, i%10, begin+300, i%7)
		}
	}
	for i := range 3 {
		sessions += fmt.Sprintf("d%d,%d,41.8%d,-87.63,\n", i, at.Unix(), 3*i)
	}
	for name, text := range map[string]string{"trips.csv": trips, "sessions.csv": sessions} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--trips", filepath.Join(dir, "trips.csv"), "--sessions", filepath.Join(dir, "sessions.csv")}
}

func TestTune_recorded_days(t *testing.T) {
	files := tuneCity(t, 3)
	t.Run("a_day_is_of_the_market_and_taught_by_those_before", func(t *testing.T) {
		_, errs, code := runTune(t, append(files, "--days", "2014-05-13,2014-05-12", "--validate", "2014-05-15", "--vary", "candidates=1")...)
		if code != exitDone {
			t.Fatalf("exit %d: %s", code, errs)
		}
		// Half an hour of the first and of the last day is in the file.
		for _, want := range []string{
			"2014-05-13, market city: 3 drivers, 12 orders in 24h0m0s\ntravel times (learnt)",
			"2014-05-12, market city: 3 drivers, 6 orders in 24h0m0s\ntravel times (prior)",
			"2014-05-15, market city: 3 drivers, 6 orders in 24h0m0s\ntravel times (learnt)",
		} {
			if !strings.Contains(errs, want) {
				t.Errorf("no %q in\n%s", want, errs)
			}
		}
	})
	t.Run("hours_are_of_the_market's_clock", func(t *testing.T) {
		_, errs, _ := runTune(t, append(files, "--days", "2014-05-12", "--validate", "2014-05-13", "--hours", "23:00-00:15", "--vary", "candidates=1")...)
		if !strings.Contains(errs, "2014-05-12, market city: 3 drivers, 9 orders in 1h15m0s") {
			t.Errorf("said %s", errs)
		}
	})
	t.Run("the_base_may_be_a_market's", func(t *testing.T) {
		markets := filepath.Join(t.TempDir(), "markets.json")
		text := `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"chi","name":"Chicago",
			"timezone":"America/Chicago","policy":{"chain_s":60,"candidates":16,"services":{"delivery":{"mode":"nearest"}}}},
			"geometry":{"type":"Polygon","coordinates":[[[-88,41],[-87,41],[-87,42],[-88,42],[-88,41]]]}}]}`
		if err := os.WriteFile(markets, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		trials, _ := tuneLines(t, append(files, "--days", "2014-05-13", "--validate", "2014-05-14", "--base", markets, "--vary", "chain_s=60,120")...)
		if len(trials) != 2 || string(trials[0].Policy) != `{"chain_s":60,"services":{"delivery":{"mode":"nearest"}}}` ||
			string(trials[1].Policy) != `{"chain_s":120,"services":{"delivery":{"mode":"nearest"}}}` {
			t.Errorf("tried %+v", trials)
		}
	})
	for args, says := range map[string]string{
		"--days 2014-05-12":                                           "others to --validate",
		"--days , --validate ,":                                       "must each name a day",
		"--days 12.5.2014 --validate 2014-05-13":                      `"12.5.2014" is no day`,
		"--days 2014-05-13 --validate 2014-05-13":                     "2014-05-13 stands there twice",
		"--days 2014-05-13 --validate x --seeds 2":                    "--seeds are of made-up demand",
		"--days 2014-05-12 --validate 2014-05-13 --hours 17-20":       "--hours must be such as",
		"--days 2014-05-12 --validate 2014-05-13 --hours 17:00-17:00": "--hours must be such as",
		"--days 2014-05-14 --validate 2014-05-13 --cruise":            "fewer than 100 trips before 2014-05-14",
		"--days 2014-05-12 --validate 2014-05-13 --base best":         `there is no policy "best"`,
	} {
		if out, errs, code := runTune(t, append(files, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(errs, says) || out != "" {
			t.Errorf("tune %s: exit %d, %q, %q, want %q", args, code, out, errs, says)
		}
	}
	if _, errs, code := runTune(t, append(files, "--days", "2014-05-12", "--validate", "2015-05-13")...); code != exitFailure ||
		!strings.Contains(errs, "holds no trip of market city on 2015-05-13") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestTune_meals(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trials, verdict := tuneLines(t, "--days", "0", "--validate", "1", "--vary", "max_pickup_s=600",
		"--trips", file("orders.csv", "seed,order,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n0,a,600,1200,0.01,0,0.02,0\n1,b,600,1200,0.01,0,0.02,0\n"),
		"--sessions", file("couriers.csv", "seed,courier,on_s,off_s,lat,lon\n0,d,0,7200,0.01,0\n1,e,0,7200,0.01,0\n"),
		"--instances", file("instances.csv", "seed,m_per_min,pickup_service_min,dropoff_service_min,target_click_to_door_min,"+
			"max_click_to_door_min\n0,320,4,4,40,90\n1,320,4,4,40,90\n"))
	// The courier waits with the kitchen: nobody waits for the courier.
	if len(trials) != 2 || trials[0].Cost.Mean != 0 || verdict.Base.ServedShare.Mean != 1 || verdict.Days[0] != "instance 1" || verdict.Wins {
		t.Errorf("tried %+v, then %+v", trials, verdict)
	}
	if got := string(trials[1].Policy); got != `{"max_pickup_s":600,"search_timeout_s":5400}` {
		t.Errorf("tried %s", got)
	}
}

func TestTune_flags(t *testing.T) {
	for args, says := range map[string]string{
		"--vary candidates":                    `"candidates" is not KEY=VALUE`,
		"--vary candidates=8,1000 --drivers 3": "--vary: /candidates: 1000 is not from 1 to 512",
		"--vary cost/age=1 --drivers 3":        "--vary: /cost/age: unknown key",
		"--base best --drivers 3":              `--base: there is no policy "best"`,
		"--passes 0":                           "--passes must be from 1",
		"--seeds=-1":                           "--seeds must be from 1",
		"--wait-weight=-1":                     "--wait-weight and --deadhead-weight must be from 0",
		"--unserved-s NaN":                     "--unserved-s must be from 0",
		"--days 2014-05-12":                    "are of --trips",
		"--trips x":                            "--trips and --sessions go together",
		"--trips x --sessions y":               "name the --days to train on",
		"--load 1 --rate 1":                    "--rate and --load exclude each other",
		"--drivers 3 --decline 3":              "--decline must be from 0 to 1",
		"--vary mode=wave,best --drivers 3":    `/mode: "best" is not one of`,
		"--vary chain_s=1 --from +1h":          "unknown flag --from",
	} {
		if out, errs, code := runTune(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(errs, says) || out != "" {
			t.Errorf("tune %s: exit %d, %q, %q, want %q", args, code, out, errs, says)
		}
	}
}

// TestTuneCmd_base pins that a policy by name can be written as that of a market, and be read back.
func TestTuneCmd_base(t *testing.T) {
	market, _ := dispatch.DefaultMarkets().Get("lab")
	day := &tuneDay{scenario: &sim.Scenario{Market: market}}
	for _, name := range sim.PolicyNames() {
		c := tuneCmd{Base: name, sceneFlags: sceneFlags{Window: 3 * time.Second}}
		want, text, err := c.base(day)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		space, err := tune.NewSpace(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := (&tuner{base: want, space: space}).policy(tune.Point{})
		if err != nil || !reflect.DeepEqual(p, want) {
			t.Errorf("%s came back as %+v, %v", text, p, err)
		}
		if !strings.Contains(string(text), `"window_ms":3000`) {
			t.Errorf("%s is %s", name, text)
		}
	}
}

func TestValidation_words(t *testing.T) {
	for _, c := range []struct {
		base, best []float64
		changed    bool
		says       string
	}{
		{[]float64{5, 5}, []float64{5, 5}, false, "No value that was tried is better"},
		{[]float64{10, 10, 10}, []float64{9, 8, 10}, true, "The best wins: it costs less on 2 of 3 days, 9.0 s an order in the mean where the base costs 10.0 (-10.0 %); it serves 50.0 % of the orders where the base serves 80.0."},
		{[]float64{10, 10, 10}, []float64{11, 11, 1}, true, "not on most days: it costs less on 1 of 3"},
		{[]float64{10, 10}, []float64{10, 12}, true, "The best does not win on days that it was not trained on: it costs less on 0 of 2 days"},
		{[]float64{10, 10, 10}, []float64{9, 9, 15}, true, "The best does not win"},
		{[]float64{10}, []float64{10}, true, "The best does not win"},
	} {
		v := validation{days: make([]tuneDay, len(c.base)), changed: c.changed}
		v.base = trial{costs: c.base, days: []tune.Day{{Requested: 10, Served: 8}}}
		v.best = trial{costs: c.best, days: []tune.Day{{Requested: 10, Served: 5}}}
		if got := v.words(); !strings.Contains(got, c.says) {
			t.Errorf("%v after %v: %q, want %q", c.best, c.base, got, c.says)
		}
	}
}
