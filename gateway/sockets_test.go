package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

func TestSockets_limit(t *testing.T) {
	if n := socketLimit(); n < 64 {
		t.Errorf("%d sockets may be open", n)
	}
	st := newStage(t, nil)
	st.srv.sockets.limit = 2
	first := st.enter(dispatch.RoleRider, "r1")
	st.enter(dispatch.RoleRider, "r2")
	dial := func() (int, string) {
		conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(st.http.URL, "http")+"/v1/ws", nil)
		if conn != nil {
			defer conn.Close()
		}
		if res == nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	if status, after := dial(); status != 503 || after != "5" {
		t.Errorf("a socket too many got %d, retry after %q; want 503 and 5", status, after)
	}
	_ = first.conn.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		status, _ := dial()
		if status == 101 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("once there is room a socket gets %d", status)
		}
	}
}

func TestSockets_serve(t *testing.T) {
	st := newStage(t, func(c *Config) { c.AllowedOrigins = []string{"https://app.example"} })
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	own := "http://" + strings.TrimPrefix(st.http.URL, "http://")
	for name, c := range map[string]struct {
		query  string
		header http.Header
		status int
		code   string
	}{
		"a_bad_token_in_the_header":         {"", bearer("x.y.z"), 401, "unauthenticated"},
		"another_scheme_in_the_header":      {"", http.Header{"Authorization": {"Basic eA=="}}, 401, "unauthenticated"},
		"only_an_unknown_subprotocol":       {"", http.Header{"Sec-Websocket-Protocol": {"hexfleet.v1.proto"}}, 415, "unsupported"},
		"a_token_in_the_query":              {"?token=x", nil, 400, "bad_request"},
		"a_foreign_origin":                  {"", http.Header{"Origin": {"https://evil.example"}}, 403, "forbidden"},
		"an_allowed_origin":                 {"", http.Header{"Origin": {"https://app.example"}}, 101, ""},
		"the_server's_own_origin":           {"", http.Header{"Origin": {own}}, 101, ""},
		"a_known_subprotocol_among_unknown": {"", http.Header{"Sec-Websocket-Protocol": {"x, hexfleet.v1.json"}}, 101, ""},
		"a_good_token_in_the_header":        {"", bearer(st.token(dispatch.RoleRider, "r1")), 101, ""},
	} {
		st.run(t, name, func(t *testing.T) {
			url := "ws" + strings.TrimPrefix(st.http.URL, "http") + "/v1/ws" + c.query
			conn, res, err := websocket.DefaultDialer.Dial(url, c.header)
			if conn != nil {
				defer conn.Close()
			}
			if res == nil {
				t.Fatalf("dial: %v", err)
			}
			if res.StatusCode != c.status {
				t.Fatalf("got status %d, want %d", res.StatusCode, c.status)
			}
			if c.code == "" {
				return
			}
			var problem frame
			if err := json.NewDecoder(res.Body).Decode(&problem); err != nil || problem.str("code") != c.code {
				t.Errorf("got %v (%v), want code %s", problem, err, c.code)
			}
		})
	}
	st.run(t, "a_plain_get", func(t *testing.T) {
		res, err := st.http.Client().Get(st.http.URL + "/v1/ws")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got := res.Header.Get("Content-Type"); res.StatusCode != 400 || got != "application/problem+json" {
			t.Errorf("got %d %s, want 400 and a problem", res.StatusCode, got)
		}
	})
}

