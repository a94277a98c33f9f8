package fleet

import (
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// automaton is an actor.
type automaton interface {
	Next(now time.Time, ev actor.Event) []actor.Command
	Wake() time.Time
}

// seat joins one actor to one client: what the client hears becomes events, what the actor wants becomes
// requests.
type seat struct {
	fleet     *Fleet
	role, sub string
	party     *Party
	wheel     *wheel
	alarm     *alarm
	// tap sees each command and message before it is acted upon; nil for none.
	sees func(client.Message)
	does func(actor.Command)

	mu     sync.Mutex
	actor  automaton // Next and Wake under mu
	client *client.Client
	now    time.Time // the last instant given to the actor: it never goes back
	closed bool
}

// open connects; the client goes on by itself.
func (s *seat) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil || s.closed {
		return nil
	}
	f := s.fleet
	c, err := client.Open(client.Config{
		URL: f.cfg.URL, Token: func() (string, error) { return f.cfg.Token(s.role, s.sub) },
		Handle: s.handle, Log: f.cfg.Log, Dialer: f.cfg.Dialer,
		Sent: func(kind string, id wire.ID) { s.party.Sent(f.cfg.Clock.Now(), kind, id) },
	})
	if err != nil {
		return err
	}
	s.client = c
	return nil
}

// ring is the alarm: it connects when there is no connection yet, and then tells the actor the time.
func (s *seat) ring() {
	s.mu.Lock()
	opened := s.client != nil
	s.mu.Unlock()
	if !opened {
		if err := s.open(); err != nil {
			s.fleet.fail(err)
		}
		return // the greeting goes on
	}
	s.next(actor.Tick{})
}

// handle hears the client.
func (s *seat) handle(m client.Message) {
	f := s.fleet
	if welcome, ok := m.(*wire.Welcome); ok {
		f.clock.told(welcome.ServerTime.Time, welcome.TimeScale)
	}
	s.party.Heard(m)
	s.sees(m)
	if gone, ok := m.(*client.Disconnected); ok && gone.Final {
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if !closed {
			f.fail(gone.Err)
		}
	}
	if ev := eventOf(m); ev != nil {
		s.next(ev)
	}
}

// next lets the actor hear an event and does what it wants.
func (s *seat) next(ev actor.Event) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	if now := s.fleet.clock.Now(); now.After(s.now) {
		s.now = now
	}
	commands := s.actor.Next(s.now, ev)
	s.wheel.set(s.alarm, s.actor.Wake())
	c := s.client
	s.mu.Unlock()
	for _, command := range commands {
		s.do(c, command)
	}
}

// do sends a command; its answer is an event.
func (s *seat) do(c *client.Client, command actor.Command) {
	if t, ok := command.(actor.Telemetry); ok {
		c.Telemetry(point(t))
		return
	}
	s.does(command)
	_, err := c.Start(request(command), func(order *wire.Order, err error) {
		if ev, ok := answered(command, order, err); ok {
			s.next(ev)
		}
	})
	if err != nil {
		s.fleet.fail(err)
	}
}

// close ends the seat; its client's goroutine has ended when close returns.
func (s *seat) close() {
	s.mu.Lock()
	c := s.client
	s.closed = true
	s.wheel.set(s.alarm, time.Time{})
	s.mu.Unlock()
	if c != nil {
		s.party.Finish(s.fleet.cfg.Clock.Now())
		c.Close()
	}
}
