package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Explain tells how rounds dealt with an order, ascending by time, and whom it was offered to in the last day. Spans
// are seconds of market time.
type Explain struct {
	OrderID ID           `json:"order_id"`
	Rounds  []Round      `json:"rounds"`
	Offers  []OrderOffer `json:"offers"`
}

// Round is one round of an order.
type Round struct {
	At         Time         `json:"at"`
	Candidates []Considered `json:"candidates"`
	Chosen     *ID          `json:"chosen"`     // the first who was asked, nil when nobody was
	ChosenAll  []ID         `json:"chosen_all"` // all of them, in a wave or broadcast several
	Unmatched  *string      `json:"unmatched"`  // why nobody was
	Round      int64        `json:"round"`
	Mode       string       `json:"mode"`
	Policy     *string      `json:"policy"`
	// PenaltyS is what leaving the order unmatched was held to cost, DualS what its being there cost the round; nil in a
	// round that is no optimum.
	PenaltyS float64  `json:"penalty_s"`
	DualS    *float64 `json:"dual_s"`
}

// Considered is one driver of a round: a candidate, or one whom a filter removed, whose costs are nil.
type Considered struct {
	DriverID   ID        `json:"driver_id"`
	CostS      *float64  `json:"cost_s"`
	Terms      CostTerms `json:"terms"`
	FilteredBy *string   `json:"filtered_by"`
	Offered    bool      `json:"offered"`
	// PriceS is what taking this driver costs the other orders; nil in a round that is no optimum, too.
	PriceS *float64 `json:"price_s"`
}

// CostTerms are what a cost is the sum of, an object of seconds by name.
type CostTerms []dispatch.CostTerm

// MarshalJSONTo writes the object, its members in their order.
func (t CostTerms) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, term := range t {
		for _, token := range []jsontext.Token{jsontext.String(term.Name), jsontext.Float(seconds(term.Cost))} {
			if err := enc.WriteToken(token); err != nil {
				return err
			}
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}

// OrderOffer is one offer of an order.
type OrderOffer struct {
	OfferID   ID      `json:"offer_id"`
	DriverID  ID      `json:"driver_id"`
	State     string  `json:"state"`
	WaitTimeS float64 `json:"wait_time_s"`
	CreatedAt Time    `json:"created_at"`
	ExpiresAt Time    `json:"expires_at"`
	EndedAt   *Time   `json:"ended_at"`
	Reason    *string `json:"reason"`
}

// ExplainFrom tells the rounds and offers of an order.
func ExplainFrom(id dispatch.OrderID, rounds []dispatch.Explanation, offers []dispatch.Offer) Explain {
	out := Explain{OrderID: ID(id), Rounds: make([]Round, len(rounds)), Offers: make([]OrderOffer, len(offers))}
	for i := range rounds {
		out.Rounds[i] = roundFrom(&rounds[i])
	}
	for i := range offers {
		f := &offers[i]
		out.Offers[i] = OrderOffer{
			OfferID: ID(f.ID), DriverID: ID(f.Driver), State: string(f.State), WaitTimeS: seconds(f.Pickup),
			CreatedAt: TimeOf(f.CreatedAt), ExpiresAt: TimeOf(f.ExpiresAt), EndedAt: timeOrNil(f.EndedAt), Reason: textOrNil(f.Reason),
		}
	}
	return out
}

func roundFrom(e *dispatch.Explanation) Round {
	r := Round{
		At: TimeOf(e.At), Candidates: make([]Considered, len(e.Candidates)), ChosenAll: make([]ID, len(e.Chosen)),
		Unmatched: textOrNil(e.Unmatched), Round: e.Round, Mode: string(e.Mode), Policy: textOrNil(e.Policy),
		PenaltyS: seconds(e.Penalty),
	}
	if e.Optimal {
		dual := seconds(e.Dual)
		r.DualS = &dual
	}
	for i, d := range e.Chosen {
		r.ChosenAll[i] = ID(d)
	}
	if len(r.ChosenAll) > 0 {
		r.Chosen = &r.ChosenAll[0]
	}
	for i := range e.Candidates {
		c := &e.Candidates[i]
		r.Candidates[i] = Considered{DriverID: ID(c.Driver), FilteredBy: textOrNil(c.FilteredBy), Offered: c.Offered}
		if c.FilteredBy == "" {
			cost := seconds(c.Cost)
			r.Candidates[i].CostS, r.Candidates[i].Terms = &cost, CostTerms(c.Terms)
		}
		if c.FilteredBy == "" && e.Optimal {
			price := seconds(c.Price)
			r.Candidates[i].PriceS = &price
		}
	}
	return r
}
