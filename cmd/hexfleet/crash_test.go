package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// freePort gives an address that a server can be started on, stopped, and started again.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestServe_KillLosesNothing kills the server while orders come in, three times, and asks the next one for
// every order that was acknowledged (P1, P3, P7).
func TestServe_KillLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := map[string]string{} // key -> the body of the 201
	for round := range 3 {
		p := serve(t, dir)
		killed := make(chan struct{})
		var mu sync.Mutex
		var wg sync.WaitGroup
		enough := make(chan struct{})
		count := 0
		for w := range 4 {
			wg.Go(func() {
				token := p.token(dispatch.RoleRider, fmt.Sprintf("r%d", w))
				for i := 0; ; i++ {
					key := fmt.Sprintf("k-%d-%d-%d", round, w, i)
					body, ok := order(p, token, key)
					if !ok {
						return
					}
					mu.Lock()
					acked[key] = body
					if count++; count == 60 {
						close(enough)
					}
					mu.Unlock()
					select {
					case <-killed:
						return
					default:
					}
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(patience):
			t.Fatal("no 60 orders were acknowledged")
		}
		p.kill()
		close(killed)
		wg.Wait()
	}
	p := serve(t, dir)
	staff := p.token(dispatch.RoleDispatcher, "staff")
	for key, body := range acked {
		worker := strings.Split(key, "-")[2]
		again, ok := order(p, p.token(dispatch.RoleRider, "r"+worker), key)
		if !ok || again != body {
			t.Fatalf("key %s: the order acknowledged as %s is told as %s", key, body, again)
		}
	}
	checkHistories(t, p, staff, len(acked))
}

// order creates an order; ok is false when the server has gone.
func order(p *process, token, key string) (body string, ok bool) {
	req, err := http.NewRequest("POST", p.url+"/v1/orders", strings.NewReader(rideBody))
	if err != nil {
		p.t.Error(err)
		return "", false
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		return "", false
	}
	return string(raw), true
}

// checkHistories reads every order of the server page by page: at least want of them, each history dense.
func checkHistories(t *testing.T, p *process, staff string, want int) {
	t.Helper()
	n, cursor := 0, ""
	for {
		page := p.rest("GET", "/v1/orders?limit=500"+cursor, staff, "")
		if page.status != 200 {
			t.Fatalf("list answered %d %s", page.status, page.raw)
		}
		for _, item := range page.body["items"].([]any) {
			n++
			o := item.(object)
			id := o["id"].(string)
			events := p.rest("GET", "/v1/orders/"+id+"/events?limit=500", staff, "").body["items"].([]any)
			for i, e := range events {
				if v := e.(object)["version"]; v != float64(i+1) {
					t.Fatalf("order %s: event %d has version %v", id, i, v)
				}
			}
			if o["version"] != float64(len(events)) {
				t.Errorf("order %s stands at version %v and has %d events", id, o["version"], len(events))
			}
		}
		next, more := page.body["next_cursor"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if n < want {
		t.Errorf("%d orders are there, %d were acknowledged", n, want)
	}
}

// TestServe_DrainsOnTerminate shows SIGTERM: sockets are told to come back, the exit code is 0, nothing that
// was acknowledged is lost (P13).
func TestServe_DrainsOnTerminate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir)
	rider := p.dial(p.token(dispatch.RoleRider, "r1"))
	ack := rider.acked(object{"type": "order.create", "id": "c1", "market": "sf", "kind": "ride", "stops": []object{
		{"type": "pickup", "lat": 37.78, "lng": -122.41}, {"type": "dropoff", "lat": 37.75, "lng": -122.42}}})
	code, took := p.terminate()
	if code != exitDone || took > 25*time.Second {
		t.Errorf("exit %d after %s", code, took)
	}
	for {
		frame, closed := rider.next()
		if closed != 0 {
			if closed != 4001 {
				t.Errorf("closed with %d, want 4001", closed)
			}
			break
		}
		rider.seen = append(rider.seen, frame)
	}
	if last := rider.seen[len(rider.seen)-1]; last["type"] != "drain" {
		t.Errorf("the last frame was %v, want drain", last)
	}
	q := serve(t, dir)
	id := ack["order"].(object)["id"].(string)
	if a := q.rest("GET", "/v1/orders/"+id, q.token(dispatch.RoleRider, "r1"), ""); a.status != 200 {
		t.Errorf("after the restart the order is %d %s", a.status, a.raw)
	}
	resumed := q.dial(q.token(dispatch.RoleRider, "r1"), object{"order_id": id, "after_version": 0})
	if told := resumed.wait("order", nil); told["event"].(object)["version"] != 1.0 {
		t.Errorf("resume began with %v", told)
	}
}

// TestServe_OffersOutliveAKill kills the server while two offers are live: one is still good when it is back,
// the other has expired meanwhile, and its order goes to the next driver.
func TestServe_OffersOutliveAKill(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":4`)
	lost := onDuty(p, "d1", pickupLat, pickupLng)
	short := p.order("r1", "k1")
	lost.offered(short)
	expires := timeOf(t, lost.find("offer", nil)["expires_at"])
	p = p.again("--markets", markets(t, quick+`,"offer_ttl_s":600`))
	keeper := onDuty(p, "d2", pickupLat, pickupLng)
	keeper.acked(duty("xl", "online", object{"vehicle_class": "xl"})) // the other order is not for it
	long := p.create("r2", "k1", `{"kind":"ride","vehicle_class":"xl",`+stops(pickup, dropoff)+`}`)["id"].(string)
	offer := keeper.find("offer", func(f object) bool { return f["order"].(object)["id"] == long })
	p.kill()
	until(t, "the first offer is over", func() bool { return time.Now().After(expires) })

	p = serve(t, p.dir, "--markets", markets(t, quick+`,"offer_ttl_s":600`))
	keeper = p.dial(p.token(dispatch.RoleDriver, "d2"))
	again := keeper.find("offer", func(f object) bool { return f["order"].(object)["id"] == long })
	wantFields(t, "the offer told again", again, object{
		"offer_id": offer["offer_id"], "expires_at": offer["expires_at"], "wait_time_s": offer["wait_time_s"]})
	keeper.accept(long)
	late := p.dial(p.token(dispatch.RoleDriver, "d1"))
	late.fence()
	if n := late.offers(short); n != 0 {
		t.Error("an expired offer was told again")
	}
	onDuty(p, "d3", pickupLat+0.02, pickupLng).accept(short)
	p.wantStates(short, "searching", "offered", "searching", "offered", "en_route_to_pickup")
	p.wantStates(long, "searching", "offered", "en_route_to_pickup")
}
