package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/report"
)

// simulated is a result as --json prints it: the contract's object. What really happened has no seed and no digest, and
// nobody knows its deadhead in metres.
type simulated struct {
	Policy            string      `json:"policy"`
	Seed              *uint64     `json:"seed"`
	Requested         int         `json:"requested"`
	Served            int         `json:"served"`
	ServedShare       float64     `json:"served_share"`
	Lost              int         `json:"lost"`
	CancelledByRider  int         `json:"cancelled_by_rider"`
	CancelledByDriver int         `json:"cancelled_by_driver"`
	PickupWait        spreadJSON  `json:"pickup_wait_s"`
	DeadheadS         meanJSON    `json:"deadhead_s"`
	DeadheadM         *meanJSON   `json:"deadhead_m"`
	Utilisation       float64     `json:"utilisation"`
	Gini              float64     `json:"gini"`
	OffersPerMatch    float64     `json:"offers_per_match"`
	Digest            string      `json:"digest"`
	ClickToDoor       *clicksJSON `json:"click_to_door_s,omitempty"`
	OnTimeShare       *float64    `json:"on_time_share,omitempty"`
	BusyCourierHours  *float64    `json:"busy_courier_hours,omitempty"`
}

type spreadJSON struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
}

type clicksJSON struct {
	Mean float64 `json:"mean"`
	P95  float64 `json:"p95"`
}

type meanJSON struct {
	Mean float64 `json:"mean"`
}

// printSimulated writes one line of --json.
func printSimulated(w io.Writer, r *sim.Result) error {
	out := simulated{
		Policy: r.Policy, Requested: r.Requested, Served: r.Served, ServedShare: servedShare(r),
		Lost: r.Lost, CancelledByRider: r.ByRider, CancelledByDriver: r.ByDriver,
		PickupWait:  spreadJSON{r.Wait.Mean.Seconds(), r.Wait.P50.Seconds(), r.Wait.P95.Seconds()},
		DeadheadS:   meanJSON{r.DeadheadTime.Seconds()},
		Utilisation: r.Utilisation, Gini: r.Gini, OffersPerMatch: r.OffersPerMatch, Digest: r.Digest,
	}
	if r.Digest != "" {
		out.Seed, out.DeadheadM = &r.Seed, &meanJSON{float64(r.DeadheadLine)}
	}
	if m := r.Meals; m != nil {
		busy := m.Busy.Hours()
		out.ClickToDoor = &clicksJSON{m.ClickToDoor.Mean.Seconds(), m.ClickToDoor.P95.Seconds()}
		out.OnTimeShare, out.BusyCourierHours = &m.OnTime, &busy
	}
	return json.NewEncoder(w).Encode(out)
}

func servedShare(r *sim.Result) float64 {
	if r.Requested == 0 {
		return 0
	}
	return float64(r.Served) / float64(r.Requested)
}

// column is one of the table.
type column struct {
	head string
	// scale and digits say how the value is written.
	scale  float64
	digits int
	value  func(*report.Policy) report.Figure
}

// columns are those of the table, in its order.
func columns(meals bool) []column {
	all := []column{
		{"served %", 100, 1, func(p *report.Policy) report.Figure { return p.ServedShare }},
		{"lost", 1, 0, func(p *report.Policy) report.Figure { return p.Lost }},
		{"by rider", 1, 0, func(p *report.Policy) report.Figure { return p.CancelledByRider }},
		{"by driver", 1, 0, func(p *report.Policy) report.Figure { return p.CancelledByDriver }},
		{"wait s", 1, 0, func(p *report.Policy) report.Figure { return p.WaitMean }},
		{"p50", 1, 0, func(p *report.Policy) report.Figure { return p.WaitP50 }},
		{"p95", 1, 0, func(p *report.Policy) report.Figure { return p.WaitP95 }},
		{"deadhead s", 1, 0, func(p *report.Policy) report.Figure { return p.DeadheadSeconds }},
		{"m", 1, 0, func(p *report.Policy) report.Figure { return p.DeadheadMeters }},
		{"next m", 1, 0, func(p *report.Policy) report.Figure { return p.NextMeters }},
		{"utilisation", 1, 3, func(p *report.Policy) report.Figure { return p.Utilisation }},
		{"Gini", 1, 3, func(p *report.Policy) report.Figure { return p.Gini }},
		{"offers/match", 1, 2, func(p *report.Policy) report.Figure { return p.OffersPerMatch }},
		{"decision s p50", 1, 1, func(p *report.Policy) report.Figure { return p.DecisionP50 }},
		{"p99", 1, 1, func(p *report.Policy) report.Figure { return p.DecisionP99 }},
		{"round gap %", 100, 2, func(p *report.Policy) report.Figure { return p.RoundGap }},
	}
	if meals {
		all = append(all,
			column{"click to door s", 1, 0, func(p *report.Policy) report.Figure { return p.ClickToDoorMean }},
			column{"p95", 1, 0, func(p *report.Policy) report.Figure { return p.ClickToDoorP95 }},
			column{"on time %", 100, 1, func(p *report.Policy) report.Figure { return p.OnTimeShare }},
			column{"busy h", 1, 1, func(p *report.Policy) report.Figure { return p.BusyCourierHours }})
	}
	return all
}

