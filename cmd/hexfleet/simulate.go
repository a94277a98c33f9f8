package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

// simulateCmd runs the engine on a virtual clock.
type simulateCmd struct {
	Policy string `help:"Policies to compare, by commas: nearest (each order at once, the oldest first, takes its nearest free driver), nearest_freed (and a driver who becomes free takes the nearest waiting order), batch, batch_chain (drivers are asked up to 900 s before their trip ends), or a markets file; with --log also recorded, the log's own (default: batch; with --log recorded,batch)." placeholder:"NAME,..."`
	recordedFlags
	logFlags
	sceneFlags

	Seeds      int           `help:"How many seeds to run, from --seed on; the table tells the mean and the spread. A recorded day without chances is the same for each." default:"1" placeholder:"N"`
	Report     string        `help:"Write a page with tables, charts and maps here." placeholder:"FILE.html"`
	JSON       bool          `name:"json" help:"Print one JSON object a line for each policy and seed; without references."`
	BoundK     int           `help:"How many of the nearest predecessors of each order the clairvoyant reference looks at: then it is an estimate; 0: all, a bound." default:"64" placeholder:"K"`
	Slack      time.Duration `help:"How long after its request the clairvoyant may pick an order up (default: search timeout and longest pickup of the policies)." placeholder:"D"`
	References bool          `help:"Also tell the optimum of each round, the clairvoyant, and the human fleet where the file names drivers (with --json alone they are not computed)." default:"true" negatable:""`
}

// Run implements the command.
func (c *simulateCmd) Run(ctx context.Context, std stdio) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := writable(c.Report); err != nil {
		return fileError("--report", err)
	}
	in, err := c.input(std.Err)
	if err != nil {
		return err
	}
	policies, err := c.policies(&in)
	if err != nil {
		return err
	}
	scenarios := make([]*sim.Scenario, c.Seeds)
	for i := range scenarios {
		if scenarios[i], err = c.scenario(&in, c.Seed+uint64(i)); err != nil {
			return err
		}
	}
	in.tell(std.Err, scenarios[0])
	references := c.References && (!c.JSON || c.Report != "")
	runs := policies
	if references {
		best := sim.RoundOptimum(c.Window)
		if in.meals != nil {
			best = best.ForMeals(in.meals)
		}
		runs = append(runs, best)
	}
	results, err := c.runAll(ctx, std, scenarios, runs, len(policies))
	if err != nil {
		return err
	}
	rows := c.rows(runs, results, len(policies))
	if in.past != nil {
		n := len(policies)
		rows = slices.Insert(rows, n, in.past.row())
		results = slices.Insert(results, n, []*sim.Result{in.past.AsRecorded})
	}
	if references {
		more, err := c.references(ctx, &in, scenarios, policies)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	if c.JSON && in.past != nil {
		err = printSimulated(std.Out, in.past.AsRecorded)
	} else if !c.JSON {
		err = printComparison(std.Out, rows, in.meals != nil)
	}
	if c.Report != "" {
		err = errors.Join(err, c.writeReport(&in, scenarios, results, rows))
	}
	return err
}

// check refuses flags that make no sense, alone or together.
func (c *simulateCmd) check() error {
	if err := c.checkLog(); err != nil {
		return err
	}
	if err := errors.Join(c.recordedFlags.check(), c.sceneFlags.check(c.given())); err != nil {
		return err
	}
	switch {
	case c.Slack < 0 || c.BoundK < 0:
		return usagef("--slack and --bound-k must not be negative")
	case c.Seeds < 1 || c.Seeds > maxSeeds:
		return usagef("--seeds must be from 1 to %d, not %d", maxSeeds, c.Seeds)
	case c.Report == "-":
		return usagef("--report must be the name of a file: standard output has the results")
	case len(c.names()) == 0:
		return usagef("--policy names no policy")
	}
	return nil
}

// names are those of the policies.
func (c *simulateCmd) names() []string {
	if c.Policy == "" && c.Log != "" {
		return splitNames(defaultLogPolicies)
	}
	return splitNames(cmp.Or(c.Policy, defaultPolicies))
}

