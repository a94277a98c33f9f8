package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/replay"
	"github.com/hexfleet/hexfleet/dispatch/sim/report"
)

// logFlags say which log of a server is simulated again.
type logFlags struct {
	Log string `group:"Recorded demand" help:"Folder of serve --record: what if the market had had another policy? Orders, the riders' own cancels and the drivers' spells of duty are the log's; how people answer, think and serve is drawn from what is measured in it, and roads are learnt from it where it has enough trips: see standard error. The row 'as recorded' is what really happened, --policy recorded the model under the log's own policy, to see how near it comes. Of several markets --market chooses (default: the one with most orders). Not modelled: acts of staff, drivers who fall silent, where free drivers cruise (but see --cruise)." placeholder:"DIR"`
}

// recordedPolicy is the name of the policy under which a log was recorded.
const recordedPolicy = "recorded"

// What --policy is when it is not given.
const (
	defaultPolicies    = "batch"
	defaultLogPolicies = recordedPolicy + "," + defaultPolicies
)

// enoughDrives is from how many drives on a road speeds are learnt: about what geo/eta needs to know a city's mean.
const enoughDrives = 200

// pastDay is a log as simulate plays it.
type pastDay struct {
	*sim.Past
	terms []replay.Term
}

// checkLog refuses what does not go with a log, or not without one.
func (c *simulateCmd) checkLog() error {
	switch {
	case c.Log == "" && slices.Contains(c.names(), recordedPolicy):
		return usagef("--policy %s is that of a --log", recordedPolicy)
	case c.Log == "":
		return nil
	case c.given() || c.Instance != "":
		return usagef("--log is a day of its own: --trips, --sessions, --instances, --instance, --from and --to do not go with it")
	case c.Drivers != 0 || c.Rate != 0 || c.Load != 0 || c.Duration != 0 || c.City != "":
		return usagef("--drivers, --rate, --load, --duration and --city make demand up: they do not go with --log")
	}
	return nil
}

// logInput reads the log of a market.
func (c *simulateCmd) logInput(progress io.Writer) (simulateInput, error) {
	var in simulateInput
	day, err := chooseDay(c.Log, dispatch.MarketID(c.Market))
	if err != nil {
		return in, err
	}
	market, known := findMarket(day.Market, c.names())
	zone := time.UTC
	if known {
		if zone, err = time.LoadLocation(market.Timezone); err != nil {
			return in, fmt.Errorf("market %s: %w", market.ID, err)
		}
	}
	past, err := watchDay(day, zone, progress)
	if err != nil {
		return in, fmt.Errorf("--log: %w", err)
	}
	if !known {
		if market, err = madeUpMarket(past.Trips); err != nil {
			return in, err
		}
		market.ID, market.Name = day.Market, string(day.Market)
	}
	in = simulateInput{
		recorded: recorded{from: past.From, to: past.To, trips: past.Trips, all: past.Trips},
		market:   market, zone: zone, past: &pastDay{past, day.Terms},
	}
	return in, nil
}

// chooseDay finds the market named among the logs of a folder, else the one with most orders.
func chooseDay(dir string, m dispatch.MarketID) (*replay.Day, error) {
	days, err := replay.Days(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usageError{fmt.Errorf("--log: %w", err)}
		}
		return nil, fmt.Errorf("--log: %w", err)
	}
	if len(days) == 0 {
		return nil, fmt.Errorf("--log: there is no log (*%s) in %s", replay.Suffix, dir)
	}
	if m == "" {
		most := slices.MaxFunc(days, func(a, b replay.Day) int { return cmp.Compare(a.Orders, b.Orders) })
		return &most, nil
	}
	var ids []string
	for i := range days {
		if days[i].Market == m {
			return &days[i], nil
		}
		ids = append(ids, string(days[i].Market))
	}
	return nil, usagef("--market: %s has no log of market %s, only of %s", dir, m, strings.Join(ids, ", "))
}

// findMarket finds a market in the markets files among the policies, else among the embedded ones.
func findMarket(id dispatch.MarketID, policies []string) (dispatch.Market, bool) {
	for _, markets := range append(policyFiles(policies), dispatch.DefaultMarkets()) {
		if m, ok := markets.Get(id); ok {
			return m, true
		}
	}
	return dispatch.Market{}, false
}

