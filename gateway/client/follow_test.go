package client_test

import (
	"testing"

	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// afterDrop gives the frame with which a client comes back after first has run.
func afterDrop(t *testing.T, role, sub string, change func(*client.Config), first func(p *peer)) (
	string, chan client.Message,
) {
	t.Helper()
	back := make(chan string, 1)
	url := serve(t, func(n int, p *peer) {
		switch n {
		case 0:
			if p.http.Header.Get("Authorization") != "" {
				p.welcome(role, sub)
			} else if auth := p.greet(role, sub); auth["resume"] != nil {
				p.t.Errorf("the first connection resumes: %v", auth)
			}
			first(p)
		case 1:
			if p.http.Header.Get("Authorization") != "" {
				p.welcome(role, sub)
				back <- resumed(p.read())
			} else {
				back <- resumed(p.greet(role, sub))
			}
			p.send(frame{"type": "error", "id": nil, "code": "not_found", "detail": "no", "field": "/resume/0/order_id"})
			p.drain()
		}
	})
	_, heard := open(t, url, change)
	return <-back, heard
}

func TestClient_resume(t *testing.T) {
	for name, c := range map[string]struct {
		role, sub string
		header    bool
		first     func(p *peer)
		want      string
	}{
		"a_rider_goes_on_after_the_last_event": {"rider", "r", false, func(p *peer) {
			p.told(order("o", "searching", 1, nil))
			p.told(order("o", "offered", 2, nil))
			p.told(order("p", "searching", 1, nil))
		}, `[{"after_version":2,"order_id":"o"},{"after_version":1,"order_id":"p"}]`},
		"with_the_token_in_the_header": {"rider", "r", true, func(p *peer) {
			p.told(order("o", "searching", 1, nil))
		}, `[{"after_version":1,"order_id":"o"}]`},
		"an_order_that_is_over_is_let_go": {"rider", "r", false, func(p *peer) {
			p.told(order("o", "arrived_at_dropoff", 6, "d"))
			p.told(order("o", "completed", 7, "d"))
		}, `[]`},
		"a_driver_lets_go_of_an_order_taken_from_it": {"driver", "d", false, func(p *peer) {
			p.told(order("o", "en_route_to_pickup", 3, "d"))
			p.told(order("p", "en_route_to_pickup", 3, "d"))
			p.told(order("o", "searching", 4, nil))
		}, `[{"after_version":3,"order_id":"p"}]`},
		"a_state_told_without_an_event": {"driver", "d", false, func(p *peer) {
			p.send(frame{"type": "order", "order": order("o", "en_route_to_dropoff", 5, "d"), "event": nil})
		}, `[{"after_version":5,"order_id":"o"}]`},
		"a_late_event_does_not_set_it_back": {"rider", "r", false, func(p *peer) {
			p.told(order("o", "offered", 2, nil))
			p.told(order("o", "searching", 1, nil))
		}, `[{"after_version":2,"order_id":"o"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, heard := afterDrop(t, c.role, c.sub, func(cfg *client.Config) { cfg.Header = c.header }, c.first)
			if got != c.want {
				t.Errorf("resumed %s, want %s", got, c.want)
			}
			if c.want != `[]` {
				await(t, heard, func(l *client.Lost) bool { return l.OrderID != "" })
			}
		})
	}
}

func TestClient_resume_of_requests(t *testing.T) {
	back := make(chan string, 1)
	url := serve(t, func(n int, p *peer) {
		if n == 1 {
			back <- resumed(p.greet("dispatcher", "s"))
			p.drain()
			return
		}
		p.greet("dispatcher", "s")
		for _, version := range []int{5, 8, 3} {
			request := p.read()
			p.ack(request["id"], order(request["order_id"].(string), "searching", version, nil))
		}
	})
	c, _ := open(t, url, nil)
	two := int64(2)
	for _, w := range []wire.OrderWatch{{OrderID: "present"}, {OrderID: "after", AfterVersion: &two}} {
		if _, err := c.Do(within(t), &w); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Cancel(within(t), "unwatched", ""); err != nil {
		t.Fatal(err)
	}
	const want = `[{"after_version":2,"order_id":"after"},{"after_version":5,"order_id":"present"}]`
	if got := <-back; got != want {
		t.Errorf("resumed %s, want %s", got, want)
	}
}

func TestClient_Unknown(t *testing.T) {
	url := serve(t, func(_ int, p *peer) {
		p.greet("rider", "r")
		p.send(frame{"type": "news.of.tomorrow"})
		p.send(frame{"type": "ack", "id": 7})
		p.told(order("o", "searching", 1, nil)) // with a member added later
		p.drain()
	})
	_, heard := open(t, url, nil)
	await(t, heard, func(u *client.Unknown) bool { return u.Type == "news.of.tomorrow" && u.Err == nil })
	await(t, heard, func(u *client.Unknown) bool { return u.Type == "ack" && u.Err != nil })
	await(t, heard, func(u *wire.OrderUpdate) bool { return u.Order.ID == "o" && u.Event.Version == 1 })
}
