package main

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/report"
	"github.com/hexfleet/hexfleet/dispatch/sim/tune"
)

// tuner is one search. Owned by the goroutine of run.
type tuner struct {
	cmd   *tuneCmd
	std   stdio
	base  sim.Policy
	space *tune.Space
	// trials counts those printed.
	trials int
}

// trial is what a policy made of some days, in their order.
type trial struct {
	changes []tune.Change
	policy  []byte
	costs   []float64
	days    []tune.Day
}

// figures are means over the days of a trial, with their least and greatest.
func (t *trial) figures() (cost, served, wait, deadhead report.Figure) {
	over := func(value func(tune.Day) float64) report.Figure {
		values := make([]float64, len(t.days))
		for i, d := range t.days {
			values[i] = value(d)
		}
		return report.Over(values...)
	}
	return report.Over(t.costs...), over(tune.Day.ServedShare),
		over(func(d tune.Day) float64 { return d.Wait.Seconds() }), over(func(d tune.Day) float64 { return d.Deadhead.Seconds() })
}

// run searches on the days to train on, and judges on the others.
func (t *tuner) run(ctx context.Context, train, validate []tuneDay) error {
	t.head(train)
	search := tune.Search{Sizes: t.space.Sizes(), Passes: t.cmd.Passes, Evaluate: func(points []tune.Point) ([]float64, error) {
		trials, err := t.evaluate(ctx, points, train)
		if err != nil {
			return nil, err
		}
		costs := make([]float64, len(points))
		for i := range trials {
			cost, _, _, _ := trials[i].figures()
			costs[i] = cost.Mean
			if err := t.trial(&trials[i]); err != nil {
				return nil, err
			}
		}
		return costs, nil
	}}
	found, err := search.Run()
	if err != nil {
		return err
	}
	points := []tune.Point{make(tune.Point, len(found.Best))}
	changed := len(t.space.Changes(found.Best)) > 0
	if changed {
		points = append(points, found.Best)
	}
	trials, err := t.evaluate(ctx, points, validate)
	if err != nil {
		return err
	}
	return t.verdict(&validation{
		found: found, days: validate, base: trials[0], best: trials[len(trials)-1], changed: changed,
	})
}

// evaluate runs the policies of points on days.
func (t *tuner) evaluate(ctx context.Context, points []tune.Point, days []tuneDay) ([]trial, error) {
	trials := make([]trial, len(points))
	policies := make([]sim.Policy, len(points))
	for i, p := range points {
		policy, text, err := t.policy(p)
		if err != nil {
			return nil, err
		}
		policies[i], trials[i] = policy, trial{changes: t.space.Changes(p), policy: text}
	}
	objective := tune.Objective{
		Wait: t.cmd.WaitWeight, Deadhead: t.cmd.DeadheadWeight, Unserved: time.Duration(t.cmd.UnservedS * float64(time.Second)),
	}
	play := func(ctx context.Context, i int, progress func(over, all int)) (*sim.Result, error) {
		d := days[i%len(days)]
		return sim.Run(ctx, d.scenario, policies[i/len(days)], d.seed, sim.Options{Progress: progress})
	}
	err := runMany(ctx, t.std.Err, len(points)*len(days), play, func(i int, r *sim.Result) error {
		d := dayOf(r)
		at := &trials[i/len(days)]
		at.days, at.costs = append(at.days, d), append(at.costs, objective.Cost(d))
		return nil
	})
	return trials, err
}

// policy is that of a point, and its text. Its drivers have room for a second order when it asks them before the end of
// their trips.
func (t *tuner) policy(p tune.Point) (sim.Policy, []byte, error) {
	market, text, err := t.space.Policy(p)
	if err != nil {
		return sim.Policy{}, nil, err
	}
	policy := sim.MarketPolicy(t.base.Name, market)
	policy.Search = t.base.Search
	text, err = tune.Trim(text)
	return policy, text, err
}

// dayOf is what the objective looks at. A meal is not waited for before it is ready, so that coming sooner is no gain.
func dayOf(r *sim.Result) tune.Day {
	d := tune.Day{Requested: r.Requested, Served: r.Served, Wait: r.Wait.Mean, Deadhead: r.DeadheadTime}
	if r.Meals != nil {
		d.Wait = r.Meals.ReadyToPickup.Mean
	}
	return d
}
