package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// hub turns what the markets publish into frames for sockets. Each market has a lane of its own, so that one
// whose history is slow to read holds up no other; offers and positions, which are losable, go straight to
// the sockets. The hub never waits for a socket.
type hub struct {
	cfg    Config
	met    *metrics
	duties *duties
	dir    *directory
	// life ends every lane's waiting; quit ends life.
	life func() context.Context
	quit context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	lanes map[dispatch.MarketID]*lane // guarded by mu
	stops func()                      // guarded by mu; ends the subscription, nil while there is none
	over  bool                        // guarded by mu
}

func newHub(c Config, met *metrics, d *duties) *hub {
	ctx, quit := context.WithCancel(context.Background())
	return &hub{
		cfg: c, met: met, duties: d, dir: newDirectory(),
		life: func() context.Context { return ctx }, quit: quit,
		lanes: map[dispatch.MarketID]*lane{},
	}
}

// start subscribes, then reads where each market stands: whatever is committed later is published into the
// lane. What was committed before is no news to any socket, for each will read its present from the history;
// but after a crash the relay publishes some of it again.
func (h *hub) start(ctx context.Context) error {
	stop, err := h.cfg.Feed.Subscribe(dispatch.Listener{
		Event:     func(e *dispatch.Event) { h.lane(e.Market).push(e) },
		Notice:    h.notice,
		Nudge:     h.nudge,
		Position:  h.position,
		Published: func(m dispatch.MarketID, seq int64) { h.lane(m).published(seq) },
	})
	if err != nil {
		return fmt.Errorf("subscribe to the feed: %w", err)
	}
	h.mu.Lock()
	h.stops = stop
	h.mu.Unlock()
	for _, m := range h.cfg.Markets() {
		seq, err := h.latest(ctx, m.ID)
		if err != nil {
			return fmt.Errorf("read where market %s stands: %w", m.ID, err)
		}
		h.lane(m.ID).begin(seq)
	}
	return nil
}

// latest gives the seq of a market's last committed event. It reads on from the relay's cursor, which is
// seldom far behind.
func (h *hub) latest(ctx context.Context, m dispatch.MarketID) (int64, error) {
	seq, err := h.cfg.History.Cursor(ctx, m)
	for err == nil {
		var events []dispatch.Event
		events, err = h.cfg.History.MarketEvents(ctx, m, seq, page)
		if len(events) > 0 {
			seq = events[len(events)-1].Seq
		}
		if len(events) < page {
			break
		}
	}
	return seq, err
}

// stop ends the subscription and the lanes, and waits for them.
func (h *hub) stop() {
	h.mu.Lock()
	stop := h.stops
	h.stops, h.over = nil, true
	h.mu.Unlock()
	if stop != nil {
		stop()
	}
	h.quit()
	h.work.Wait()
}

// lane gives a market's lane and starts it when it is new.
func (h *hub) lane(m dispatch.MarketID) *lane {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lanes[m]
	if l == nil {
		l = newLane(m, h)
		h.lanes[m] = l
		if !h.over {
			h.work.Go(func() { l.run(h.life()) })
		}
	}
	return l
}

// passed tells the seq up to which a market's events have been delivered.
func (h *hub) passed(m dispatch.MarketID) int64 { return h.lane(m).at.Load() }

// deliver tells the sockets one event; called by its lane, in order.
func (h *hub) deliver(e *dispatch.Event, buf []*session) []*session {
	h.met.lag.Observe(h.cfg.Market.Wall(h.cfg.Market.Now().Sub(e.At)).Seconds())
	if e.Duty != nil {
		h.duties.told(e.Duty)
		return buf
	}
	buf = h.dir.concerned(e, buf[:0])
	if len(buf) == 0 {
		return buf
	}
	n, err := tell(e)
	if err != nil {
		h.cfg.Log.Error("event cannot be told", "market", e.Market, "seq", e.Seq, "err", err)
		return buf
	}
	for _, s := range buf {
		s.live(n)
	}
	return buf
}

// tell encodes an event for sockets.
func tell(e *dispatch.Event) (told, error) {
	event := wire.EventFrom(e)
	frame, err := wire.Encode(wire.OrderUpdate{Type: wire.TypeOrder, Order: wire.OrderFrom(e.Order), Event: &event})
	return told{e, frame}, err
}

// notice tells a driver of an offer.
func (h *hub) notice(n *dispatch.Notice) {
	if s := h.dir.driver(n.Offer.Driver); s != nil {
		s.notice(n)
	}
}

// nudge tells a driver again how an order of its own stands.
func (h *hub) nudge(o *dispatch.Order) {
	if s := h.dir.driver(o.Driver); s != nil {
		s.nudge(o)
	}
}

// position tells a rider where its driver is.
func (h *hub) position(p *dispatch.Position) {
	var few [4]*session
	sessions := h.dir.rider(p.Rider, few[:0])
	if len(sessions) == 0 {
		return
	}
	frame, err := wire.Encode(wire.DriverPositionFrom(p))
	if err != nil {
		h.cfg.Log.Error("position cannot be told", "market", p.Market, "err", err)
		return
	}
	for _, s := range sessions {
		s.position(p, frame)
	}
}

// pause waits for d of wall time, or less when ctx ends first; it tells whether ctx still runs.
func pause(ctx context.Context, wall dispatch.Clock, d time.Duration) bool {
	fire, stop := wall.After(wall.Now().Add(d))
	defer stop()
	select {
	case <-fire:
		return true
	case <-ctx.Done():
		return false
	}
}
