package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// tree is a copy of the repository that defects are made in, one after the other. Owned by its worker.
type tree struct {
	dir string
	// green are the tests that were seen to pass without a defect.
	green map[string]bool
}

// testFor bounds one run of a named test; the slowest, a power loss, takes half a minute.
const testFor = 3 * time.Minute

// copy copies what git knows of, as it stands in the work tree.
func (t *tree) copy() error {
	t.green = map[string]bool{}
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("list the files of the tree: %w", err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if os.IsNotExist(err) {
			continue // deleted, and git not told yet
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(t.dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// judge seeds one defect, runs its test, and takes the defect out again.
func (t *tree) judge(m *mutant) {
	began := time.Now() //nolint:forbidigo // a stopwatch for people
	m.verdict, m.detail = t.seeded(m)
	m.took = time.Since(began) //nolint:forbidigo // as above
}

func (t *tree) seeded(m *mutant) (verdict, string) {
	key := m.pkg + " " + m.test
	if !t.green[key] {
		if out, red := t.test(m); red || !strings.Contains(out, "--- PASS: "+m.test+" ") {
			return broken, "the test does not pass without the defect:\n" + tail(out)
		}
		t.green[key] = true
	}
	undo, err := t.apply(m)
	defer undo()
	if err != nil {
		return broken, err.Error()
	}
	if out, err := t.command("go", "build", "./...").CombinedOutput(); err != nil {
		return broken, "it does not compile:\n" + tail(string(out))
	}
	for range m.tries {
		out, red := t.test(m)
		switch {
		case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
			return broken, "its test does not compile:\n" + tail(out)
		case red && (strings.Contains(out, "--- FAIL: "+m.test+" ") || strings.Contains(out, "\npanic: ")):
			return killed, ""
		case red:
			return broken, "another test than the one named went red:\n" + tail(out)
		}
	}
	return survived, ""
}

// test runs the named test; red tells that it failed.
func (t *tree) test(m *mutant) (out string, red bool) {
	var parts []string
	for _, part := range strings.Split(m.test, "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
	}
	raw, err := t.command("go", "test", "-count=1", "-v", "-timeout", testFor.String(), "-run", strings.Join(parts, "/"), m.pkg).CombinedOutput()
	return string(raw), err != nil
}

func (t *tree) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = t.dir
	return cmd
}

// apply makes the edits; undo takes back those that were made.
func (t *tree) apply(m *mutant) (undo func(), err error) {
	before := map[string][]byte{}
	undo = func() {
		for path, text := range before {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				panic(err) // every verdict after it would be of another defect as well
			}
		}
	}
	for _, e := range m.edits {
		path := filepath.Join(t.dir, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return undo, fmt.Errorf("the defect applies no more: %w", err)
		}
		if _, ok := before[path]; !ok {
			before[path] = text
		}
		// Whole lines: what is looked for begins and ends with one.
		whole := "\n" + string(text)
		if n := strings.Count(whole, "\n"+e.old+"\n"); n != 1 {
			return undo, fmt.Errorf("the defect applies no more: %s has %d places like\n%s", e.file, n, e.old)
		}
		fresh := "\n" + e.fresh + "\n"
		if e.fresh == "" {
			fresh = "\n"
		}
		whole = strings.Replace(whole, "\n"+e.old+"\n", fresh, 1)
		if err := os.WriteFile(path, []byte(whole[1:]), 0o644); err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// tail gives the last lines of an output.
func tail(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
