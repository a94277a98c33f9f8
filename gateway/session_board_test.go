package gateway

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// Board implements the port: what show has set.
func (st *stage) Board(_ context.Context, m dispatch.MarketID) (*dispatch.Board, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.board == nil || st.board.Market != m {
		return nil, dispatch.Unavailable("away", nil)
	}
	return st.board, nil
}

// Supply implements the port: what the stage is told.
func (st *stage) Supply(context.Context, dispatch.MarketID) (*dispatch.Supply, error) {
	return nil, dispatch.Unavailable("away", nil)
}

// show makes a board of market west with n drivers, d0 first, all at a latitude; nil orders are none.
func (st *stage) show(n int, lat float64, orders ...*dispatch.Order) {
	b := &dispatch.Board{Market: "west", At: st.market.Now(), Orders: orders, Counters: dispatch.BoardCounters{Since: boardNoon}}
	for i := range n {
		b.Drivers = append(b.Drivers, dispatch.BoardDriver{
			ID: dispatch.DriverID(fmt.Sprintf("d%04d", i)), State: dispatch.DriverAvailable,
			Fix: geo.Fix{LatLng: geo.LatLng{Lat: lat, Lng: 1}, At: b.At, HeadingDeg: math.NaN()},
		})
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.board = b
}

// hide takes the board away.
func (st *stage) hide() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.board = nil
}

// boardStage is a stage whose wall clock the test moves.
func boardStage(t *testing.T) (*stage, *dispatch.Manual) {
	t.Helper()
	wall := dispatch.NewManual(time.Now())
	return newStage(t, func(c *Config) { c.Wall = wall; c.Heartbeat = time.Hour }), wall
}

func boardRequest(id string, zoom float64, box ...float64) frame {
	return frame{"type": "board.watch", "id": id, "market": "west", "bbox": box, "zoom": zoom}
}

// raw reads a frame and its bytes.
func (p *peer) raw() (frame, []byte) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	_, data, err := p.conn.ReadMessage()
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	var m frame
	if err := json.Unmarshal(data, &m); err != nil {
		p.t.Fatal(err)
	}
	return m, data
}

// see reads one board frame onto a screen.
func (p *peer) see(s *screen) frame {
	p.t.Helper()
	m, data := p.raw()
	if err := s.apply(data); err != nil {
		p.t.Fatalf("%v in %v", err, m)
	}
	return m
}

// tick moves the wall clock second by second until the peer has been sent a board frame.
func (st *stage) tick(wall *dispatch.Manual, p *peer, s *screen) frame {
	p.t.Helper()
	before := st.boardFrames()
	eventually(p.t, "a board frame", func() bool {
		wall.Advance(time.Second)
		return st.boardFrames() > before
	})
	return p.see(s)
}

func (st *stage) boardFrames() float64 {
	return st.figure(framesOut, wire.TypeBoardSnapshot) + st.figure(framesOut, wire.TypeBoardDelta)
}

// The metrics that these tests read.
const (
	framesOut    = "hexfleet_gateway_frames_out_total"
	boardWatches = "hexfleet_gateway_board_watches"
	boardSkipped = "hexfleet_gateway_board_skipped_total"
	boardOut     = "hexfleet_gateway_board_bytes_total"
)