// policies are those named, over the market's place.
func (c *simulateCmd) policies(in *simulateInput) ([]sim.Policy, error) {
	var out []sim.Policy
	for _, name := range c.names() {
		if in.past != nil && name == recordedPolicy {
			out = append(out, in.past.policy())
			continue
		}
		p, err := c.policy(name, in.market, in.meals)
		if err != nil {
			return nil, fmt.Errorf("--policy: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// policy is the one of a name, or of the market's place in a markets file.
func (c *sceneFlags) policy(name string, m dispatch.Market, meals *sim.Meals) (sim.Policy, error) {
	p, err := sim.NamedPolicy(name, c.Window)
	if err != nil {
		return policyFile(name, m)
	}
	if meals != nil {
		p = p.ForMeals(meals)
	}
	return p, nil
}

// policyFile is a market's policy in a markets file.
func policyFile(path string, m dispatch.Market) (sim.Policy, error) {
	found, err := marketIn(path, m)
	return sim.MarketPolicy(path, found.Policy), err
}

// marketIn is a market of a markets file: that of the same id, else the one in its place, else the only one.
func marketIn(path string, m dispatch.Market) (dispatch.Market, error) {
	markets, err := readMarkets(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dispatch.Market{}, usageError{err}
	}
	if err != nil {
		_, named := sim.NamedPolicy(path, 0)
		return dispatch.Market{}, usageError{fmt.Errorf("%w (and %w)", named, err)}
	}
	found, ok := markets.Get(m.ID)
	if !ok {
		found, ok = markets.At(middle(&m.Area))
	}
	if !ok && len(markets) == 1 {
		found, ok = markets[0], true
	}
	if !ok {
		return dispatch.Market{}, usagef("the markets file %s has no market %s", path, m.ID)
	}
	return found, nil
}

// middle is the middle of the box around an area.
func middle(a *geo.Area) geo.LatLng {
	sw, ne := a.Bounds()
	return geo.LatLng{Lat: (sw.Lat + ne.Lat) / 2, Lng: (sw.Lng + ne.Lng) / 2}
}

// runAll runs each policy over each seed, and prints JSON in order as it becomes known; of the first printed policies
// alone.
func (c *simulateCmd) runAll(ctx context.Context, std stdio, scenarios []*sim.Scenario, policies []sim.Policy, printed int) ([][]*sim.Result, error) {
	results := make([][]*sim.Result, len(policies))
	play := func(ctx context.Context, i int, progress func(over, all int)) (*sim.Result, error) {
		p, seed := policies[i/len(scenarios)], i%len(scenarios)
		return sim.Run(ctx, scenarios[seed], p, c.Seed+uint64(seed), sim.Options{Progress: progress})
	}
	err := runMany(ctx, std.Err, len(policies)*len(scenarios), play, func(i int, r *sim.Result) error {
		at := i / len(scenarios)
		results[at] = append(results[at], r)
		if c.JSON && at < printed {
			return printSimulated(std.Out, r)
		}
		return nil
	})
	return results, err
}

// errInterrupted ends what was told to stop before it was done.
var errInterrupted = errors.New("interrupted before all was played")

// runMany plays n runs, as many at once as there are processors, and tells of each in order as it becomes known. The first
// error ends all; that is errInterrupted when ctx has ended.
func runMany(ctx context.Context, w io.Writer, n int, play func(ctx context.Context, i int, progress func(over, all int)) (*sim.Result, error),
	told func(i int, r *sim.Result) error) error {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	type job struct {
		done   chan struct{}
		result *sim.Result
		err    error
	}
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i].done = make(chan struct{})
	}
	bar := newSimulateBar(w, n)
	defer bar.close()
	next := make(chan int, n) // all jobs fit: nobody waits to put one in
	for i := range jobs {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for i := range next {
				jobs[i].result, jobs[i].err = play(ctx, i, func(over, all int) { bar.progress(i, over, all) })
				if jobs[i].err != nil {
					cancel()
				}
				close(jobs[i].done)
			}
		})
	}
	defer workers.Wait()
	defer cancel()
	for i := range jobs {
		<-jobs[i].done
		if jobs[i].err != nil && outer.Err() != nil {
			return errInterrupted
		}
		if jobs[i].err != nil {
			return jobs[i].err
		}
		if err := told(i, jobs[i].result); err != nil {
			return err
		}
		jobs[i].result = nil // whoever was told keeps what it needs
	}
	return nil
}
