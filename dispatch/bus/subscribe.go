package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Messages that may wait for a listener. Beyond them NATS drops: a hole in the events is seen by seq, and
// notices and positions are losable.
const (
	// factsPending is about 24 MB of events: three seconds at 5,000 events a second.
	factsPending = 16384
	// noticesPending holds the offers of a few crowded rounds.
	noticesPending = 4096
	// hintsPending holds positions, which are stale after a second. They have no part in the room for
	// notices: there are many times more of them, and a lost offer costs its order the whole of its time.
	hintsPending = 4096
)

// subscription gives what arrives to one listener. Its goroutines are started by Subscribe and waited for
// by stop.
type subscription struct {
	conn     *Conn
	listener dispatch.Listener
	subs     []*nats.Subscription
	quit     chan struct{}
	running  sync.WaitGroup
	// mu makes the listener's functions be called one at a time.
	mu sync.Mutex
}

// Subscribe calls l for every market until stop, which waits for a call under way and must not be called
// from within one. Functions of l that are nil are not called. Events and published seqs come in the order
// of publication; so do notices and nudges, and positions, among themselves. A message that cannot be decoded is logged
// and left out.
func (c *Conn) Subscribe(l dispatch.Listener) (stop func(), err error) {
	s := &subscription{conn: c, listener: l, quit: make(chan struct{})}
	facts := make(chan *nats.Msg, factsPending)
	notices := make(chan *nats.Msg, noticesPending)
	hints := make(chan *nats.Msg, hintsPending)
	for _, family := range []struct {
		wanted  bool
		subject string
		to      chan *nats.Msg
	}{
		// One channel for events and published seqs: a seq must not overtake its event.
		{l.Event != nil, eventRoot + ">", facts},
		{l.Published != nil, publishedRoot + "*", facts},
		{l.Notice != nil, noticeRoot + ">", notices},
		{l.Nudge != nil, nudgeRoot + ">", notices},
		{l.Position != nil, positionRoot + ">", hints},
	} {
		if !family.wanted {
			continue
		}
		sub, err := c.nc.ChanSubscribe(family.subject, family.to)
		if err != nil {
			s.unsubscribe()
			return nil, fmt.Errorf("subscribe to %s: %w", family.subject, err)
		}
		s.subs = append(s.subs, sub)
	}
	// The flush proves that the server knows of the subscriptions before the caller relies on them.
	if err := c.nc.FlushTimeout(flushTimeout); err != nil {
		s.unsubscribe()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	s.running.Go(func() { s.run(facts) })
	s.running.Go(func() { s.run(notices) })
	s.running.Go(func() { s.run(hints) })
	return sync.OnceFunc(s.stop), nil
}

func (s *subscription) stop() {
	s.unsubscribe()
	close(s.quit)
	s.running.Wait()
}

// unsubscribe ends what was begun; on a closed connection there is nothing left to end.
func (s *subscription) unsubscribe() {
	for _, sub := range s.subs {
		err := sub.Unsubscribe()
		if err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			s.conn.log.Warn("bus: unsubscribe", "subject", sub.Subject, "err", err)
		}
	}
}

func (s *subscription) run(messages <-chan *nats.Msg) {
	for {
		select {
		case <-s.quit:
			return
		case m := <-messages:
			if err := s.tell(m); err != nil {
				s.conn.log.Warn("bus message left out", "of", m.Sub.Subject, "err", err) // its own subject may name a driver
			}
		}
	}
}

// tell decodes one message and calls the listener.
func (s *subscription) tell(m *nats.Msg) error {
	switch {
	case strings.HasPrefix(m.Subject, eventRoot):
		e, err := DecodeEvent(m.Data)
		if err != nil {
			return err
		}
		s.call(func() { s.listener.Event(e) })
	case strings.HasPrefix(m.Subject, publishedRoot):
		var r publishedRecord
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("decode published seq: %w", err)
		}
		s.call(func() { s.listener.Published(r.Market, r.Seq) })
	case strings.HasPrefix(m.Subject, noticeRoot):
		n, err := decodeNotice(m.Data)
		if err != nil {
			return err
		}
		s.call(func() { s.listener.Notice(n) })
	case strings.HasPrefix(m.Subject, nudgeRoot):
		o, err := decodeNudge(m.Data)
		if err != nil {
			return err
		}
		s.call(func() { s.listener.Nudge(o) })
	case strings.HasPrefix(m.Subject, positionRoot):
		p, err := decodePosition(m.Data)
		if err != nil {
			return err
		}
		s.call(func() { s.listener.Position(p) })
	}
	return nil
}

func (s *subscription) call(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}
