package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServe_RefusesToStart shows what an operator sees when something is wrong: one clear sentence and the
// contract's exit code.
func TestServe_RefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "hexfleet.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"taken port":           {[]string{"--listen", taken.Addr().String()}, exitFailure, "address already in use"},
		"damaged markets file": {[]string{"--markets", write("m.geojson", `{"type":"FeatureCollection","features":[{]}`)}, exitFailure, "m.geojson"},
		"unknown policy key": {[]string{"--markets", write("m.geojson", `{"type":"FeatureCollection","features":[{"type":"Feature",
			"properties":{"id":"a","name":"A","timezone":"UTC","policy":{"windows_ms":1}},
			"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}}]}`)}, exitFailure, "windows_ms"},
		"missing markets file":  {[]string{"--markets", "/nowhere/m.geojson"}, exitFailure, "/nowhere/m.geojson"},
		"unwritable data dir":   {[]string{"--data-dir", "/proc/hexfleet"}, exitFailure, "/proc/hexfleet"},
		"damaged database":      {[]string{"--data-dir", damaged}, exitFailure, "hexfleet.db"},
		"short secret":          {[]string{"--secret-file", write("secret", "short\n")}, exitFailure, "secret"},
		"missing secret":        {[]string{"--secret-file", "/nowhere/secret"}, exitFailure, "/nowhere/secret"},
		"unknown flag":          {[]string{"--listne", "x"}, exitUsage, "--listne"},
		"listen without a port": {[]string{"--listen", "localhost"}, exitUsage, "HOST:PORT"},
		"time scale of zero":    {[]string{"--time-scale", "0"}, exitUsage, "--time-scale"},
		"router of no kind":     {[]string{"--eta-url", "http://localhost:5000"}, exitUsage, "osrm+http:"},
		"router without a host": {[]string{"--eta-url", "osrm+http://"}, exitUsage, "--eta-url"},
		"router's password":     {[]string{"--eta-url", "osrm+http://user:secret@host:port"}, exitUsage, "--eta-url"},
		"budget of nothing":     {[]string{"--eta-budget", "0s"}, exitUsage, "--eta-budget"},
		"budget of a round":     {[]string{"--eta-budget", "2s"}, exitUsage, "--eta-budget"},
		"what is not built":     {[]string{"--redis-url", "x"}, exitUsage, "not built"},
		"unwritable record":     {[]string{"--record", "/proc/hexfleet"}, exitFailure, "/proc/hexfleet"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			args := append([]string{"serve", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0"}, c.args...)
			out, code := hexfleetOutput(args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit %d, want %d; said %q, want %q in it", code, c.code, out, c.says)
			}
			if c.code == exitFailure && strings.Count(strings.TrimSpace(out), "\n") > 0 {
				t.Errorf("said more than one line:\n%s", out)
			}
		})
	}
}

// hexfleetOutput runs the program to its end and gives what it said on both outputs.
func hexfleetOutput(args ...string) (string, int) {
	cmd := hexfleet(args...)
	out, _ := cmd.CombinedOutput() // the exit code tells
	return string(out), cmd.ProcessState.ExitCode()
}

func TestServe_RefusesASecondServer(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	out, code := hexfleetOutput("serve", "--data-dir", p.dir, "--listen", "127.0.0.1:0")
	if code != exitFailure || !strings.Contains(out, p.dir) {
		t.Errorf("exit %d, said %q", code, out)
	}
}

func TestToken_IsUsable(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	out, code := hexfleetOutput("token", "--data-dir", p.dir, "--role", "dispatcher", "--sub", "staff-1")
	if code != exitDone || strings.Count(out, "\n") != 1 {
		t.Fatalf("exit %d, said %q", code, out)
	}
	if a := p.rest("GET", "/v1/orders", strings.TrimSpace(out), ""); a.status != 200 {
		t.Errorf("the token was answered %d %s", a.status, a.raw)
	}
	for _, args := range [][]string{
		{"--role", "king", "--sub", "x"}, {"--role", "rider", "--sub", "a b"}, {"--role", "rider"},
		{"--role", "rider", "--sub", "x", "--ttl", "25h"}, {"--role", "rider", "--sub", "x", "--ttl", "0s"},
	} {
		if out, code := hexfleetOutput(append([]string{"token", "--data-dir", p.dir}, args...)...); code != exitUsage {
			t.Errorf("token %v: exit %d, said %q", args, code, out)
		}
	}
	if out, code := hexfleetOutput("token", "--data-dir", t.TempDir(), "--role", "rider", "--sub", "x"); code != exitFailure {
		t.Errorf("without a secret: exit %d, said %q", code, out)
	}
}

func TestVersion_IsOneLine(t *testing.T) {
	t.Parallel()
	out, code := hexfleetOutput("version")
	if code != exitDone || !strings.HasPrefix(out, "hexfleet ") || strings.Count(out, "\n") != 1 {
		t.Errorf("exit %d, said %q", code, out)
	}
}
