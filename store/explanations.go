package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Explanations tell how rounds dealt with orders. They are losable, as samples are.
type Explanations interface {
	// AddExplanations keeps explanations of any orders; where one of an order's instant and round is there already, the
	// first stays.
	AddExplanations(ctx context.Context, es []dispatch.Explanation) error
	// Explanations gives the latest explanations of an order, at most limit, ascending by (At, Round).
	Explanations(ctx context.Context, id dispatch.OrderID, limit int) ([]dispatch.Explanation, error)
	// DropExplanations deletes those of before the market instant before; it gives how many.
	DropExplanations(ctx context.Context, before time.Time) (int64, error)
	// EraseExplanations puts a pseudonym in the place of a driver (when it is not ""), whom all are searched for, and
	// deletes those of orders. It gives how many were changed or deleted.
	EraseExplanations(ctx context.Context, d dispatch.DriverID, pseudonym string, orders []dispatch.OrderID) (int64, error)
}

// What a backend keeps of an explanation is two documents beside its order, market, instant and round: the ids of the
// drivers in it, a JSON array, and all else, which names drivers by their place in that array. So a driver's id is
// replaced without a look at what else is there. They are durable as the documents of record.go are; spans are
// integer microseconds in names that end in _us.

// explanationRecord is the document of an explanation.
type explanationRecord struct {
	Mode       dispatch.Mode      `json:"mode,omitempty"`
	Policy     string             `json:"policy,omitempty"`
	PenaltyUs  int64              `json:"penalty_us,omitempty"`
	Optimal    bool               `json:"optimal,omitempty"`
	DualUs     int64              `json:"dual_us,omitempty"`
	Candidates []consideredRecord `json:"candidates,omitempty"`
	Chosen     []int              `json:"chosen,omitempty"`
	Unmatched  string             `json:"unmatched,omitempty"`
}

// consideredRecord is one candidate; Driver counts from 0.
type consideredRecord struct {
	Driver     int          `json:"driver"`
	CostUs     int64        `json:"cost_us,omitempty"`
	Terms      []termRecord `json:"terms,omitempty"`
	PriceUs    int64        `json:"price_us,omitempty"`
	FilteredBy string       `json:"filtered_by,omitempty"`
	Offered    bool         `json:"offered,omitempty"`
}

// termRecord is one term of a cost.
type termRecord struct {
	Name   string `json:"name"`
	CostUs int64  `json:"cost_us"`
}

// EncodeExplanation gives the two documents of an explanation.
func EncodeExplanation(e *dispatch.Explanation) (drivers, doc []byte, err error) {
	r := explanationRecord{
		Mode: e.Mode, Policy: e.Policy, PenaltyUs: e.Penalty.Microseconds(), Optimal: e.Optimal, DualUs: e.Dual.Microseconds(),
		Unmatched: e.Unmatched,
	}
	ids, places := []dispatch.DriverID{}, map[dispatch.DriverID]int{}
	place := func(d dispatch.DriverID) int {
		i, known := places[d]
		if !known {
			i = len(ids)
			ids, places[d] = append(ids, d), i
		}
		return i
	}
	for i := range e.Candidates {
		c := &e.Candidates[i]
		k := consideredRecord{
			Driver: place(c.Driver), CostUs: c.Cost.Microseconds(), PriceUs: c.Price.Microseconds(), FilteredBy: c.FilteredBy, Offered: c.Offered,
		}
		for _, t := range c.Terms {
			k.Terms = append(k.Terms, termRecord{t.Name, t.Cost.Microseconds()})
		}
		r.Candidates = append(r.Candidates, k)
	}
	for _, d := range e.Chosen {
		r.Chosen = append(r.Chosen, place(d))
	}
	if drivers, err = json.Marshal(ids); err == nil {
		doc, err = json.Marshal(r)
	}
	return drivers, doc, err
}

// DecodeExplanation reads what EncodeExplanation wrote; order, market, instant and round are the caller's to add.
func DecodeExplanation(drivers, doc []byte) (dispatch.Explanation, error) {
	var ids []dispatch.DriverID
	var r explanationRecord
	err := json.Unmarshal(drivers, &ids)
	if err == nil {
		err = json.Unmarshal(doc, &r)
	}
	if err != nil {
		return dispatch.Explanation{}, fmt.Errorf("decode explanation: %w", err)
	}
	e := dispatch.Explanation{
		Mode: r.Mode, Policy: r.Policy, Penalty: micros(r.PenaltyUs), Optimal: r.Optimal, Dual: micros(r.DualUs),
		Unmatched: r.Unmatched,
	}
	driver := func(i int) dispatch.DriverID {
		if i < 0 || i >= len(ids) {
			err = fmt.Errorf("decode explanation: driver %d of %d", i, len(ids))
			return ""
		}
		return ids[i]
	}
	for i := range r.Candidates {
		k := &r.Candidates[i]
		c := dispatch.Considered{
			Driver: driver(k.Driver), Cost: micros(k.CostUs), Price: micros(k.PriceUs), FilteredBy: k.FilteredBy, Offered: k.Offered,
		}
		for _, t := range k.Terms {
			c.Terms = append(c.Terms, dispatch.CostTerm{Name: t.Name, Cost: micros(t.CostUs)})
		}
		e.Candidates = append(e.Candidates, c)
	}
	for _, i := range r.Chosen {
		e.Chosen = append(e.Chosen, driver(i))
	}
	return e, err
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// RewrittenExplanation gives an explanation with a pseudonym in the place of driver d, and whether that differs.
func RewrittenExplanation(e dispatch.Explanation, d dispatch.DriverID, pseudonym string) (dispatch.Explanation, bool) {
	named := false
	swap := func(id dispatch.DriverID) dispatch.DriverID {
		if id != d {
			return id
		}
		named = true
		return dispatch.DriverID(pseudonym)
	}
	e.Candidates, e.Chosen = slices.Clone(e.Candidates), slices.Clone(e.Chosen)
	for i := range e.Candidates {
		e.Candidates[i].Driver = swap(e.Candidates[i].Driver)
	}
	for i := range e.Chosen {
		e.Chosen[i] = swap(e.Chosen[i])
	}
	return e, named
}

// RewrittenDrivers is the same for the document of the drivers alone. An id needs no escape in JSON.
func RewrittenDrivers(drivers string, d dispatch.DriverID, pseudonym string) (string, bool) {
	as := strings.ReplaceAll(drivers, `"`+string(d)+`"`, `"`+pseudonym+`"`)
	return as, as != drivers
}
