package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestClient_Do(t *testing.T) {
	t.Run("an_unanswered_request_is_repeated_under_its_id", func(t *testing.T) {
		ids := make(chan any, 2)
		url := serve(t, func(n int, p *peer) {
			p.greet("rider", "r")
			request := p.read()
			ids <- request["id"]
			if n == 0 {
				return // cut before the answer
			}
			p.ack(request["id"], order("o", "searching", 1, nil))
			p.drain()
		})
		c, _ := open(t, url, nil)
		got, err := c.CreateOrder(within(t), wire.OrderCreate{Kind: "ride"})
		if err != nil || got.ID != "o" {
			t.Fatalf("got %v, %v, want order o", got, err)
		}
		if first, second := <-ids, <-ids; first != second || len(first.(string)) != 36 {
			t.Errorf("got ids %v and %v, want the same UUID", first, second)
		}
	})
	t.Run("refused_for_now_it_is_repeated_under_its_id", func(t *testing.T) {
		var asked atomic.Int32
		url := serve(t, func(_ int, p *peer) {
			p.greet("driver", "d")
			first := p.read()
			for range 3 {
				asked.Add(1)
				p.send(frame{"type": "error", "id": first["id"], "code": "unavailable", "detail": "not now", "retry_after_ms": 1})
				if again := p.read(); again["id"] != first["id"] {
					p.t.Errorf("got id %v, want %v again", again["id"], first["id"])
				}
			}
			p.ack(first["id"], nil)
			p.drain()
		})
		c, _ := open(t, url, nil)
		if err := c.Duty(within(t), wire.Duty{State: wire.DutyOnline}); err != nil {
			t.Fatal(err)
		}
		if asked.Load() != 3 {
			t.Errorf("asked %d times, want 3", asked.Load())
		}
	})
	t.Run("a_refusal_is_an_Error", func(t *testing.T) {
		url := serve(t, func(_ int, p *peer) {
			p.greet("driver", "d")
			request := p.read()
			p.send(frame{"type": "error", "id": request["id"], "code": "taken", "detail": "another was first", "field": "/x"})
			p.drain()
		})
		c, _ := open(t, url, nil)
		_, err := c.Accept(within(t), "f")
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "taken" || e.Field != "/x" {
			t.Errorf("got %v, want taken", err)
		}
	})
	t.Run("a_repeated_answer_is_heard_but_given_once", func(t *testing.T) {
		url := serve(t, func(_ int, p *peer) {
			p.greet("driver", "d")
			request := p.read()
			p.ack(request["id"], order("o", "arrived_at_pickup", 4, "d"))
			p.ack(request["id"], order("o", "arrived_at_pickup", 4, "d"))
			p.ack("never-asked", nil)
			p.drain()
		})
		c, heard := open(t, url, nil)
		var answers atomic.Int32
		if _, err := c.Start(&wire.TripAdvance{OrderID: "o", To: "arrived_at_pickup"}, func(*wire.Order, error) {
			answers.Add(1)
		}); err != nil {
			t.Fatal(err)
		}
		await(t, heard, func(a *wire.Ack) bool { return *a.ID == "never-asked" })
		if answers.Load() != 1 {
			t.Errorf("answered %d times, want once", answers.Load())
		}
	})
	t.Run("a_request_is_repeated_under_its_id_and_its_order_is_not_followed", func(t *testing.T) {
		url := serve(t, func(n int, p *peer) {
			if n > 0 {
				p.send(frame{"type": "degraded", "stale": []any{resumed(p.greet("driver", "d"))}})
				p.drain()
				return
			}
			p.greet("driver", "d")
			first := p.read()
			p.ack(first["id"], order("o", "arrived_at_pickup", 4, "d"))
			p.send(frame{"type": "order", "order": order("o", "completed", 7, "d"), "event": nil})
			again := p.read()
			p.ack(again["id"], order("o", "arrived_at_pickup", 4, "d"))
			if fmt.Sprint(first) != fmt.Sprint(again) {
				p.t.Errorf("repeated as %v, want %v", again, first)
			}
			p.drain()
		})
		c, heard := open(t, url, nil)
		advance := &wire.TripAdvance{OrderID: "o", To: "arrived_at_pickup"}
		if err := c.Repeat(advance, nil); err == nil {
			t.Error("a request that was never sent was repeated")
		}
		if _, err := c.Do(within(t), advance); err != nil {
			t.Fatal(err)
		}
		await[*wire.OrderUpdate](t, heard, nil)
		answered := make(chan int64, 1)
		if err := c.Repeat(advance, func(o *wire.Order, _ error) { answered <- o.Version }); err != nil {
			t.Fatal(err)
		}
		if v := <-answered; v != 4 {
			t.Errorf("answered with version %d, want 4", v)
		}
		c.Drop()
		if m := await[*wire.Degraded](t, heard, nil); m.Stale[0] != "[]" {
			t.Errorf("resumed %s, want nothing: the order is over", m.Stale[0])
		}
	})
	t.Run("what_is_no_request_is_an_error", func(t *testing.T) {
		c, _ := open(t, serve(t, func(_ int, p *peer) { p.drain() }), nil)
		if _, err := c.Do(within(t), &wire.Welcome{}); err == nil {
			t.Error("a welcome was sent as a request")
		}
	})
}

