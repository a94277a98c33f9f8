package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Network is how bad the way between clients and server is; the zero value adds nothing. Chances are seeded
// with Conduct.Seed; spans are wall time.
type Network struct {
	// Cut is the share of all sockets that are cut each minute, without a goodbye, 0 to 1. Whoever is cut stays
	// without network for up to maxAway.
	Cut float64
	// Lag is the most by which what is sent comes later, either way: anything from 0 to Lag, the order kept.
	Lag time.Duration
	// Twins is the share of drivers that log in on a second device at some time, 0 to 1.
	Twins float64
	// Repeat is the share of requests that are sent once more, under the same id, after their answer, as a
	// client does that has missed it: the answer must be the same.
	Repeat float64
}

func (n Network) validate() error {
	switch {
	case !share(n.Cut) || !share(n.Twins) || !share(n.Repeat):
		return errors.New("fleet: Cut, Twins and Repeat must be from 0 to 1")
	case n.Lag < 0 || n.Lag > MaxLag:
		return errors.New("fleet: Lag must be from 0 to " + MaxLag.String())
	}
	return nil
}

const (
	// maxAway is the longest that a cut client is without network: a lift, a short tunnel.
	maxAway = 5 * time.Second
	// MaxLag is the most that Lag may be: it keeps the way there and back within the 10 s that a server awaits a greeting.
	MaxLag = 4 * time.Second
	// cutEvery is how often the sockets to be cut are drawn.
	cutEvery = time.Second
)

// cutSockets cuts sockets until ctx ends.
func (f *Fleet) cutSockets(ctx context.Context) {
	if f.cfg.Network.Cut == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(f.cfg.Conduct.Seed, 0x637574)) // "cut"
	share := f.cfg.Network.Cut * cutEvery.Minutes()
	for pause(ctx, f.cfg.Clock, cutEvery) {
		for _, s := range f.seats {
			if rng.Float64() < share && s.cut(time.Duration(rng.Float64()*float64(maxAway))) {
				f.cuts.Add(1)
			}
		}
	}
}

// line is the network of one seat.
type line struct {
	clock Clock
	lag   time.Duration // immutable

	mu   sync.Mutex
	away time.Time // without network until then
	rng  *rand.Rand
}

func (f *Fleet) newLine(stream uint64) *line {
	l := &line{clock: f.cfg.Clock, lag: f.cfg.Network.Lag}
	if l.lag > 0 { // a generator a seat is memory for nothing otherwise
		l.rng = rand.New(rand.NewPCG(f.cfg.Conduct.Seed, stream))
	}
	return l
}

// dialer gives d by way of the line.
func (l *line) dialer(d *websocket.Dialer) *websocket.Dialer {
	mine := *d
	mine.NetDialContext = l.dial
	return &mine
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	if wait := away.Sub(l.clock.Now()); wait > 0 && !pause(ctx, l.clock, wait) {
		return nil, ctx.Err()
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || l.lag == 0 {
		return conn, err
	}
	return newLagged(conn, l), nil
}

// cut takes the network away until the wall instant t.
func (l *line) cut(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = t
}

// arrives is when something sent now is there.
func (l *line) arrives() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.Now().Add(time.Duration(l.rng.Float64() * float64(l.lag)))
}

// lagged is a connection whose bytes come late, in their order. A goroutine each way holds them back; Close
// ends both.
type lagged struct {
	net.Conn
	line    *line
	in, out chan parcel
	rest    []byte // of the parcel that Read took last; owned by the reader
	err     error  // why no parcel follows; owned by the reader
	closed  chan struct{}
	close   sync.Once
	busy    sync.WaitGroup
}

// parcel is what was read or written at once; err ends the stream.
type parcel struct {
	data []byte
	due  time.Time
	err  error
}

// parcels is how much is on its way at once: far more than a client sends in MaxLag. When it is full the
// sender waits, as it does on a full socket.
const parcels = 256

func newLagged(conn net.Conn, l *line) *lagged {
	c := &lagged{
		Conn: conn, line: l, in: make(chan parcel, parcels), out: make(chan parcel, parcels), closed: make(chan struct{}),
	}
	c.busy.Go(c.receive)
	c.busy.Go(c.send)
	return c
}

// receive reads ahead, so that the lag counts from the arrival.
func (c *lagged) receive() {
	for {
		data := make([]byte, 4<<10)
		n, err := c.Conn.Read(data)
		select {
		case c.in <- parcel{data[:n], c.line.arrives(), err}:
		case <-c.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// send writes what is due.
func (c *lagged) send() {
	for {
		select {
		case p := <-c.out:
			if !c.wait(p.due) {
				return
			}
			if _, err := c.Conn.Write(p.data); err != nil {
				_ = c.Conn.Close() // the reader then tells
				return
			}
		case <-c.closed:
			return
		}
	}
}

// wait is false when the connection was closed first.
func (c *lagged) wait(due time.Time) bool {
	fire, stop := c.line.clock.After(due)
	defer stop()
	select {
	case <-fire:
		return true
	case <-c.closed:
		return false
	}
}

// Read implements net.Conn.
func (c *lagged) Read(b []byte) (int, error) {
	for len(c.rest) == 0 && c.err == nil {
		select {
		case p := <-c.in:
			c.rest, c.err = p.data, p.err
			if !c.wait(p.due) {
				return 0, net.ErrClosed
			}
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	if len(c.rest) == 0 {
		return 0, c.err
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write implements net.Conn.
func (c *lagged) Write(b []byte) (int, error) {
	p := parcel{data: append([]byte(nil), b...), due: c.line.arrives()}
	select {
	case c.out <- p:
		return len(b), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// Close implements net.Conn.
func (c *lagged) Close() error {
	c.close.Do(func() { close(c.closed) })
	err := c.Conn.Close()
	c.busy.Wait()
	return err
}
