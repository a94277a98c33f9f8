package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
)

// demonstrate starts serve --demo with its temporary files in temp, and waits until it listens.
func demonstrate(t *testing.T, temp string, args ...string) *process {
	t.Helper()
	p := &process{t: t, logs: &logs{}, exit: make(chan error, 1)}
	p.cmd = hexfleet(append([]string{"serve", "--demo", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(p.cmd.Env, "TMPDIR="+temp)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	go func() {
		if rest, _ := io.ReadAll(lines); len(rest) > 0 {
			t.Errorf("standard output has more than the one line: %q", rest)
		}
		p.exit <- p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("serve --demo said %q, %v\n%s", line, err, p.logs)
	}
	p.url = url
	return p
}

// metric reads one value of /metrics; 0 when it is not there.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// reaches waits until a metric is at least so much.
func (p *process) reaches(name string, least float64) {
	p.t.Helper()
	for limit := time.Now().Add(patience); p.metric(name) < least; {
		if time.Now().After(limit) {
			p.t.Fatalf("%s is %v after %v, want at least %v", name, p.metric(name), patience, least)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestServe_Demo starts the moving city as a newcomer does, at fifty times the pace.
func TestServe_Demo(t *testing.T) {
	temp := t.TempDir()
	p := demonstrate(t, temp, "--demo-drivers", "40", "--time-scale", "50")
	p.reaches(`hexfleet_gateway_sockets{role="driver"}`, 40)
	p.reaches(`hexfleet_demo_orders_total{what="sent"}`, 10)
	staffLink(t, p)
	pasted(t, p)
	p.reaches(`hexfleet_demo_orders_total{what="completed"}`, 5)
	if broken := p.metric("hexfleet_demo_broken_promises"); broken != 0 {
		t.Errorf("%v promises were broken", broken)
	}
	if code, took := p.terminate(); code != exitDone {
		t.Errorf("exit %d after %v, want %d", code, took, exitDone)
	}
	for _, dir := range []string{temp, p.cmd.Dir} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s holds %v, %v, want nothing", dir, left, err)
		}
	}
	for _, bad := range []string{"level=ERROR", "did not go off duty"} {
		if strings.Contains(p.logs.String(), bad) {
			t.Errorf("the log has %q", bad)
		}
	}
}

// staffLink opens the printed link as the board does: its ticket is good for a token, once.
func staffLink(t *testing.T, p *process) {
	t.Helper()
	_, ticket, found := strings.Cut(p.logs.String(), p.url+"/#ticket=")
	if ticket, _, _ = strings.Cut(ticket, "\n"); !found || ticket == "" {
		t.Fatalf("no staff link is printed:\n%s", p.logs)
	}
	body := `{"ticket":"` + ticket + `"}`
	a := p.rest("POST", "/v1/tickets/redeem", "", body)
	token, _ := a.body["token"].(string)
	if a.status != http.StatusOK || a.body["role"] != "dispatcher" {
		t.Fatalf("the ticket was answered %d %s", a.status, a.raw)
	}
	if a := p.rest("GET", "/v1/orders?market=sf", token, ""); a.status != http.StatusOK {
		t.Errorf("its token was answered %d %s", a.status, a.raw)
	}
	if a := p.rest("POST", "/v1/tickets/redeem", "", body); a.status != http.StatusGone {
		t.Errorf("used again it was answered %d %s", a.status, a.raw)
	}
}

// pasted runs the curl lines that the demo prints.
func pasted(t *testing.T, p *process) {
	t.Helper()
	n := 0
	for line := range strings.Lines(p.logs.String()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		n++
		out, err := exec.Command("bash", "-c", line+" -sS --fail-with-body").Output()
		var answer struct {
			ID    string `json:"id"`
			Items []any  `json:"items"`
		}
		if err == nil {
			err = json.Unmarshal(out, &answer)
		}
		if err != nil || answer.ID == "" && len(answer.Items) == 0 {
			t.Errorf("%s\nanswers %q, %v", line, out, err)
		}
	}
	if n != 3 {
		t.Errorf("%d curl lines are printed, want 3:\n%s", n, p.logs)
	}
}

// TestDemoRiders_ask keeps the city alive at any hour of the real day: the busy share of its drivers, when each
// ride takes as long as real ones do.
func TestDemoRiders_ask(t *testing.T) {
	demand, err := sim.SanFrancisco()
	if err != nil {
		t.Fatal(err)
	}
	for _, hour := range []int{1, 4, 8, 16, 23} {
		begin := time.Date(2026, 5, 20, hour+7, 0, 0, 0, time.UTC) // a Wednesday in San Francisco
		const drivers, settled, end = 400, 5 * time.Minute, 55 * time.Minute
		d := newDemoRiders(demand, drivers, begin)
		var over []time.Time // when each open order ends
		sum, n := 0.0, 0
		for at := begin; at.Sub(begin) < end; at = at.Add(time.Second) {
			over = slices.DeleteFunc(over, func(t time.Time) bool { return !t.After(at) })
			for _, r := range d.ask(at, time.Second, len(over)) {
				over = append(over, at.Add(r.At).Add(time.Duration(d.rng.ExpFloat64()*float64(d.ride))))
			}
			if at.Sub(begin) >= settled {
				sum += float64(len(over)) / drivers
				n++
			}
		}
		if share := sum / float64(n); share < 0.58 || share > 0.72 {
			t.Errorf("from %d o'clock %.2f of the drivers are busy, want 0.60 to 0.70", hour, share)
		}
	}
}

func TestServe_Demo_a_named_data_dir_stays(t *testing.T) {
	temp := t.TempDir()
	dir := filepath.Join(temp, "data")
	p := demonstrate(t, temp, "--data-dir", dir, "--demo-drivers", "3")
	p.reaches(`hexfleet_gateway_sockets{role="driver"}`, 3)
	if code, _ := p.terminate(); code != exitDone {
		t.Errorf("exit %d, want %d", code, exitDone)
	}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(p.logs.String(), "its data stays in "+dir) {
		t.Errorf("it does not say that the data stays:\n%s", p.logs)
	}
}

func TestServe_Demo_refusals(t *testing.T) {
	markets := filepath.Join(t.TempDir(), "m.geojson")
	if err := os.WriteFile(markets, []byte(`{"type":"FeatureCollection","features":[{"type":"Feature",
		"properties":{"id":"x","name":"X","timezone":"UTC","policy":{}},
		"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--markets", markets}, exitFailure, "plays in the market sf"},
		{[]string{"--demo-drivers", "0"}, exitUsage, "--demo-drivers"},
	} {
		out, code := hexfleetOutput(append([]string{"serve", "--demo", "--listen", "127.0.0.1:0"}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%v: exit %d, said %q, want %d and %q", c.args, code, out, c.code, c.says)
		}
	}
}
