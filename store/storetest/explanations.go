package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

func explanationTests() []account {
	return []account{
		{"explanations_read_back_as_they_were_written", explanationReads},
		{"an_order_gives_its_latest_explanations", explanationLatest},
		{"an_explanation_of_the_same_instant_and_round_is_left_out", explanationTwice},
		{"explanations_are_dropped_when_they_are_old", explanationDrop},
		{"an_erased_driver_is_blanked_in_explanations_and_nothing_else_is", explanationDriver},
		{"explanations_of_orders_are_erased", explanationOrders},
		{"an_erased_person_is_in_no_explanation", explanationPerson},
	}
}

// explanation is one round of an order: d1 chosen of d1 and d2, and "pickup", whose id is a word of the documents, removed.
func explanation(id dispatch.OrderID, round int64, at time.Time) dispatch.Explanation {
	return dispatch.Explanation{
		Market: sf, Order: id, Round: round, At: at, Mode: dispatch.ModeBatch, Policy: "v1",
		Penalty: 1800 * time.Second, Optimal: true, Dual: 1200*time.Second + time.Microsecond,
		Candidates: []dispatch.Considered{
			{Driver: "d1", Cost: 65 * time.Second, Price: time.Second, Offered: true, Terms: []dispatch.CostTerm{
				{Name: "pickup", Cost: 70 * time.Second}, {Name: "idle", Cost: -5 * time.Second},
			}},
			{Driver: "d2", Cost: 90 * time.Second, Terms: []dispatch.CostTerm{{Name: "pickup", Cost: 90 * time.Second}}},
			{Driver: "pickup", FilteredBy: dispatch.FilterBusy},
		},
		Chosen: []dispatch.DriverID{"d1"},
	}
}

// alone is a round that found nobody.
func alone(id dispatch.OrderID, round int64, at time.Time) dispatch.Explanation {
	return dispatch.Explanation{Market: sf, Order: id, Round: round, At: at, Mode: dispatch.ModeNearest, Unmatched: dispatch.UnmatchedNobodyNear}
}

func explained(t *testing.T, h *archive, id dispatch.OrderID) []dispatch.Explanation {
	t.Helper()
	es, err := h.Explanations(t.Context(), id, 100)
	ok(t, "explanations", err)
	return es
}

func explanationReads(t *testing.T, h *archive) {
	same(t, "before there is one", explained(t, h, "o1"), []dispatch.Explanation{})
	want := []dispatch.Explanation{alone("o1", 1, Start()), explanation("o1", 2, Start().Add(2*time.Second))}
	other := explanation("o2", 2, Start())
	ok(t, "add explanations", h.AddExplanations(t.Context(), []dispatch.Explanation{want[1], other, want[0]}))
	ok(t, "add none", h.AddExplanations(t.Context(), nil))
	h.reopen(t)
	same(t, "explanations", explained(t, h, "o1"), want)
	same(t, "explanations of another", explained(t, h, "o2"), []dispatch.Explanation{other})
}

func explanationLatest(t *testing.T, h *archive) {
	var all []dispatch.Explanation
	for i := range 9 {
		all = append(all, alone("o1", int64(i%2), Start().Add(time.Duration(i/2)*time.Second)))
	}
	ok(t, "add explanations", h.AddExplanations(t.Context(), all))
	got, err := h.Explanations(t.Context(), "o1", 4)
	ok(t, "explanations", err)
	same(t, "the latest", got, all[5:])
}

func explanationTwice(t *testing.T, h *archive) {
	first := explanation("o1", 1, Start())
	ok(t, "add", h.AddExplanations(t.Context(), []dispatch.Explanation{first}))
	ok(t, "add again", h.AddExplanations(t.Context(), []dispatch.Explanation{alone("o1", 1, Start())}))
	same(t, "explanations", explained(t, h, "o1"), []dispatch.Explanation{first})
}

func explanationDrop(t *testing.T, h *archive) {
	var all []dispatch.Explanation
	for i := range 4100 { // more than are deleted at once
		all = append(all, alone("o1", int64(i), Start().Add(time.Duration(i)*time.Second)))
	}
	ok(t, "add explanations", h.AddExplanations(t.Context(), all))
	n, err := h.DropExplanations(t.Context(), all[4098].At)
	ok(t, "drop", err)
	same(t, "dropped", n, int64(4098))
	same(t, "left", explained(t, h, "o1"), all[4098:])
	n, err = h.DropExplanations(t.Context(), all[4098].At)
	ok(t, "drop", err)
	same(t, "dropped again", n, int64(0))
}

func explanationDriver(t *testing.T, h *archive) {
	all := []dispatch.Explanation{explanation("o1", 1, Start()), explanation("o2", 1, Start()), alone("o3", 1, Start())}
	ok(t, "add explanations", h.AddExplanations(t.Context(), all))
	for _, d := range []dispatch.DriverID{"d1", "pickup", "d"} {
		n, err := h.EraseExplanations(t.Context(), d, "erased-"+string(d), nil)
		ok(t, "erase", err)
		want := int64(0)
		for i, e := range all {
			as, named := store.RewrittenExplanation(e, d, "erased-"+string(d))
			if named {
				all[i] = as
				want++
			}
		}
		same(t, "explanations that named "+string(d), n, want)
	}
	for _, e := range all {
		same(t, "explanations of "+string(e.Order), explained(t, h, e.Order), []dispatch.Explanation{e})
	}
}

func explanationOrders(t *testing.T, h *archive) {
	for i := range 5 {
		ok(t, "add", h.AddExplanations(t.Context(), []dispatch.Explanation{explanation(dispatch.OrderID(fmt.Sprint("o", i)), 1, Start())}))
	}
	n, err := h.EraseExplanations(t.Context(), "", "", []dispatch.OrderID{"o1", "o3", "o9"})
	ok(t, "erase", err)
	same(t, "erased", n, int64(2))
	for i := range 5 {
		same(t, fmt.Sprint("left of o", i), len(explained(t, h, dispatch.OrderID(fmt.Sprint("o", i)))), 1-i%2)
	}
}

// explanationPerson erases people as an operator does.
func explanationPerson(t *testing.T, h *archive) {
	lives(t, h)
	of := func(id dispatch.OrderID) dispatch.Explanation {
		e := explanation(id, 1, Start())
		e.Candidates[0].Driver, e.Chosen[0] = "drew", "drew"
		return e
	}
	ok(t, "add", h.AddExplanations(t.Context(), []dispatch.Explanation{of("o0"), of("o4")}))
	_, _, err := h.Erase(t.Context(), riderOne)
	ok(t, "erase a rider", err)
	same(t, "of the rider's order", explained(t, h, "o0"), []dispatch.Explanation{})
	same(t, "of another's", explained(t, h, "o4"), []dispatch.Explanation{of("o4")})
	erasure, _, err := h.Erase(t.Context(), driverOne)
	ok(t, "erase a driver", err)
	want, _ := store.RewrittenExplanation(of("o4"), "drew", erasure.Pseudonym)
	got := explained(t, h, "o4")
	same(t, "with an erased driver", got, []dispatch.Explanation{want})
	if slices.Contains(got[0].Chosen, "drew") {
		t.Error("the driver is still named")
	}
}
