package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

// simulateCmd runs the engine on a virtual clock.
type simulateCmd struct {
	Policy     string        `help:"Policies to compare, by commas: nearest (each order at once, the oldest first, takes its nearest free driver), nearest_freed (and a driver who becomes free takes the nearest waiting order), batch, batch_chain (drivers are asked up to 300 s before their trip ends), or a markets file." default:"batch" placeholder:"NAME,..."`
	Window     time.Duration `help:"Time between rounds of the named policies (default: 2s)." placeholder:"D"`
	Seed       uint64        `help:"Seed of what is made up and of every chance." default:"1"`
	Seeds      int           `help:"How many seeds to run, from --seed on; the table tells the mean and the spread. A recorded day without chances is the same for each." default:"1" placeholder:"N"`
	Market     string        `help:"The market (default: the one in which most trips begin; for made-up demand lab)." placeholder:"M"`
	Report     string        `help:"Write a page with tables, charts and maps here." placeholder:"FILE.html"`
	JSON       bool          `name:"json" help:"Print one JSON object a line for each policy and seed; without references."`
	BoundK     int           `help:"How many of the nearest predecessors of each order the clairvoyant reference looks at: then it is an estimate; 0: all, a bound." default:"64" placeholder:"K"`
	Slack      time.Duration `help:"How long after its request the clairvoyant may pick an order up (default: search timeout and longest pickup of the policies)." placeholder:"D"`
	References bool          `help:"Also tell the optimum of each round, the clairvoyant, and the human fleet where the file names drivers (with --json alone they are not computed)." default:"true" negatable:""`

	Drivers  int           `group:"Made-up demand" help:"How many drivers to make up (default: 1000)." placeholder:"N"`
	Rate     float64       `group:"Made-up demand" help:"Orders a second of the virtual clock (default: by --load)." placeholder:"R"`
	Load     float64       `group:"Made-up demand" help:"Instead of --rate: hours of trips that are asked for over hours that drivers are on duty (default: 0.95)." placeholder:"X"`
	Duration time.Duration `group:"Made-up demand" help:"How long orders are placed, virtual time (default: 3h)." placeholder:"D"`

	recordedFlags
	conductFlags
	Travel   string  `group:"Conduct" help:"How long drives take, for drivers and the engine alike: straight (one speed on a road longer than the line by a factor) or learnt (geo/eta's model, taught by the trips of the file before --from). Default: learnt for recorded rides, straight for made-up ones; meal instances bring their own speed." enum:",straight,learnt" default:"" placeholder:"straight|learnt"`
	SpeedMps float64 `group:"Conduct" help:"Speed on the road of --travel straight, metres a second." default:"5.6" placeholder:"V"`
	Circuity float64 `group:"Conduct" help:"Metres of road for each metre of straight line." default:"1.2" placeholder:"C"`
	Cruise   bool    `group:"Conduct" help:"Free drivers cruise to where trips began and ended before; else they wait where they are."`

	GPSNoiseM   float64       `name:"gps-noise-m" group:"Network" help:"Standard deviation of sent positions, metres to the north and to the east each." placeholder:"M"`
	Ping        time.Duration `group:"Network" help:"Time between two positions of a driver." default:"4s" placeholder:"D"`
	LostNetwork float64       `group:"Network" help:"Share of time for which a driver has no network, 0 to below 1." placeholder:"SHARE"`
	LostFor     time.Duration `group:"Network" help:"How long it is then away, in the mean of an exponential distribution." default:"60s" placeholder:"D"`
}