func TestClient_reconnect(t *testing.T) {
	t.Run("close_codes_that_allow_it", func(t *testing.T) {
		codes := []int{4001, 4008, 4009, 1001, 1011}
		url := serve(t, func(n int, p *peer) {
			p.greet("driver", "d")
			if n < len(codes) {
				p.close(codes[n])
				return
			}
			p.drain()
		})
		_, heard := open(t, url, nil)
		for _, want := range codes {
			if gone := await[*client.Disconnected](t, heard, nil); gone.Code != want || gone.Final {
				t.Errorf("got %+v, want code %d, not final", gone, want)
			}
		}
		await(t, heard, func(c *client.Connected) bool { return c.Resumed })
	})
	t.Run("one_that_yields_to_another_device_stays_away", func(t *testing.T) {
		url := serve(t, func(_ int, p *peer) {
			p.greet("driver", "d")
			p.close(client.CloseReplaced)
		})
		c, heard := open(t, url, func(cfg *client.Config) { cfg.Yield = true })
		if gone := await[*client.Disconnected](t, heard, nil); gone.Code != client.CloseReplaced || !gone.Final {
			t.Errorf("got %+v, want code 4009, final", gone)
		}
		<-c.Done()
		if stop, ok := errors.AsType[*client.StopError](c.Err()); !ok || stop.Code != client.CloseReplaced {
			t.Errorf("ended with %v, want a StopError with 4009", c.Err())
		}
	})
	t.Run("a_drain_waits_as_told", func(t *testing.T) {
		var left time.Time
		back := make(chan time.Duration, 1)
		url := serve(t, func(n int, p *peer) {
			if n == 1 {
				back <- time.Since(left)
			}
			p.greet("driver", "d")
			if n == 0 {
				p.send(frame{"type": "drain", "retry_after_ms": 200})
				left = time.Now()
				p.close(4001)
				return
			}
			p.drain()
		})
		open(t, url, nil)
		if got := <-back; got < 200*time.Millisecond {
			t.Errorf("came back after %v, want at least 200 ms", got)
		}
	})
	t.Run("a_close_code_that_forbids_it_is_the_end", func(t *testing.T) {
		for _, code := range []int{4500, 4503, 4999} {
			url := serve(t, func(n int, p *peer) {
				if n > 0 {
					p.t.Errorf("came back after %d", code)
				}
				p.greet("driver", "d")
				p.read()
				p.close(code)
			})
			c, heard := open(t, url, nil)
			err := c.Duty(within(t), wire.Duty{State: wire.DutyOnline})
			if stop, ok := errors.AsType[*client.StopError](err); !ok || stop.Code != code {
				t.Errorf("got %v, want a StopError with %d", err, code)
			}
			await(t, heard, func(d *client.Disconnected) bool { return d.Final && d.Code == code })
			<-c.Done()
			if err := c.Duty(within(t), wire.Duty{State: wire.DutyOnline}); err == nil {
				t.Error("a client that has ended took a request")
			}
		}
	})
	t.Run("a_silent_server_is_left", func(t *testing.T) {
		url := serve(t, func(n int, p *peer) {
			p.read()
			p.send(frame{
				"type": "welcome", "session": "s", "role": "rider", "sub": "r", "heartbeat_s": 0.02,
				"server_time": "2026-01-02T03:04:05.000Z", "time_scale": 1,
			})
			p.drain()
		})
		_, heard := open(t, url, nil)
		await(t, heard, func(c *client.Connected) bool { return c.Resumed })
	})
	t.Run("a_heartbeat_keeps_it", func(t *testing.T) {
		pongs := make(chan string, 100) // more than are sent
		url := serve(t, func(n int, p *peer) {
			p.conn.SetPongHandler(func(s string) error { pongs <- s; return nil })
			p.greet("rider", "r")
			if err := p.conn.WriteControl(websocketPing, []byte("x"), time.Now().Add(patience)); err != nil {
				p.t.Error(err)
			}
			p.drain()
		})
		open(t, url, nil)
		select {
		case got := <-pongs:
			if got != "x" {
				t.Errorf("got pong %q, want x", got)
			}
		case <-time.After(patience):
			t.Error("no pong")
		}
	})
}

