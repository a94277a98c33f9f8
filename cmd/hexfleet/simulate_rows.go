package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/report"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

func splitNames(list string) []string {
	var names []string
	for _, name := range strings.Split(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// rows sums up each policy over its seeds; those from references on are not simulated for their own sake.
func (c *simulateCmd) rows(policies []sim.Policy, results [][]*sim.Result, references int) []report.Policy {
	rows := make([]report.Policy, len(policies))
	for i := range policies {
		rows[i] = policyRow(results[i])
		rows[i].Name = policies[i].Name
		if i >= references {
			rows[i].Kind, rows[i].Note = report.Reference, "reference: the exact optimum of each round over all free drivers; no bound on the day"
		}
	}
	return rows
}

// policyRow sums up the results of one policy.
func policyRow(results []*sim.Result) report.Policy {
	over := func(value func(*sim.Result) float64) report.Figure {
		values := make([]float64, len(results))
		for i, r := range results {
			values[i] = value(r)
		}
		return report.Over(values...)
	}
	span := func(value func(*sim.Result) time.Duration) report.Figure {
		return over(func(r *sim.Result) float64 { return value(r).Seconds() })
	}
	count := func(value func(*sim.Result) int) report.Figure {
		return over(func(r *sim.Result) float64 { return float64(value(r)) })
	}
	p := report.Policy{
		Requested:         count(func(r *sim.Result) int { return r.Requested }),
		Served:            count(func(r *sim.Result) int { return r.Served }),
		Lost:              count(func(r *sim.Result) int { return r.Lost }),
		CancelledByRider:  count(func(r *sim.Result) int { return r.ByRider }),
		CancelledByDriver: count(func(r *sim.Result) int { return r.ByDriver }),
		ServedShare:       over(servedShare),
		Utilisation:       over(func(r *sim.Result) float64 { return r.Utilisation }),
		Gini:              over(func(r *sim.Result) float64 { return r.Gini }),
		RoundGap:          over(func(r *sim.Result) float64 { return r.Gap }),
		WaitMean:          span(func(r *sim.Result) time.Duration { return r.Wait.Mean }),
		WaitP50:           span(func(r *sim.Result) time.Duration { return r.Wait.P50 }),
		WaitP95:           span(func(r *sim.Result) time.Duration { return r.Wait.P95 }),
		DeadheadSeconds:   span(func(r *sim.Result) time.Duration { return r.DeadheadTime }),
		DecisionP50:       span(func(r *sim.Result) time.Duration { return r.Decision.P50 }),
		DecisionP99:       span(func(r *sim.Result) time.Duration { return r.Decision.P99 }),
		DeadheadMeters:    over(func(r *sim.Result) float64 { return float64(r.DeadheadLine) }),
		NextMeters:        over(func(r *sim.Result) float64 { return float64(r.NextLine) }),
		OffersPerMatch:    over(func(r *sim.Result) float64 { return r.OffersPerMatch }),
	}
	for _, r := range results {
		p.Seeds, p.Digests = append(p.Seeds, r.Seed), append(p.Digests, r.Digest)
	}
	if results[0].Meals != nil {
		p.ClickToDoorMean = span(func(r *sim.Result) time.Duration { return r.Meals.ClickToDoor.Mean })
		p.ClickToDoorP95 = span(func(r *sim.Result) time.Duration { return r.Meals.ClickToDoor.P95 })
		p.OnTimeShare = over(func(r *sim.Result) float64 { return r.Meals.OnTime })
		p.BusyCourierHours = over(func(r *sim.Result) float64 { return r.Meals.Busy.Hours() })
	}
	return p
}

// references are the rows of those who are not bound to decide as an engine must.
func (c *simulateCmd) references(ctx context.Context, in *simulateInput, scenarios []*sim.Scenario, policies []sim.Policy) ([]report.Policy, error) {
	var rows []report.Policy
	slack := c.Slack
	if slack == 0 {
		for _, p := range policies {
			slack = max(slack, p.Market.SearchTimeout+p.Market.MaxPickup)
		}
	}
	clairvoyant, err := c.clairvoyant(ctx, scenarios, slack)
	if err != nil {
		return nil, err
	}
	rows = append(rows, clairvoyant)
	human := sim.Recorded(in.trips)
	if len(human) == 0 {
		return rows, nil
	}
	empty, err := sim.EmptyBetween(human, sim.HumanGap)
	if err != nil {
		return nil, err
	}
	p := report.Policy{
		Name: "human fleet", Kind: report.Human, NextMeters: report.Over(float64(empty.Mean)),
		Requested: report.Over(float64(len(in.trips))), Served: report.Over(float64(len(in.trips))), ServedShare: report.Over(1),
		Note: fmt.Sprintf("reference: who drove the recorded trips; lines between %d consecutive trips of a cab, gaps up to %s, median %.0f m; "+
			"what it did not serve is not recorded", empty.Chains, sim.HumanGap, float64(empty.Median)),
	}
	return append(rows, p), nil
}

// clairvoyant is the row of the fleet that knew every order beforehand.
func (c *simulateCmd) clairvoyant(ctx context.Context, scenarios []*sim.Scenario, slack time.Duration) (report.Policy, error) {
	p := report.Policy{Name: "clairvoyant", Kind: report.Bound}
	var served, shares, deadhead, line []float64
	for _, sc := range scenarios {
		best, err := sc.Clairvoyant(ctx, slack, c.BoundK)
		if errors.Is(err, sim.ErrStopped) {
			return p, errInterrupted
		}
		if err != nil {
			return p, err
		}
		if !best.Bound {
			p.Kind = report.Estimate
		}
		served = append(served, float64(best.Most))
		shares = append(shares, float64(best.Most)/float64(max(best.Orders, 1)))
		deadhead = append(deadhead, best.MeanDeadhead.Seconds())
		line = append(line, float64(best.MeanLine))
	}
	p.Served, p.ServedShare = report.Over(served...), report.Over(shares...)
	p.DeadheadSeconds, p.DeadheadMeters = report.Over(deadhead...), report.Over(line...)
	kind := "a bound: no schedule serves more, or as many with less deadhead"
	if p.Kind == report.Estimate {
		kind = fmt.Sprintf("no schedule serves more, which is a bound; the deadhead is an estimate, over %d predecessors of each order, "+
			"of those orders that are worth %s of it each", c.BoundK, sim.OrderWorth)
	}
	p.Note = fmt.Sprintf("reference: knows every order beforehand, picks up within %s; %s", slack, kind)
	return p, nil
}

// writable tells why a file could not be written, which nobody wants to hear of only after the runs; what is there stays
// as it is. "" is no file.
func writable(path string) error {
	if path == "" {
		return nil
	}
	_, before := os.Stat(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	err = f.Close()
	if errors.Is(before, fs.ErrNotExist) {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// when is an instant for people: local to the market, or the time since the beginning of a day without a date.
func (in *simulateInput) when(at time.Time) string {
	if in.meals != nil || !in.given() && in.past == nil {
		return at.Sub(sim.DayStart()).String()
	}
	return at.In(in.zone).Format(time.RFC3339)
}

// travelWords tell a reader of the page where travel times come from.
func travelWords(source string) string {
	switch source {
	case eta.SourcePrior:
		return "prior: of cities at large, as nothing came before to learn from"
	case eta.SourceStraightLine:
		return "one speed by the line"
	}
	return source
}

// writeReport writes the page.
func (c *simulateCmd) writeReport(in *simulateInput, scenarios []*sim.Scenario, results [][]*sim.Result, rows []report.Policy) error {
	for i := range results {
		chart(&rows[i], in, results[i])
	}
	sc := scenarios[0]
	page := report.Report{
		Title: fmt.Sprintf("Simulation of market %s", sc.Market.ID), Command: "hexfleet simulate " + strings.Join(os.Args[min(2, len(os.Args)):], " "),
		Facts: []report.Fact{
			{Name: "Drivers", Value: fmt.Sprint(len(sc.Workers))}, {Name: "Orders", Value: fmt.Sprint(len(sc.Trips))},
			{Name: "From", Value: in.when(sc.From)}, {Name: "To", Value: in.when(sc.To)},
			{Name: "Travel times", Value: travelWords(sc.Travel.Source)},
			{Name: "Seeds", Value: fmt.Sprint(len(scenarios))},
		},
		Policies: rows,
	}
	f, err := os.Create(c.Report)
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	if err := report.Write(f, page); err != nil {
		_ = f.Close()
		return fmt.Errorf("--report: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}

// heatResolution is that of the report's maps: cells of 0.7 km2.
const heatResolution = 8

// chart fills in what the charts and maps of a policy are drawn of, counts as means over the seeds.
func chart(p *report.Policy, in *simulateInput, results []*sim.Result) {
	each := 1 / float64(len(results))
	hours, cells := map[time.Time]*hourBook{}, map[geo.Cell]*cellBook{}
	for _, r := range results {
		for i := range r.Orders {
			o := &r.Orders[i]
			if o.Requested.IsZero() {
				continue
			}
			hour(hours, o.Requested.In(in.zone)).take(o)
			if at, ok := geo.CellAt(o.Pickup, heatResolution); ok {
				if cells[at] == nil {
					cells[at] = &cellBook{}
				}
				cells[at].take(o)
			}
			if o.Served() {
				p.Waits = append(p.Waits, o.Wait().Seconds())
			}
		}
		for _, d := range r.Drivers {
			if d.OnDuty >= time.Hour {
				p.Earnings = append(p.Earnings, d.PerHour.Minutes())
			}
		}
	}
	p.Hours, p.Cells = hourList(hours, each), cellList(cells, each)
}