// printComparison writes the table: a row a policy and reference; below a mean over several seeds the least and the
// greatest.
func printComparison(w io.Writer, rows []report.Policy, meals bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	all := columns(meals)
	fmt.Fprint(t, "\t")
	for _, c := range all {
		fmt.Fprintf(t, "%s\t", c.head)
	}
	fmt.Fprintln(t)
	for i := range rows {
		p := &rows[i]
		spread := false
		fmt.Fprintf(t, "%s\t", p.Name)
		for _, c := range all {
			f := c.value(p)
			spread = spread || f.N > 1
			fmt.Fprintf(t, "%s\t", c.write(f, f.Mean))
		}
		fmt.Fprintln(t)
		for _, side := range []struct {
			name string
			of   func(report.Figure) float64
		}{
			{"least", func(f report.Figure) float64 { return f.Low }}, {"most", func(f report.Figure) float64 { return f.High }},
		} {
			if !spread {
				break
			}
			fmt.Fprintf(t, "%s\t", side.name)
			for _, c := range all {
				f := c.value(p)
				fmt.Fprintf(t, "%s\t", c.write(f, side.of(f)))
			}
			fmt.Fprintln(t)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var notes strings.Builder
	for i := range rows {
		if p := &rows[i]; p.Note != "" {
			fmt.Fprintf(&notes, "%s: %s\n", p.Name, p.Note)
		}
		if p := &rows[i]; len(p.Digests) > 0 {
			fmt.Fprintf(&notes, "%s: digest %s\n", p.Name, strings.Join(p.Digests, " "))
		}
	}
	_, err := io.WriteString(w, "\n"+notes.String())
	return err
}

// write tells a value of a figure; what is not known is a dash.
func (c *column) write(f report.Figure, v float64) string {
	if f.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f", c.digits, c.scale*v)
}

// simulateBar tells how far several runs have come. Safe for concurrent use.
type simulateBar struct {
	mu    sync.Mutex // guards what follows
	bar   *progressbar.ProgressBar
	w     io.Writer
	share []float64 // of each run
	told  time.Time
}

// simulateSteps is how finely the bar is drawn.
const simulateSteps = 1000

func newSimulateBar(w io.Writer, runs int) *simulateBar {
	b := &simulateBar{w: w, share: make([]float64, runs), told: time.Now()}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		b.bar = progressbar.NewOptions(simulateSteps, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetDescription("simulating"), progressbar.OptionThrottle(time.Second/4), progressbar.OptionFullWidth())
	}
	return b
}

// progress takes how many orders of a run are over; where no bar can be drawn, a line is written now and then.
func (b *simulateBar) progress(run, over, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share[run] = float64(over) / float64(max(all, 1))
	sum := 0.0
	for _, s := range b.share {
		sum += s / float64(len(b.share))
	}
	if b.bar != nil {
		_ = b.bar.Set(int(sum * simulateSteps)) // drawing is best effort
		return
	}
	if now := time.Now(); now.Sub(b.told) >= loadLine {
		b.told = now
		fmt.Fprintf(b.w, "%.0f %% of the orders are over\n", 100*sum)
	}
}

func (b *simulateBar) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_ = b.bar.Exit()
	}
}
