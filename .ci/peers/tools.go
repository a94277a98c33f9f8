package main

import (
	"bytes"
	"cmp"
	_ "embed" // the peers' sources
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// peers are the solvers beside ours; the last word is what src/lemon.cc and src/scipy_peers.py call them.
var peers = []string{"LEMON MWM", "LEMON CostScaling", "LEMON NetworkSimplex", "scipy sparse", "scipy dense"}

//go:embed src/lemon.cc
var lemon []byte

//go:embed src/scipy_peers.py
var scipy []byte

// python is the one that Debian's scipy belongs to.
const python = "/usr/bin/python3"

// tools are the programs to compare, in a directory of their own.
type tools struct{ dir, cpu string }

// timed is what a solver found, and the CPU time it took without reading.
type timed struct {
	cost int64
	ms   float64
}

// prepare installs what is missing, if it may, and builds the programs.
func prepare(dir string, cpu int) (*tools, error) {
	if err := install(); err != nil {
		return nil, err
	}
	t := &tools{dir: dir, cpu: strconv.Itoa(cpu)}
	source := filepath.Join(dir, "lemon.cc")
	if err := errors.Join(os.WriteFile(source, lemon, 0o600), os.WriteFile(filepath.Join(dir, "scipy_peers.py"), scipy, 0o600)); err != nil {
		return nil, err
	}
	if _, err := output("g++", "-O2", "-o", filepath.Join(dir, "lemon"), source, "-llemon"); err != nil {
		return nil, err
	}
	_, err := output("go", "build", "-o", filepath.Join(dir, "hexfleet"), "./cmd/hexfleet")
	return t, err
}

// install sees to it that the peers are there.
func install() error {
	var missing []string
	if _, err := exec.LookPath("g++"); err != nil {
		missing = append(missing, "g++")
	}
	if _, err := os.Stat("/usr/include/lemon/matching.h"); err != nil {
		missing = append(missing, "liblemon-dev")
	}
	if exec.Command(python, "-c", "import scipy").Run() != nil {
		missing = append(missing, "python3-scipy")
	}
	if len(missing) == 0 {
		return nil
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("the solver is compared with peers that are not here (Debian: apt-get install %s)", strings.Join(missing, " "))
	}
	if _, err := output("apt-get", "update", "-qq"); err != nil {
		return err
	}
	_, err := output("apt-get", append([]string{"install", "-qq", "-y", "--no-install-recommends"}, missing...)...)
	return err
}

// output runs a program and gives what it prints.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	// One thread each.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	if name == "go" || name == "g++" {
		cmd.Env = os.Environ()
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s %s: %w\n%s", name, strings.Join(args, " "), err, complaint.String())
	}
	return out, nil
}

// hexfleet solves an instance several times; the time is the median.
func (t *tools) hexfleet(path string, times int) (timed, int, error) {
	var all []timed
	matched := 0
	for range times {
		out, err := output("taskset", "-c", t.cpu, filepath.Join(t.dir, "hexfleet"), "solve", "--json", "--in", path)
		if err != nil {
			return timed{}, 0, err
		}
		var r struct {
			Cost      int64   `json:"cost"`
			Gap       int64   `json:"dual_gap"`
			Matched   int     `json:"matched"`
			ElapsedMs float64 `json:"elapsed_ms"`
		}
		if err := json.Unmarshal(out, &r); err != nil || r.Gap != 0 {
			return timed{}, 0, fmt.Errorf("hexfleet printed %s: %w", out, err)
		}
		all, matched = append(all, timed{r.Cost, r.ElapsedMs}), r.Matched
	}
	return median(all), matched, nil
}

// peer solves an instance; when that took long, once is enough.
func (t *tools) peer(peer, path string, times int) (timed, error) {
	var all []timed
	for len(all) < times {
		got, err := t.solve(peer, path)
		if err != nil || len(got) != 1 {
			return timed{}, fmt.Errorf("%s gave %d results: %w", peer, len(got), err)
		}
		all = append(all, got[0])
		if got[0].ms > 2000 {
			break
		}
	}
	return median(all), nil
}

func median(all []timed) timed {
	slices.SortFunc(all, func(a, b timed) int { return cmp.Compare(a.ms, b.ms) })
	return all[len(all)/2]
}

// solve runs a peer on all instances of a file; it prints "cost ms" for each.
func (t *tools) solve(peer, path string) ([]timed, error) {
	library, which, _ := strings.Cut(peer, " ")
	program := []string{filepath.Join(t.dir, "lemon")}
	if library == "scipy" {
		program = []string{python, filepath.Join(t.dir, "scipy_peers.py")}
	}
	out, err := output("taskset", append(append([]string{"-c", t.cpu}, program...), path, which)...)
	if err != nil {
		return nil, err
	}
	var all []timed
	for line := range strings.Lines(string(out)) {
		var r timed
		if _, err := fmt.Sscan(line, &r.cost, &r.ms); err != nil {
			return nil, fmt.Errorf("%s printed %q: %w", peer, line, err)
		}
		all = append(all, r)
	}
	return all, nil
}
