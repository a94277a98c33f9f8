package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch/match"
)

const instance = `# orders=3 drivers=2 penalty=1000 k=2 seed=1
order,driver,cost
0,0,10
0,1,12
2,0,20
`

// solve runs the command in this process.
func solve(t *testing.T, text string, args ...string) (out, complaint string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "instance.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var o, e strings.Builder
	code = run(t.Context(), append([]string{"solve", "--in", path}, args...), stdio{Out: &o, Err: &e})
	return o.String(), e.String(), code
}

func TestSolve(t *testing.T) {
	t.Run("prints_the_optimum_and_writes_it", func(t *testing.T) {
		rows := filepath.Join(t.TempDir(), "rows.csv")
		out, complaint, code := solve(t, instance, "--json", "--out", rows)
		var got solved
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDone {
			t.Fatalf("%d: %q %q: %v", code, out, complaint, err)
		}
		got.ElapsedMs = 0
		want := solved{Orders: 3, Drivers: 2, Edges: 3, Matched: 2, Cost: 1032, LowerBound: 1032, Threads: 1}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		text, err := os.ReadFile(rows)
		if err != nil || string(text) != "order,driver\n0,1\n2,0\n" {
			t.Errorf("wrote %q (%v)", text, err)
		}
	})

	t.Run("tells_it_to_people", func(t *testing.T) {
		out, _, code := solve(t, instance)
		if code != exitDone || !strings.HasPrefix(out, "3 orders, 2 drivers, 3 edges: 2 matched, cost 1032, lower bound 1032 (gap 0), ") {
			t.Errorf("%d: %q", code, out)
		}
	})

	t.Run("writes_it_to_standard_output_and_tells_of_it_elsewhere", func(t *testing.T) {
		t.Chdir(t.TempDir())
		for _, c := range []struct{ flag, told string }{
			{"--json", `{"orders":3,`}, {"--json=false", "3 orders, 2 drivers, 3 edges: 2 matched,"},
		} {
			out, told, code := solve(t, instance, "--out", "-", c.flag)
			if code != exitDone || out != "order,driver\n0,1\n2,0\n" || !strings.HasPrefix(told, c.told) {
				t.Errorf("%s: %d, printed %q, and to standard error %q", c.flag, code, out, told)
			}
		}
		if _, err := os.Stat("-"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file of that name: %v", err)
		}
	})

	t.Run("a_byte_order_mark_is_no_part_of_the_instance", func(t *testing.T) {
		if out, complaint, code := solve(t, "\ufeff"+instance); code != exitDone || !strings.HasPrefix(out, "3 orders, ") {
			t.Errorf("%d: %q %q", code, out, complaint)
		}
	})

	t.Run("an_instance_without_orders_or_rows_is_one", func(t *testing.T) {
		for _, text := range []string{
			"# orders=0 drivers=0 penalty=5 k=0 seed=1\norder,driver,cost\n",
			"# orders=2 drivers=0 penalty=0 k=0 seed=1\norder,driver,cost",
		} {
			if out, complaint, code := solve(t, text, "--json"); code != exitDone || !strings.Contains(out, `"cost":0,"lower_bound":0`) {
				t.Errorf("%q: %d %q %q", text, code, out, complaint)
			}
		}
	})

	t.Run("a_deadline_gives_a_valid_result_with_a_true_gap", func(t *testing.T) {
		p := scarce(3000)
		r := new(match.Solver).Solve(p, match.Options{})
		out, complaint, code := solve(t, written(p), "--json", "--deadline", "1ns")
		var got solved
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDone {
			t.Fatalf("%d: %q %q: %v", code, out, complaint, err)
		}
		if got.DualGap <= 0 || got.Cost-got.DualGap != got.LowerBound || got.LowerBound > r.Cost || got.Cost < r.Cost {
			t.Errorf("%+v, the optimum is %d", got, r.Cost)
		}
	})

	t.Run("what_is_wrong_is_named", func(t *testing.T) {
		for want, text := range map[string]string{
			"line 1 is not": "",
			"line 1: \"orders=3\" does not begin with #": "orders=3",
			"line 1: drivers= is missing":                "# orders=3 penalty=1",
			"penalty=1099511627777 is not from 0 to":     "# orders=1 drivers=1 penalty=1099511627777",
			"line 1: \"orders=x\" is not NAME=NUMBER":    "# orders=x drivers=1 penalty=1",
			"line 2 is not": "# orders=1 drivers=1 penalty=1\ndriver,order,cost\n",
			"line 3: \"0,0\" is not three whole numbers":            "# orders=1 drivers=1 penalty=1\norder,driver,cost\n0,0\n",
			"line 3: \"0,0,1.5\" is not three whole numbers":        "# orders=1 drivers=1 penalty=1\norder,driver,cost\n0,0,1.5\n",
			"line 3: cost -1 is not from 0 to 2147483647":           "# orders=1 drivers=1 penalty=1\norder,driver,cost\n0,0,-1\n",
			"line 3: driver 1234567890123456789 is not from 0 to 0": "# orders=1 drivers=1 penalty=1\norder,driver,cost\n0,1234567890123456789,1\n",
			"line 3: order -7 is not from 0 to 0":                   "# orders=1 drivers=1 penalty=1\norder,driver,cost\n-7,0,-1\n",
			"order 0: driver 1 stands there twice":                  "# orders=1 drivers=2 penalty=1\norder,driver,cost\n0,1,3\n0,1,3\n",
			"line 3: order 1 is not from 0 to 0":                    "# orders=1 drivers=1 penalty=1\norder,driver,cost\n1,0,1\n",
			"line 3: driver 7 is not from 0 to 0":                   "# orders=1 drivers=1 penalty=1\norder,driver,cost\n0,7,1\n",
			"line 3: cost 2147483648 is not from 0 to 2147483647":   "# orders=1 drivers=1 penalty=1\norder,driver,cost\n0,0,2147483648\n",
			"line 4: order 0 comes after order 1":                   "# orders=2 drivers=1 penalty=1\norder,driver,cost\n1,0,1\n0,0,1\n",
			"line 4: cost 1 comes after 2":                          "# orders=1 drivers=2 penalty=1\norder,driver,cost\n0,0,2\n0,1,1\n",
			"order 0: driver 0 stands there twice":                  "# orders=1 drivers=2 penalty=9\norder,driver,cost\n0,0,1\n0,0,2\n",
		} {
			if out, complaint, code := solve(t, text); code != exitFailure || !strings.Contains(complaint, want) || out != "" {
				t.Errorf("%q: %d %q %q, want %q", text, code, out, complaint, want)
			}
		}
		var o, e strings.Builder
		if code := run(t.Context(), []string{"solve", "--in", "x", "--deadline=-1s"}, stdio{Out: &o, Err: &e}); code != exitUsage {
			t.Errorf("a negative deadline: %d %q", code, e.String())
		}
	})
}

