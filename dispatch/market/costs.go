package market

import (
	"math"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// The terms of a pair's cost, in the order in which an explanation lists them. All are seconds.
const (
	// termPickup is the time until the driver is at the pickup: the search's estimate (geo/eta).
	termPickup = iota
	// termIdle takes off for how long the driver has been free, by the core's memory.
	termIdle
	// termChain adds for the end of the present trip, which may come later than estimated: the margin, and a share of
	// the wait.
	termChain
	// termDestination adds the value of the place left less that of the drop-off; the search brings both.
	termDestination
	// termPreference takes off for the tags of the driver's duty that the policy prefers.
	termPreference
	// termDecline adds the expected loss of an offer: the time for which it is out, times the probability of a no.
	termDecline

	termCount
)

// priced is what a pair costs, term by term.
type priced [termCount]time.Duration

func (p *priced) sum() time.Duration {
	var sum time.Duration
	for _, t := range p {
		sum += t
	}
	return sum
}

// explained appends the terms that count, by name.
func (p *priced) explained(terms []dispatch.CostTerm) []dispatch.CostTerm {
	for i, name := range [termCount]string{"pickup", "idle", "chain", "destination", "preference", "decline"} {
		if p[i] != 0 || i == termPickup {
			terms = append(terms, dispatch.CostTerm{Name: name, Cost: p[i]})
		}
	}
	return terms
}

// weighted is a span times a weight, but dispatch.MaxWorth at most either way. The product is the only operation on
// fractions, so that no machine may round it otherwise than another.
func weighted(weight float64, d time.Duration) time.Duration {
	const most = float64(dispatch.MaxWorth)
	return time.Duration(math.Round(max(-most, min(weight*float64(d), most))))
}

// price prices a pair under terms; gains is the value of the drop-off.
func price(t *dispatch.Terms, margin time.Duration, now time.Time, d *driver, cand *Candidate, gains time.Duration) priced {
	c := &t.Cost
	p := priced{termPickup: cand.Pickup}
	if c.Idle > 0 && d.free() {
		p[termIdle] = -min(weighted(c.Idle, now.Sub(d.idle)), c.IdleMax)
	}
	if cand.Wait > 0 {
		p[termChain] = margin + weighted(c.Chain, cand.Wait)
	}
	if c.Destination > 0 {
		p[termDestination] = weighted(c.Destination, cand.Leaves-gains)
	}
	if len(c.PreferTags) > 0 {
		p[termPreference] = -preference(c.PreferTags, d.duty.Tags)
	}
	if c.Decline > 0 && cand.Accept > 0 {
		p[termDecline] = weighted(c.Decline*(1-min(cand.Accept, 1)), t.OfferTTL)
	}
	return p
}

// preference is what a driver's tags are worth together, dispatch.MaxWorth at most either way.
func preference(worth []dispatch.TagWorth, tags []string) time.Duration {
	var sum time.Duration
	for _, w := range worth {
		for _, tag := range tags {
			if tag == w.Tag {
				sum += w.Worth
			}
		}
	}
	return max(-dispatch.MaxWorth, min(sum, dispatch.MaxWorth))
}

// scale is how costs and penalties of one round are put as numbers of the solver's kind, which are not negative.
//
// Terms may be below 0, by shift at most; it is added to each cost and to each penalty. An assignment of n orders then
// costs n shifts more, whichever it is: no decision changes.
//
// The penalty of order i, for leaving it unmatched, is
//
//	P(i) = 2 C + age_weight * age(i) + priority(i) * C     C = span, what a pair costs at most, shift included
//
// and at least C + 1 ms. As it is above every cost, no order is left while a driver of its row is idle. And this bounds
// how long an order may be passed over:
//
//	Say order i is left although driver d may take it, in an optimal round. Then d has an order j. Giving d to i and
//	leaving j out must not be better: c(i,d) - P(i) >= c(j,d) - P(j). For equal weight w and priority this says
//	w (age(i) - age(j)) <= c(i,d) - c(j,d) <= C, so that j was asked for at most C / w after i.
//
// Orders that are asked for later than that never keep i waiting, however near and many they are. Those before are
// finite in number, as are those asked for while the reach of i still grows (Core.reach), and each takes a driver once, or
// once more for each no: i waits no longer than in first come, first served order if it had come C / w, or that time,
// later. In a round that is decided greedily, and among orders of mode nearest, which are served by age, no later order
// of the same priority goes before i at all.
type scale struct{ shift, span time.Duration }

// scaleOf gives the scale that fits all of the terms.
func scaleOf(p *dispatch.Policy, terms ...*dispatch.Terms) scale {
	var above time.Duration
	var s scale
	for _, t := range terms {
		c := &t.Cost
		hi, lo := t.MaxPickup, time.Duration(0)
		if c.Idle > 0 {
			lo += c.IdleMax
		}
		if p.Chain.Within > 0 {
			hi += p.Chain.Margin + weighted(c.Chain, p.Chain.Within)
		}
		if c.Destination > 0 {
			hi, lo = hi+dispatch.MaxWorth, lo+dispatch.MaxWorth
		}
		if len(c.PreferTags) > 0 {
			hi, lo = hi+dispatch.MaxWorth, lo+dispatch.MaxWorth
		}
		hi += weighted(c.Decline, t.OfferTTL)
		above, s.shift = max(above, hi), max(s.shift, lo)
	}
	s.span = above + s.shift
	return s
}

// maxAge bounds the age that counts, so that penalties stay within the solver's.
const maxAge = 24 * time.Hour

// penalty is P of an order, in milliseconds.
func (s scale) penalty(o *dispatch.Order, t *dispatch.Terms, lead time.Duration, now time.Time) int64 {
	longest := s.span.Milliseconds()
	age := min(max(0, now.Sub(waitsSince(o, lead))), maxAge).Milliseconds()
	aged := int64(math.Round(t.Cost.Age * float64(age)))
	return max(longest+1, 2*longest+aged+int64(o.Priority)*longest)
}

// cost is a pair's as a number of the solver's kind.
func (s scale) cost(p *priced) int32 { return int32((p.sum() + s.shift).Milliseconds()) }

// waitsSince is when an order began to wait: when it was asked for or, one for later, when its search was to begin. It
// stays when a driver is taken off: whoever waits again has waited before.
func waitsSince(o *dispatch.Order, lead time.Duration) time.Time {
	if begin := o.PickupAt.Add(-lead); !o.PickupAt.IsZero() && begin.After(o.RequestedAt) {
		return begin
	}
	return o.RequestedAt
}
