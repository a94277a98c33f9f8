package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/hexfleet/hexfleet/gateway/client/fleet"
)

// loadLine is the time between two lines of progress where standard error is no terminal.
const loadLine = 10 * time.Second

// watch runs the fleet and tells how it stands.
func watch(ctx context.Context, std stdio, run *fleet.Fleet) (fleet.Report, error) {
	type result struct {
		report fleet.Report
		err    error
	}
	done := make(chan result, 1) // one result, so that the run never waits
	go func() {
		report, err := run.Run(ctx)
		done <- result{report, err}
	}()
	tell, every := tellLines(std.Err), loadLine
	if file, ok := std.Err.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		tell, every = tellBar(std.Err), time.Second/4
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case r := <-done:
			tell(run.Progress(), true)
			return r.report, r.err
		case <-ticker.C:
			tell(run.Progress(), false)
		}
	}
}

// tellLines writes a line each time.
func tellLines(w io.Writer) func(fleet.Progress, bool) {
	return func(p fleet.Progress, _ bool) { fmt.Fprintln(w, progressText(p)) }
}

// tellBar draws a bar of the orders that are over.
func tellBar(w io.Writer) func(fleet.Progress, bool) {
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false), progressbar.OptionFullWidth())
	return func(p fleet.Progress, last bool) {
		bar.ChangeMax(max(p.Planned, 1))
		bar.Describe(progressText(p))
		_ = bar.Set(min(p.Orders.Completed+p.Orders.NoDriver+p.Orders.Cancelled, p.Planned)) // drawing is best effort
		if last {
			_ = bar.Exit()
			fmt.Fprintln(w)
		}
	}
}

func progressText(p fleet.Progress) string {
	o := p.Orders
	text := fmt.Sprintf("%s %s: %d drivers on duty, orders %d sent %d acked %d picked up %d completed %d waiting %d without driver",
		p.Elapsed.Round(time.Second), p.Phase, p.OnDuty, o.Sent, o.Acked, o.PickedUp, o.Completed, o.Waiting, o.NoDriver)
	if p.Refused > 0 {
		text += fmt.Sprintf(" %d refused", p.Refused)
	}
	if p.Broken > 0 {
		text += fmt.Sprintf(", %d promises broken", p.Broken)
	}
	return text
}

// printTable writes the report for people.
func printTable(w io.Writer, r fleet.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	o := r.Orders
	fmt.Fprint(t, "sent\tacked\tpicked up\tcompleted\ton trip\twaiting\tno driver\tcancelled\t\n")
	fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n\n", o.Sent, o.Acked, o.PickedUp, o.Completed, o.OnTrip,
		o.Waiting, o.NoDriver, o.Cancelled)
	fmt.Fprint(t, "wall ms\tp50\tp95\tp99\tmax\t\n")
	for _, row := range []struct {
		name string
		l    fleet.Latency
	}{
		{"order to ack", r.OrderAck}, {"ack to offer", r.OrderOffer}, {"accept to told", r.AcceptTold},
	} {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t\n", row.name, row.l.P50, row.l.P95, row.l.P99, row.l.Max)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	share := 0.0
	if o.Aged > 0 {
		share = 100 * float64(o.AgedPickedUp) / float64(o.Aged)
	}
	_, err := fmt.Fprintf(w, "\nof %d orders at least one search timeout old, %d were picked up (%.1f %%)\nbroken promises: %d\n",
		o.Aged, o.AgedPickedUp, share, len(r.Broken))
	for _, b := range r.Broken {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %s order %s: %s\n", b.Promise, b.OrderID, b.Detail)
		}
	}
	return err
}
