package gateway

import (
	"errors"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// encode writes a message; a failure is a defect and ends the socket, for it would be a silent hole.
func (s *session) encode(message any) []byte {
	frame, err := wire.Encode(message)
	if err != nil {
		s.srv.cfg.Log.Error("message cannot be told", "session", s.id, "err", err)
		s.sock.out.end(closing{code: closeInternal, reason: "internal", hasty: true})
	}
	return frame
}

// put queues a frame without waiting; a full queue cuts the socket.
func (s *session) put(kind string, frame []byte) {
	s.srv.metrics.framesOut.WithLabelValues(kind).Inc()
	if s.sock.out.put(frame) {
		s.srv.metrics.overflows.Inc()
		s.sock.cut(closeSlow, "slow", writeWait)
	}
}

// pace queues a frame once there is room; false when the socket ended first.
func (s *session) pace(kind string, frame []byte) bool {
	s.srv.metrics.framesOut.WithLabelValues(kind).Inc()
	return s.sock.out.wait(frame)
}

// refuse answers with an error.
func (s *session) refuse(id *wire.ID, e *dispatch.Error) { s.pace(wire.TypeError, s.refusal(id, e)) }

// deny tells why and closes with 4500. It does not wait, so that the writer may call it.
func (s *session) deny(id *wire.ID, why *dispatch.Error) {
	s.put(wire.TypeError, s.refusal(id, why))
	s.sock.out.end(closing{code: closeUnauthenticated, reason: string(dispatch.CodeUnauthenticated)})
}

// reject denies what a frame asked for, and puts that on record.
func (s *session) reject(id *wire.ID, why *dispatch.Error) {
	s.denied(wire.TypeAuth, "", idOf(id), false, why)
	s.deny(id, why)
}

func idOf(id *wire.ID) string {
	if id == nil {
		return ""
	}
	return string(*id)
}

// refusal encodes an error; operators are told the chain of what is our own fault, users nothing of it.
func (s *session) refusal(id *wire.ID, e *dispatch.Error) []byte {
	told := *e
	if told.Code == dispatch.CodeInternal {
		told.Detail, told.Field = internalDetail, ""
		s.srv.cfg.Log.Error("request failed", "session", s.id, "err", e)
	}
	return s.encode(wire.ErrorTo(id, &told))
}

// ack answers with success.
func (s *session) ack(id wire.ID, order *wire.Order) {
	s.pace(wire.TypeAck, s.encode(wire.AckTo(id, order)))
}

// isGarbage tells whether a frame was refused for being no object at all.
func isGarbage(e *dispatch.Error) bool { return errors.Is(e, wire.ErrNotObject) }
