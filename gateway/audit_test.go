package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// ledger is an audit log in memory.
type ledger struct {
	mu      sync.Mutex
	entries []dispatch.AuditEntry // guarded by mu
	writes  int                   // guarded by mu
	// fail is asked before each write; nil takes all.
	fail func(write int) error
}

func (l *ledger) Record(_ context.Context, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	if l.fail != nil {
		if err := l.fail(l.writes); err != nil {
			return err
		}
	}
	if chain != dispatch.ChainAccess {
		return fmt.Errorf("chain %s", chain)
	}
	l.entries = append(l.entries, entries...)
	return nil
}

// lines tells the entries as text, without their instants.
func (l *ledger) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, e := range l.entries {
		lines = append(lines, fmt.Sprintf("%s/%s %s [%s] %s %s", e.Actor.Role, e.Actor.Sub, e.Action, e.Object, e.Outcome, e.RequestID))
	}
	return lines
}

// rest makes one call with the request id q.
func (st *stage) rest(method, path, token, body string) int {
	st.t.Helper()
	req, err := http.NewRequestWithContext(st.t.Context(), method, st.http.URL+path, strings.NewReader(body))
	if err != nil {
		st.t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", "q")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := st.http.Client().Do(req)
	if err != nil {
		st.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.Header.Get("X-Request-Id") != "q" {
		st.t.Errorf("%s %s was answered as request %q", method, path, res.Header.Get("X-Request-Id"))
	}
	return res.StatusCode
}

// hides has the core hide every order from a command.
func hides(_ context.Context, c dispatch.Command) (dispatch.Reply, bool) {
	if c.Order == "o9" {
		return dispatch.Reply{Err: dispatch.Errorf(dispatch.CodeNotFound, "", "no such order")}, true
	}
	return dispatch.Reply{Err: dispatch.Hidden("no such order")}, c.Order != "" || c.Offer != ""
}

func TestServer_audit_of_REST(t *testing.T) {
	log := &ledger{}
	// The hand-moved clock leaves the writing to the test.
	st := newStage(t, func(c *Config) { c.Audit, c.Wall = log, dispatch.NewManual(time.Now()) })
	st.judge = hides
	st.order("o1", "r1")
	rider, driver := st.token(dispatch.RoleRider, "r2"), st.token(dispatch.RoleDriver, "d2")
	staff := st.token(dispatch.RoleDispatcher, "anna")
	east := st.token(dispatch.RoleDispatcher, "ben", func(c *auth.Claims) { c.Markets = []dispatch.MarketID{"east"} })
	for _, call := range []struct {
		method, path, token, body string
		status                    int
		line                      string // "" when it is nobody's access that was refused
	}{
		{"GET", "/v1/orders/o1", "", "", 401, "/ read.order [order:o1] unauthenticated q"},
		{"HEAD", "/v1/orders/o1", "x", "", 401, "/ read.order [order:o1] unauthenticated q"},
		{"GET", "/v1/what", "x", "", 401, "/ route [] unauthenticated q"},
		{"GET", "/v1/orders/o1", rider, "", 404, "rider/r2 read.order [order:o1] not_found q"},
		{"GET", "/v1/orders/o1/events", east, "", 404, "dispatcher/ben read.order [order:o1] not_found q"},
		{"GET", "/v1/drivers/d1", driver, "", 404, "driver/d2 read.driver [driver:d1] not_found q"},
		{"GET", "/v1/drivers/d1", rider, "", 403, "rider/r2 read.driver [driver:d1] forbidden q"},
		{"POST", "/v1/orders/o1/assign", rider, `{"driver_id":"d1"}`, 403, "rider/r2 order.assign [order:o1] forbidden q"},
		{"POST", "/v1/orders/o1/cancel", rider, "", 404, "rider/r2 order.cancel [order:o1] not_found q"},
		{"POST", "/v1/offers/f1/accept", driver, "", 404, "driver/d2 offer.accept [offer:f1] not_found q"},
		{"POST", "/v1/orders/o1/cancel", east, "", 404, "dispatcher/ben order.cancel [order:o1] not_found q"},
		{"POST", "/v1/orders/o9/cancel", staff, "", 404, "dispatcher/anna order.cancel [order:o9] not_found q"},
		{"POST", "/v1/tickets/redeem", "", `{"ticket":"abcdefgh"}`, 404, "/ /v1/tickets/redeem [] not_found q"},
		{"GET", "/v1/ws", "x", "", 401, "/ socket.open [] unauthenticated q"},
		{"POST", "/v1/orders/o9/cancel", rider, "", 404, ""},
		{"GET", "/v1/orders/o9", rider, "", 404, ""},
		{"GET", "/v1/orders/o9", staff, "", 404, ""},
		{"GET", "/v1/what", rider, "", 404, ""},
		{"DELETE", "/v1/orders", rider, "", 405, ""},
		{"POST", "/v1/orders", rider, `{}`, 400, ""},
		{"GET", "/v1/orders/o1", staff, "", 200, ""},
	} {
		before := len(log.lines())
		if got := st.rest(call.method, call.path, call.token, call.body); got != call.status {
			t.Errorf("%s %s gave %d, want %d", call.method, call.path, got, call.status)
		}
		st.srv.audit.flush()
		want := []string{}
		if call.line != "" {
			want = append(want, call.line)
		}
		if diff := cmp.Diff(want, append([]string{}, log.lines()[before:]...)); diff != "" {
			t.Errorf("%s %s is on record (-want +got):\n%s", call.method, call.path, diff)
		}
	}
}

// flush writes what waits, as the goroutine does when its time comes.
func (a *auditor) flush() { a.write(a.take()) }

func TestServer_audit_of_sockets(t *testing.T) {
	log := &ledger{}
	// The hand-moved clock leaves the writing to the test.
	st := newStage(t, func(c *Config) { c.Audit, c.Wall = log, dispatch.NewManual(time.Now()) })
	st.judge = hides
	st.order("o1", "r1")
	bad := st.dial(nil)
	bad.send(frame{"type": "auth", "token": "x", "id": "a0"})
	bad.closed()
	first := st.dial(nil)
	first.send(frame{"type": "duty", "id": "a1"})
	first.closed()
	rider := st.enter(dispatch.RoleRider, "r2", from("o1", 0))
	rider.ask(frame{"type": "order.watch", "id": "a2", "order_id": "o1"})
	rider.ask(frame{"type": "order.cancel", "id": "a3", "order_id": "o1"})
	rider.ask(frame{"type": "duty", "id": "a4", "state": "online"})
	rider.ask(frame{"type": "telemetry", "id": "a5"})
	rider.ask(frame{"type": "order.cancel", "id": "a6", "order_id": "o9"}) // nobody's
	rider.ask(frame{"type": "order.cancel", "id": "a7"})                   // a mistake
	staff := st.enter(dispatch.RoleDispatcher, "anna")
	staff.ask(frame{"type": "order.cancel", "id": "a8", "order_id": "o9"})
	staff.ask(frame{"type": "order.watch", "id": "a9", "order_id": "o9"})
	rider.send(frame{"type": "auth", "id": "b1", "token": st.token(dispatch.RoleRider, "r3")})
	rider.closed()
	st.srv.audit.flush()
	want := []string{
		"/ auth [] unauthenticated a0",
		"/ auth [] unauthenticated a1",
		"rider/r2 resume [order:o1] not_found ",
		"rider/r2 order.watch [order:o1] not_found a2",
		"rider/r2 order.cancel [order:o1] not_found a3",
		"rider/r2 duty [] forbidden a4",
		"rider/r2 telemetry [] forbidden a5",
		"dispatcher/anna order.cancel [order:o9] not_found a8",
		"rider/r2 auth [] unauthenticated b1",
	}
	if diff := cmp.Diff(want, log.lines()); diff != "" {
		t.Errorf("on record (-want +got):\n%s", diff)
	}
}

func TestServer_commands_carry_their_message_id(t *testing.T) {
	var got dispatch.Command
	st := newStage(t, nil)
	st.order("o1", "r1")
	st.judge = func(_ context.Context, c dispatch.Command) (dispatch.Reply, bool) {
		got = c
		return dispatch.Reply{}, true
	}
	st.enter(dispatch.RoleRider, "r1").ask(frame{"type": "order.cancel", "id": "m1", "order_id": "o1"})
	if got.RequestID != "m1" {
		t.Errorf("command %+v", got)
	}
}

func TestAuditor_flood(t *testing.T) {
	const n = 5000
	hold, wall := make(chan struct{}), dispatch.NewManual(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))
	log := &ledger{fail: func(int) error { <-hold; return nil }}
	st := newStage(t, func(c *Config) { c.Audit, c.Wall = log, wall })
	refuse := func(code dispatch.Code) {
		st.srv.audit.refuse(access{action: "read.order", id: "q"}, dispatch.Errorf(code, "", "no"))
	}
	refuse(dispatch.CodeForbidden)
	eventually(t, "the store holds the write up", func() bool {
		wall.Advance(auditEvery)
		st.srv.audit.mu.Lock()
		defer st.srv.audit.mu.Unlock()
		return len(st.srv.audit.waiting) == 0
	})
	for i := range n { // nobody waits for the store
		refuse([]dispatch.Code{dispatch.CodeForbidden, dispatch.CodeUnauthenticated}[i%2])
	}
	close(hold)
	st.srv.audit.close()
	counted, floods := int64(0), map[dispatch.Code]int64{}
	for _, e := range log.entries {
		counted += max(1, e.Count)
		if e.Action == actionFlood {
			floods[e.Outcome] += e.Count
		}
	}
	if counted != n+1 || len(log.entries) != 1+auditOneByOne+2 {
		t.Errorf("%d accesses in %d entries, want %d in %d", counted, len(log.entries), n+1, 1+auditOneByOne+2)
	}
	each := int64(n-auditOneByOne) / 2
	if diff := cmp.Diff(map[dispatch.Code]int64{"forbidden": each, "unauthenticated": each}, floods); diff != "" {
		t.Errorf("floods (-want +got):\n%s", diff)
	}
}

func TestAuditor_store_away(t *testing.T) {
	wall := dispatch.NewManual(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))
	log := &ledger{fail: func(write int) error {
		switch write {
		case 1, 2:
			return dispatch.Unavailable("away", nil)
		case 4:
			return dispatch.ErrRefused
		}
		return nil
	}}
	st := newStage(t, func(c *Config) { c.Audit, c.Wall = log, wall })
	writes := func(n int) {
		eventually(t, fmt.Sprintf("write %d", n), func() bool {
			wall.Advance(auditEvery / 4)
			log.mu.Lock()
			defer log.mu.Unlock()
			return log.writes >= n
		})
	}
	refuse := func(id string) {
		st.srv.audit.refuse(access{action: "read.order", id: id}, dispatch.Errorf(dispatch.CodeForbidden, "", "no"))
	}
	refuse("q1")
	writes(3)
	refuse("q2") // which the store does not take at all: a defect, and no reason to stand still
	writes(4)
	refuse("q3")
	writes(5)
	want := []string{"/ read.order [] forbidden q1", "/ read.order [] forbidden q3"}
	if diff := cmp.Diff(want, log.lines()); diff != "" {
		t.Errorf("on record (-want +got):\n%s", diff)
	}
	if at := log.entries[0].At; !at.Equal(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("the instant is %v, not that of the access", at)
	}
}
