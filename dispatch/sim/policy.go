package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Policy is one way to run a market in a simulation.
type Policy struct {
	// Name is what tables call it.
	Name string
	// Market is what the core is given.
	Market dispatch.Policy
	// Capacity is how many orders a driver takes at once, at least 1: above 1 it is asked while at work.
	Capacity int
	// Search narrows or widens what rounds are told; the core decides on that.
	Search Search
}

// Search is how a simulation's search for candidates differs from a server's.
type Search int

const (
	// SearchNear finds the nearest candidates of each order, as a server does.
	SearchNear Search = iota
	// SearchFreed looks at all pairs of the round, the nearest first, and hands on those in which neither order nor
	// driver has one already. What the core is told has then nothing left to decide: an order that comes takes the
	// nearest free driver, and a driver that becomes free the nearest waiting order.
	SearchFreed
	// SearchAll finds so many candidates for each order that none more could be in the round's optimum: as many as the
	// round has orders, and those of the policy at least.
	SearchAll
)

// atOnce as the rich ratio has a round held as soon as any driver is free, 0.2 s after the last.
const atOnce = 1e-3

// The policy batch_chain's, found on San Francisco's days (docs/adr/0005-tuned-defaults.md): drivers are asked as long
// before the end of their trips as a pickup may take, and a new order waits up to 50 s for somebody who will be near,
// whether drivers are scarce or not.
const (
	chainWithin = 900 * time.Second
	chainGrowth = 12
	chainScarce = 1000
)

// PolicyNames lists those that NamedPolicy knows.
func PolicyNames() []string { return []string{"nearest", "nearest_freed", "batch", "batch_chain"} }

// NamedPolicy gives a policy by name, over the defaults of a market; window is the time between rounds, 0 for the
// default.
func NamedPolicy(name string, window time.Duration) (Policy, error) {
	p := Policy{Name: name, Market: dispatch.DefaultPolicy(), Capacity: 1}
	if window > 0 {
		p.Market.Window = window
	}
	switch name {
	case "nearest":
		p.Market.Mode, p.Market.RichRatio, p.Market.Reach = dispatch.ModeNearest, atOnce, 0
	case "nearest_freed":
		p.Market.Mode, p.Market.RichRatio, p.Market.Reach = dispatch.ModeNearest, atOnce, 0
		p.Search = SearchFreed
	case "batch":
		p.Market.Mode = dispatch.ModeBatch
	case "batch_chain":
		p.Market.Mode = dispatch.ModeBatch
		p.Market.Chain.Within, p.Market.ReachGrowth, p.Market.ScarceRatio = chainWithin, chainGrowth, chainScarce
		p.Capacity = 2
	default:
		return p, fmt.Errorf("there is no policy %q, only %s, or a markets file", name, strings.Join(PolicyNames(), ", "))
	}
	return p, nil
}

// MarketPolicy is a market's own policy. Its drivers have room for a second order when it asks them before the end of
// their trips.
func MarketPolicy(name string, p dispatch.Policy) Policy {
	out := Policy{Name: name, Market: p, Capacity: 1}
	if p.Chain.Within > 0 {
		out.Capacity = 2
	}
	return out
}

// RoundOptimum is the policy batch with nobody left out of a round: the least total time to the pickups of each round
// taken by itself.
func RoundOptimum(window time.Duration) Policy {
	p, _ := NamedPolicy("batch", window) // a known name
	p.Name, p.Search = "round optimum", SearchAll
	return p
}
