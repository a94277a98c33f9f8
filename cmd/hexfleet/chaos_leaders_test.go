package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestChaos_Leaders has leaders paused beyond their lease, killed and drained under load while another server stands
// by, and proves that nothing that was acknowledged is missing or told differently whoever leads (P1, P7), that the
// history is lawful (P2, P3), and that none who was paused wrote into it (P6).
func TestChaos_Leaders(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	c := onPostgres(t, chaosPostgres.Server(t), "--markets", markets(t, quick+`,"search_timeout_s":3600`))
	f := newFront(t)
	servers := []*process{c.join(), c.join()}
	f.serve(servers)
	crowd := newCrowd(t, &victim{dir: servers[0].dir, listen: f.listener.Addr().String()})
	crowd.come(rng)
	defer crowd.close()
	ends := []string{"pause", "kill", "drain"}
	took := map[string][]time.Duration{}
	for round := range times(3, 45) {
		crowd.answered()
		leader := f.leader()
		began := time.Now()
		switch end := ends[round%len(ends)]; end {
		case "pause":
			leader.pause()
			until(t, "another leads", func() bool { return f.leader() != leader })
			took[end] = append(took[end], time.Since(began).Round(10*time.Millisecond))
			time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
			leader.resume()
		default:
			i := slices.Index(servers, leader)
			if end == "kill" {
				leader.kill()
			} else if code, _ := leader.terminate(); code != exitDone {
				t.Errorf("exit %d", code)
			}
			until(t, "another leads", func() bool { return f.leader() != leader })
			took[end] = append(took[end], time.Since(began).Round(10*time.Millisecond))
			servers[i] = c.join()
			f.serve(servers)
		}
		crowd.repeat(crowd.recent(20))
	}
	crowd.leave()
	crowd.repeat(0)
	for _, p := range servers {
		if code, _ := p.terminate(); code != exitDone {
			t.Errorf("exit %d", code)
		}
	}
	crowd.report()
	b := readBook(t, openPostgres(t, c.url), "sf", "nyc")
	if checked := b.has(crowd.acks); checked < 20 {
		t.Errorf("%d answers are next to nothing", checked)
	}
	t.Logf("%d answers checked, %d orders, %d in sf; another led after %v", len(crowd.acks), len(b.orders), len(b.events["sf"]), took)
}

// front is a load balancer: it brings each connection to the server that leads, and cuts those to one that does so no
// more. What was sent to that one before stays with it.
type front struct {
	t        *testing.T
	listener net.Listener
	http     *http.Client
	quit     chan struct{}
	work     sync.WaitGroup

	mu      sync.Mutex
	servers []*process            // guarded by mu
	leads   *process              // guarded by mu; nil while none is known
	conns   map[net.Conn]*process // guarded by mu
}

// lookEvery is how often the front looks who leads, lookFor how long it waits for an answer.
const (
	lookEvery = 50 * time.Millisecond
	lookFor   = 500 * time.Millisecond
)

func newFront(t *testing.T) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, listener: l, http: &http.Client{Timeout: lookFor}, quit: make(chan struct{}), conns: map[net.Conn]*process{}}
	f.work.Go(f.accept)
	f.work.Go(f.look)
	t.Cleanup(func() {
		close(f.quit)
		_ = l.Close()
		f.follow(nil)
		f.work.Wait()
	})
	return f
}

// serve sets the servers, and waits until one of them leads.
func (f *front) serve(servers []*process) {
	f.t.Helper()
	f.mu.Lock()
	f.servers = slices.Clone(servers)
	f.mu.Unlock()
	f.leader()
}

// leader gives the server that leads.
func (f *front) leader() (p *process) {
	f.t.Helper()
	until(f.t, "a server leads", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		p = f.leads
		return p != nil
	})
	return p
}

func (f *front) look() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.quit:
			return
		case <-tick.C:
		}
		f.mu.Lock()
		servers := f.servers
		f.mu.Unlock()
		var leads *process
		for _, p := range servers {
			if f.isLeader(p) {
				leads = p
			}
		}
		f.follow(leads)
	}
}

func (f *front) isLeader(p *process) bool {
	resp, err := f.http.Get(p.url + "/readyz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var ready struct {
		Leads []dispatch.MarketID `json:"leads"`
	}
	return json.NewDecoder(resp.Body).Decode(&ready) == nil && slices.Contains(ready.Leads, "sf") && slices.Contains(ready.Leads, "nyc")
}

// follow cuts the connections to all but the one that leads.
func (f *front) follow(leads *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leads = leads
	for conn, p := range f.conns {
		if p != leads {
			_ = conn.Close() // its ends see to the rest
			delete(f.conns, conn)
		}
	}
}

func (f *front) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.work.Go(func() { f.carry(conn) })
	}
}

// carry brings bytes to and fro until either end, or the leader's time, is over.
func (f *front) carry(conn net.Conn) {
	defer conn.Close()
	f.mu.Lock()
	p := f.leads
	f.mu.Unlock()
	if p == nil {
		return
	}
	up, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		return
	}
	defer up.Close()
	f.mu.Lock()
	f.conns[conn] = p
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.conns, conn)
	}()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(up, conn) // the other direction sees the end
		_ = up.Close()
	})
	_, _ = io.Copy(conn, up)
	_ = conn.Close()
	both.Wait()
}
