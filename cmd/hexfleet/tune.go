package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/tune"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// tuneCmd looks for a better policy.
type tuneCmd struct {
	Base     string   `help:"Where the search starts: a policy as of simulate --policy (default: batch)." default:"batch" placeholder:"NAME|FILE"`
	Vary     []string `help:"A key of the policy (docs/policy.md) and values to try beside the base's; may be repeated. A slash goes into an object: cost/age_weight=0.5,2. Default: a few values of cost/age_weight, candidates, chain_s and max_pickup_s." sep:"none" placeholder:"KEY=V,..."`
	Passes   int      `help:"At most how often all keys are tried; it ends before when nothing changes (default: 3)." default:"3" placeholder:"N"`
	Days     string   `help:"Recorded days to train on, by commas: days of the market's calendar such as 2008-05-19, with --instances the seeds of instances." placeholder:"DAY,..."`
	Validate string   `help:"Other days, on which base and best are compared." placeholder:"DAY,..."`
	Hours    string   `help:"Of each day only the orders of these hours of the market's clock, such as 17:00-20:00; 22:00-02:00 ends on the next day. Default: all." placeholder:"HH:MM-HH:MM"`
	Seeds    int      `help:"Of made-up demand: how many seeds to train on, from --seed on; the next so many are for the validation (default: 3)." placeholder:"N"`
	JSON     bool     `name:"json" help:"Print one JSON object a line for each policy tried, and one for the validation."`

	WaitWeight     float64 `group:"What a policy costs, in seconds for each order requested" help:"Weight of a served order's wait, from the request to the driver's arrival (meals: from when they are ready until they are picked up; default: 1)." default:"1" placeholder:"W"`
	DeadheadWeight float64 `group:"What a policy costs, in seconds for each order requested" help:"Weight of the empty way to its pickup (default: 1)." default:"1" placeholder:"W"`
	UnservedS      float64 `group:"What a policy costs, in seconds for each order requested" help:"What an order costs that was not served (default: 3600, more than one that was served may cost under the default policy)." default:"3600" placeholder:"S"`

	recordedFiles
	sceneFlags
}

// Run implements the command.
func (c *tuneCmd) Run(ctx context.Context, std stdio) error {
	keys, err := c.check()
	if err != nil {
		return err
	}
	train, validate, err := c.days(std)
	if err != nil {
		return err
	}
	base, text, err := c.base(&train[0])
	if err != nil {
		return fmt.Errorf("--base: %w", err)
	}
	space, err := tune.NewSpace(text, keys)
	if err != nil {
		return usageError{fmt.Errorf("--vary: %w", err)}
	}
	t := &tuner{cmd: c, std: std, base: base, space: space}
	return t.run(ctx, train, validate)
}

// Bounds of flags: above them is a slip of the pen.
const (
	maxPasses   = 100
	maxWeight   = 1000
	maxUnserved = 86_400
)

// check refuses flags that make no sense, alone or together, and reads the keys.
func (c *tuneCmd) check() ([]tune.Key, error) {
	recorded := c.Trips != "" || c.Sessions != "" || c.Instances != ""
	if err := c.sceneFlags.check(recorded); err != nil {
		return nil, err
	}
	weight := func(w float64) bool { return w >= 0 && w <= maxWeight }
	switch {
	case recorded && (c.Trips == "" || c.Sessions == ""):
		return nil, usagef("--trips and --sessions go together, and --instances with them")
	case recorded && (c.Days == "" || c.Validate == ""):
		return nil, usagef("with --trips name the --days to train on, and others to --validate the best on")
	case !recorded && (c.Days != "" || c.Validate != "" || c.Hours != ""):
		return nil, usagef("--days, --validate and --hours are of --trips: the days of made-up demand are its --seeds")
	case recorded && c.Seeds != 0:
		return nil, usagef("--seeds are of made-up demand: with --trips name --days")
	case c.Instances != "" && c.Hours != "":
		return nil, usagef("--hours does not go with --instances")
	case c.Seeds < 0 || c.Seeds > maxSeeds/2:
		return nil, usagef("--seeds must be from 1 to %d, not %d", maxSeeds/2, c.Seeds)
	case c.Passes < 1 || c.Passes > maxPasses:
		return nil, usagef("--passes must be from 1 to %d, not %d", maxPasses, c.Passes)
	case !weight(c.WaitWeight) || !weight(c.DeadheadWeight):
		return nil, usagef("--wait-weight and --deadhead-weight must be from 0 to %d", maxWeight)
	case !(c.UnservedS >= 0 && c.UnservedS <= maxUnserved):
		return nil, usagef("--unserved-s must be from 0 to %d, not %v", maxUnserved, c.UnservedS)
	}
	if len(c.Vary) == 0 {
		return defaultKeys(), nil
	}
	var keys []tune.Key
	for _, text := range c.Vary {
		key, err := tune.ParseKey(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--vary: %w", err)}
		}
		keys = append(keys, key)
	}
	// Over the defaults, so that a slip of the pen is told before days are read.
	if _, err := tune.NewSpace(nil, keys); err != nil {
		return nil, usageError{fmt.Errorf("--vary: %w", err)}
	}
	return keys, nil
}

// defaultKeys are few, for each value is a run of every day: those that moved the figures of docs/bench/quality.md.
func defaultKeys() []tune.Key {
	return []tune.Key{
		{Name: "cost/age_weight", Values: []string{"0.25", "0.5", "1"}},
		{Name: "candidates", Values: []string{"8", "16", "32"}},
		{Name: "chain_s", Values: []string{"0", "120", "300"}},
		{Name: "max_pickup_s", Values: []string{"600", "900", "1200"}},
	}
}

// base is the policy from which the search starts, and its text. For meals a named one is as patient as the first
// instance wants.
func (c *tuneCmd) base(first *tuneDay) (sim.Policy, []byte, error) {
	p, err := c.policy(c.Base, first.scenario.Market, first.scenario.Meals)
	if err != nil {
		return p, nil, err
	}
	var text []byte
	if _, err := sim.NamedPolicy(c.Base, c.Window); err == nil {
		text, err = policyText(&p.Market)
		if err != nil {
			return p, nil, err
		}
	} else if text, err = c.fileText(first.scenario.Market); err != nil {
		return p, nil, err
	}
	read, err := dispatch.ParsePolicy(text)
	if err == nil && read.Version() != p.Market.Version() {
		err = errors.New("it cannot be written as the policy of a markets file")
	}
	return p, text, err
}

// policyText writes a policy without overrides as a markets file has it.
func policyText(p *dispatch.Policy) ([]byte, error) {
	whole, err := json.Marshal(wire.PolicyFrom(p))
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(whole, &members); err != nil {
		return nil, err
	}
	delete(members, "version") // told, never set
	if whole, err = json.Marshal(members); err != nil {
		return nil, err
	}
	return tune.Trim(whole)
}

// fileText is the policy of the market as it stands in the markets file of --base, whose overrides then follow what is
// varied above them.
func (c *tuneCmd) fileText(m dispatch.Market) ([]byte, error) {
	found, err := marketIn(c.Base, m)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(c.Base)
	if err != nil {
		return nil, fmt.Errorf("read the markets file: %w", err)
	}
	var file struct {
		Features []struct {
			Properties struct {
				ID     dispatch.MarketID
				Policy json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("markets file %s: %w", c.Base, err)
	}
	for _, f := range file.Features {
		if f.Properties.ID == found.ID {
			return tune.Trim(f.Properties.Policy)
		}
	}
	return nil, fmt.Errorf("the markets file %s has no market %s", c.Base, found.ID)
}
