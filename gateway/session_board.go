package gateway

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	// boardEvery is the wall time between two looks at a watched board.
	boardEvery = time.Second
	// countersEvery is the wall time after which counters are told though nothing else has changed.
	countersEvery = 5 * time.Second
)

// aboutBoard keeps the watches of one socket in the order they were sent; it is no order's id.
const aboutBoard = "the board"

// boardWatch is one watch of a market's board: a goroutine of the session that tells a snapshot, and then
// once a second what has changed in view. A watcher that is slow to read is told less often: a frame is made
// only when the one before is out, and tells all the change since.
type boardWatch struct {
	market dispatch.MarketID
	view   view
	// stop ends the goroutine, which closes done.
	stop context.CancelFunc
	done chan struct{}

	// Owned by the goroutine.

	seq      int64 // of the last frame
	shown    *crop // what the frames so far add up to, nil before the first
	counters wire.BoardCounters
	told     time.Time // wall instant of the last frame
	stale    bool      // the board could not be read, and the watcher was told
}

// boardTask begins a watch in place of the one before. It is acknowledged once the board can be read, and
// once the old watch has sent its last frame.
func (s *session) boardTask(_ auth.Principal, m *wire.BoardWatch) (task, *dispatch.Error) {
	if m.ID == "" {
		return task{}, dispatch.Errorf(dispatch.CodeBadRequest, "/id", "required")
	}
	market := dispatch.MarketID(m.Market)
	if _, known := s.srv.cfg.Markets().Get(market); !known {
		return task{}, notFound()
	}
	if refused := s.mayWatch(market); refused != nil {
		return task{object: object("market", string(market))}, refused
	}
	return task{about: aboutBoard, object: object("market", string(market)), do: func(ctx context.Context, reply func(*wire.Order, *dispatch.Error)) {
		if _, err := s.srv.plates.of(ctx, market); err != nil {
			reply(nil, refusal(err))
			return
		}
		s.endBoard()
		reply(nil, nil)
		s.beginBoard(market, view{m.BBox[0], m.BBox[1], m.BBox[2], m.BBox[3], *m.Zoom})
	}}, nil
}

func (s *session) mayWatch(m dispatch.MarketID) *dispatch.Error {
	return auth.Allow(s.principal(), auth.WatchBoard, auth.Target{Market: m})
}

// endBoard ends the present watch, if any, and waits for its goroutine.
func (s *session) endBoard() {
	s.mu.Lock()
	w := s.board
	s.board = nil
	s.mu.Unlock()
	if w != nil {
		w.stop()
		<-w.done
	}
}

func (s *session) beginBoard(m dispatch.MarketID, v view) {
	ctx, stop := context.WithCancel(s.life())
	w := &boardWatch{market: m, view: v, stop: stop, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		stop()
		return
	}
	s.board = w
	s.goLocked(func() {
		defer close(w.done)
		defer stop()
		s.srv.metrics.boards.watches.Inc()
		defer s.srv.metrics.boards.watches.Dec()
		s.tellBoard(ctx, w)
	})
}

// tellBoard is the goroutine of a watch.
func (s *session) tellBoard(ctx context.Context, w *boardWatch) {
	if gone := s.sock.out.boardGone(); gone != nil { // the last frame of the watch before
		select {
		case <-gone:
		case <-ctx.Done():
		}
	}
	next := s.srv.cfg.Wall.Now()
	for ctx.Err() == nil {
		if refused := s.mayWatch(w.market); refused != nil { // the token may have changed
			s.refuse(nil, refused)
			return
		}
		if s.sock.out.boardGone() != nil {
			s.srv.metrics.boards.skipped.Inc()
		} else {
			s.lookAtBoard(ctx, w)
		}
		now := s.srv.cfg.Wall.Now()
		if next = next.Add(boardEvery); next.Before(now) {
			next = now
		}
		fire, stop := s.srv.cfg.Wall.After(next)
		select {
		case <-fire:
		case <-ctx.Done():
		}
		stop()
	}
}

// lookAtBoard sends what has changed since the last frame. A board that cannot be read is stale: that is told
// once, and again when it is over.
func (s *session) lookAtBoard(ctx context.Context, w *boardWatch) {
	p, err := s.srv.plates.of(ctx, w.market)
	if ctx.Err() != nil {
		return
	}
	if stale := err != nil; stale != w.stale {
		w.stale = stale
		told := wire.Degraded{Type: wire.TypeDegraded}
		if stale {
			told.Stale = []string{"board"}
			s.srv.cfg.Log.Warn("board cannot be read", "market", w.market, "err", err)
		}
		s.put(wire.TypeDegraded, s.encode(told))
	}
	if err != nil {
		return
	}
	frame, err := w.look(p, s.srv.sockets.count(), s.srv.cfg.Wall.Now())
	if err != nil {
		s.srv.cfg.Log.Error("board cannot be told", "market", w.market, "err", err)
		return
	}
	if frame.data == nil {
		return
	}
	s.srv.metrics.framesOut.WithLabelValues(frame.kind).Inc()
	s.srv.metrics.boards.bytes.WithLabelValues(frame.kind).Add(float64(len(frame.data)))
	s.sock.out.putBoard(frame.data)
}

// boardFrame is a frame ready to be sent; data is nil when there is nothing to tell.
type boardFrame struct {
	kind string
	data []byte
}

// look gives the next frame of the watch: a snapshot first, when the mode changes and when a delta would be
// longer than boardBytes; else a delta, when there is something to tell.
func (w *boardWatch) look(p *plate, sockets int, now time.Time) (boardFrame, error) {
	next := p.crop(w.view)
	counters := wire.BoardCountersFrom(&p.board.Counters, sockets)
	if w.shown != nil && w.shown.mode == next.mode {
		b := w.shown.delta(next, wire.TypeBoardDelta)
		if empty(b) && (counters == w.counters || now.Sub(w.told) < countersEvery) {
			return boardFrame{}, nil
		}
		data, err := w.encode(b, counters)
		if err != nil {
			return boardFrame{}, err
		}
		if len(data) <= boardBytes {
			w.sent(next, counters, now)
			return boardFrame{b.Type, data}, nil
		}
	}
	b := next.snapshot()
	data, err := w.encode(b, counters)
	if err != nil {
		return boardFrame{}, err
	}
	w.sent(next, counters, now)
	return boardFrame{b.Type, data}, nil
}

// encode completes a frame and gives its bytes.
func (w *boardWatch) encode(b *wire.Board, counters wire.BoardCounters) ([]byte, error) {
	b.Market, b.Seq, b.Counters = wire.ID(w.market), w.seq+1, counters
	return wire.Encode(b)
}

// sent keeps what the watcher has after a frame.
func (w *boardWatch) sent(c *crop, counters wire.BoardCounters, now time.Time) {
	w.seq++
	w.shown, w.counters, w.told = c, counters, now
}

// count tells how many sockets are open.
func (k *sockets) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.open)
}
