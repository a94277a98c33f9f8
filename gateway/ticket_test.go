package gateway

import (
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestServer_redeemTicket plays a staff link from its minting to its end, on a wall clock moved by hand.
func TestServer_redeemTicket(t *testing.T) {
	wall := dispatch.NewManual(time.Now())
	st := newStage(t, func(c *Config) { c.Wall = wall })
	redeem := func(h *httptest.Server, body string) restAnswer {
		t.Helper()
		return restDo(t, h, "", "POST /v1/tickets/redeem", body)
	}
	bring := func(ticket string) restAnswer { t.Helper(); return redeem(st.http, `{"ticket":"`+ticket+`"}`) }

	t.Run("it_is_changed_once_for_a_token_that_opens_the_board", func(t *testing.T) {
		ticket := st.srv.StaffTicket(dispatch.RoleDispatcher, "boss")
		if len(ticket) != 22 || !dispatch.ValidID(ticket) {
			t.Errorf("the ticket is %q", ticket)
		}
		got := bring(ticket)
		if got.status != 200 || got.body["role"] != "dispatcher" || got.body["sub"] != "boss" || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("got %d %s %v", got.status, got.raw, got.header)
		}
		expires, err := time.Parse(time.RFC3339, got.body["expires_at"].(string))
		if err != nil || expires.Sub(wall.Now()).Round(time.Second) != 12*time.Hour {
			t.Errorf("expires at %v", got.body["expires_at"])
		}
		p := st.dial(nil)
		p.send(frame{"type": "auth", "token": got.body["token"]})
		if w := p.read(); w.str("type") != "welcome" || w.str("role") != "dispatcher" || w.str("sub") != "boss" {
			t.Errorf("the token was answered %v", w)
		}
		if got := bring(ticket); got.status != 410 || got.body["code"] != "expired" {
			t.Errorf("the second time it was answered %d %s", got.status, got.raw)
		}
	})
	t.Run("of_many_who_bring_it_at_once_one_is_served", func(t *testing.T) {
		ticket := st.srv.StaffTicket(dispatch.RoleAdmin, "root")
		var served [8]bool
		var all sync.WaitGroup
		for i := range served {
			all.Go(func() {
				_, _, refused := st.srv.tickets.redeem(ticket)
				served[i] = refused == nil
			})
		}
		all.Wait()
		n := 0
		for _, ok := range served {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d were served", n)
		}
	})
	t.Run("it_is_good_for_ten_minutes", func(t *testing.T) {
		early, late := st.srv.StaffTicket(dispatch.RoleDispatcher, "a"), st.srv.StaffTicket(dispatch.RoleDispatcher, "b")
		wall.Advance(ticketLife - time.Second)
		if got := bring(early); got.status != 200 {
			t.Errorf("just before, it was answered %d %s", got.status, got.raw)
		}
		wall.Advance(time.Second)
		if got := bring(late); got.status != 410 {
			t.Errorf("too late, it was answered %d %s", got.status, got.raw)
		}
		wall.Advance(ticketMemory)
		if got := bring(late); got.status != 404 {
			t.Errorf("a day later it was answered %d %s", got.status, got.raw)
		}
		st.srv.StaffTicket(dispatch.RoleDispatcher, "c")
		if n := len(st.srv.tickets.known); n != 1 {
			t.Errorf("%d tickets are kept", n)
		}
	})
	t.Run("what_is_none_is_refused", func(t *testing.T) {
		for body, want := range map[string]int{
			`{"ticket":"nobody-minted-this"}`: 404, `{}`: 400, `{"ticket":""}`: 400, `{"ticket":"a b"}`: 400, `{"ticket":"a","x":1}`: 400, ``: 400,
		} {
			if got := redeem(st.http, body); got.status != want {
				t.Errorf("%s was answered %d %s", body, got.status, got.raw)
			}
		}
		if got := restDo(t, st.http, "", "GET /v1/tickets/redeem", ""); got.status != 405 || got.header.Get("Allow") != "POST" {
			t.Errorf("GET was answered %d %s", got.status, got.raw)
		}
		if got := restDo(t, st.http, "", "POST /v1/tickets/other", "{}"); got.status != 401 {
			t.Errorf("another route was answered %d %s", got.status, got.raw)
		}
	})
	t.Run("only_staff_has_tickets", func(t *testing.T) {
		for _, by := range []dispatch.Actor{{Role: dispatch.RoleRider, Sub: "r1"}, {Role: dispatch.RoleAdmin, Sub: "a b"}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%+v was given one", by)
					}
				}()
				st.srv.StaffTicket(by.Role, by.Sub)
			}()
		}
	})
}
