package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

// What the end-to-end tests say again and again: towns with a policy of their own, the market clock, orders
// and what became of them.

// where the orders of these tests begin, and a place for drivers k steps of about 100 m to the north of it.
const pickupLat, pickupLng = 37.78, -122.41

func north(k int) (lat, lng float64) { return pickupLat + float64(k)*0.001, pickupLng }

// markets writes a markets file: sf and nyc as squares, with the policy given as JSON members.
func markets(t *testing.T, policy string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "markets.geojson")
	writeMarkets(t, path, policy)
	return path
}

func writeMarkets(t *testing.T, path, policy string) {
	t.Helper()
	square := func(id string, south, north, west, east float64) string {
		return fmt.Sprintf(`{"type":"Feature","properties":{"id":%q,"name":%q,"timezone":"UTC","policy":{%s}},
			"geometry":{"type":"Polygon","coordinates":[[[%[4]v,%[6]v],[%[5]v,%[6]v],[%[5]v,%[7]v],[%[4]v,%[7]v],[%[4]v,%[6]v]]]}}`,
			id, id, policy, west, east, south, north)
	}
	text := `{"type":"FeatureCollection","features":[` + square("sf", 37.2, 38.2, -122.7, -121.7) + "," +
		square("nyc", 40.4, 41.1, -74.3, -73.6) + `]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// town starts a server in a fresh data dir whose markets have rounds ten times a second, fixes that stay
// fresh for a day, and the policy given.
func town(t *testing.T, policy string, args ...string) *process {
	t.Helper()
	return serve(t, t.TempDir(), append([]string{"--markets", markets(t, quick+policy)}, args...)...)
}

const quick = `"window_ms":100,"freshness_s":86400`

// again kills the server and starts it on the same data.
func (p *process) again(args ...string) *process {
	p.t.Helper()
	p.kill()
	return serve(p.t, p.dir, args...)
}

// staff is a dispatcher's token.
func (p *process) staff() string { return p.token(dispatch.RoleDispatcher, "staff") }

// now is the market clock.
func (p *process) now() time.Time {
	p.t.Helper()
	a := p.rest("GET", "/v1/markets/sf", p.staff(), "")
	at, err := time.Parse(time.RFC3339, fmt.Sprint(a.body["server_time"]))
	if err != nil {
		p.t.Fatalf("the market is %s: %v", a.raw, err)
	}
	return at
}

// hup has the server read its markets again.
func (p *process) hup() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
}

// until asks again until the answer is yes.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); !yes(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// order creates a ride of a rider and gives its id.
func (p *process) order(rider, key string) string {
	p.t.Helper()
	return p.create(rider, key, rideBody)["id"].(string)
}

func (p *process) create(rider, key, body string) object {
	p.t.Helper()
	a := p.rest("POST", "/v1/orders", p.token(dispatch.RoleRider, rider), body, "Idempotency-Key", key)
	if a.status != 201 {
		p.t.Fatalf("create answered %d %s", a.status, a.raw)
	}
	return a.body
}

// stands reads an order.
func (p *process) stands(id string) object {
	p.t.Helper()
	return p.done("GET", "/v1/orders/"+id, "")
}

// done makes a request as a dispatcher, which must succeed.
func (p *process) done(method, path, body string) object {
	p.t.Helper()
	a := p.rest(method, path, p.staff(), body)
	if a.status != 200 {
		p.t.Fatalf("%s %s %s answered %d %s", method, path, body, a.status, a.raw)
	}
	return a.body
}

// refused makes a request that must be answered with the code, and the field if one is given.
func (p *process) refused(code, field, method, path, token, body string, headers ...string) {
	p.t.Helper()
	a := p.rest(method, path, token, body, headers...)
	got, _ := a.body["field"].(string)
	if a.body["code"] != code || got != field {
		p.t.Errorf("%s %s %s answered %d %s, want %s %s", method, path, body, a.status, a.raw, code, field)
	}
}

// history reads the events of an order, whose versions must be dense.
func (p *process) history(id string) []object {
	p.t.Helper()
	var events []object
	for i, item := range p.done("GET", "/v1/orders/"+id+"/events?limit=500", "")["items"].([]any) {
		e := item.(object)
		if e["version"] != float64(i+1) {
			p.t.Errorf("event %d of %s has version %v", i, id, e["version"])
		}
		events = append(events, e)
	}
	return events
}

// wantStates compares the states an order went through.
func (p *process) wantStates(id string, want ...string) {
	p.t.Helper()
	var got []string
	for _, e := range p.history(id) {
		got = append(got, e["to"].(string))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("states of %s (-want +got):\n%s", id, diff)
	}
}

// find gives the first frame of the type that the condition takes, of those that came or will come.
func (s *sock) find(kind string, take func(object) bool) object {
	s.t.Helper()
	for _, frame := range s.all {
		if frame["type"] == kind && (take == nil || take(frame)) {
			return frame
		}
	}
	return s.wait(kind, take)
}

// fence reads what was sent before an answer that is asked for now.
func (s *sock) fence() {
	s.t.Helper()
	s.ask(object{"type": "order.unwatch", "id": fmt.Sprintf("fence-%d", len(s.all)), "order_id": "nope"})
}

// about gives the order frames that came about an order.
func (s *sock) about(id string) (frames []object) {
	for _, f := range s.all {
		if o, _ := f["order"].(object); f["type"] == "order" && o["id"] == id {
			frames = append(frames, f)
		}
	}
	return frames
}

// versions gives the versions of the events that came about an order; 0 stands for a present state.
func (s *sock) versions(id string) []float64 {
	var out []float64
	for _, f := range s.about(id) {
		e, _ := f["event"].(object)
		v, _ := e["version"].(float64)
		out = append(out, v)
	}
	return out
}

func (s *sock) wantVersions(id string, want ...float64) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.versions(id)); diff != "" {
		s.t.Errorf("versions told of %s (-want +got):\n%s", id, diff)
	}
}

// offers counts the offers of an order that came.
func (s *sock) offers(id string) (n int) {
	for _, f := range s.all {
		if o, _ := f["order"].(object); f["type"] == "offer" && o["id"] == id {
			n++
		}
	}
	return n
}

// offered waits for the offer of an order and gives its id.
func (s *sock) offered(order string) string {
	s.t.Helper()
	f := s.find("offer", func(f object) bool { return f["order"].(object)["id"] == order })
	return f["offer_id"].(string)
}

// accept takes the offer of an order.
func (s *sock) accept(order string) object {
	s.t.Helper()
	offer := s.offered(order)
	return s.acked(object{"type": "offer.accept", "id": "accept-" + offer, "offer_id": offer})["order"].(object)
}

// advance takes an order through states and gives it as it then stands.
func (s *sock) advance(order string, states ...string) (o object) {
	s.t.Helper()
	for _, to := range states {
		o = s.acked(object{"type": "trip.advance", "id": to + "-" + order, "order_id": order, "to": to})["order"].(object)
	}
	return o
}

// denied asks for what must be answered with the code, and the field if one is given.
func (s *sock) denied(code, field string, request object) {
	s.t.Helper()
	f := s.ask(request)
	got, _ := f["field"].(string)
	if f["type"] != "error" || f["code"] != code || got != field {
		s.t.Errorf("%v was answered %v, want %s %s", request, f, code, field)
	}
}

// closed reads to the end of the socket and gives its close code.
func (s *sock) closed() int {
	s.t.Helper()
	for {
		if _, code := s.next(); code != 0 {
			return code
		}
	}
}

// event takes an order frame by the version of its event.
func event(id string, version float64) func(object) bool {
	return func(f object) bool {
		o, _ := f["order"].(object)
		e, _ := f["event"].(object)
		return o["id"] == id && e["version"] == version
	}
}

// wantFields compares some members of an object.
func wantFields(t *testing.T, what string, got, want object) {
	t.Helper()
	for name, w := range want {
		if diff := cmp.Diff(w, got[name]); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", what, name, diff)
		}
	}
}

// timeOf reads a time of the wire.
func timeOf(t *testing.T, v any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, fmt.Sprint(v))
	if err != nil {
		t.Fatal(err)
	}
	return at
}