// websocketPing is the opcode of a ping (RFC 6455, section 5.5.2).
const websocketPing = 9

func TestDial(t *testing.T) {
	t.Run("refused_for_good", func(t *testing.T) {
		for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
			}))
			t.Cleanup(server.Close)
			_, err := client.Dial(within(t), client.Config{
				URL: server.URL, Header: true, Token: func() (string, error) { return "bad", nil },
			})
			if stop, ok := errors.AsType[*client.StopError](err); !ok || stop.Code != status {
				t.Errorf("got %v, want a StopError with %d", err, status)
			}
		}
	})
	t.Run("refused_for_now", func(t *testing.T) {
		var tries atomic.Int32
		good := serve(t, func(_ int, p *peer) { p.greet("rider", "r"); p.drain() })
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			http.Redirect(w, r, good, http.StatusTemporaryRedirect) // no upgrade either: tried again
		}))
		t.Cleanup(server.Close)
		ctx, cancel := context.WithCancel(within(t))
		go func() {
			for tries.Load() < 5 && ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
			cancel()
		}()
		_, err := client.Dial(ctx, client.Config{
			URL: server.URL, Token: func() (string, error) { return "t", nil },
			MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
		})
		if !errors.Is(err, context.Canceled) || tries.Load() < 5 {
			t.Errorf("got %v after %d tries, want it to go on until cancelled", err, tries.Load())
		}
	})
	t.Run("a_config_that_cannot_work", func(t *testing.T) {
		token := func() (string, error) { return "t", nil }
		for _, cfg := range []client.Config{
			{URL: "ftp://x", Token: token}, {URL: "http://", Token: token}, {URL: "http://x"},
			{URL: "http://x", Token: token, MinBackoff: -1}, {URL: "http://%zz", Token: token},
		} {
			if _, err := client.Dial(within(t), cfg); err == nil {
				t.Errorf("%+v was taken", cfg)
			}
		}
	})
}

func TestClient_Close(t *testing.T) {
	c, _ := open(t, serve(t, func(_ int, p *peer) { p.greet("driver", "d"); p.drain() }), nil)
	if err := c.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	if _, err := c.Start(&wire.OfferAccept{OfferID: "f"}, func(_ *wire.Order, err error) { failed <- err }); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	if err := <-failed; !errors.Is(err, client.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if c.Telemetry(wire.Point{}) {
		t.Error("a closed client sent telemetry")
	}
}

func TestClient_Telemetry(t *testing.T) {
	got := make(chan frame, 1)
	c, _ := open(t, serve(t, func(_ int, p *peer) { p.greet("driver", "d"); got <- p.read(); p.drain() }), nil)
	if err := c.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	if !c.Telemetry(wire.Point{Lat: 1, Lng: 2, Timestamp: wire.TimeOf(time.UnixMilli(1500))}) {
		t.Fatal("not sent")
	}
	f := <-got
	if _, has := f["id"]; has || f["type"] != "telemetry" {
		t.Errorf("got %v, want telemetry without an id", f)
	}
}
