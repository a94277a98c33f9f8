package main

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch/node"
)

// keepFlags say how long the data of people is kept.
type keepFlags struct {
	KeepSamples      time.Duration `help:"How long points of trips are kept, 0 for ever; like those below in market time, never less than two wall days (default: ${default}, 30 days)." default:"720h" placeholder:"D"`
	KeepPlaces       time.Duration `help:"How long the places of an order are kept once it is closed, 0 for ever (default: ${default}, 90 days)." default:"2160h" placeholder:"D"`
	KeepExplanations time.Duration `help:"How long it is kept how rounds dealt with orders, 0 for ever (default: ${default}, 7 days)." default:"168h" placeholder:"D"`
	KeepHistory      time.Duration `help:"How long closed orders and their events are kept, 0 for ever (default: for ever; they hold no place, and no id of who was erased)." default:"0" placeholder:"D"`
}

// keepAtLeast is the shortest time that is taken: what was asked for with a key is told again for a day.
const keepAtLeast = 48 * time.Hour

func (f *keepFlags) check() error {
	for _, k := range []struct {
		flag string
		keep time.Duration
	}{{"--keep-samples", f.KeepSamples}, {"--keep-places", f.KeepPlaces}, {"--keep-explanations", f.KeepExplanations}, {"--keep-history", f.KeepHistory}} {
		if k.keep != 0 && k.keep < keepAtLeast {
			return usagef("%s must be 0 or at least %s, not %s", k.flag, keepAtLeast, k.keep)
		}
	}
	return nil
}

// keep gives the times at a time scale: a fast market clock must not forget what a wall day still asks for.
func (f *keepFlags) keep(scale float64) node.Keep {
	least := time.Duration(float64(keepAtLeast) * max(1, scale))
	span := func(d time.Duration) time.Duration {
		if d == 0 {
			return 0
		}
		return max(d, least)
	}
	return node.Keep{Samples: span(f.KeepSamples), Places: span(f.KeepPlaces), History: span(f.KeepHistory), Explanations: span(f.KeepExplanations)}
}
