package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch/match"
)

// maxInstance bounds the orders and the drivers of an instance: more would not be one round's.
const maxInstance = 10_000_000

// readInstance reads an assignment instance from a file, or from standard input for "-".
func readInstance(path string) (*match.Problem, error) {
	in, name := os.Stdin, "standard input"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the instance: %w", err)
		}
		defer f.Close()
		in, name = f, path
	}
	p, err := parseInstance(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// parseInstance reads the contract's format of solve; an error names the line.
func parseInstance(r io.Reader) (*match.Problem, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 64<<10)
	if !lines.Scan() {
		return nil, noLine(lines, 1, "# orders=N drivers=M penalty=P k=K seed=S")
	}
	h, err := parseHeader(strings.TrimPrefix(lines.Text(), "\ufeff")) // the byte order mark that spreadsheets write
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	if !lines.Scan() || strings.TrimSpace(lines.Text()) != "order,driver,cost" {
		return nil, noLine(lines, 2, "order,driver,cost")
	}
	// ends is where each order's edges end; an order without edges gets the end of the one before it.
	ends := make([]int, h.orders)
	edges := make([]match.Edge, 0, min(h.orders*h.k, 64<<20))
	last := row{}
	for n := 3; lines.Scan(); n++ {
		r, ok := parseRow(lines.Bytes())
		if err = h.check(last, r); !ok {
			err = h.complain(lines.Text())
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		edges = append(edges, match.Edge{Driver: int32(r.driver), Cost: int32(r.cost)})
		ends[r.order] = len(edges)
		last = r
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return h.problem(ends, edges)
}

// noLine tells that a fixed line is not there.
func noLine(lines *bufio.Scanner, n int, want string) error {
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return fmt.Errorf("line %d is not %q", n, want)
}

// header is line 1.
type header struct {
	orders, drivers, k int
	penalty            int64
}

func parseHeader(line string) (header, error) {
	var h header
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "#" {
		return h, fmt.Errorf("%q does not begin with #", line)
	}
	seen := map[string]int64{}
	for _, word := range words[1:] {
		name, text, ok := strings.Cut(word, "=")
		n, err := strconv.ParseInt(text, 10, 64)
		if _, twice := seen[name]; !ok || err != nil || twice {
			return h, fmt.Errorf("%q is not NAME=NUMBER, each once", word)
		}
		seen[name] = n
	}
	for _, limit := range []struct {
		name string
		most int64
	}{{"orders", maxInstance}, {"drivers", maxInstance}, {"penalty", match.MaxPenalty}, {"k", maxInstance}} {
		n, ok := seen[limit.name]
		if ok && (n < 0 || n > limit.most) {
			return h, fmt.Errorf("%s=%d is not from 0 to %d", limit.name, n, limit.most)
		}
		if !ok && limit.name != "k" {
			return h, fmt.Errorf("%s= is missing", limit.name)
		}
	}
	return header{int(seen["orders"]), int(seen["drivers"]), int(seen["k"]), seen["penalty"]}, nil
}

// row is a line order,driver,cost.
type row struct{ order, driver, cost int64 }

// maxDigits is how long a number may be; more than any limit.
const maxDigits = 18

// parseRow reads three numbers of up to maxDigits digits, a tenth of the time that strconv takes for them: an instance has
// millions. It tells whether there were.
func parseRow(line []byte) (row, bool) {
	var v [3]int64
	at, digits := 0, 0
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9' && digits < maxDigits:
			v[at] = v[at]*10 + int64(c-'0')
			digits++
		case c == ',' && digits > 0 && at < 2:
			at, digits = at+1, 0
		default:
			return row{}, false
		}
	}
	return row{v[0], v[1], v[2]}, at == 2 && digits > 0
}

// complain says what is wrong with a line that parseRow does not take: where it is three whole numbers, the first that is
// negative or too long.
func (h *header) complain(line string) error {
	words := strings.Split(line, ",")
	for _, word := range words {
		digits := strings.TrimPrefix(word, "-")
		if len(words) != 3 || digits == "" || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("%.40q is not three whole numbers", line)
		}
	}
	name, word, most := "cost", words[2], math.MaxInt32
	switch {
	case outside(words[0]):
		name, word, most = "order", words[0], h.orders-1
	case outside(words[1]):
		name, word, most = "driver", words[1], h.drivers-1
	}
	return fmt.Errorf("%s %.40s is not from 0 to %d", name, word, most)
}

// outside tells whether a whole number is beyond all limits.
func outside(word string) bool { return word[0] == '-' || len(word) > maxDigits }

// check judges a row after the one before it.
func (h *header) check(last, r row) error {
	switch {
	case r.order >= int64(h.orders):
		return fmt.Errorf("order %d is not from 0 to %d", r.order, h.orders-1)
	case r.driver >= int64(h.drivers):
		return fmt.Errorf("driver %d is not from 0 to %d", r.driver, h.drivers-1)
	case r.cost > math.MaxInt32:
		return fmt.Errorf("cost %d is not from 0 to %d", r.cost, math.MaxInt32)
	case r.order < last.order:
		return fmt.Errorf("order %d comes after order %d: orders must ascend", r.order, last.order)
	case r.order == last.order && r.cost < last.cost:
		return fmt.Errorf("cost %d comes after %d: the rows of an order must ascend by cost", r.cost, last.cost)
	}
	return nil
}

// problem cuts the edges into rows; of equal cost the driver with the lower number comes first, as the solver wants.
func (h *header) problem(ends []int, edges []match.Edge) (*match.Problem, error) {
	p := &match.Problem{Drivers: h.drivers, Rows: make([][]match.Edge, h.orders), Penalty: make([]int64, h.orders)}
	start := 0
	for i := range p.Rows {
		end := max(start, ends[i])
		p.Rows[i] = edges[start:end:end]
		p.Penalty[i] = h.penalty
		match.SortRow(p.Rows[i])
		start = end
	}
	return p, p.Validate()
}
