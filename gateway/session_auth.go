package gateway

import (
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	// authWait is how long a socket may take to say who it is.
	authWait = 10 * time.Second
	// resumeWait is how long a socket whose token came in the header may take to send resume.
	resumeWait = time.Second
)

// introduce reads the auth frame of a socket whose header named nobody; false when it was turned away.
func (s *session) introduce() bool {
	s.sock.setSilence(2 * authWait) // the alarm comes first
	s.sock.setAlarm(s.srv.cfg.Wall.Now().Add(authWait), func() {
		s.deny(nil, dispatch.Errorf(dispatch.CodeUnauthenticated, "", "no auth frame within %v", authWait))
	})
	for {
		messageType, data, err := s.sock.read()
		if err != nil {
			s.lost(err)
			return false
		}
		kind, id, refused := s.kind(messageType, data)
		if refused != nil || kind != wire.TypeAuth {
			s.reject(id, dispatch.Errorf(dispatch.CodeUnauthenticated, "", "the first frame must be auth"))
			return false
		}
		m, p, refused := s.verify(data)
		switch {
		case refused == nil:
			s.sock.setSilence(time.Duration(silentBeats * float64(s.srv.cfg.Heartbeat)))
			s.ready = true
			s.welcome(p)
			s.hydrate(m.Resume, nil)
			return true
		case refused.Code == dispatch.CodeUnauthenticated:
			s.reject(id, refused)
			return false
		}
		s.refuse(id, refused) // the token is good, the rest is not: it may be sent again
	}
}

// verify reads an auth frame and tells whom its token speaks for. The token is judged before the rest.
func (s *session) verify(data []byte) (wire.Auth, auth.Principal, *dispatch.Error) {
	var m wire.Auth
	malformed := wire.Decode(data, &m)
	if malformed != nil && strings.HasPrefix(malformed.Field, "/token") {
		malformed.Code = dispatch.CodeUnauthenticated
		return m, auth.Principal{}, malformed
	}
	p, refused := s.srv.cfg.Auth.Verify(m.Token, s.srv.cfg.Wall.Now())
	if malformed != nil && (m.Token == "" || refused == nil) {
		return m, p, malformed
	}
	return m, p, refused
}

// extend takes auth on a session that is known: a fresh token of the same sub and role.
func (s *session) extend(id *wire.ID, data []byte) {
	m, p, refused := s.verify(data)
	was := s.principal()
	switch {
	case refused != nil && refused.Code != dispatch.CodeUnauthenticated:
		s.refuse(id, refused)
		return
	case refused != nil:
		s.reject(id, refused)
		return
	case p.Sub != was.Sub || p.Role != was.Role:
		s.reject(id, dispatch.Errorf(dispatch.CodeUnauthenticated, "/token",
			"the token is of another sub or role than the session"))
		return
	case m.Resume != nil:
		s.refuse(id, dispatch.Errorf(dispatch.CodeBadRequest, "/resume", "only the first auth may resume; use order.watch"))
		return
	}
	s.mu.Lock()
	s.delivery.by = p
	s.mu.Unlock()
	s.sock.setAlarm(p.Expires.Add(auth.Leeway), s.expire)
	s.pace(wire.TypeWelcome, s.encode(s.greeting(p)))
}

// welcome begins the session of p: it is greeted, the hub learns of it, and a driver's live offers come
// again. Orders follow with the hydration.
func (s *session) welcome(p auth.Principal) {
	s.mu.Lock()
	s.delivery = newDelivery(p)
	s.mu.Unlock()
	s.sock.setAlarm(p.Expires.Add(auth.Leeway), s.expire)
	s.pace(wire.TypeWelcome, s.encode(s.greeting(p)))
	s.enter(p)
	if p.Role == dispatch.RoleDriver {
		s.liveOffers(p)
	}
}

func (s *session) greeting(p auth.Principal) wire.Welcome {
	c := s.srv.cfg
	return wire.WelcomeTo(p.Actor, s.id, c.Heartbeat, c.Market.Now(), c.Market.Scale())
}

// awaitResume tells the present when no frame has come in resumeWait.
func (s *session) awaitResume() {
	fire, stop := s.srv.cfg.Wall.After(s.srv.cfg.Wall.Now().Add(resumeWait))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goLocked(func() {
		defer stop()
		select {
		case <-fire:
			s.hydrate(nil, nil)
		case <-s.hydrated:
		case <-s.life().Done():
		}
	})
}

// resumeFirst takes resume as the first frame after welcome; false when it came too late, and is to be
// answered like any other frame.
func (s *session) resumeFirst(id *wire.ID, data []byte) bool {
	var m wire.Resume
	if refused := wire.Decode(data, &m); refused != nil {
		s.refuse(id, refused)
		s.hydrate(nil, nil)
		return true
	}
	return s.hydrate(m.Resume, func() {
		if id != nil {
			s.ack(*id, nil)
		}
	})
}