// scarce is an instance in which n orders compete for a third as many drivers.
func scarce(n int) *match.Problem {
	r := rand.New(rand.NewPCG(5, 5))
	p := &match.Problem{Drivers: n / 3}
	for range n {
		var row []match.Edge
		for d := range 8 {
			row = append(row, match.Edge{Driver: int32((r.IntN(n/24)*8 + d) % p.Drivers), Cost: r.Int32N(1000)})
		}
		match.SortRow(row)
		seen := map[int32]bool{}
		row = slices.DeleteFunc(row, func(e match.Edge) bool {
			was := seen[e.Driver]
			seen[e.Driver] = true
			return was
		})
		p.Rows, p.Penalty = append(p.Rows, row), append(p.Penalty, 5000)
	}
	return p
}

// written is an instance in the contract's format; its orders have one penalty.
func written(p *match.Problem) string {
	var b strings.Builder
	penalty := int64(0)
	if len(p.Penalty) > 0 {
		penalty = p.Penalty[0]
	}
	fmt.Fprintf(&b, "# orders=%d drivers=%d penalty=%d k=0 seed=0\norder,driver,cost\n", len(p.Rows), p.Drivers, penalty)
	for i, row := range p.Rows {
		for _, e := range row {
			fmt.Fprintf(&b, "%d,%d,%d\n", i, e.Driver, e.Cost)
		}
	}
	return b.String()
}

// FuzzParseInstance: whatever the file says, reading it ends in a valid problem or an error, and what was read reads
// the same again.
func FuzzParseInstance(f *testing.F) {
	f.Add(instance)
	f.Add("# orders=2 drivers=2 penalty=7 k=1 seed=1\norder,driver,cost\n0,1,3\n0,0,3\n1,0,0")
	large := regexp.MustCompile(`[0-9]{5}`)
	f.Fuzz(func(t *testing.T, text string) {
		if large.MatchString(text) {
			return // the memory of millions of orders is of no interest here
		}
		p, err := parseInstance(strings.NewReader(text))
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := parseInstance(strings.NewReader(written(p)))
		if err != nil || len(again.Rows) != len(p.Rows) {
			t.Fatalf("%q: reads again as %v, %v", text, again, err)
		}
		for i := range p.Rows {
			if !slices.Equal(p.Rows[i], again.Rows[i]) {
				t.Fatalf("%q: row %d reads again as %v", text, i, again.Rows[i])
			}
		}
	})
}
