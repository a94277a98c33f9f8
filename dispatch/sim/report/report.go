// Package report writes what simulations gave as one HTML page, to look at rather than read: a table, charts and maps of
// H3 cells, with what each measure means. The page is one file without scripts and loads nothing. The package has its own
// plain values, knows nothing of the engine and owns no state. It may import geo.
package report

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"math"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Report is what the page shows.
type Report struct {
	Title, Command string
	// Facts are further lines of the head: orders, drivers, from and to, travel times.
	Facts []Fact
	// Policies stand in the table and in the charts in this order; references (Kind) only in the table, unless they have
	// what a chart shows.
	Policies []Policy
}

// Fact is one thing told in the head.
type Fact struct{ Name, Value string }

// Kind is what a line of the table is.
type Kind int

// Simulated is a policy that was run; the others are references: Reference was run too, to compare with, no schedule is
// better than a Bound, an Estimate is near to one, Human is what the recorded fleet did, Recorded what a server did.
const (
	Simulated Kind = iota
	Bound
	Estimate
	Human
	Recorded
	Reference
)

// Figure is one value, or the mean over several seeds or days; the zero Figure is not known.
type Figure struct {
	Mean, Low, High float64
	// N is over how many.
	N int
}

// Over sums up the values of several seeds or days; what is no number among them makes it not known.
func Over(values ...float64) Figure {
	f := Figure{N: len(values), Low: math.Inf(1), High: math.Inf(-1)}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Figure{}
		}
		f.Mean += v / float64(len(values))
		f.Low, f.High = min(f.Low, v), max(f.High, v)
	}
	if f.N == 0 {
		return Figure{}
	}
	return f
}

// Policy is one line of the table, and what its charts are drawn of.
type Policy struct {
	Name string
	Kind Kind
	// Note says how it came about, e.g. how many predecessors an estimate looked at.
	Note  string
	Seeds []uint64
	// Digests are those of the histories, one a seed.
	Digests []string

	// Counts of orders.
	Requested, Served, Lost, CancelledByRider, CancelledByDriver Figure
	// Shares, from 0 to 1.
	ServedShare, Utilisation, Gini, RoundGap Figure
	// Seconds.
	WaitMean, WaitP50, WaitP95, DeadheadSeconds, DecisionP50, DecisionP99 Figure
	// Metres, straight lines to a pickup from where its driver was free before, and of those the ones from a drop-off.
	DeadheadMeters, NextMeters Figure
	OffersPerMatch             Figure
	// Of meal instances alone.
	ClickToDoorMean, ClickToDoorP95, OnTimeShare, BusyCourierHours Figure

	// Hours ascend.
	Hours []Hour
	// Waits are the waits of picked up orders, seconds, in any order.
	Waits []float64
	// Earnings are those of drivers for each hour on duty, in minutes with a passenger.
	Earnings []float64
	Cells    []Cell
}

// Hour is one hour of a day; counts are means over the seeds.
type Hour struct {
	// At is its beginning, in the zone in which it is to be written.
	At                                 time.Time
	Requested, Served, Lost, Cancelled float64
	// WaitMean and WaitP95 are seconds, of orders requested in this hour and picked up; not told when Served is 0.
	WaitMean, WaitP95 float64
}

// Cell is what happened to the orders whose pickup is in one H3 cell.
type Cell struct {
	Cell geo.Cell
	// Unserved orders were lost or cancelled.
	Requested, Unserved float64
	// WaitMean is seconds, of those served.
	WaitMean float64
}

//go:embed page.html
var pageHTML string

// Write writes the page. Values that are no numbers count as not known.
func Write(w io.Writer, r Report) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("read the report's template: %w", err)
	}
	if err := t.Execute(w, newPage(&r)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	*Report
	Table    table
	Sections []section
	Runs     []run
}

// section is a group of charts with one legend and one definition.
type section struct {
	Title, Means string
	Legend       []key
	Charts       []chart
}

// key tells what a colour or a dash stands for.
type key struct{ Class, Name string }

// run is one simulation, by which it can be had again.
type run struct {
	Policy, Digest string
	Seed           uint64
}

func newPage(r *Report) *page {
	p := &page{Report: r, Table: newTable(r.Policies)}
	for _, s := range []section{
		waits(r.Policies), ordersByHour(r.Policies), unservedMap(r.Policies), waitMap(r.Policies), earnings(r.Policies),
	} {
		if len(s.Charts) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	for i := range r.Policies {
		of := &r.Policies[i]
		for n, seed := range of.Seeds {
			made := run{Policy: of.Name, Seed: seed}
			if n < len(of.Digests) {
				made.Digest = of.Digests[n]
			}
			p.Runs = append(p.Runs, made)
		}
	}
	return p
}

// legend has a line for each policy that a chart shows, in its colour.
func legend(policies []Policy, shown func(*Policy) bool) []key {
	var keys []key
	for i := range policies {
		if shown(&policies[i]) {
			keys = append(keys, key{Class: lineClass(i, &policies[i]), Name: policies[i].Name})
		}
	}
	return keys
}

func known(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
