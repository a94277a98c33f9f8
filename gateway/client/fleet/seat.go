package fleet

import (
	"errors"
	"math/rand/v2"
	"slices"
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
	wheel     *wheel
	alarm     *alarm
	line      *line
	// sees and does see each message and command before it is acted upon.
	sees func(client.Message)
	does func(actor.Command)

	// yields tells that another device will log in; immutable.
	yields bool

	mu     sync.Mutex
	actor  automaton // Next and Wake under mu
	client *client.Client
	// party is the checker's view of client, or of the one to come.
	party *Party
	// before is the device that was replaced; nil for none.
	before *client.Client
	now    time.Time // the last instant given to the actor: it never goes back
	closed bool
	// rng is for the seat's own chances.
	rng *rand.Rand
	// repeats are the alarms of requests that are to be sent once more.
	repeats []*alarm

	// sending guards unsent, and keeps the points in their order; taken before mu, never after.
	sending sync.Mutex
	// unsent are the positions that wait for a connection, the newest last, at most wire.MaxPoints.
	unsent []wire.Point
}

// repeatWithin is how long after its answer at most a request is sent once more, wall time.
const repeatWithin = 10 * time.Second

// open connects; the client goes on by itself.
func (s *seat) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil || s.closed {
		return nil
	}
	return s.openLocked(s.yields)
}

// openLocked makes a new device the seat's; mu is held.
func (s *seat) openLocked(yields bool) error {
	f := s.fleet
	party := s.party
	if s.client != nil {
		party = f.checker.Party(s.role, s.sub)
	}
	c, err := client.Open(client.Config{
		URL: f.cfg.URL, Token: func() (string, error) { return f.cfg.Token(s.role, s.sub) },
		Handle: func(m client.Message) { s.handle(party, m) }, Log: f.cfg.Log, Dialer: s.line.dialer(f.cfg.Dialer),
		Sent:  func(kind string, id wire.ID) { party.Sent(f.cfg.Clock.Now(), kind, id) },
		Yield: yields,
	})
	if err != nil {
		return err
	}
	s.client, s.party = c, party
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

// handle hears a device.
func (s *seat) handle(party *Party, m client.Message) {
	f := s.fleet
	if welcome, ok := m.(*wire.Welcome); ok {
		f.clock.told(welcome.ServerTime.Time, welcome.TimeScale)
	}
	party.Heard(m)
	s.sees(m)
	if gone, ok := m.(*client.Disconnected); ok && gone.Final {
		s.mu.Lock()
		expected := s.closed || s.party != party
		s.mu.Unlock()
		if !expected {
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
		s.place(c, point(t))
		return
	}
	s.does(command)
	req := request(command)
	_, err := c.Start(req, func(order *wire.Order, err error) {
		s.perhapsAgain(c, req, err)
		if ev, ok := answered(command, order, err); ok {
			s.next(ev)
		}
	})
	if err != nil {
		s.fleet.fail(err)
	}
}

// place sends a position, with those before it that found no connection.
func (s *seat) place(c *client.Client, p wire.Point) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if len(s.unsent) == wire.MaxPoints {
		s.unsent = append(s.unsent[:0], s.unsent[1:]...)
	}
	s.unsent = append(s.unsent, p)
	s.fleet.checker.Placed(s.sub, p)
	if c.Telemetry(s.unsent...) {
		s.unsent = s.unsent[:0]
	}
}

// perhapsAgain is there for a request whose answer the server must keep: by chance it is sent once more, a
// while later. The checker compares the answers.
func (s *seat) perhapsAgain(c *client.Client, req client.Request, err error) {
	if refusal, ok := errors.AsType[*client.Error](err); err != nil && !(ok && kept(refusal.Code)) {
		return
	}
	if _, read := req.(*wire.OrderWatch); read {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.rng.Float64() >= s.fleet.cfg.Network.Repeat {
		return
	}
	f := s.fleet
	again := newAlarm(nil)
	again.ring = func() {
		s.mu.Lock()
		s.repeats = slices.DeleteFunc(s.repeats, func(a *alarm) bool { return a == again })
		s.mu.Unlock()
		f.repeats.Add(1)
		f.fail(c.Repeat(req, nil))
	}
	s.repeats = append(s.repeats, again)
	s.wheel.set(again, f.clock.Now().Add(f.clock.market(time.Duration(s.rng.Float64()*float64(repeatWithin)))))
}

// cut cuts the connection for a while; false when there is none.
func (s *seat) cut(away time.Duration) bool {
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	if c == nil {
		return false
	}
	s.line.cut(s.fleet.cfg.Clock.Now().Add(away))
	return c.Drop()
}

// close ends the seat; its client's goroutine has ended when close returns.
func (s *seat) close() {
	s.mu.Lock()
	c, party, before := s.client, s.party, s.before
	s.closed = true
	s.wheel.set(s.alarm, time.Time{})
	for _, again := range s.repeats {
		s.wheel.set(again, time.Time{})
	}
	s.mu.Unlock()
	if c != nil {
		party.Finish(s.fleet.cfg.Clock.Now())
		c.Close()
	}
	if before != nil {
		before.Close()
	}
}
