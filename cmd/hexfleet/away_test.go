package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
)

// openCall is a connection that a request can be put into without waiting for anything.
type openCall struct {
	t    *testing.T
	conn net.Conn
}

// openCalls opens connections that the server has accepted: each has been answered once.
func openCalls(t *testing.T, p *process, n int) []openCall {
	t.Helper()
	calls := make([]openCall, n)
	for i := range calls {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		calls[i] = openCall{t, conn}
		calls[i].write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp := calls[i].read(); resp.StatusCode != http.StatusOK {
			t.Fatalf("healthz answered %s", resp.Status)
		}
	}
	return calls
}

func (c openCall) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c openCall) read() *http.Response {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(c.conn), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// send puts the creation of an order into the connection.
func (c openCall) send(token, key string) {
	c.t.Helper()
	c.write("POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token +
		"\r\nIdempotency-Key: " + key + "\r\nContent-Length: " + strconv.Itoa(len(rideBody)) + "\r\n\r\n" + rideBody)
}

// code reads the answer and gives its code, or its status when it is no problem.
func (c openCall) code() string {
	c.t.Helper()
	resp := c.read()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(raw), `"code":"`)
	if code, _, _ := strings.Cut(rest, `"`); found {
		return code
	}
	return resp.Status
}

// awayLimits are what the outage test asks of the server. In make test, where the machine has much other work, they
// bound hangs; in make chaos they are the promise.
type awayLimits struct {
	away, slow, back time.Duration
	share, grown     float64
}

func limitsAway() awayLimits {
	if os.Getenv(chaosEnv) != "" {
		return awayLimits{away: 30 * time.Second, slow: 500 * time.Millisecond, back: 3 * time.Second, share: 0.99, grown: 1.05}
	}
	return awayLimits{away: 6 * time.Second, slow: 2 * time.Second, back: patience, share: 0.95, grown: 1.25}
}

// TestServe_DatabaseAway has Postgres hang, and in make chaos also gone, under load: everybody is told so soon,
// nothing piles up, and when it is back, so is the server, with all that it acknowledged.
func TestServe_DatabaseAway(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(*testing.T, *pgtest.Server) (back func()){
		"hangs": func(t *testing.T, s *pgtest.Server) func() {
			s.Pause(t)
			return func() { s.Resume(t) }
		},
	}
	if os.Getenv(chaosEnv) != "" {
		kinds["is_gone"] = func(t *testing.T, s *pgtest.Server) func() {
			s.Kill(t)
			return func() { s.Restart(t) }
		}
	}
	for name, leave := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseAway(t, leave)
		})
	}
}

func databaseAway(t *testing.T, leave func(*testing.T, *pgtest.Server) (back func())) {
	limits := limitsAway()
	s := pgtest.Start(t, pgtest.Options{})
	c := onPostgres(t, s)
	p := c.join()
	c.wantStanding(p, "leads")
	load := startTraffic(t, p)
	load.until("the server is busy", func() bool { return load.count(func(c call) bool { return c.ok }) > 200 })
	before := p.goroutines()
	back := leave(t, s)
	left := time.Now()
	<-time.After(limits.away)
	during := p.goroutines()
	back()
	returned := time.Now()
	load.until("writes are back", func() bool {
		return load.count(func(c call) bool { return c.ok && c.writes && c.began.After(returned) }) > 0
	})
	load.until("the server is busy again", func() bool {
		return load.count(func(c call) bool { return c.ok && c.began.After(returned) }) > 500
	})
	c.wantStanding(p, "leads")
	load.stop()
	load.judge(limits, left, returned)
	until(t, "the goroutines have gone", func() bool { return p.goroutines() <= limits.grown*before })
	t.Logf("goroutines: %v before, %v after %v away, %v at the end", before, during, limits.away, p.goroutines())
	for key, body := range load.acked {
		if again, ok := order(p, load.token, key); !ok || again != body {
			t.Fatalf("%s was answered %s, and afterwards %s", key, body, again)
		}
	}
	checkHistories(t, p, p.staff(), len(load.acked))
}

