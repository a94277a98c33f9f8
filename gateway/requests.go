package gateway

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// requestWait is how long a request may take before it is answered with unavailable: longer than a market's
// change of leader (a lease of 3 s, and recovery), shorter than a user's patience.
const requestWait = 10 * time.Second

// message takes one frame that is an object and names a type. Exactly one ack or error answers a frame that
// carries an id.
func (s *session) message(kind string, id *wire.ID, data []byte) {
	switch kind {
	case wire.TypeAuth:
		s.extend(id, data)
	case wire.TypeResume:
		s.refuse(id, dispatch.Errorf(dispatch.CodeBadRequest, "",
			"resume must be the first frame after welcome, within %v, and the token must have come in the header", resumeWait))
	case wire.TypeTelemetry:
		s.telemetry(id, data)
	case wire.TypeDuty:
		ask(s, kind, id, data, auth.Duty, func(p auth.Principal, m *wire.Duty) (task, *dispatch.Error) {
			c, refused := s.srv.edge.duty(p, *m, s.last, socketKey(m.ID))
			return s.change(p, c), refused
		})
	case wire.TypeOfferAccept:
		ask(s, kind, id, data, auth.Accept, func(p auth.Principal, m *wire.OfferAccept) (task, *dispatch.Error) {
			c, refused := s.srv.edge.accept(p, *m, socketKey(m.ID))
			return s.command(p, c), refused
		})
	case wire.TypeOfferDecline:
		ask(s, kind, id, data, auth.Decline, func(p auth.Principal, m *wire.OfferDecline) (task, *dispatch.Error) {
			c, refused := s.srv.edge.decline(p, *m, socketKey(m.ID))
			return s.command(p, c), refused
		})
	default:
		s.orderMessage(kind, id, data)
	}
}

// orderMessage takes the messages about one order, or about many: the board.
func (s *session) orderMessage(kind string, id *wire.ID, data []byte) {
	switch kind {
	case wire.TypeTripAdvance:
		ask(s, kind, id, data, auth.Advance, func(p auth.Principal, m *wire.TripAdvance) (task, *dispatch.Error) {
			c, refused := s.srv.edge.advance(p, auth.Advance, *m, socketKey(m.ID))
			return s.command(p, c), refused
		})
	case wire.TypeOrderCreate:
		ask(s, kind, id, data, auth.Create, func(p auth.Principal, m *wire.OrderCreate) (task, *dispatch.Error) {
			c, refused := s.srv.edge.create(p, *m, socketKey(m.ID))
			t := s.command(p, c)
			t.about = "" // its id is fresh, nothing can be waiting for it
			return t, refused
		})
	case wire.TypeOrderCancel:
		ask(s, kind, id, data, auth.Cancel, func(p auth.Principal, m *wire.OrderCancel) (task, *dispatch.Error) {
			c, refused := s.srv.edge.cancel(p, *m, socketKey(m.ID))
			return s.command(p, c), refused
		})
	case wire.TypeOrderWatch:
		ask(s, kind, id, data, auth.ReadOrder, s.watchTask)
	case wire.TypeOrderUnwatch:
		ask(s, kind, id, data, auth.ReadOrder, s.unwatchTask)
	case wire.TypeBoardWatch:
		ask(s, kind, id, data, auth.WatchBoard, s.boardTask)
	default:
		s.refuse(id, dispatch.Errorf(dispatch.CodeUnsupported, "/type", "there is no such message for clients to send"))
	}
}

// aboutDriver keeps one actor's acts, duty, accept and advance, in the order they were sent.
const aboutDriver = "driver"

// task is a request that has been judged as far as that needs no loading.
type task struct {
	// object is what the audit log is told that the request is about; act that it is a command.
	object string
	act    bool
	// about names what requests are kept in order for: requests with the same name run one after the other,
	// as they came; those with "" beside all others.
	about string
	// do works on it and answers by calling reply exactly once.
	do func(ctx context.Context, reply func(*wire.Order, *dispatch.Error))
}

