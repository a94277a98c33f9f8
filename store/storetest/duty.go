package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

func dutyTests() []sentence {
	return []sentence{
		{"a_claim_alone_is_no_duty", dutyClaimOnly},
		{"a_claim_bars_other_markets_until_it_runs_out", dutyClaimRunsOut},
		{"a_claim_made_before_the_clock_was_set_back_stands_no_longer", dutyClaimAhead},
		{"a_driver_on_duty_is_held_for_good", dutyHeld},
		{"offline_frees_the_driver", dutyFrees},
		{"a_driver_with_an_open_order_is_held_though_off_duty", dutyWorking},
		{"no_driver_is_on_duty_in_two_markets", dutyTwoMarkets},
		{"an_online_after_its_claim_ran_out_cannot_pass_a_later_claim", dutyLateOnline},
		{"thirty_two_race_for_one_driver_and_one_market_wins", dutyRace},
	}
}

func claim(t *testing.T, h *house, d dispatch.DriverID, m dispatch.MarketID) dispatch.Claim {
	t.Helper()
	c, err := h.Claim(t.Context(), d, m)
	ok(t, "claim", err)
	return c
}

func dutyClaimOnly(t *testing.T, h *house) {
	same(t, "claim", claim(t, h, "d1", sf), dispatch.Claim{})
	_, err := h.Duty(t.Context(), "d1")
	wantCode(t, "duty", err, dispatch.CodeNotFound)
	r := NewBook(t, h, sf).Recover()
	same(t, "duties recovered", r.Duties, []dispatch.Duty{})
}

func dutyClaimRunsOut(t *testing.T, h *house) {
	same(t, "claim", claim(t, h, "d1", sf), dispatch.Claim{})
	same(t, "claim for the same market", claim(t, h, "d1", sf), dispatch.Claim{})
	h.wall.Advance(store.ClaimFor - time.Second)
	same(t, "claim for another", claim(t, h, "d1", la), dispatch.Claim{Held: sf})
	h.wall.Advance(time.Second)
	same(t, "claim for another, later", claim(t, h, "d1", la), dispatch.Claim{})
	same(t, "claim for the first", claim(t, h, "d1", sf), dispatch.Claim{Held: la})
}

func dutyClaimAhead(t *testing.T, h *house) {
	claim(t, h, "d1", sf)
	h.wall.Advance(-time.Hour)
	same(t, "claim for another", claim(t, h, "d1", la), dispatch.Claim{})
}

func dutyHeld(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	claim(t, h, "d1", sf)
	b.Duty("d1", true, 2)
	b.Commit()
	d, err := h.Duty(t.Context(), "d1")
	ok(t, "duty", err)
	same(t, "duty", d, b.duties["d1"])
	h.wall.Advance(100 * store.ClaimFor)
	h.reopen(t)
	_, err = h.Lead(t.Context(), sf)
	ok(t, "lead", err)
	same(t, "claim for another market", claim(t, h, "d1", la), dispatch.Claim{Held: sf, Version: 1})
	same(t, "claim for the same", claim(t, h, "d1", sf), dispatch.Claim{Version: 1})
	d, err = h.Duty(t.Context(), "d1")
	ok(t, "duty", err)
	same(t, "duty after claims", d, b.duties["d1"])
}

func dutyFrees(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 2)
	b.Duty("d1", false, 0)
	b.Commit()
	same(t, "claim for another market", claim(t, h, "d1", la), dispatch.Claim{Version: 2})
	d, err := h.Duty(t.Context(), "d1")
	ok(t, "duty", err)
	same(t, "the latest duty", d, b.duties["d1"])
	other := NewBook(t, h, la)
	other.SetDuty(d)
	other.Duty("d1", true, 1)
	other.Commit()
	d, err = h.Duty(t.Context(), "d1")
	ok(t, "duty", err)
	same(t, "duty in the other market", d, other.duties["d1"])
}

func dutyWorking(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 1)
	setOut(b, "o1", dispatch.StateEnRouteToPickup, "d1")
	b.Duty("d1", false, 0)
	b.Commit()
	same(t, "claim for another market", claim(t, h, "d1", la), dispatch.Claim{Held: sf, Version: 2})
	same(t, "claim for the same", claim(t, h, "d1", sf), dispatch.Claim{Version: 2})
	b.Move("o1", dispatch.StateCancelled, Cancelled)
	b.Commit()
	h.wall.Advance(store.ClaimFor)
	same(t, "claim for another market once it is over", claim(t, h, "d1", la), dispatch.Claim{Version: 2})
}

func dutyTwoMarkets(t *testing.T, h *house) {
	b, other := NewBook(t, h, sf), NewBook(t, h, la)
	b.Duty("d1", true, 1)
	b.Commit()
	duty := b.duties["d1"]
	other.SetDuty(duty)
	other.Duty("d1", true, 1)
	wantIs(t, "online elsewhere", other.TryCommit(), dispatch.ErrRefused)
	other.SetDuty(duty)
	other.Duty("d1", false, 1)
	wantIs(t, "offline elsewhere", other.TryCommit(), dispatch.ErrRefused)
	b.Duty("d1", true, 2) // a change of the duty where it is
	b.Commit()
}

func dutyLateOnline(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	claim(t, h, "d1", sf)
	h.wall.Advance(store.ClaimFor)
	same(t, "claim for another", claim(t, h, "d1", la), dispatch.Claim{})
	b.Duty("d1", true, 1)
	wantIs(t, "online by the first claim", b.TryCommit(), dispatch.ErrRefused)
	other := NewBook(t, h, la)
	other.Duty("d1", true, 1)
	other.Commit()
}

func dutyRace(t *testing.T, h *house) {
	const racers, rounds = 32, 20
	markets := []dispatch.MarketID{sf, la}
	books := map[dispatch.MarketID]*Book{sf: NewBook(t, h, sf), la: NewBook(t, h, la)}
	for round := range rounds {
		d := dispatch.DriverID(fmt.Sprint("d", round))
		claims := make([]dispatch.Claim, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() {
				var err error
				if claims[i], err = h.Claim(t.Context(), d, markets[i%2]); err != nil {
					t.Errorf("claim: %v", err)
				}
			})
		}
		wg.Wait()
		var winner dispatch.MarketID
		for i, c := range claims {
			if c.Held == "" {
				winner = markets[i%2]
			}
		}
		for i, c := range claims {
			if won := markets[i%2] == winner; won != (c.Held == "") || (!won && c.Held != winner) {
				t.Fatalf("round %d: %s won, but a claim for %s gave %+v", round, winner, markets[i%2], c)
			}
		}
		books[winner].Duty(d, true, 1)
		books[winner].Commit()
	}
}