// goroutines reads how many there are.
func (p *process) goroutines() float64 {
	p.t.Helper()
	for line := range strings.Lines(p.rest("GET", "/metrics", "", "").raw) {
		if text, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Fatal("no go_goroutines in the metrics")
	return 0
}

// call is one request of a load and how it went.
type call struct {
	began      time.Time
	took       time.Duration
	writes, ok bool
	status     int // 0 when the connection broke
}

// traffic makes orders and reads them, from many sides and without a pause for those who are refused.
type traffic struct {
	t      *testing.T
	p      *process
	token  string
	client *http.Client
	quit   chan struct{}
	work   sync.WaitGroup

	mu    sync.Mutex
	calls []call            // guarded by mu
	acked map[string]string // guarded by mu; key -> the body of the 201
}

// writers and readers are how many callers there are; each waits callPause between two calls.
const (
	writers   = 12
	readers   = 4
	callPause = 10 * time.Millisecond
)

func startTraffic(t *testing.T, p *process) *traffic {
	t.Helper()
	l := &traffic{
		t: t, p: p, token: p.token(dispatch.RoleRider, "r1"), quit: make(chan struct{}), acked: map[string]string{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers + readers}},
	}
	t.Cleanup(l.client.CloseIdleConnections)
	first := p.made("r1", "first")
	for w := range writers {
		l.work.Go(func() {
			for n := 0; l.pace(); n++ {
				// A key that was refused is repeated, as a client does, until it is taken.
				key := fmt.Sprintf("w%d-%d", w, n)
				for !l.call(true, "POST", "/v1/orders", key) && l.pace() {
				}
			}
		})
	}
	for range readers {
		l.work.Go(func() {
			for l.pace() {
				l.call(false, "GET", "/v1/orders/"+first, "")
			}
		})
	}
	return l
}

func (l *traffic) pace() bool {
	select {
	case <-l.quit:
		return false
	case <-time.After(callPause):
		return true
	}
}

// stop ends the load and waits for the calls under way.
func (l *traffic) stop() {
	close(l.quit)
	l.work.Wait()
	l.client.CloseIdleConnections()
}

func (l *traffic) call(writes bool, method, path, key string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var body io.Reader
	if writes {
		body = strings.NewReader(rideBody)
	}
	req, err := http.NewRequestWithContext(ctx, method, l.p.url+path, body)
	if err != nil {
		l.t.Error(err)
		return false
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	if writes {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
	}
	c := call{began: time.Now(), writes: writes}
	var raw []byte
	if resp, err := l.client.Do(req); err == nil {
		c.status = resp.StatusCode
		raw, _ = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	c.took = time.Since(c.began)
	c.ok = c.status == http.StatusOK || c.status == http.StatusCreated
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	if c.ok && writes {
		l.acked[key] = string(raw)
	}
	return c.ok
}

func (l *traffic) count(which func(call) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if which(c) {
			n++
		}
	}
	return n
}

func (l *traffic) until(what string, yes func() bool) {
	l.t.Helper()
	until(l.t, what, yes)
}

// judge holds the calls against the limits: how soon those were answered that began while the database was away, and
// how soon writes went well again.
func (l *traffic) judge(limits awayLimits, left, returned time.Time) {
	l.t.Helper()
	var total, soon, refused int
	var slowest, back time.Duration
	for _, c := range l.calls {
		if c.began.After(returned) {
			if end := c.began.Add(c.took).Sub(returned); c.ok && c.writes && (back == 0 || end < back) {
				back = end
			}
			continue
		}
		if c.began.Before(left) {
			continue
		}
		total++
		if c.took <= limits.slow {
			soon++
		}
		if c.status == http.StatusServiceUnavailable {
			refused++
		}
		if c.status == 0 || c.status == http.StatusInternalServerError {
			l.t.Errorf("a call was answered with %d", c.status)
		}
		slowest = max(slowest, c.took)
	}
	share := float64(soon) / float64(total)
	l.t.Logf("away %v: %d calls, %d refused, %.2f %% answered within %v, the slowest after %v; writes back after %v",
		limits.away, total, refused, 100*share, limits.slow, slowest.Round(time.Millisecond), back.Round(time.Millisecond))
	if share < limits.share || refused == 0 {
		l.t.Errorf("%.2f %% of %d calls were answered within %v, %d refused", 100*share, total, limits.slow, refused)
	}
	if back > limits.back {
		l.t.Errorf("writes were back after %v", back)
	}
}

// TestServe_WaitsForASlowDatabase starts a server beside a database that takes connections and does not answer yet.
func TestServe_WaitsForASlowDatabase(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{NoSync: true})
	c := onPostgres(t, s)
	s.Pause(t)
	var up sync.WaitGroup
	up.Go(func() {
		p, err := tryServe(t, t.TempDir(), "--database-url", c.url)
		if err != nil {
			t.Errorf("serve: %v", err)
			return
		}
		c.wantStanding(p, "leads")
	})
	time.Sleep(4 * time.Second) // longer than a server waits for its first answer
	s.Resume(t)
	up.Wait()
}
