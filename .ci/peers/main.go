// Command peers solves assignment instances with hexfleet and with its peers, LEMON's three fastest solvers and
// scipy's two, and fails unless all costs are equal to the last unit: 15 instances of up to 50,000 orders, one after
// another on the same processor from the same files, with a table of their CPU times, and 1,000 small random ones. No
// time makes it fail. It needs g++, liblemon-dev and python3-scipy (Debian); the peers are run, never linked.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// size is the shape of an instance.
type size struct{ orders, drivers int }

var (
	sizes  = []size{{1000, 1000}, {5000, 5000}, {10_000, 10_000}, {10_000, 30_000}, {50_000, 50_000}}
	widths = []int{8, 16, 32}
)

// options are the flags.
type options struct {
	quick         bool
	cpu           int
	seed          uint64
	orders, fleet float64
	upTo          int
	keep          string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "solve each instance once, and those of 50,000 with LEMON's fastest alone, one of them with scipy too")
	flag.IntVar(&o.cpu, "cpu", 0, "the processor to run on")
	flag.Uint64Var(&o.seed, "seed", 1, "the seed of the instances")
	flag.Float64Var(&o.orders, "orders-near-spots", 0.8, "share of the orders near hot spots")
	flag.Float64Var(&o.fleet, "drivers-near-spots", 0.4, "share of the drivers near hot spots")
	flag.IntVar(&o.upTo, "up-to", 50_000, "leave larger instances out")
	flag.StringVar(&o.keep, "keep", "", "leave programs and instances in this directory")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir := o.keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "peers"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	t, err := prepare(dir, o.cpu)
	if err != nil {
		return err
	}
	if err := t.small(); err != nil {
		return err
	}
	fmt.Printf("| instance | hexfleet | %s | fastest peer / hexfleet | matched | cost |\n|---%s|\n",
		strings.Join(peers, " | "), strings.Repeat("|---", len(peers)+4))
	var ratios []float64
	for _, s := range sizes {
		if s.orders > o.upTo {
			continue
		}
		c := newCity(s, o)
		for _, k := range widths {
			ratio, err := t.compare(c, k, o.quick)
			if err != nil {
				return fmt.Errorf("%d x %d x %d: %w", s.orders, s.drivers, k, err)
			}
			ratios = append(ratios, ratio)
		}
	}
	slices.Sort(ratios)
	fmt.Printf("median of %d: %.1f, least %.1f\n", len(ratios), ratios[len(ratios)/2], ratios[0])
	return nil
}

// compare solves an instance with everyone, prints a line of the table and tells how many times as long as hexfleet the
// fastest peer took.
func (t *tools) compare(c *city, k int, quick bool) (float64, error) {
	path := filepath.Join(t.dir, fmt.Sprintf("%d-%d-%d.csv", len(c.orders), len(c.drivers), k))
	if err := c.write(path, k); err != nil {
		return 0, err
	}
	times := 5
	if quick {
		times = 1
	}
	ours, matched, err := t.hexfleet(path, times)
	if err != nil {
		return 0, err
	}
	line := fmt.Sprintf("| %d x %d x %d | **%.2f**", len(c.orders), len(c.drivers), k, ours.ms)
	fastest := 0.0
	for _, peer := range peers {
		switch {
		case peer == "scipy dense" && len(c.orders) > 5000, // its matrix would not fit
			quick && len(c.orders) > 10_000 && peer != "LEMON MWM" && (peer != "scipy sparse" || k > widths[0]):
			line += " | -"
			continue
		}
		theirs, err := t.peer(peer, path, times)
		if err != nil {
			return 0, err
		}
		if theirs.cost != ours.cost {
			return 0, fmt.Errorf("%s finds cost %d, hexfleet %d", peer, theirs.cost, ours.cost)
		}
		line += fmt.Sprintf(" | %.1f", theirs.ms)
		if fastest == 0 || theirs.ms < fastest {
			fastest = theirs.ms
		}
	}
	ratio := fastest / ours.ms
	fmt.Printf("%s | %.1f | %d | %d |\n", line, ratio, matched, ours.cost)
	return ratio, nil
}
