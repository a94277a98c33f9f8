package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/match"
)

// solveCmd solves one assignment instance with the matching core's solver.
type solveCmd struct {
	In       string        `help:"The instance: line 1 '# orders=N drivers=M penalty=P k=K seed=S', line 2 'order,driver,cost', then integer rows, orders ascending, each order's rows ascending by cost; - for standard input." required:"" placeholder:"FILE"`
	Out      string        `help:"Write 'order,driver' rows here, one for each order with a driver; - for standard output: the result is then printed to standard error." placeholder:"FILE"`
	Deadline time.Duration `help:"Stop after this much wall time and match the rest greedily; the printed gap is then true, not 0 (default: none)." placeholder:"D"`
	JSON     bool          `name:"json" help:"Print the result as one JSON object."`
}

// solved is the result as --json prints it.
type solved struct {
	Orders  int `json:"orders"`
	Drivers int `json:"drivers"`
	Edges   int `json:"edges"`
	Matched int `json:"matched"`
	// Cost is the sum of the chosen costs and P for each order without a driver; no assignment costs less than
	// LowerBound; DualGap is their difference, 0 unless the deadline came first.
	Cost       int64 `json:"cost"`
	LowerBound int64 `json:"lower_bound"`
	DualGap    int64 `json:"dual_gap"`
	Threads    int   `json:"threads"`
	// ElapsedMs is the CPU time of all threads from the parsed instance to the certified result.
	ElapsedMs float64 `json:"elapsed_ms"`
}

// Run implements the command.
func (c *solveCmd) Run(std stdio) error {
	if c.Deadline < 0 {
		return usagef("--deadline must not be negative, not %s", c.Deadline)
	}
	p, err := readInstance(c.In)
	if err != nil {
		return err
	}
	// The solver's own goroutine is all there is to measure: what the garbage collector owes for the reading is
	// paid before.
	runtime.GC()
	began, cpu := time.Now(), cpuTime()
	var stop func() bool
	if c.Deadline > 0 {
		stop = func() bool { return time.Since(began) >= c.Deadline }
	}
	r := new(match.Solver).Solve(p, match.Options{Stop: stop})
	took := cpuTime() - cpu
	if cost, err := match.Check(p, r.Assignment); err != nil || cost != r.Cost {
		return fmt.Errorf("the result does not stand its check: cost %d, told %d: %w", cost, r.Cost, err)
	}
	told := std.Out
	if c.Out == "-" {
		told = std.Err
	}
	if err := c.write(std.Out, r.Assignment); err != nil {
		return fmt.Errorf("write the assignment: %w", err)
	}
	edges := 0
	for _, row := range p.Rows {
		edges += len(row)
	}
	return printSolved(told, c.JSON, solved{
		Orders: len(p.Rows), Drivers: p.Drivers, Edges: edges, Matched: r.Matched,
		Cost: r.Cost, LowerBound: r.Bound, DualGap: r.Cost - r.Bound,
		Threads: 1, ElapsedMs: float64(took.Microseconds()) / 1000,
	})
}

func printSolved(w io.Writer, asJSON bool, s solved) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	_, err := fmt.Fprintf(w, "%d orders, %d drivers, %d edges: %d matched, cost %d, lower bound %d (gap %d), %.3f ms CPU\n",
		s.Orders, s.Drivers, s.Edges, s.Matched, s.Cost, s.LowerBound, s.DualGap, s.ElapsedMs)
	return err
}

// cpuTime is the CPU time that the process has used, user and system, on all threads.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// write writes the assignment where --out says, out being standard output.
func (c *solveCmd) write(out io.Writer, a match.Assignment) error {
	switch c.Out {
	case "":
		return nil
	case "-":
		return writeAssignment(out, a)
	}
	f, err := os.Create(c.Out)
	if err != nil {
		return err
	}
	return errors.Join(writeAssignment(f, a), f.Close())
}

func writeAssignment(out io.Writer, a match.Assignment) error {
	w := bufio.NewWriter(out)
	_, _ = w.WriteString("order,driver\n") // Flush tells the first error
	var line []byte
	for i, d := range a {
		if d == match.Unmatched {
			continue
		}
		line = strconv.AppendInt(line[:0], int64(i), 10)
		line = append(line, ',')
		line = strconv.AppendInt(line, int64(d), 10)
		_, _ = w.Write(append(line, '\n'))
	}
	return w.Flush()
}
