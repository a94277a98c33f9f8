// Command gotest runs "go test -json" with its arguments, shows the packages and the output of what failed,
// and counts. It adds "passed failed skipped" to the file that HEXFLEET_TALLY names, if any. Its exit code
// is that of go test.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		code = 1
	}
	os.Exit(code)
}

// event is a line of go test -json; see "go doc test2json".
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// report is what is known of a run. Owned by run.
type report struct {
	out                     io.Writer
	lines                   map[string][]string // output so far, by package and test
	broken                  map[string]bool     // packages of which a test has failed
	passed, failed, skipped int
}

func run(args []string, out io.Writer) (int, error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return 1, fmt.Errorf("run go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("run go test: %w", err)
	}
	r := &report{out: out, lines: map[string][]string{}, broken: map[string]bool{}}
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.add(line)
		}
		if err != nil {
			break // the end, or a broken pipe that Wait tells of
		}
	}
	code := 0
	if err := cmd.Wait(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			return 1, fmt.Errorf("run go test: %w", err)
		}
		code = exit.ExitCode()
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return code, r.tally(os.Getenv("HEXFLEET_TALLY"))
}

// add takes one line in. Output is kept until its test or package ends: a success needs none of it.
func (r *report) add(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		fmt.Fprintf(r.out, "%s", line) // not of test2json
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.lines[key] = append(r.lines[key], e.Output)
	case "pass", "fail", "skip":
		r.end(key, e)
	}
}

func (r *report) end(key string, e event) {
	lines := r.lines[key]
	delete(r.lines, key)
	if e.Test == "" {
		if e.Action == "fail" {
			r.unfinished(e.Package)
			if !r.broken[e.Package] {
				r.failed++ // it did not build, or ended before a test could fail
			}
		} else if len(lines) > 0 {
			lines = lines[len(lines)-1:] // the line that tells the package's time
		}
		fmt.Fprint(r.out, strings.Join(lines, ""))
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
		return
	case "fail":
		r.failed++
		r.broken[e.Package] = true
	case "skip":
		r.skipped++
	}
	fmt.Fprintf(r.out, "%s\n%s", e.Package, strings.Join(lines, ""))
}

// unfinished shows the output of tests that a crash or a time-out kept from ending.
func (r *report) unfinished(pkg string) {
	for key, lines := range r.lines {
		if strings.HasPrefix(key, pkg+" ") {
			fmt.Fprint(r.out, strings.Join(lines, ""))
			delete(r.lines, key)
		}
	}
}

func (r *report) tally(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep the counts: %w", err)
	}
	_, err = fmt.Fprintln(f, r.passed, r.failed, r.skipped)
	return errors.Join(err, f.Close())
}