// figure reads a metric, of one label or without ("").
func (st *stage) figure(name, label string) float64 {
	st.t.Helper()
	families, err := st.srv.cfg.Registry.Gather()
	if err != nil {
		st.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func TestSession_boardTask(t *testing.T) {
	t.Run("tells_a_snapshot_and_then_what_moves", func(t *testing.T) {
		st, wall := boardStage(t)
		st.show(2, 5, &dispatch.Order{
			ID: "o1", Market: "west", State: dispatch.StateSearching, Version: 1, Rider: "r1", VehicleClass: "standard", RequestedAt: boardNoon,
			Stops: []dispatch.Stop{{Type: dispatch.StopPickup}, {Type: dispatch.StopDropoff}},
		})
		p := st.enter(dispatch.RoleDispatcher, "boss")
		if a := p.ask(boardRequest("w1", 13, 0, 0, 10, 10)); a.str("type") != "ack" {
			t.Fatalf("answered %v", a)
		}
		var s screen
		if m := p.see(&s); m.str("type") != "board.snapshot" || m.str("market") != "west" || m.num("counters", "sockets") != 1 {
			t.Errorf("told %v", m)
		}
		if s.mode != "drivers" || len(s.drivers) != 2 || len(s.orders) != 1 {
			t.Errorf("shown %+v", s)
		}
		st.show(1, 6)
		m := st.tick(wall, p, &s)
		if m.str("type") != "board.delta" || s.drivers["d0000"] != "available 6.000000 1.000000 ?" || len(s.drivers) != 1 || len(s.orders) != 0 {
			t.Errorf("told %v, shown %+v", m, s)
		}
		if st.figure(boardOut, "board.snapshot") == 0 || st.figure(boardOut, "board.delta") == 0 || st.figure(boardWatches, "") != 1 {
			t.Error("the metrics do not tell of it")
		}
	})

	t.Run("takes_a_new_watch_in_place_of_the_old", func(t *testing.T) {
		st, wall := boardStage(t)
		st.show(3, 5)
		p := st.enter(dispatch.RoleAdmin, "root")
		p.ask(boardRequest("w1", 13, 0, 0, 10, 10))
		var s screen
		p.see(&s)
		p.send(boardRequest("w2", 5, 0, 0, 10, 10))
		if a := p.read(); a.str("type") != "ack" || a.str("id") != "w2" {
			t.Fatalf("answered %v", a)
		}
		s = screen{}
		if p.see(&s); s.mode != "cells" || len(s.cells) != 1 {
			t.Errorf("shown %+v", s)
		}
		st.show(0, 0)
		if st.tick(wall, p, &s); len(s.cells) != 0 || s.seq != 2 {
			t.Errorf("shown %+v", s)
		}
		if n := st.figure(boardWatches, ""); n != 1 {
			t.Errorf("%v watches run", n)
		}
	})

	t.Run("refuses_who_and_what_it_must", func(t *testing.T) {
		st, _ := boardStage(t)
		st.show(1, 5)
		good := func() frame { return boardRequest("w", 13, 0, 0, 10, 10) }
		for _, role := range []dispatch.Role{dispatch.RoleRider, dispatch.RoleDriver, dispatch.RoleService} {
			if a := st.enter(role, "x").ask(good()); a.str("code") != "forbidden" {
				t.Errorf("%s was answered %v", role, a)
			}
		}
		p := st.dial(nil)
		p.send(frame{"type": "auth", "token": st.token(dispatch.RoleDispatcher, "boss", func(c *auth.Claims) { c.Markets = []dispatch.MarketID{"west"} })})
		p.read()
		for _, c := range []struct {
			member      string
			value       any
			code, field string
		}{
			{"market", "east", "not_found", ""}, {"market", "atlantis", "not_found", ""}, {"id", nil, "bad_request", "/id"},
			{"bbox", []any{10, 0, 0, 10}, "bad_request", "/bbox"}, {"zoom", 25, "bad_request", "/zoom"}, {"extra", 1, "bad_request", "/extra"},
		} {
			m := good()
			m[c.member] = c.value
			p.send(m)
			if a := p.read(); a.str("code") != c.code || a.str("field") != c.field {
				t.Errorf("%s %v was answered %v", c.member, c.value, a)
			}
		}
		if a := p.ask(good()); a.str("type") != "ack" {
			t.Errorf("the good one was answered %v", a)
		}
	})

	t.Run("tells_when_the_board_is_stale", func(t *testing.T) {
		st, wall := boardStage(t)
		p := st.enter(dispatch.RoleDispatcher, "boss")
		if a := p.ask(boardRequest("w1", 13, 0, 0, 10, 10)); a.str("code") != "unavailable" {
			t.Fatalf("answered %v", a)
		}
		st.show(1, 5)
		p.ask(boardRequest("w2", 13, 0, 0, 10, 10))
		var s screen
		p.see(&s)
		degraded := func() float64 { return st.figure(framesOut, "degraded") }
		st.hide()
		eventually(t, "the watcher is told", func() bool { wall.Advance(time.Second); return degraded() == 1 })
		if m := p.read(); fmt.Sprint(m["stale"]) != "[board]" {
			t.Errorf("told %v", m)
		}
		st.show(1, 6)
		eventually(t, "the watcher is told", func() bool { wall.Advance(time.Second); return degraded() == 2 })
		if m := p.read(); m.str("type") != "degraded" || fmt.Sprint(m["stale"]) != "[]" {
			t.Errorf("told %v", m)
		}
		if p.see(&s); s.drivers["d0000"] != "available 6.000000 1.000000 ?" {
			t.Errorf("shown %+v", s)
		}
	})

	t.Run("ends_with_a_token_of_other_markets", func(t *testing.T) {
		st, wall := boardStage(t)
		st.show(1, 5)
		p := st.enter(dispatch.RoleDispatcher, "boss")
		p.ask(boardRequest("w1", 13, 0, 0, 10, 10))
		p.read()
		p.send(frame{"type": "auth", "token": st.token(dispatch.RoleDispatcher, "boss", func(c *auth.Claims) { c.Markets = []dispatch.MarketID{"east"} })})
		p.read()
		eventually(t, "the watch has ended", func() bool {
			wall.Advance(time.Second)
			return st.figure(boardWatches, "") == 0
		})
		if m := p.read(); m.str("code") != "not_found" || m["id"] != nil {
			t.Errorf("told %v", m)
		}
	})
}

// TestSession_tellBoard_slow: who does not read is told less often, not cut, and then sees the present.
func TestSession_tellBoard_slow(t *testing.T) {
	st, wall := boardStage(t)
	st.tight.Store(true)
	st.show(boardDrivers, 1)
	p := st.enter(dispatch.RoleDispatcher, "boss")
	p.send(boardRequest("w1", 13, 0, 0, 10, 10))
	turns := 0
	eventually(t, "frames are left out", func() bool {
		turns++
		st.show(boardDrivers, 1+float64(turns%1000)/1000)
		wall.Advance(time.Second)
		return st.figure(boardSkipped, "") >= 20
	})
	st.show(1, 9)
	if a := p.read(); a.str("type") != "ack" {
		t.Fatalf("answered %v", a)
	}
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				wall.Advance(time.Second)
			}
		}
	})
	defer ticking.Wait()
	defer close(done)
	var s screen
	for p.see(&s); len(s.drivers) != 1; {
		p.see(&s)
	}
	if s.drivers["d0000"] != "available 9.000000 1.000000 ?" {
		t.Errorf("shown %v", s.drivers)
	}
}
