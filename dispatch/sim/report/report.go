// Package report writes what simulations gave as one HTML page, to look at rather than read. It needs no network, has
// its own plain values and knows nothing of the engine; it owns no state. It may import geo.
package report

import (
	"errors"
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

// Simulated is a policy that was run; the others are references: no schedule is better than a Bound, an Estimate is
// near to one, Human is what the recorded fleet did.
const (
	Simulated Kind = iota
	Bound
	Estimate
	Human
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
	// Metres: to the pickup, and from a drop-off to the next pickup as a straight line.
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

// Write writes the page.
func Write(w io.Writer, r Report) error { return errors.New("the report is being built") }