// Run implements the command.
func (c *simulateCmd) Run(ctx context.Context, std stdio) error {
	if err := c.check(); err != nil {
		return err
	}
	in, err := c.input()
	if err != nil {
		return err
	}
	policies, err := c.policies(in.market, in.meals)
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
	if references {
		more, err := c.references(&in, scenarios, policies)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	if !c.JSON {
		err = printComparison(std.Out, rows, in.meals != nil)
	}
	if c.Report != "" {
		err = errors.Join(err, c.writeReport(&in, scenarios, results, rows))
	}
	return err
}

// check refuses flags that make no sense, alone or together.
func (c *simulateCmd) check() error {
	if err := errors.Join(c.recordedFlags.check(), c.conductFlags.check()); err != nil {
		return err
	}
	madeUp := c.Drivers != 0 || c.Rate != 0 || c.Load != 0 || c.Duration != 0
	switch {
	case c.given() && madeUp:
		return usagef("--drivers, --rate, --load and --duration make demand up: they do not go with --trips")
	case c.Rate != 0 && c.Load != 0:
		return usagef("--rate and --load exclude each other")
	case c.Drivers < 0 || c.Duration < 0 || c.Window < 0 || c.Slack < 0 || c.BoundK < 0:
		return usagef("--drivers, --duration, --window, --slack and --bound-k must not be negative")
	case !(c.Rate >= 0 && c.Rate <= maxRate):
		return usagef("--rate must be from 0 to %d orders a second, not %v", maxRate, c.Rate)
	case !(c.Load >= 0 && c.Load <= maxLoad):
		return usagef("--load must be from 0 to %d, not %v", maxLoad, c.Load)
	case c.Window != 0 && (c.Window < 10*time.Millisecond || c.Window > time.Minute):
		return usagef("--window must be from 10ms to 1m, not %s", c.Window)
	case c.Seeds < 1 || c.Seeds > maxSeeds:
		return usagef("--seeds must be from 1 to %d, not %d", maxSeeds, c.Seeds)
	case c.Market != "" && !dispatch.ValidID(c.Market):
		return usagef("--market: %q is no market id", c.Market)
	case !(c.SpeedMps > 0 && c.SpeedMps <= maxSpeed) || !(c.Circuity >= 1 && c.Circuity <= maxCircuity):
		return usagef("--speed-mps must be above 0 and at most %d, --circuity from 1 to %d", maxSpeed, maxCircuity)
	case !(c.GPSNoiseM >= 0 && c.GPSNoiseM <= maxNoise):
		return usagef("--gps-noise-m must be from 0 to %d, not %v", maxNoise, c.GPSNoiseM)
	case c.Ping <= 0 || c.Ping > time.Hour || c.LostFor <= 0 || c.LostFor > 24*time.Hour:
		return usagef("--ping must be above 0 and at most 1h, --lost-for above 0 and at most 24h")
	case !(c.LostNetwork >= 0 && c.LostNetwork < 1):
		return usagef("--lost-network must be from 0 to below 1, not %v", c.LostNetwork)
	case strings.Trim(c.Policy, ", ") == "":
		return usagef("--policy names no policy")
	}
	return nil
}

// Bounds of flags: above them is a slip of the pen.
const (
	maxLoad     = 100
	maxSeeds    = 1000
	maxSpeed    = 100
	maxCircuity = 10
	maxNoise    = 10_000
)

// policies are those named, over the market's place.
func (c *simulateCmd) policies(m dispatch.Market, meals *sim.Meals) ([]sim.Policy, error) {
	var out []sim.Policy
	for _, name := range splitNames(c.Policy) {
		p, err := sim.NamedPolicy(name, c.Window)
		if err != nil {
			if p, err = policyFile(name, m); err != nil {
				return nil, err
			}
		} else if meals != nil {
			p = p.ForMeals(meals)
		}
		out = append(out, p)
	}
	return out, nil
}

// policyFile is a market's policy in a markets file: of the market of that id, else of the one in its place, else of the
// only one.
func policyFile(path string, m dispatch.Market) (sim.Policy, error) {
	markets, err := readMarkets(path)
	if err != nil {
		_, named := sim.NamedPolicy(path, 0)
		return sim.Policy{}, usageError{fmt.Errorf("--policy: %w (and %w)", named, err)}
	}
	found, ok := markets.Get(m.ID)
	if !ok {
		found, ok = markets.At(middle(&m.Area))
	}
	if !ok && len(markets) == 1 {
		found, ok = markets[0], true
	}
	if !ok {
		return sim.Policy{}, usagef("--policy: the markets file %s has no market %s", path, m.ID)
	}
	return sim.MarketPolicy(path, found.Policy), nil
}

// middle is the middle of the box around an area.
func middle(a *geo.Area) geo.LatLng {
	sw, ne := a.Bounds()
	return geo.LatLng{Lat: (sw.Lat + ne.Lat) / 2, Lng: (sw.Lng + ne.Lng) / 2}
}

// runAll runs each policy over each seed, as many at once as there are processors, and prints JSON in order as it
// becomes known; of the first printed policies alone.
func (c *simulateCmd) runAll(ctx context.Context, std stdio, scenarios []*sim.Scenario, policies []sim.Policy, printed int) ([][]*sim.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type job struct {
		done   chan struct{}
		result *sim.Result
		err    error
	}
	jobs := make([]job, len(policies)*len(scenarios))
	for i := range jobs {
		jobs[i].done = make(chan struct{})
	}
	bar := newSimulateBar(std.Err, len(jobs))
	defer bar.close()
	next := make(chan int, len(jobs)) // all jobs fit: nobody waits to put one in
	for i := range jobs {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		workers.Go(func() {
			for i := range next {
				p, seed := policies[i/len(scenarios)], i%len(scenarios)
				jobs[i].result, jobs[i].err = sim.Run(ctx, scenarios[seed], p, c.Seed+uint64(seed),
					sim.Options{Progress: func(over, all int) { bar.progress(i, over, all) }})
				if jobs[i].err != nil {
					cancel()
				}
				close(jobs[i].done)
			}
		})
	}
	defer workers.Wait()
	results := make([][]*sim.Result, len(policies))
	for i := range jobs {
		<-jobs[i].done
		if jobs[i].err != nil {
			return nil, jobs[i].err
		}
		at := i / len(scenarios)
		results[at] = append(results[at], jobs[i].result)
		if c.JSON && at < printed {
			if err := printSimulated(std.Out, jobs[i].result); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}
