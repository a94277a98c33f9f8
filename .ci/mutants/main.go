// Command mutants proves that the tests can fail: it seeds known defects, one at a time, and wants the test that
// guards against each to go red. A defect is a file of this directory, NAME.mutant:
//
//	defect: what is wrong, in a line
//	promise: P6                      (of docs/architecture.md)
//	test: ./store/sqlite TestJournal/Commit/an_earlier_epoch_is_fenced
//	tries: 3                         (optional, 1: how often a test of chance is run before the mutant survives)
//	file: store/sqlite/commit.go
//	-what stands there now
//	+what the defect makes of it
//	@@
//	 a line that stays, so that the place is found
//	-another place in the same file
//
// Lines that begin with a blank or '-' must stand in the file exactly once, one below the other; "@@" parts two
// places, another "file:" begins another file. Lines before the first "file:" that begin with '#' are remarks.
//
// The defects are made in copies of the tree, which are removed at the end; the tree itself is never written to. For
// each it is checked that the edit still applies, that everything still compiles, that the named test passes without
// it and fails with it. The exit code is 1 when any of that is not so.
//
// It may import the standard library only.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

func main() {
	only := flag.String("only", "", "seed the mutants whose name matches this expression")
	atOnce := flag.Int("at-once", 2, "how many copies of the tree are worked on at a time")
	fit := flag.Bool("fit", false, "only check that every defect still applies, and seed none")
	flag.Parse()
	seed := func() error { return run(*only, *atOnce) }
	if *fit {
		seed = fits
	}
	if err := seed(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// fits checks that each defect's places are where it looks for them: a file that is split takes them along.
func fits() error {
	mutants, err := readAll(filepath.Join(".ci", "mutants"), regexp.MustCompile(""))
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "hexfleet-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	t := tree{dir: work}
	if err := t.copy(); err != nil {
		return err
	}
	for _, m := range mutants {
		undo, err := t.apply(m)
		undo()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// run seeds the mutants and prints a line for each as it ends, and the table.
func run(only string, atOnce int) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	mutants, err := readAll(filepath.Join(".ci", "mutants"), wanted)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "hexfleet-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	next := make(chan *mutant)
	failures := make(chan error, atOnce) // one a worker at most
	var workers sync.WaitGroup
	var mu sync.Mutex // guards what is printed, and done
	done := 0
	for i := range min(atOnce, len(mutants)) {
		workers.Go(func() {
			t := tree{dir: filepath.Join(work, fmt.Sprint(i))}
			if err := t.copy(); err != nil {
				failures <- err
				for range next { //nolint:revive // the others are told of by the error
				}
				return
			}
			for m := range next {
				t.judge(m)
				mu.Lock()
				done++
				fmt.Printf("%2d/%d %-28s %s\n", done, len(mutants), m.name, m.result())
				mu.Unlock()
			}
		})
	}
	for _, m := range mutants {
		next <- m
	}
	close(next)
	workers.Wait()
	select {
	case err := <-failures:
		return err
	default:
	}
	return table(mutants)
}

// table prints what became of each mutant; the error tells that there is one whose test is not proved.
func table(mutants []*mutant) error {
	fmt.Printf("\n%-28s %-8s %-9s %6s  %s\n", "mutant", "promise", "result", "time", "test that turned red")
	bad := 0
	for _, m := range mutants {
		if m.verdict != killed {
			bad++
		}
		fmt.Printf("%-28s %-8s %-9s %4.0f s  %s %s\n", m.name, m.promise, m.verdict, m.took.Seconds(), m.pkg, m.test)
	}
	fmt.Printf("\n%d passed, %d failed\n", len(mutants)-bad, bad)
	if bad > 0 {
		return fmt.Errorf("%d of %d defects turned no test red", bad, len(mutants))
	}
	return nil
}

// verdict is what became of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	broken   verdict = "BROKEN" // it could not be judged: detail says why
)

// mutant is one seeded defect. What was read is immutable; the verdict is owned by the worker that judges it.
type mutant struct {
	name, defect, promise string
	pkg, test             string
	tries                 int
	edits                 []edit

	verdict verdict
	detail  string
	took    time.Duration
}

// edit replaces old, which must stand in the file once, by fresh.
type edit struct{ file, old, fresh string }

func (m *mutant) result() string {
	text := fmt.Sprintf("%s after %.0f s: %s", m.verdict, m.took.Seconds(), m.defect)
	if m.detail != "" {
		text += "\n" + strings.TrimSpace(m.detail)
	}
	return text
}