func TestSession_introduce(t *testing.T) {
	wall := dispatch.NewManual(time.Now())
	st := newStage(t, func(c *Config) { c.Wall = wall })
	token := st.token(dispatch.RoleRider, "r1")
	for name, first := range map[string]string{
		"another_frame":        `{"type":"order.create","id":"a"}`,
		"resume":               `{"type":"resume","resume":[]}`,
		"a_bad_token":          `{"type":"auth","token":"nonsense"}`,
		"no_token":             `{"type":"auth"}`,
		"a_token_of_no_string": `{"type":"auth","token":7}`,
		"what_is_no_json":      `auth please`,
	} {
		st.run(t, name, func(t *testing.T) {
			p := st.dial(nil)
			p.sendRaw(first)
			before, code := p.closed()
			if len(before) != 1 || before[0].str("code") != "unauthenticated" || code != 4500 {
				t.Errorf("got %v and close %d, want unauthenticated and 4500", before, code)
			}
		})
	}
	st.run(t, "too_many_orders_to_resume_may_be_mended", func(t *testing.T) {
		p := st.dial(nil)
		p.send(frame{"type": "auth", "token": token, "resume": make([]frame, 101)})
		if m := p.read(); m.str("code") != "bad_request" || !strings.HasPrefix(m.str("field"), "/resume") {
			t.Fatalf("got %v, want bad_request about /resume", m)
		}
		p.send(frame{"type": "auth", "token": token, "resume": []frame{}})
		if m := p.read(); m.str("type") != "welcome" {
			t.Errorf("got %v, want welcome", m)
		}
	})
	st.run(t, "silence", func(t *testing.T) {
		p := st.dial(nil)
		over := make(chan struct{})
		defer close(over)
		go func() { // the reader sets the alarm at its own time: one move of the clock may come too early
			for {
				wall.Advance(authWait)
				select {
				case <-over:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		before, code := p.closed()
		if len(before) != 1 || before[0].str("code") != "unauthenticated" || code != 4500 {
			t.Errorf("got %v and close %d, want unauthenticated and 4500", before, code)
		}
	})
	st.run(t, "welcome", func(t *testing.T) {
		p := st.dial(nil)
		p.send(frame{"type": "auth", "token": st.token(dispatch.RoleRider, "r1")}) // the clock has moved
		w := p.read()
		if w.str("type") != "welcome" || w.str("role") != "rider" || w.str("sub") != "r1" || w.str("session") == "" ||
			w.num("heartbeat_s") != 15 || w.num("time_scale") != 1 || w.str("server_time") == "" {
			t.Errorf("got %v", w)
		}
	})
}

// open gives the sessions whose socket is open.
func (st *stage) open() []*session {
	st.srv.sockets.mu.Lock()
	defer st.srv.sockets.mu.Unlock()
	var open []*session
	for s := range st.srv.sockets.open {
		open = append(open, s)
	}
	return open
}

func TestSession_extend(t *testing.T) {
	wall := dispatch.NewManual(time.Now())
	st := newStage(t, func(c *Config) { c.Wall = wall })
	st.run(t, "an_expired_token_ends_the_session", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r1")
		p.sync("s1")
		wall.Advance(time.Hour + auth.Leeway)
		before, code := p.closed()
		if len(before) != 1 || before[0].str("code") != "unauthenticated" || code != 4500 {
			t.Errorf("got %v and close %d, want unauthenticated and 4500", before, code)
		}
	})
	st.run(t, "a_fresh_token_extends_it", func(t *testing.T) {
		p := st.enter(dispatch.RoleRider, "r2")
		wall.Advance(time.Hour - time.Minute)
		p.send(frame{"type": "auth", "token": st.token(dispatch.RoleRider, "r2")})
		if m := p.read(); m.str("type") != "welcome" {
			t.Fatalf("got %v, want welcome", m)
		}
		wall.Advance(time.Hour - time.Minute)
		p.sync("s1")
	})
	for name, other := range map[string]string{
		"another_sub":  st.token(dispatch.RoleRider, "r4"),
		"another_role": st.token(dispatch.RoleDriver, "r3"),
		"a_bad_one":    "nonsense",
	} {
		st.run(t, name, func(t *testing.T) {
			p := st.enter(dispatch.RoleRider, "r3")
			p.send(frame{"type": "auth", "token": other})
			before, code := p.closed()
			if len(before) != 1 || before[0].str("code") != "unauthenticated" || code != 4500 {
				t.Errorf("got %v and close %d, want unauthenticated and 4500", before, code)
			}
		})
	}
}

func TestSession_message(t *testing.T) {
	st := newStage(t, nil)
	st.order("hers", "r2")
	const stops = `"stops":[{"type":"pickup","lat":1,"lng":1},{"type":"dropoff","lat":2,"lng":2}]`
	point := `{"lat":1,"lng":1,"timestamp":"2026-01-01T00:00:00Z"}`
	for _, c := range []struct {
		role            dispatch.Role
		send            string
		id, code, field string
	}{
		{"rider", `nonsense`, "", "bad_request", ""},
		{"rider", `[1]`, "", "bad_request", ""},
		{"rider", `"text"`, "", "bad_request", ""},
		{"rider", `{"type":"order.watch","id":"a"} {}`, "", "bad_request", ""},
		{"rider", "{\"type\":\"order.watch\",\"id\":\"a\xff\"}", "", "bad_request", ""},
		{"rider", `{"id":"a"}`, "a", "bad_request", "/type"},
		{"rider", `{"type":7,"id":"a"}`, "a", "bad_request", "/type"},
		{"rider", `{"type":"order.watch","id":7}`, "", "bad_request", "/id"},
		{"rider", `{"type":"order.watch","id":"no spaces","order_id":"x"}`, "", "bad_request", "/id"},
		{"rider", `{"type":"order.watch","order_id":"hers"}`, "", "bad_request", "/id"},
		{"rider", `{"type":"order.watch","id":"a"}`, "a", "bad_request", "/order_id"},
		{"rider", `{"type":"order.watch","id":"a","order_id":"hers"}`, "a", "not_found", ""},
		{"rider", `{"type":"order.watch","id":"a","order_id":"none"}`, "a", "not_found", ""},
		{"rider", `{"type":"order.watch","id":"a","order_id":"hers","after_version":-1}`, "a", "bad_request", "/after_version"},
		{"rider", `{"type":"order.watch","id":"a","order_id":"hers","Order_id":"x"}`, "a", "bad_request", "/Order_id"},
		{"rider", `{"type":"order.watch","id":"a","order_id":"hers","order_id":"x"}`, "a", "bad_request", "/order_id"},
		{"rider", `{"type":"order.unwatch","id":"a","order_id":"hers"}`, "a", "not_found", ""},
		{"rider", `{"type":"order.create","id":"a","kind":"ride","extra":1,` + stops + `}`, "a", "bad_request", "/extra"},
		{"rider", `{"type":"order.create","kind":"ride",` + stops + `}`, "", "bad_request", "/id"},
		{"rider", `{"type":"order.create","id":"a","kind":"walk",` + stops + `}`, "a", "bad_request", "/kind"},
		{"rider", `{"type":"order.create","id":"a","kind":"ride","rider_id":"r9",` + stops + `}`, "a", "bad_request", "/rider_id"},
		{"rider", `{"type":"duty","id":"a","state":"online"}`, "a", "forbidden", ""},
		{"rider", `{"type":"duty","id":"a","nonsense":1}`, "a", "forbidden", ""},
		{"rider", `{"type":"telemetry","id":"a","points":[` + point + `]}`, "a", "forbidden", ""},
		{"rider", `{"type":"offer.accept","id":"a","offer_id":"x"}`, "a", "forbidden", ""},
		{"rider", `{"type":"trip.advance","id":"a","order_id":"hers","to":"completed"}`, "a", "forbidden", ""},
		{"rider", `{"type":"welcome","id":"a"}`, "a", "unsupported", "/type"},
		{"rider", `{"type":"teleport","id":"a"}`, "a", "unsupported", "/type"},
		{"rider", `{"type":"resume","id":"a","resume":[]}`, "a", "bad_request", ""},
		{"driver", `{"type":"order.create","id":"a","kind":"ride",` + stops + `}`, "a", "forbidden", ""},
		{"driver", `{"type":"duty","id":"a","state":"online"}`, "a", "bad_request", "/market"},
		{"driver", `{"type":"duty","id":"a","state":"online","market":"atlantis"}`, "a", "bad_request", "/market"},
		{"driver", `{"type":"duty","id":"a","state":"asleep"}`, "a", "bad_request", "/state"},
		{"driver", `{"type":"offer.accept","id":"a","offer_id":"none"}`, "a", "not_found", "/offer_id"},
		{"driver", `{"type":"offer.decline","id":"a","offer_id":"none"}`, "a", "not_found", "/offer_id"},
		{"driver", `{"type":"trip.advance","id":"a","order_id":"hers","to":"flying"}`, "a", "bad_request", "/to"},
		{"driver", `{"type":"telemetry","points":[]}`, "", "bad_request", "/points"},
		{"driver", `{"type":"telemetry","id":"a","points":[{"lat":91,"lng":1,"timestamp":"2026-01-01T00:00:00Z"}]}`, "a", "bad_request", "/points/0/lat"},
		{"driver", `{"type":"telemetry","id":"a","driver_id":"x","points":[` + point + `]}`, "a", "bad_request", "/driver_id"},
		{"service", `{"type":"telemetry","id":"a","points":[` + point + `]}`, "a", "bad_request", "/driver_id"},
		{"service", `{"type":"order.create","id":"a","kind":"ride",` + stops + `}`, "a", "bad_request", "/rider_id"},
		{"dispatcher", `{"type":"telemetry","id":"a","points":[` + point + `]}`, "a", "forbidden", ""},
	} {
		st.run(t, string(c.role)+"_"+c.send, func(t *testing.T) {
			p := st.enter(c.role, "me")
			p.sendRaw(c.send)
			m := p.read()
			_, told := m["id"]
			if m.str("type") != "error" || !told || m.str("id") != c.id || m.str("code") != c.code || m.str("field") != c.field {
				t.Errorf("got %v, want code %s, id %q, field %q", m, c.code, c.id, c.field)
			}
			p.sync("z") // the socket stays
		})
	}
}

func TestSession_garbage(t *testing.T) {
	st := newStage(t, nil)
	p := st.enter(dispatch.RoleRider, "r1")
	for i := range garbageLimit {
		kind := websocket.TextMessage
		if i%2 == 0 {
			kind = websocket.BinaryMessage
		}
		p.sendRaw(`{"type":"teleport"}`) // an object that is wrong does not count
		if err := p.conn.WriteMessage(kind, []byte("{")); err != nil {
			t.Fatal(err)
		}
	}
	before, code := p.closed()
	if len(before) != 2*garbageLimit || code != 4503 {
		t.Errorf("got %d errors and close %d, want %d and 4503", len(before), code, 2*garbageLimit)
	}
}

func TestSession_too_large(t *testing.T) {
	st := newStage(t, nil)
	for _, size := range []int{64<<10 + 1, 1 << 20} {
		st.run(t, strconv.Itoa(size), func(t *testing.T) {
			p := st.enter(dispatch.RoleRider, "r1")
			p.sendRaw(strings.Repeat(" ", 64<<10)) // the limit itself is only no object
			if m := p.read(); m.str("code") != "bad_request" {
				t.Fatalf("got %v, want bad_request", m)
			}
			p.sendRaw(strings.Repeat(" ", size))
			before, code := p.closed()
			if len(before) != 1 || before[0].str("code") != "too_large" || code != 1009 {
				t.Errorf("got %v and close %d, want too_large and 1009", before, code)
			}
		})
	}
}

func TestSession_enter(t *testing.T) {
	st := newStage(t, nil)
	st.run(t, "a_driver_has_one_socket_the_newest", func(t *testing.T) {
		older := st.enter(dispatch.RoleDriver, "d1")
		older.sync("s")
		newer := st.enter(dispatch.RoleDriver, "d1")
		if _, code := older.closed(); code != 4009 {
			t.Errorf("got close %d, want 4009", code)
		}
		o := st.order("o1", "r1")
		newer.sync("s")
		st.offer("f1", o.ID, "d1")
		if m := newer.read(); m.str("offer_id") != "f1" {
			t.Errorf("got %v, want the offer on the newer socket", m)
		}
	})
	st.run(t, "a_rider_may_have_several", func(t *testing.T) {
		a, b := st.enter(dispatch.RoleRider, "r7"), st.enter(dispatch.RoleRider, "r7")
		a.sync("s")
		b.sync("s")
		st.order("o7", "r7")
		for _, p := range []*peer{a, b} {
			if m := p.read(); m.str("order", "id") != "o7" {
				t.Errorf("got %v, want order o7", m)
			}
		}
	})
}

func TestSocket_silence(t *testing.T) {
	st := newStage(t, func(c *Config) { c.Heartbeat = 400 * time.Millisecond }) // a second of silence: more than a busy machine pauses
	p := st.enter(dispatch.RoleRider, "r1")
	p.sync("s")
	pings := 0
	p.conn.SetPingHandler(func(string) error { pings++; return nil }) // never a pong
	if _, code := p.closed(); code != closeSilent {
		t.Errorf("got close %d, want %d", code, closeSilent)
	}
	if pings == 0 {
		t.Error("got no ping")
	}
	lively := st.enter(dispatch.RoleRider, "r2")
	beats := make(chan struct{}, 100)
	lively.conn.SetPingHandler(func(data string) error {
		beats <- struct{}{}
		return lively.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(patience))
	})
	go func() { _, _, _ = lively.conn.ReadMessage() }()
	for range 4 { // longer than the longest silence
		select {
		case <-beats:
		case <-time.After(patience):
			t.Fatal("the pings have stopped")
		}
	}
}

func TestServer_Drain(t *testing.T) {
	st := newStage(t, nil)
	held, release := make(chan struct{}), make(chan struct{})
	st.judge = func(_ context.Context, c dispatch.Command) (dispatch.Reply, bool) {
		close(held)
		<-release
		return dispatch.Reply{}, false
	}
	busy := st.enter(dispatch.RoleRider, "r0")
	busy.send(frame{
		"type": "order.create", "id": "late", "kind": "ride",
		"stops": []frame{{"type": "pickup", "lat": 1, "lng": 1}, {"type": "dropoff", "lat": 2, "lng": 2}},
	})
	<-held
	peers := []*peer{busy, st.dial(nil)}
	for i := range 50 {
		p := st.enter(dispatch.RoleRider, "r"+strconv.Itoa(i+1))
		p.sync("s")
		peers = append(peers, p)
	}
	eventually(t, "all sessions", func() bool { return len(st.open()) == len(peers) })
	drained := make(chan error, 1)
	go func() { drained <- st.srv.Drain(t.Context()) }()
	for i, p := range peers[1:] {
		before, code := p.closed()
		if len(before) != 1 || before[0].str("type") != "drain" || before[0].num("retry_after_ms") < 1000 || code != 4001 {
			t.Fatalf("socket %d got %v and close %d, want drain and 4001", i, before, code)
		}
	}
	if _, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(st.http.URL, "http")+"/v1/ws", nil); err == nil || res.StatusCode != 503 {
		t.Errorf("a new socket got %v, want 503", res)
	}
	close(release)
	before, code := busy.closed()
	if last := before[len(before)-1]; code != 4001 || (last.str("id") != "late" && last.str("type") != "order") {
		t.Errorf("got %v and close %d, want the request under way answered, then 4001", before, code)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}
