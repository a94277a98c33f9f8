package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// patience bounds each wait of these tests; reaching it is a failure.
const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// frame is one JSON object, as either side sends it.
type frame map[string]any

// peer is the server's end of one connection; its scripts say what a badly behaved server does.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	http *http.Request
}

// serve runs a real websocket server whose n-th connection, from 0, is given to script. The connection is
// cut when script returns.
func serve(t *testing.T, script func(n int, p *peer)) (url string) {
	t.Helper()
	var connections atomic.Int32
	upgrader := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		script(int(connections.Add(1))-1, &peer{t, conn, r})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// read gives the next frame; nil when the client is gone.
func (p *peer) read() frame {
	var f frame
	if err := p.conn.ReadJSON(&f); err != nil {
		return nil
	}
	return f
}

// drain reads until the client is gone.
func (p *peer) drain() {
	for p.read() != nil {
	}
}

func (p *peer) send(f frame) {
	if err := p.conn.WriteJSON(f); err != nil {
		p.t.Logf("server could not send %v: %v", f["type"], err)
	}
}

// greet reads auth and welcomes a party.
func (p *peer) greet(role, sub string) (auth frame) {
	auth = p.read()
	p.welcome(role, sub)
	return auth
}

func (p *peer) welcome(role, sub string) {
	p.send(frame{
		"type": "welcome", "session": "s", "role": role, "sub": sub, "heartbeat_s": 15,
		"server_time": "2026-01-02T03:04:05.000Z", "time_scale": 1,
	})
}

func (p *peer) close(code int) {
	message := websocket.FormatCloseMessage(code, "")
	_ = p.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(patience))
	p.drain()
}

func (p *peer) ack(id any, o frame) {
	f := frame{"type": "ack", "id": id}
	if o != nil {
		f["order"] = o
	}
	p.send(f)
}

// told sends an order with its event.
func (p *peer) told(o frame) {
	p.send(frame{"type": "order", "order": o, "event": frame{
		"order_id": o["id"], "version": o["version"], "market": "lab", "seq": 1, "type": "order." + o["state"].(string),
		"from": nil, "to": o["state"], "at": "2026-01-02T03:04:05.000Z", "by": frame{"role": "engine", "sub": nil},
		"driver_id": nil, "offer_id": nil, "reason": nil,
	}})
}

func order(id, state string, version int, driver any) frame {
	return frame{
		"id": id, "market": "lab", "kind": "ride", "state": state, "version": version, "rider_id": "r",
		"driver_id": driver, "vehicle_class": "standard", "stops": []frame{
			{"type": "pickup", "lat": 0, "lng": 0}, {"type": "dropoff", "lat": 0.01, "lng": 0},
		},
		"next_stop": 0, "requested_at": "2026-01-02T03:04:05.000Z", "pickup_at": nil, "pickup_eta": nil,
		"dropoff_eta": nil, "cancelled_by": nil, "reason": nil, "added_later": frame{"x": 1},
	}
}

// resumed lists the resume of an auth or resume frame as JSON.
func resumed(f frame) string {
	text, _ := json.Marshal(f["resume"])
	return string(text)
}

// open dials with quick backoff and sends what is heard to a channel.
func open(t *testing.T, url string, change func(*client.Config)) (*client.Client, chan client.Message) {
	t.Helper()
	heard := make(chan client.Message, 1000) // more than any of these tests hears
	cfg := client.Config{
		URL: url, Token: func() (string, error) { return "a-token", nil },
		Handle:     func(m client.Message) { heard <- m },
		MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	c, err := client.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, heard
}

// await waits for a message of type M that fits.
func await[M any](t *testing.T, heard chan client.Message, fits func(M) bool) M {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case m := <-heard:
			if got, ok := m.(M); ok && (fits == nil || fits(got)) {
				return got
			}
		case <-limit:
			var want M
			t.Fatalf("no %T was heard", want)
		}
	}
}
