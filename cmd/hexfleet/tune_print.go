package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch/sim/report"
	"github.com/hexfleet/hexfleet/dispatch/sim/tune"
)

// validation is base and best on days that were not trained on.
type validation struct {
	found      tune.Found
	days       []tuneDay
	base, best trial
	// changed: the best is another policy than the base.
	changed bool
}

// better counts the days on which the best costs less than the base.
func (v *validation) better() int {
	n := 0
	for i := range v.days {
		if v.best.costs[i] < v.base.costs[i] {
			n++
		}
	}
	return n
}

// wins tells whether the best costs less than the base in the mean over the days.
func (v *validation) wins() bool {
	return report.Over(v.best.costs...).Mean < report.Over(v.base.costs...).Mean
}

// name is what differs from the base.
func (t *tuner) name(changes []tune.Change) string {
	if len(changes) == 0 {
		return t.base.Name
	}
	var parts []string
	for _, c := range changes {
		parts = append(parts, c.Key+"="+c.Value)
	}
	return strings.Join(parts, " ")
}

const tuneHead = "  cost s  served %  wait s  deadhead s  "

// figuresLine writes the columns of tuneHead.
func figuresLine(cost, served, wait, deadhead float64) string {
	return fmt.Sprintf("%8.1f  %8.1f  %6.0f  %10.0f  ", cost, 100*served, wait, deadhead)
}

// head says what the lines of the trials are.
func (t *tuner) head(train []tuneDay) {
	if t.cmd.JSON {
		return
	}
	var names []string
	for _, d := range train {
		names = append(names, d.name)
	}
	fmt.Fprintf(t.std.Out, "trained on %s; means over the days; base: %s\n%spolicy\n", strings.Join(names, ", "), t.base.Name, tuneHead)
}

// trialJSON is a line of --json; days are in the order in which they were named.
type trialJSON struct {
	Kind   string            `json:"kind"`
	Trial  int               `json:"trial"`
	Change map[string]string `json:"change"`
	Policy json.RawMessage   `json:"policy"`
	tuneFiguresJSON
}

// tuneFiguresJSON are figures over days.
type tuneFiguresJSON struct {
	Cost        spanJSON  `json:"cost_s"`
	ServedShare spanJSON  `json:"served_share"`
	Wait        spanJSON  `json:"wait_s"`
	Deadhead    spanJSON  `json:"deadhead_s"`
	CostOfDays  []float64 `json:"cost_s_by_day"`
}

type spanJSON struct {
	Mean  float64 `json:"mean"`
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

func (t *trial) json() tuneFiguresJSON {
	span := func(f report.Figure) spanJSON { return spanJSON{f.Mean, f.Low, f.High} }
	cost, served, wait, deadhead := t.figures()
	return tuneFiguresJSON{span(cost), span(served), span(wait), span(deadhead), t.costs}
}

// trial prints a policy that was tried.
func (t *tuner) trial(tried *trial) error {
	t.trials++
	if t.cmd.JSON {
		line := trialJSON{Kind: "trial", Trial: t.trials, Change: map[string]string{}, Policy: tried.policy, tuneFiguresJSON: tried.json()}
		for _, c := range tried.changes {
			line.Change[c.Key] = c.Value
		}
		return json.NewEncoder(t.std.Out).Encode(line)
	}
	cost, served, wait, deadhead := tried.figures()
	_, err := fmt.Fprintf(t.std.Out, "%s%s\n", figuresLine(cost.Mean, served.Mean, wait.Mean, deadhead.Mean), t.name(tried.changes))
	return err
}

// validationJSON is the last line of --json.
type validationJSON struct {
	Kind     string          `json:"kind"`
	Days     []string        `json:"days"`
	Base     tuneFiguresJSON `json:"base"`
	Best     tuneFiguresJSON `json:"best"`
	BetterOn int             `json:"better_on"`
	Wins     bool            `json:"wins"`
	Settled  bool            `json:"settled"`
	Passes   int             `json:"passes"`
	Policy   json.RawMessage `json:"policy"`
}

// verdict prints the validation, and the best policy.
func (t *tuner) verdict(v *validation) error {
	if t.cmd.JSON {
		line := validationJSON{
			Kind: "validation", Base: v.base.json(), Best: v.best.json(), BetterOn: v.better(), Wins: v.wins(),
			Settled: v.found.Settled, Passes: v.found.Passes, Policy: v.best.policy,
		}
		for _, d := range v.days {
			line.Days = append(line.Days, d.name)
		}
		return json.NewEncoder(t.std.Out).Encode(line)
	}
	var b strings.Builder
	settled := "no other value of any one key is better"
	if !v.found.Settled {
		settled = "the last pass still changed something: more --passes may find better"
	}
	fmt.Fprintf(&b, "best of %d policies: %s, %.1f s where the base has %.1f; %s\n\n",
		v.found.Points, t.name(v.best.changes), v.found.Cost, v.found.Start, settled)
	fmt.Fprintf(&b, "validated on days not trained on\n%sday\n", tuneHead)
	v.table(&b, "base", &v.base)
	if v.changed {
		v.table(&b, "best", &v.best)
	}
	b.WriteString("\n" + v.words() + "\n")
	fmt.Fprintf(&b, "\nthe best, as the policy of a markets file:\n%s\n", v.best.policy)
	_, err := t.std.Out.Write([]byte(b.String()))
	return err
}

// table writes a line a day, then the mean and the spread of several.
func (v *validation) table(b *strings.Builder, who string, t *trial) {
	for i, d := range t.days {
		fmt.Fprintf(b, "%s%s, %s\n", figuresLine(t.costs[i], d.ServedShare(), d.Wait.Seconds(), d.Deadhead.Seconds()), who, v.days[i].name)
	}
	if len(t.days) == 1 {
		return
	}
	cost, served, wait, deadhead := t.figures()
	for _, side := range []struct {
		name string
		of   func(report.Figure) float64
	}{
		{"mean", func(f report.Figure) float64 { return f.Mean }},
		{"least", func(f report.Figure) float64 { return f.Low }},
		{"most", func(f report.Figure) float64 { return f.High }},
	} {
		fmt.Fprintf(b, "%s%s, %s\n", figuresLine(side.of(cost), side.of(served), side.of(wait), side.of(deadhead)), who, side.name)
	}
}

// words say plainly what came of it.
func (v *validation) words() string {
	if !v.changed {
		return "No value that was tried is better than the base on the days trained on: the base stays."
	}
	was, is := report.Over(v.base.costs...).Mean, report.Over(v.best.costs...).Mean
	days := fmt.Sprintf("it costs less on %d of %d days, %.1f s an order in the mean where the base costs %.1f", v.better(), len(v.days), is, was)
	if was > 0 {
		days += fmt.Sprintf(" (%+.1f %%)", 100*(is-was)/was)
	}
	_, served, _, _ := v.base.figures()
	_, serves, _, _ := v.best.figures()
	days += fmt.Sprintf("; it serves %.1f %% of the orders where the base serves %.1f", 100*serves.Mean, 100*served.Mean)
	switch {
	case !v.wins():
		return "The best does not win on days that it was not trained on: " + days + ". Keep the base."
	case 2*v.better() <= len(v.days):
		return "The best wins in the mean, but not on most days: " + days + ". Try more days before you take it."
	}
	return "The best wins: " + days + "."
}
