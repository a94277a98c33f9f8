package market

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/match"
)

func TestCore_Explain(t *testing.T) {
	p := policyOf(t, `{"cost":{"age_weight":0,"decline_weight":1}}`)
	explained := func(rec dispatch.Recovery, cands Candidates) []dispatch.Explanation {
		core := NewCore("sf", p, rec)
		core.Explain()
		core.Step(t0, Tick{})
		return core.Step(t0, cands).Explained
	}
	pickup := func(d time.Duration) []dispatch.CostTerm { return []dispatch.CostTerm{{Name: "pickup", Cost: d}} }
	const s = time.Second
	// What leaving an order costs: twice the dearest pair there may be, 900 s and an offer of 15 s that is declined.
	const penalty = 2 * 915 * s

	t.Run("tells_costs_duals_and_choice", func(t *testing.T) {
		rec, cands := crowded()
		want := []dispatch.Explanation{
			{
				Market: "sf", Order: "o1", Round: 1, At: t0, Mode: dispatch.ModeBatch, Policy: p.Version(), Penalty: penalty, Optimal: true, Dual: 20 * s,
				Candidates: []dispatch.Considered{
					{Driver: "d1", Cost: 10 * s, Terms: pickup(10 * s), Price: 10 * s},
					{Driver: "d2", Cost: 20 * s, Terms: pickup(20 * s), Offered: true},
				},
				Chosen: []dispatch.DriverID{"d2"},
			},
			{ // without d1 it would cost 10 s more: o1 would have it
				Market: "sf", Order: "o2", Round: 1, At: t0, Mode: dispatch.ModeBatch, Policy: p.Version(), Penalty: penalty, Optimal: true, Dual: 40 * s,
				Candidates: []dispatch.Considered{
					{Driver: "d1", Cost: 30 * s, Terms: pickup(30 * s), Price: 10 * s, Offered: true},
					{Driver: "d2", Cost: 300 * s, Terms: pickup(300 * s)},
				},
				Chosen: []dispatch.DriverID{"d1"},
			},
		}
		if diff := cmp.Diff(want, explained(rec, cands)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("tells_who_was_removed_and_why_nobody_was_chosen", func(t *testing.T) {
		rec, cands := crowded()
		rec.Orders[0].Bars = []dispatch.Bar{{Driver: "d1"}}
		rec.Duties[1].VehicleClass = "van"
		rec.Orders = append(rec.Orders, rec.Orders[1], rec.Orders[1])
		rec.Orders[2].ID, rec.Orders[3].ID = "o3", "o4"
		cands.Pairs = append(cands.Pairs, Candidate{Order: "o3", Driver: "d1", Pickup: 50 * s, Accept: 0.5})
		cands.Removed = []Removed{{"o1", "d0", dispatch.FilterStale}, {"o9", "d0", dispatch.FilterStale}, {"o1", "d1", dispatch.FilterSuspect}, {"o4", "d0", dispatch.FilterTooFar}}
		got := explained(rec, cands)
		type told struct {
			Unmatched  string
			Dual       time.Duration
			Candidates []dispatch.Considered
		}
		want := map[dispatch.OrderID]told{
			"o1": {dispatch.UnmatchedFiltered, penalty, []dispatch.Considered{
				{Driver: "d0", FilteredBy: dispatch.FilterStale}, {Driver: "d1", FilteredBy: dispatch.FilterSuspect},
				{Driver: "d2", FilteredBy: dispatch.FilterVehicleClass},
			}},
			"o2": {"", penalty - 27500*time.Millisecond, []dispatch.Considered{
				{Driver: "d1", Cost: 30 * s, Terms: pickup(30 * s), Price: penalty - 57500*time.Millisecond, Offered: true},
				{Driver: "d2", FilteredBy: dispatch.FilterVehicleClass},
			}},
			"o3": {dispatch.UnmatchedOutbid, penalty, []dispatch.Considered{
				{Driver: "d1", Cost: 57500 * time.Millisecond, Price: penalty - 57500*time.Millisecond,
					Terms: []dispatch.CostTerm{{Name: "pickup", Cost: 50 * s}, {Name: "decline", Cost: 7500 * time.Millisecond}}},
			}},
			"o4": {dispatch.UnmatchedNobodyNear, penalty, []dispatch.Considered{{Driver: "d0", FilteredBy: dispatch.FilterTooFar}}},
		}
		for _, e := range got {
			if diff := cmp.Diff(want[e.Order], told{e.Unmatched, e.Dual, e.Candidates}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", e.Order, diff)
			}
		}
		if len(got) != 4 {
			t.Errorf("%d orders are explained", len(got))
		}
	})

	t.Run("lists_no_more_than_the_policys_candidates", func(t *testing.T) {
		p.Candidates = 1
		defer func() { p.Candidates = 16 }()
		rec, cands := crowded()
		for _, e := range explained(rec, cands) {
			if n := len(e.Candidates); e.Order == "o1" && n != 2 || e.Order == "o2" && n != 1 { // o1 was given its second
				t.Errorf("%s lists %d drivers", e.Order, n)
			}
		}
	})

	t.Run("has_no_duals_where_orders_of_mode_nearest_leave_the_optimum", func(t *testing.T) {
		for _, c := range []struct {
			kinds   []dispatch.Kind
			optimal bool
		}{
			{[]dispatch.Kind{dispatch.KindRide, dispatch.KindRide, dispatch.KindRide}, true},
			{[]dispatch.Kind{dispatch.KindRide, dispatch.KindDelivery, dispatch.KindRide}, true}, // its nearest falls to o2
			{[]dispatch.Kind{dispatch.KindDelivery, dispatch.KindDelivery, dispatch.KindRide}, false},
			{[]dispatch.Kind{dispatch.KindDelivery, dispatch.KindDelivery, dispatch.KindDelivery}, false},
		} {
			rec, cands := crowded()
			rec.Orders, rec.Duties = append(rec.Orders, rec.Orders[1]), append(rec.Duties, rec.Duties[1])
			rec.Orders[2].ID, rec.Duties[2].Driver = "o3", "d3"
			cands.Pairs = append(cands.Pairs, Candidate{Order: "o3", Driver: "d3", Pickup: s, Source: "test"})
			for i, kind := range c.kinds {
				rec.Orders[i].Kind = kind
			}
			core := NewCore("sf", policyOf(t, `{"services":{"delivery":{"mode":"nearest"}}}`), rec)
			core.Explain()
			core.Step(t0, Tick{})
			for _, e := range core.Step(t0, cands).Explained {
				if e.Optimal != c.optimal || !c.optimal && e.Dual != 0 {
					t.Errorf("%v: %s: optimal %v, dual %s", c.kinds, e.Order, e.Optimal, e.Dual)
				}
			}
		}
	})

	t.Run("is_nothing_unless_asked_for", func(t *testing.T) {
		rec, cands := crowded()
		core := NewCore("sf", p, rec)
		core.Step(t0, Tick{})
		if out := core.Step(t0, cands); out.Explained != nil || out.Round.Matched != 2 {
			t.Errorf("got %+v", out.Explained)
		}
	})
}

// The price of a driver is by how much the others would be better off if the order that has it were not there, and the
// dual of an order by how much the whole would be: found by solving again without it.
func TestCore_Explain_prices_are_what_it_costs_the_others(t *testing.T) {
	p := policyOf(t, `{"cost":{"prefer_tags_s":{"fleet":30}}}`)
	for seed := range uint64(100) {
		rec, cands := drawn(seed, 0)
		core := NewCore("sf", p, rec)
		core.Step(t0, Tick{})
		table := &core.round.table
		table.reset(core, core.stillWanting(), false)
		table.fill(core, &cands)
		r := rulesOf(&p)
		var own, other decider
		d := own.decide(&r, table)
		whole, prices := d.cost(table, d.first), d.prices(table)
		other.pose(&r, table)
		for i, j := range d.first {
			row, penalty := other.problem.Rows[i], other.problem.Penalty[i]
			other.problem.Rows[i], other.problem.Penalty[i] = nil, 0
			without := other.solver.Solve(&other.problem, match.Options{}).Cost
			other.problem.Rows[i], other.problem.Penalty[i] = row, penalty
			dual := penalty
			if j != match.Unmatched {
				dual = d.paid(i, j) + prices[j]
			}
			if dual != whole-without {
				t.Errorf("seed %d: order %d, driver %d: dual %d, but the round costs %d more with it", seed, i, j, dual, whole-without)
			}
		}
	}
}

func TestLoop_Explained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var told [][]dispatch.Explanation
		b.cfg.Explained = func(e []dispatch.Explanation) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if !b.started("o1/2 offered") {
				t.Error("explained before it was committed")
			}
			told = append(told, e)
		}
		b.cfg.Finder = finder(func(_ context.Context, s *Seek) Candidates {
			return Candidates{Round: s.Round, Pairs: []Candidate{{Order: "o1", Driver: "d1", Pickup: time.Minute, Source: "test"}}}
		})
		b.start()
		defer b.loop.Stop()
		b.wantOK(b.ask(t.Context(), online("d1")))
		b.wantOK(b.ask(t.Context(), create("o1", "")))
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(told) != 1 || len(told[0]) != 1 || told[0][0].Order != "o1" || told[0][0].Policy != b.cfg.Market.Policy.Version() {
			t.Errorf("told %+v", told)
		}
	})
}

// started tells, under mu, whether an event was told.
func (b *bench) started(what string) bool {
	for i := range b.told {
		if subject(&b.told[i]) == what {
			return true
		}
	}
	return false
}
