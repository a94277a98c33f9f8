package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// replay runs hexfleet replay on a folder; processors is GOMAXPROCS.
func replayLogs(t *testing.T, dir, processors string, args ...string) (results []replayed, code int) {
	t.Helper()
	cmd := hexfleet(append([]string{"replay", "--json", "--log", dir}, args...)...)
	cmd.Env = append(cmd.Env, "GOMAXPROCS="+processors)
	out, _ := cmd.Output() // the exit code tells
	for line := range strings.Lines(string(out)) {
		var r replayed
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("replay said %q: %v", line, err)
		}
		results = append(results, r)
	}
	return results, cmd.ProcessState.ExitCode()
}

// TestReplay_OfALoadedServer records a server under load that is killed in the middle of it, and one that ends in
// order, and replays both to the last byte whatever runs it.
func TestReplay_OfALoadedServer(t *testing.T) {
	t.Parallel()
	dir, logs := t.TempDir(), t.TempDir()
	p := serve(t, dir, "--time-scale", "20", "--record", logs)
	half := hexfleet("load", "--url", p.url, "--data-dir", dir, "--drivers", "100", "--rate", "10", "--duration", "60s", "--seed", "2")
	if err := half.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "enough orders came", func() bool {
		return strings.Count(p.rest("GET", "/v1/orders?limit=500", p.staff(), "").raw, `"requested_at"`) > 60
	})
	p.kill()
	_ = half.Process.Kill()
	_ = half.Wait() // it was killed
	p = serve(t, dir, "--time-scale", "20", "--record", logs)
	load(t, p, nil, "--drivers", "100", "--rate", "10", "--duration", "4s", "--seed", "1")
	if a := p.rest("GET", "/metrics", "", ""); !strings.Contains(a.raw, `hexfleet_record_broken_total{market="lab"} 0`) ||
		strings.Contains(a.raw, `hexfleet_record_steps_total{market="lab"} 0`) {
		t.Errorf("metrics of the recording are missing in\n%s", a.raw)
	}
	if code, _ := p.terminate(); code != exitDone { // the race detector's, where it is on
		t.Errorf("the server ended with %d", code)
	}

	first, code := replayLogs(t, logs, "1")
	if code != exitDone {
		t.Errorf("replay ended with %d", code)
	}
	endings := map[string]int{}
	for _, r := range first {
		t.Logf("%+v", r)
		if !r.Identical {
			t.Errorf("%s differs: %+v %s", r.Log, r.Difference, r.Error)
		}
		if r.Market == "lab" {
			endings[r.Ending]++
			if r.Inputs < 300 || r.Offers < 30 || r.Assignments < 30 || r.Rounds < 10 {
				t.Errorf("too little happened in %+v", r)
			}
		}
	}
	if endings["cut"] != 1 || endings["whole"] != 1 {
		t.Errorf("logs of lab end %v, want the killed one cut and the other whole", endings)
	}
	for _, args := range [][]string{{"2"}, {"8"}, {"2", "--cold"}} {
		again, code := replayLogs(t, logs, args[0], args[1:]...)
		if code != exitDone || len(again) != len(first) {
			t.Fatalf("replay with %v ended with %d, %d results", args, code, len(again))
		}
		for i := range again {
			if again[i].Digest != first[i].Digest || !again[i].Identical {
				t.Errorf("with %v %s came to %s, else to %s", args, again[i].Log, again[i].Digest, first[i].Digest)
			}
		}
	}
	tamper(t, logs, first)
}

// tamper changes a byte in the middle of a log, which the replay must tell.
func tamper(t *testing.T, logs string, results []replayed) {
	t.Helper()
	path := filepath.Join(logs, results[len(results)-1].Log)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	after, code := replayLogs(t, logs, "2")
	last := after[len(after)-1]
	if code != exitFailure || last.Identical || !strings.Contains(last.Error, "damaged") {
		t.Errorf("exit %d, %+v", code, last)
	}
	out, code := hexfleetOutput("replay", "--log", logs)
	if code != exitFailure || strings.Count(out, ": identical") != len(results)-1 || !strings.Contains(out, "1 of") {
		t.Errorf("exit %d, said %s", code, out)
	}
}

func TestReplay_Refuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"replay"}, exitUsage, "--log"},
		{[]string{"replay", "--log", t.TempDir()}, exitFailure, "no log"},
		{[]string{"replay", "--log", "/nowhere"}, exitFailure, "/nowhere"},
	} {
		if out, code := hexfleetOutput(c.args...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%v ended with %d and said %s", c.args, code, out)
		}
	}
}

// TestErase_OfRecordedLogs erases a rider whose orders stand in a log.
func TestErase_OfRecordedLogs(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	p := town(t, "", "--record", logs)
	id := p.order("rider-of-the-log", "k1")
	p.done("POST", "/v1/orders/"+id+"/cancel", `{}`)
	p.terminate()
	if named, _ := filepath.Glob(filepath.Join(logs, "sf.*")); len(named) != 1 {
		t.Fatalf("logs %v", named)
	}
	for _, c := range []struct{ rider, says string }{
		{"another-rider", "Logs deleted that name the person: 0."}, {"rider-of-the-log", "Logs deleted that name the person: 1."},
	} {
		out, code := hexfleetOutput("erase", "--rider", c.rider, "--data-dir", p.dir, "--record", logs, "--yes")
		if code != exitDone || !strings.Contains(out, c.says) {
			t.Errorf("exit %d, said %s", code, out)
		}
	}
	sf, _ := filepath.Glob(filepath.Join(logs, "sf.*"))
	nyc, _ := filepath.Glob(filepath.Join(logs, "nyc.*"))
	if len(sf) != 0 || len(nyc) != 1 {
		t.Errorf("left are %v and %v, want the log of nyc alone", sf, nyc)
	}
	out, _ := hexfleetOutput("erase", "--rider", "rider-of-the-log", "--data-dir", p.dir, "--yes")
	if !strings.Contains(out, "were not looked at") {
		t.Errorf("said %s", out)
	}
}
