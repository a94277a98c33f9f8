package gateway

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// FuzzSession sends lines as frames: the server does not fall, and while the socket stays open each id gets as
// many answers as it was asked.
func FuzzSession(f *testing.F) {
	st := newStage(f, nil)
	st.order("o1", "me")
	for _, seed := range []string{
		`{"type":"order.watch","id":"a","order_id":"o1"}` + "\n" + `{"type":"order.unwatch","id":"b","order_id":"o1"}`,
		`{"type":"order.watch","id":"a","order_id":"o1","after_version":0}` + "\n" + `{"type":"order.cancel","id":"a","order_id":"o1"}`,
		`{"type":"duty","id":"d","state":"online","market":"west"}` + "\n" +
			`{"type":"telemetry","id":"t","points":[{"lat":1,"lng":1,"timestamp":"2026-01-01T00:00:00Z"}]}`,
		`{"type":"order.create","id":"c","kind":"ride","stops":[{"type":"pickup","lat":1,"lng":1},{"type":"dropoff","lat":2,"lng":2}]}`,
		`{"type":"offer.accept","id":"x","offer_id":"f"}` + "\n{\n[]\n" + `{"type":"resume","id":"r","resume":[]}`,
		`{"type":"auth","id":"z","token":"x"}`,
	} {
		for role := range byte(4) {
			f.Add(role, []byte(seed))
		}
	}
	roles := []dispatch.Role{dispatch.RoleRider, dispatch.RoleDriver, dispatch.RoleService, dispatch.RoleDispatcher}
	f.Fuzz(func(t *testing.T, role byte, lines []byte) {
		st.t = t // one input runs at a time
		p := st.enter(roles[int(role)%len(roles)], "me")
		asked := map[string]int{}
		for line := range bytes.Lines(lines) {
			if len(line) > wire.MaxBytes {
				return
			}
			if kind, id, _ := wire.Kind(line); id != nil && kind != wire.TypeAuth {
				asked[string(*id)]++
			}
			if p.conn.WriteMessage(websocket.TextMessage, line) != nil {
				break // closed by the server; why is read below
			}
		}
		const end = "the-end-of-the-tape"
		_ = p.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"order.watch","id":"`+end+`","order_id":"nobody-has-this"}`))
		asked[end]++
		answered, open := map[string]int{}, true
		for open && !same(asked, answered) {
			m, err := p.next()
			var ce *websocket.CloseError
			switch {
			case errors.As(err, &ce), errors.Is(err, io.EOF), err != nil && strings.Contains(err.Error(), "reset"):
				open = false
			case err != nil:
				t.Fatalf("asked %v, answered %v: %v", asked, answered, err)
			case m.str("type") == "ack" || m.str("type") == "error":
				if id := m.str("id"); id != "" {
					answered[id]++
				}
			}
		}
		for id, n := range answered {
			if n > asked[id] && asked[id] > 0 {
				t.Errorf("id %q was asked %d times and answered %d times", id, asked[id], n)
			}
		}
		_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		_ = p.conn.Close()
	})
}

func same(asked, answered map[string]int) bool {
	for id, n := range asked {
		if answered[id] < n {
			return false
		}
	}
	return true
}