// ask judges the role, then the body, then has the task made and run.
func ask[M any](
	s *session, kind string, id *wire.ID, data []byte, action auth.Action,
	build func(auth.Principal, *M) (task, *dispatch.Error),
) {
	p := s.principal()
	if refused := auth.Allow(p, action, auth.Target{}); refused != nil {
		s.denied(kind, "", idOf(id), false, refused)
		s.refuse(id, refused)
		return
	}
	m := new(M)
	if refused := wire.Decode(data, m); refused != nil {
		s.refuse(id, refused)
		return
	}
	t, refused := build(p, m)
	if refused != nil {
		s.denied(kind, t.object, idOf(id), t.act, refused)
		s.refuse(id, refused)
		return
	}
	if p.Role == dispatch.RoleDriver {
		t.about = aboutDriver
	}
	s.perform(kind, *id, t)
}

// perform runs a task beside the reader, once there is a free slot and those before it about the same are
// done.
func (s *session) perform(kind string, id wire.ID, t task) {
	turn, refused := s.requests.begin(s.life(), t.about)
	if refused != nil {
		s.refuse(&id, refused)
		return
	}
	began := s.srv.cfg.Wall.Now()
	go func() {
		defer turn.end()
		turn.wait()
		s.answer(kind, id, t, began)
	}()
}

// answer does a task and tells its outcome. A command goes on when its socket ends: it was sent, and duty
// offline followed by a close means what it says.
func (s *session) answer(kind string, id wire.ID, t task, began time.Time) {
	ctx, cancel := s.srv.sockets.request()
	defer cancel()
	reply := func(order *wire.Order, refused *dispatch.Error) {
		s.srv.metrics.requests.WithLabelValues(kind, outcome(refused)).
			Observe(s.srv.cfg.Wall.Now().Sub(began).Seconds())
		if refused != nil {
			s.denied(kind, t.object, string(id), t.act, refused)
			s.refuse(&id, refused)
			return
		}
		s.ack(id, order)
	}
	defer func() {
		if cause := recover(); cause != nil {
			s.srv.cfg.Log.Error("request panicked", "session", s.id, "type", kind, "panic", cause, "stack", string(debug.Stack()))
			s.sock.cut(closeInternal, "internal", lingerWait)
		}
	}()
	t.do(ctx, reply)
}

// command is the task of a command.
func (s *session) command(p auth.Principal, c dispatch.Command) task {
	c.RequestID = c.Key.ID
	return task{about: string(c.Order), object: about(&c), act: true, do: func(ctx context.Context, reply func(*wire.Order, *dispatch.Error)) {
		reply(s.srv.edge.do(ctx, p, c))
	}}
}

// change is the task of a duty: telemetry sent after its ack finds the market.
func (s *session) change(p auth.Principal, c dispatch.Command) task {
	c.RequestID = c.Key.ID
	return task{object: about(&c), do: func(ctx context.Context, reply func(*wire.Order, *dispatch.Error)) {
		_, refused := s.srv.edge.do(ctx, p, c)
		if refused == nil {
			if _, err := s.srv.duties.refresh(ctx, c.Driver); err != nil {
				s.srv.cfg.Log.Warn("duty is not known yet", "market", c.Market, "err", err)
			}
		}
		reply(nil, refused)
	}}
}

func (s *session) watchTask(p auth.Principal, m *wire.OrderWatch) (task, *dispatch.Error) {
	if m.ID == "" {
		return task{}, dispatch.Errorf(dispatch.CodeBadRequest, "/id", "required")
	}
	return task{about: string(m.OrderID), object: object("order", string(m.OrderID)), do: func(ctx context.Context, reply func(*wire.Order, *dispatch.Error)) {
		sequel, refused := s.watch(ctx, dispatch.OrderID(m.OrderID), m.AfterVersion, func(o *dispatch.Order) {
			order := visible(p, "", o)
			reply(&order, nil)
		})
		if refused != nil {
			reply(nil, refused)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.goLocked(sequel)
	}}, nil
}

func (s *session) unwatchTask(p auth.Principal, m *wire.OrderUnwatch) (task, *dispatch.Error) {
	if m.ID == "" {
		return task{}, dispatch.Errorf(dispatch.CodeBadRequest, "/id", "required")
	}
	return task{about: string(m.OrderID), object: object("order", string(m.OrderID)), do: func(ctx context.Context, reply func(*wire.Order, *dispatch.Error)) {
		o, refused := s.unwatch(ctx, dispatch.OrderID(m.OrderID))
		if refused != nil {
			reply(nil, refused)
			return
		}
		order := visible(p, "", o)
		reply(&order, nil)
	}}, nil
}
