package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

// explained asks how rounds dealt with an order.
func (p *process) explained(id string) (rounds, offers []object) {
	p.t.Helper()
	body := p.done("GET", "/v1/orders/"+id+"/explain", "")
	for _, r := range body["rounds"].([]any) {
		rounds = append(rounds, r.(object))
	}
	for _, f := range body["offers"].([]any) {
		offers = append(offers, f.(object))
	}
	return rounds, offers
}

// chosen gives the rounds that chose somebody.
func chosen(rounds []object) (of []object) {
	for _, r := range rounds {
		if r["chosen"] != nil {
			of = append(of, r)
		}
	}
	return of
}

// candidate finds a driver in a round, nil when it is not there.
func candidate(round object, driver string) object {
	for _, c := range round["candidates"].([]any) {
		if c := c.(object); c["driver_id"] == driver {
			return c
		}
	}
	return nil
}

// TestExplain_DeclineAndSecondRound has the nearer driver decline, and asks why whom, before and after a restart.
func TestExplain_DeclineAndSecondRound(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	id := p.order("r1", "k1")
	path := "/v1/orders/" + id + "/explain"
	until(t, "a round found nobody", func() bool {
		rounds, _ := p.explained(id)
		return len(rounds) > 0 && rounds[0]["chosen"] == nil && rounds[0]["unmatched"] == "nobody_near" &&
			len(rounds[0]["candidates"].([]any)) == 0
	})
	lat, lng := north(1)
	near := onDuty(p, "near", lat, lng)
	offer := near.offered(id)
	lat, lng = north(9)
	far := onDuty(p, "far", lat, lng)
	near.acked(object{"type": "offer.decline", "id": "no", "offer_id": offer, "reason": "too_far"})
	far.accept(id)

	check := func(t *testing.T) {
		rounds, offers := p.explained(id)
		won := chosen(rounds)
		if len(won) != 2 || won[0]["chosen"] != "near" || won[1]["chosen"] != "far" {
			t.Fatalf("rounds are %v", rounds)
		}
		first, second := candidate(won[0], "near"), candidate(won[1], "far")
		wantFields(t, "the nearer in the first round", first, object{"filtered_by": nil, "offered": true})
		wantFields(t, "the farther in the second", second, object{"filtered_by": nil, "offered": true})
		for _, c := range []object{first, second} {
			sum := 0.0
			for _, term := range c["terms"].(object) {
				sum += term.(float64)
			}
			if cost := c["cost_s"].(float64); len(c["terms"].(object)) == 0 || cost-sum > 0.01 || sum-cost > 0.01 {
				t.Errorf("%v costs %v, its terms are %v", c["driver_id"], cost, c["terms"])
			}
		}
		if barred := candidate(won[1], "near"); barred == nil || barred["filtered_by"] != "barred" || barred["cost_s"] != nil {
			t.Errorf("the one who declined is in the second round as %v", barred)
		}
		if !timeOf(t, won[0]["at"]).Before(timeOf(t, won[1]["at"])) || won[0]["mode"] != "batch" || won[0]["penalty_s"].(float64) <= 0 {
			t.Errorf("rounds %v", won)
		}
		var states []any
		for _, f := range offers {
			states = append(states, f["driver_id"], f["state"], f["reason"])
		}
		if diff := cmp.Diff([]any{"near", "declined", "too_far", "far", "accepted", nil}, states); diff != "" {
			t.Errorf("offers (-want +got):\n%s", diff)
		}
	}
	t.Run("from_memory", check)
	for _, c := range []struct{ code, path, token string }{
		{"forbidden", path, p.token(dispatch.RoleRider, "r1")}, {"forbidden", path, p.token(dispatch.RoleDriver, "far")},
		{"not_found", path, p.token(dispatch.RoleDispatcher, "s", "nyc")}, {"not_found", "/v1/orders/nope/explain", p.staff()},
	} {
		p.refused(c.code, "", "GET", c.path, c.token, "")
	}
	if a := p.rest("GET", path, p.token(dispatch.RoleService, "s"), ""); a.status != 200 {
		t.Errorf("a service was answered %d %s", a.status, a.raw)
	}
	p.terminate()
	p = p.again("--markets", markets(t, quick))
	t.Run("after_a_restart", check)
}

// TestExplain_AfterErasure erases a driver beside the running server, and then the rider.
func TestExplain_AfterErasure(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	lat, lng := north(1)
	near := onDuty(p, "near", lat, lng)
	id := p.order("r1", "k1")
	near.acked(object{"type": "offer.decline", "id": "no", "offer_id": near.offered(id)})
	near.acked(object{"type": "duty", "id": "off", "state": "offline"})
	p.done("POST", "/v1/orders/"+id+"/cancel", `{}`)
	erase := func(who, sub string) {
		t.Helper()
		if out, code := hexfleetOutput("erase", "--"+who, sub, "--data-dir", p.dir, "--yes"); code != exitDone {
			t.Fatalf("exit %d, said %s", code, out)
		}
	}
	erase("driver", "near")
	rounds, offers := p.explained(id)
	won := chosen(rounds)
	if len(won) != 1 || !strings.HasPrefix(won[0]["chosen"].(string), dispatch.ErasedPrefix) || candidate(won[0], won[0]["chosen"].(string)) == nil {
		t.Errorf("with the driver erased the rounds are %v", rounds)
	}
	if text := fmt.Sprint(rounds, offers); strings.Contains(text, "near ") || strings.Contains(text, ":near]") {
		t.Errorf("the driver is still named in %s", text)
	}
	erase("rider", "r1")
	if rounds, _ = p.explained(id); len(rounds) != 0 {
		t.Errorf("with the rider erased the rounds are %v", rounds)
	}
}
