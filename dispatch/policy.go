package dispatch

import (
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Mode is how a service pairs orders with drivers.
type Mode string

// The modes.
const (
	// ModeBatch solves each round's assignment exactly and asks one driver for each order.
	ModeBatch Mode = "batch"
	// ModeNearest gives each order in turn, oldest first, its nearest free driver.
	ModeNearest Mode = "nearest"
	// ModeWave asks several drivers at once, and more after a while; the first to accept has the order.
	ModeWave Mode = "wave"
	// ModeBroadcast asks all candidates at once.
	ModeBroadcast Mode = "broadcast"
	// ModeDirect assigns the round's optimum without asking.
	ModeDirect Mode = "direct"
)

// Modes lists every mode.
func Modes() []Mode { return []Mode{ModeBatch, ModeNearest, ModeWave, ModeBroadcast, ModeDirect} }

// Policy is how a market behaves; its defaults are DefaultPolicy's. All spans are market time. Replaced, never
// written in place once a market has it.
type Policy struct {
	// Terms hold for every order for which no override says otherwise.
	Terms
	// Window is the time between two rounds.
	Window time.Duration
	// RichRatio: a round is held at once while at least that many free drivers come on each searching order; 0: never.
	RichRatio float64
	// ScarceRatio: drivers are scarce while fewer than that many are free for each searching order; 0: never.
	ScarceRatio float64
	// SearchTimeout ends a search with no_driver.
	SearchTimeout time.Duration
	// Freshness is the greatest age of a candidate's fix.
	Freshness time.Duration
	// Candidates is how many near drivers a round considers for each order, more where it has few orders.
	Candidates int
	// NoShow is the wait at the pickup after which the driver may cancel with no_show.
	NoShow time.Duration
	// Lead is how long before pickup_at the search for a scheduled order begins.
	Lead time.Duration
	// Offers bounds how often drivers are asked.
	Offers OfferRules
	// ContractedTag is the duty tag of drivers who are assigned without being asked; "" for none.
	ContractedTag string
	Chain         ChainRules
	Redispatch    RedispatchRules
	// StandbyGain: an order whose driver is on the way is offered to one who would be there that much sooner; 0: off.
	StandbyGain time.Duration
	// Shadow are other terms, decided on the same candidates, compared and never carried out; nil for none.
	Shadow *Terms
	// Overrides replace Terms for a service or a vehicle class, ascending by (Kind, VehicleClass).
	Overrides []Override
}

// Terms are the part of a policy that may differ by service and vehicle class.
type Terms struct {
	Mode Mode
	// OfferTTL is how long a driver may think.
	OfferTTL time.Duration
	// MaxPickup is the longest time to a pickup worth offering, a present trip of the driver included.
	MaxPickup time.Duration
	// Reach is the longest time to a pickup for which a new order is given a driver while drivers are scarce; it grows by
	// ReachGrowth seconds with each second of the order's age, up to MaxPickup. 0: MaxPickup from the first.
	Reach       time.Duration
	ReachGrowth float64
	// WaveSize is how many drivers a wave asks, Wave the time until the next one.
	WaveSize int
	Wave     time.Duration
	Cost     CostRules
}

// CostRules weigh the terms of a pair's cost beside the pickup time, which counts as it is. All terms are seconds; a
// weight of 0 leaves its term out.
type CostRules struct {
	// Age weighs the age of the order in the penalty for leaving it unmatched.
	Age float64
	// Idle weighs how long the driver has been free, of which IdleMax counts at most: the longest idle are preferred.
	Idle    float64
	IdleMax time.Duration
	// Chain weighs the wait for the end of the driver's present trip, on top of its being part of the pickup time.
	Chain float64
	// Destination weighs the value of the place that the driver leaves less that of the drop-off.
	Destination float64
	// Decline weighs the expected loss of an offer that may be declined.
	Decline float64
	// PreferTags are what a tag of the driver is worth, ascending by tag.
	PreferTags []TagWorth
}

// TagWorth is by how much a driver with a duty tag is preferred; below 0, avoided.
type TagWorth struct {
	Tag   string
	Worth time.Duration
}

// Override are the terms of one service, one vehicle class, or one class within one service: Kind or VehicleClass is
// empty when it holds for all.
type Override struct {
	Kind         Kind
	VehicleClass string
	Terms        Terms
}

// OfferRules bound how often drivers are asked.
type OfferRules struct {
	// PerMinute is how many offers that it does not accept a driver is given within a minute; 0: any number.
	PerMinute int
	// DeclineBar and ExpiryBar are how long a driver is not asked again for the order of an offer that it declined, or
	// did not answer.
	DeclineBar, ExpiryBar time.Duration
}

// ChainRules tell when a driver is a candidate before its present trip has ended.
type ChainRules struct {
	// Within is how long before the end, by its estimate; 0: never.
	Within time.Duration
	// Margin is added to the wait, for estimates that are too short.
	Margin time.Duration
}

// RedispatchRules tell when a driver on its way to a pickup is held not to come; each 0: never.
type RedispatchRules struct {
	// Nudge is the time without progress after which the driver is reminded; Stall that after which the order goes to
	// another.
	Nudge, Stall time.Duration
	// Lost is the time without telemetry after which the order goes to another.
	Lost time.Duration
	// Retreat is how much farther from the pickup than it has been the driver may get.
	Retreat geo.Meters
}

// DefaultPolicy gives the defaults: the contract's, and docs/policy.md's.
func DefaultPolicy() Policy {
	return Policy{
		Terms: Terms{
			Mode:      ModeBatch,
			OfferTTL:  15 * time.Second,
			MaxPickup: 900 * time.Second,
			Reach:     300 * time.Second, ReachGrowth: 2.2,
			WaveSize: 3,
			Wave:     10 * time.Second,
			Cost:     CostRules{Age: 0.5, IdleMax: 60 * time.Second, Decline: 1},
		},
		Window:        2 * time.Second,
		RichRatio:     5,
		ScarceRatio:   1,
		SearchTimeout: 300 * time.Second,
		Freshness:     60 * time.Second,
		Candidates:    16,
		NoShow:        300 * time.Second,
		Lead:          600 * time.Second,
		Offers:        OfferRules{PerMinute: 6, DeclineBar: 120 * time.Second, ExpiryBar: 30 * time.Second},
		Chain:         ChainRules{Margin: 30 * time.Second},
		Redispatch:    RedispatchRules{Nudge: 120 * time.Second, Lost: 300 * time.Second, Stall: 420 * time.Second, Retreat: 1500},
	}
}

// For gives the terms of an order: those of the first override that fits best, class and service before class before
// service, else the market's.
func (p *Policy) For(kind Kind, class string) *Terms {
	best, terms := 0, &p.Terms
	for i := range p.Overrides {
		v := &p.Overrides[i]
		if v.Kind != "" && v.Kind != kind || v.VehicleClass != "" && v.VehicleClass != class {
			continue
		}
		fit := 1
		if v.VehicleClass != "" {
			fit = 2
			if v.Kind != "" {
				fit = 3
			}
		}
		if fit > best {
			best, terms = fit, &v.Terms
		}
	}
	return terms
}
