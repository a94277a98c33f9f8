package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/replay"
)

// replayCmd runs recorded logs again.
type replayCmd struct {
	Log  string `help:"The folder that serve --record wrote to." required:"" placeholder:"DIR"`
	Cold bool   `help:"Have the core forget before each round what only makes it faster: nothing may change."`
	JSON bool   `name:"json" help:"Print one JSON object a line."`
}

// Help says what is compared.
func (*replayCmd) Help() string {
	return `Runs every log in the folder again, in a core of this program, and compares each effect with the digest that was
recorded: events, offers, answers, replies, notices, supply, what was sought, what a round decided, and when the core
wanted to be stepped. One line a log; the first difference ends it. A log that was cut, as by kill -9, is replayed up
to its last whole record. The exit code is 1 when anything differs or a log is damaged.

A log of another version of the program may differ because the program does.`
}

// replayed is one log's result as --json prints it.
type replayed struct {
	Log     string `json:"log"`
	Market  string `json:"market"`
	Epoch   int64  `json:"epoch"`
	Program string `json:"program"`
	// RecordedAt is wall time.
	RecordedAt  string `json:"recorded_at"`
	Inputs      int    `json:"inputs"`
	Cores       int    `json:"cores"`
	Rounds      int    `json:"rounds"`
	Offers      int    `json:"offers"`
	Assignments int    `json:"assignments"`
	// Ending is whole, cut or broken.
	Ending     string              `json:"ending"`
	Identical  bool                `json:"identical"`
	Difference *replayedDifference `json:"difference"`
	Error      string              `json:"error,omitempty"`
	// Digest is that of all effects.
	Digest string `json:"digest"`
}

type replayedDifference struct {
	Input  int      `json:"input"`
	At     string   `json:"at"` // market time
	Kind   string   `json:"kind"`
	Fields []string `json:"fields"`
}

// Run implements the command.
func (c *replayCmd) Run(std stdio) error {
	paths, err := replay.Files(c.Log)
	if err != nil {
		return fmt.Errorf("list the logs: %w", err)
	}
	if len(paths) == 0 {
		return fmt.Errorf("there is no log (*%s) in %s", replay.Suffix, c.Log)
	}
	bad := 0
	for _, path := range paths {
		r, err := c.one(path, std.Err)
		if err != nil {
			return err
		}
		if !r.Identical {
			bad++
		}
		if err := printReplayed(std.Out, c.JSON, &r); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d logs were not replayed alike", bad, len(paths))
	}
	return nil
}

// tellEvery is how often progress is told.
const tellEvery = 2 * time.Second

// one replays one log. A log that is damaged is a result, not an error.
func (c *replayCmd) one(path string, progress io.Writer) (replayed, error) {
	r := replayed{Log: filepath.Base(path)}
	f, err := os.Open(path)
	if err != nil {
		return r, fmt.Errorf("open a log: %w", err)
	}
	defer f.Close()
	var got replay.Result
	l, err := replay.Open(f)
	if err == nil {
		r.Market, r.Epoch, r.Program, r.RecordedAt = string(l.Market), l.Epoch, l.Program, l.At.UTC().Format(time.RFC3339)
		told := time.Now()
		got, err = replay.Run(l, replay.Options{Cold: c.Cold, Step: func(n int) {
			if n%1000 == 0 && time.Since(told) > tellEvery {
				told = time.Now()
				fmt.Fprintf(progress, "%s: %d inputs\n", r.Log, n)
			}
		}})
	}
	if err != nil && !errors.Is(err, replay.ErrDamaged) {
		return r, fmt.Errorf("replay %s: %w", r.Log, err)
	}
	r.Inputs, r.Cores, r.Rounds, r.Offers, r.Assignments = got.Inputs, got.Cores, got.Rounds, got.Offers, got.Assignments
	r.Ending, r.Digest = string(got.Ending), got.Digest
	if d := got.Difference; d != nil {
		r.Difference = &replayedDifference{d.Input, d.At.UTC().Format("2006-01-02T15:04:05.000Z"), d.Kind, d.Fields}
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.Identical = got.Difference == nil && err == nil
	return r, nil
}

func printReplayed(w io.Writer, asJSON bool, r *replayed) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	verdict := "identical"
	switch {
	case r.Error != "":
		verdict = r.Error
	case r.Difference != nil:
		d := r.Difference
		verdict = fmt.Sprintf("differs at input %d (%s) at %s in %s", d.Input, d.Kind, d.At, strings.Join(d.Fields, ", "))
	case r.Ending == string(replay.Cut):
		verdict += ", up to where the log is cut"
	case r.Ending == string(replay.Broken):
		verdict += ", up to where the recording broke off"
	}
	_, err := fmt.Fprintf(w, "%s: %s epoch %d, %d inputs, %d rounds, %d offers, %d assignments: %s\n",
		r.Log, r.Market, r.Epoch, r.Inputs, r.Rounds, r.Offers, r.Assignments, verdict)
	return err
}