// watchDay tells what happened in a market.
func watchDay(day *replay.Day, zone *time.Location, progress io.Writer) (*sim.Past, error) {
	if day.Orders == 0 {
		return nil, fmt.Errorf("nobody ordered in market %s", day.Market)
	}
	all, n, told := 0, 0, time.Now()
	for i := range day.Terms {
		all += day.Terms[i].Inputs
	}
	witness := sim.NewWitness()
	err := day.Watch(witness, func() {
		if n++; n%1000 == 0 && time.Since(told) > tellEvery {
			told = time.Now()
			fmt.Fprintf(progress, "reading the log: %.0f %%\n", 100*float64(n)/float64(max(all, 1)))
		}
	})
	if err != nil {
		return nil, err
	}
	past, err := witness.Past(zone)
	switch {
	case err != nil:
		return nil, fmt.Errorf("market %s: %w", day.Market, err)
	case len(past.Trips) == 0:
		return nil, fmt.Errorf("no order was taken in market %s", day.Market)
	case len(past.Workers) == 0:
		return nil, fmt.Errorf("no driver was on duty in market %s", day.Market)
	}
	return past, nil
}

// play has a scenario be the day of the log, and tells what is assumed of people.
func (p *pastDay) play(sc *sim.Scenario) []sim.Assumption {
	var told []sim.Assumption
	sc.Workers, sc.Cut = p.Workers, true
	sc.Conduct, told = p.Evidence.Conduct(sc.Conduct)
	return told
}

// travel is how long drives take: as learnt from the log's drives, where those are enough and straight lines do not fit
// them better, as in a log of load or of the demo. What is learnt of trips tells little of short ways to pickups.
func (p *pastDay) travel(c *sceneFlags, zone *time.Location) sim.Travel {
	straight := sim.StraightTravel(c.SpeedMps, c.Circuity)
	if c.Travel == "straight" || c.Travel == "" && len(p.Drives) < enoughDrives {
		return straight
	}
	learnt := sim.LearntTravel(zone, p.Drives, p.To)
	if c.Travel == "" && straight.Check(p.Drives).Error <= learnt.Check(p.Drives).Error {
		return straight
	}
	return learnt
}

// policy is the log's own. Drivers take as many orders at once as they then said.
func (p *pastDay) policy() sim.Policy {
	return sim.Policy{Name: recordedPolicy, Market: p.Policy, Capacity: 1}
}

// tell says what of the log is played, and what is assumed beside it.
func (p *pastDay) tell(w io.Writer, assumed []sim.Assumption) {
	for i := range p.terms {
		t := &p.terms[i]
		note := ""
		switch t.Ending {
		case replay.Cut:
			note = ", up to where the log is cut"
		case replay.Broken:
			note = ", up to where the recording broke off"
		}
		fmt.Fprintf(w, "log of epoch %d: %d inputs, recorded by version %s%s\n", t.Epoch, t.Inputs, t.Program, note)
	}
	g := &p.Gaps
	line := func(n int, format string) {
		if n > 0 {
			fmt.Fprintf(w, format+"\n", n)
		}
	}
	line(int(g.Missing), "%d events between the logs were not recorded: what happened then is not known")
	line(g.Carried, "%d orders were under way before the log began and are left out; their drivers come on duty when those are over")
	line(g.Open, "%d orders were not over when the log ended; the runs are broken off at that instant too")
	line(g.Guessed, "%d times a driver came on duty nobody knows where: at a place by chance, where a trip of the log ended")
	line(g.Staffed, "%d acts of staff are not repeated: orders given to drivers, taken from them, reopened, or cancelled after the pickup")
	line(g.TakenOff, "%d orders were taken from drivers who did not come: no driver of the model falls silent")
	var measured, few []string
	for _, a := range assumed {
		text := fmt.Sprintf("%s %s (of %d)", a.What, a.Value, a.Cases)
		if a.Default {
			few = append(few, text)
		} else {
			measured = append(measured, text)
		}
	}
	if len(measured) > 0 {
		fmt.Fprintf(w, "assumed, as in the log: %s\n", strings.Join(measured, ", "))
	}
	if len(few) > 0 {
		fmt.Fprintf(w, "assumed, by flags or because the log has less than %d cases: %s\n", sim.EnoughEvidence, strings.Join(few, ", "))
	}
	if n := len(p.Drives); n < enoughDrives {
		fmt.Fprintf(w, "travel times: the log has %d drives from a pickup to a drop-off, %d would be enough to learn from\n", n, enoughDrives)
	}
}

// row is what really happened.
func (p *pastDay) row() report.Policy {
	row := policyRow([]*sim.Result{p.AsRecorded})
	row.Name, row.Kind, row.Seeds, row.Digests = sim.AsRecorded, report.Recorded, nil, nil
	row.Note = "reference: what really happened, under the policy of the log; where drivers came on duty is not recorded, so that " +
		"the deadhead in metres is not known"
	return row
}
