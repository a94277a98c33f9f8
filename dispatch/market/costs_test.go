package market

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// policyOf reads a policy.
func policyOf(t testing.TB, text string) dispatch.Policy {
	t.Helper()
	p, err := dispatch.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("policy%v", err)
	}
	return p
}

func TestPrice(t *testing.T) {
	const s = time.Second
	idle := &driver{duty: dispatch.Duty{Online: true, Capacity: 2, Tags: []string{"gold", "pets"}}, idle: t0.Add(-40 * s)}
	busy := &driver{duty: idle.duty, orders: []dispatch.OrderID{"o9"}, idle: t0.Add(-time.Hour)}
	for name, c := range map[string]struct {
		cost   string
		driver *driver
		cand   Candidate
		gains  time.Duration
		want   priced
	}{
		"pickup_counts_as_it_is":               {`{}`, idle, Candidate{Pickup: 90 * s}, 0, priced{termPickup: 90 * s}},
		"idle_time_takes_off":                  {`{"idle_weight":0.5}`, idle, Candidate{Pickup: 90 * s}, 0, priced{termPickup: 90 * s, termIdle: -20 * s}},
		"idle_time_takes_off_a_bounded_amount": {`{"idle_weight":3,"idle_max_s":30}`, idle, Candidate{}, 0, priced{termIdle: -30 * s}},
		"one_at_work_is_not_idle":              {`{"idle_weight":1}`, busy, Candidate{Pickup: 90 * s}, 0, priced{termPickup: 90 * s}},
		"a_wait_adds_the_margin_and_a_share":   {`{"chain_weight":0.25}`, busy, Candidate{Pickup: 300 * s, Wait: 100 * s}, 0, priced{termPickup: 300 * s, termChain: 55 * s}},
		"a_good_place_is_left_unwillingly":     {`{"destination_weight":2}`, idle, Candidate{Leaves: 50 * s}, 20 * s, priced{termDestination: 60 * s}},
		"a_good_drop_off_is_liked":             {`{"destination_weight":2}`, idle, Candidate{Leaves: 20 * s}, 50 * s, priced{termDestination: -60 * s}},
		"a_value_is_worth_an_hour_at_most":     {`{"destination_weight":2}`, idle, Candidate{Leaves: 20 * time.Hour}, 0, priced{termDestination: time.Hour}},
		"tags_are_preferred_or_avoided":        {`{"prefer_tags_s":{"gold":60,"pets":-20,"silver":9}}`, idle, Candidate{}, 0, priced{termPreference: -40 * s}},
		"a_likely_no_costs":                    {`{"decline_weight":2}`, idle, Candidate{Accept: 0.25}, 0, priced{termDecline: 22500 * time.Millisecond}},
		"an_unknown_answer_costs_nothing":      {`{"decline_weight":2}`, idle, Candidate{}, 0, priced{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := policyOf(t, `{"chain_s":600,"cost":`+c.cost+`}`)
			got := price(&p.Terms, p.Chain.Margin, t0, c.driver, &c.cand, c.gains)
			if got != c.want {
				t.Errorf("terms %v, want %v", got, c.want)
			}
			r := rulesOf(&p)
			if n := r.scale.cost(&got); n < 0 || time.Duration(n)*time.Millisecond != got.sum()+r.scale.shift {
				t.Errorf("cost %d of %v with shift %v", n, got.sum(), r.scale.shift)
			}
			if longest := r.scale.span; got.sum()+r.scale.shift > longest {
				t.Errorf("cost %v and shift %v are above the bound %v", got.sum(), r.scale.shift, longest)
			}
		})
	}
}

// An adversary keeps sending orders that are fresher and as near as can be, one for the only driver each time that it
// is free, against one order as far as can be: it may be passed over for C / age_weight, and no round longer.
func TestCore_Step_bounds_how_long_an_order_is_passed_over(t *testing.T) {
	for _, c := range []struct {
		mode, cost string
		bound      time.Duration // C / age_weight
	}{
		{"batch", `"age_weight":1,"decline_weight":0`, 900 * time.Second},
		{"batch", `"age_weight":3,"decline_weight":0`, 300 * time.Second},
		{"batch", `"age_weight":5,"decline_weight":0,"idle_weight":1,"idle_max_s":100`, 200 * time.Second},
		{"wave", `"age_weight":9,"decline_weight":0`, 100 * time.Second},
		{"nearest", `"age_weight":1`, 0},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.mode, c.cost), func(t *testing.T) {
			p := policyOf(t, fmt.Sprintf(`{"mode":%q,"search_timeout_s":86400,"cost":{%s}}`, c.mode, c.cost))
			w := newAdversary(t, p)
			for w.core.orders["old"].State == dispatch.StateSearching {
				if w.now.Sub(t0) > c.bound+2*p.Window {
					t.Fatalf("passed over for %v, the bound is %v", w.now.Sub(t0), c.bound)
				}
				w.round()
			}
			if c.bound > 0 && w.now.Sub(t0) < c.bound/2 {
				t.Errorf("served after %v already: this adversary shows nothing of the bound %v", w.now.Sub(t0), c.bound)
			}
		})
	}
}

// adversary is a market with one driver, who serves whatever it is given at once, and the order "old".
type adversary struct {
	*testing.T
	core *Core
	now  time.Time
	seek *Seek
	sent int
}

func newAdversary(t *testing.T, p dispatch.Policy) *adversary {
	w := &adversary{T: t, now: t0, core: NewCore("sf", p, dispatch.Recovery{At: t0, Duties: []dispatch.Duty{{
		Driver: "d1", Market: "sf", Version: 1, Online: true, VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1,
	}}})}
	w.do(create("old", ""))
	w.step(Candidates{Round: w.seek.Round}) // nobody is near yet
	w.seek = nil
	return w
}

func (w *adversary) do(c dispatch.Command) { w.step(Do{Command: c}) }

func (w *adversary) step(in Input) Effects {
	out := w.core.Step(w.now, in)
	if out.Seek != nil {
		w.seek = out.Seek
	}
	if out.Reply != nil && out.Reply.Err != nil {
		w.Fatalf("%+v: %v", in, out.Reply.Err)
	}
	return out
}

// round sends a fresh order and, when the round is there, has the driver accept and the order over.
func (w *adversary) round() {
	w.sent++
	w.do(create(fmt.Sprintf("new%04d", w.sent), ""))
	for w.seek == nil {
		w.now = w.now.Add(w.core.policy.Window)
		w.step(Tick{})
	}
	c := Candidates{Round: w.seek.Round}
	for _, o := range w.seek.Orders {
		pickup := time.Duration(0)
		if o.Order == "old" {
			pickup = w.core.policy.MaxPickup
		}
		c.Pairs = append(c.Pairs, Candidate{Order: o.Order, Driver: "d1", Pickup: pickup, Source: "test"})
	}
	w.seek = nil
	for _, f := range w.step(c).Offers {
		driver := dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(f.Driver)}
		w.do(dispatch.Command{Op: dispatch.OpAccept, By: driver, Offer: f.ID})
		if f.Order != "old" {
			w.do(dispatch.Command{Op: dispatch.OpCancel, By: dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "x"}, Order: f.Order})
		}
	}
}
