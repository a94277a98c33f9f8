package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// crowd is the load of the crash tests: riders, drivers and dispatchers who live through every kill, ask again
// under the same key until they are answered, and remember every answer.
type crowd struct {
	t      *testing.T
	url    string
	secret []byte
	http   *http.Client
	quit   chan struct{} // closed when nothing new is to be begun
	actors sync.WaitGroup
	open   []*client.Client // all that were opened, for close; written before the actors start

	mu sync.Mutex
	// acks are the kept answers, oldest first. Guarded by mu, as what follows.
	acks    []ack
	pending int // requests that wait for their answer
	// unavailable counts those who were told to come again.
	unavailable int
	defects     []string
}

// ack is an answer that has to be given again whenever its key comes again.
type ack struct {
	what string // who asked for what
	text string // the answer
	// order and version are what the answer tells; "" for refusals and duty.
	order   string
	version int64
	state   string
	// repeat asks again under the same key.
	repeat func(context.Context) (string, error)
}

func (a *ack) id() dispatch.OrderID { return dispatch.OrderID(a.order) }

func newCrowd(t *testing.T, v *victim) *crowd {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(v.dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	return &crowd{t: t, url: v.url(), secret: bytes.TrimRight(secret, "\n"), quit: make(chan struct{}),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: patience}}
}

func (c *crowd) token(role dispatch.Role, sub string) string {
	token, err := auth.Mint(c.secret, auth.Claims{Role: role, Sub: sub}, time.Hour, time.Now())
	if err != nil {
		panic(err) // the claims are constant
	}
	return token
}

// come brings everyone: riders and drivers who meet by the engine's rounds, dispatchers with drivers of their
// own, and a driver who changes its duty all the time.
func (c *crowd) come(rng *rand.Rand) {
	c.t.Helper()
	for i := range 4 {
		c.rider(fmt.Sprintf("r%d", i), rand.New(rand.NewPCG(rng.Uint64(), 0)))
	}
	for i := range 6 {
		c.driver(fmt.Sprintf("d%d", i), rand.New(rand.NewPCG(rng.Uint64(), 0)))
	}
	for i := range 2 {
		c.dispatcher(i, rand.New(rand.NewPCG(rng.Uint64(), 0)))
	}
	c.wanderer()
}

// leave has everyone end what they have begun, and wait.
func (c *crowd) leave() {
	c.t.Helper()
	close(c.quit)
	left := make(chan struct{})
	go func() {
		c.actors.Wait()
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(patience):
		c.t.Fatal("requests are still unanswered")
	}
}

// close ends the connections.
func (c *crowd) close() {
	for _, one := range c.open {
		one.Close()
	}
	c.http.CloseIdleConnections()
}

// over tells whether nothing new is to be begun.
func (c *crowd) over() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// rest waits, less when everyone is to leave.
func (c *crowd) rest(d time.Duration) {
	select {
	case <-c.quit:
	case <-time.After(d):
	}
}

// answered waits until one more request has been.
func (c *crowd) answered() {
	c.t.Helper()
	n := c.recent(0)
	until(c.t, "somebody is answered", func() bool { return c.recent(0) > n })
}

// inFlight is how many requests wait for their answer.
func (c *crowd) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending
}

func (c *crowd) asked(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending += n
}

func (c *crowd) comeAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unavailable++
}

func (c *crowd) keep(a ack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks = append(c.acks, a)
}

// wrong notes what must never be answered.
func (c *crowd) wrong(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.defects = append(c.defects, fmt.Sprintf(format, args...))
}

// dial opens a client of the SDK, which comes back by itself after each kill.
func (c *crowd) dial(role dispatch.Role, sub string, hear func(client.Message)) *client.Client {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	one, err := client.Dial(ctx, client.Config{
		URL: c.url, Token: func() (string, error) { return c.token(role, sub), nil }, Handle: hear,
		MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.open = append(c.open, one)
	return one
}

// ask makes a request of the SDK, which repeats it over every reconnect, and remembers the answer.
func (c *crowd) ask(who string, one *client.Client, req client.Request) (*wire.Order, error) {
	type answer struct {
		order *wire.Order
		err   error
	}
	c.asked(1)
	got := make(chan answer, 1) // one answer, so that the client's goroutine never waits
	if _, err := one.Start(req, func(o *wire.Order, err error) { got <- answer{o, err} }); err != nil {
		panic(err) // the requests are constant
	}
	a := <-got
	c.asked(-1)
	text, kept := answerText(a.order, a.err)
	if !kept {
		c.wrong("%s: %T was answered %s", who, req, text)
		return a.order, a.err
	}
	given := ack{what: fmt.Sprintf("%s: %+v", who, req), text: text, repeat: func(ctx context.Context) (string, error) {
		again := make(chan answer, 1)
		if err := one.Repeat(req, func(o *wire.Order, err error) { again <- answer{o, err} }); err != nil {
			return "", err
		}
		select {
		case a := <-again:
			text, _ := answerText(a.order, a.err)
			return text, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}}
	if a.order != nil {
		given.order, given.version, given.state = string(a.order.ID), a.order.Version, a.order.State
	}
	c.keep(given)
	return a.order, a.err
}

// answerText gives an answer as text, and whether it is one of those that are kept under its key. not_found is none,
// but rightly given to whoever comes too late.
func answerText(order *wire.Order, err error) (text string, kept bool) {
	if err == nil {
		raw, err := json.Marshal(order)
		if err != nil {
			panic(err) // it was read from JSON
		}
		return string(raw), true
	}
	refused, ok := errors.AsType[*client.Error](err)
	if !ok {
		return err.Error(), false
	}
	return refused.Error(), keptCode(refused.Code)
}

func keptCode(code string) bool {
	switch dispatch.Code(code) {
	case dispatch.CodeTaken, dispatch.CodeExpired, dispatch.CodeIllegalTransition, dispatch.CodeConflict:
		return true
	}
	return false
}

// post makes a request by REST that is rightly answered with success or with a kept refusal.
func (c *crowd) post(role dispatch.Role, sub, path, body string) (status int, order wire.Order) {
	status, order, code := c.request(role, sub, path, body)
	if status/100 != 2 && !keptCode(code) {
		c.wrong("%s: POST %s %s was answered %d %s", sub, path, body, status, code)
	}
	return status, order
}

// request makes a request by REST, again and again under its key until it is answered, and remembers the answer
// when it is one that is kept.
func (c *crowd) request(role dispatch.Role, sub, path, body string) (status int, order wire.Order, code string) {
	key := uuid.NewString()
	c.asked(1)
	defer c.asked(-1)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		status, raw, err := c.once(context.Background(), role, sub, path, body, key)
		if err != nil {
			continue
		}
		if status == http.StatusServiceUnavailable {
			c.comeAgain()
			time.Sleep(50 * time.Millisecond)
			continue
		}
		var refused struct{ Code string }
		_ = json.Unmarshal(raw, &refused) // an order has no code
		a := ack{what: fmt.Sprintf("%s: POST %s %s", sub, path, body), text: fmt.Sprintf("%d %s", status, raw),
			repeat: func(ctx context.Context) (string, error) {
				for {
					status, raw, err := c.once(ctx, role, sub, path, body, key)
					if status != http.StatusServiceUnavailable || ctx.Err() != nil {
						return fmt.Sprintf("%d %s", status, raw), err
					}
					time.Sleep(20 * time.Millisecond)
				}
			}}
		if status/100 == 2 {
			if order, err = orderOf(raw); err != nil {
				c.wrong("%s: POST %s was answered %s: %v", sub, path, raw, err)
			}
			a.order, a.version, a.state = string(order.ID), order.Version, order.State
		}
		if status/100 == 2 || keptCode(refused.Code) {
			c.keep(a)
		}
		return status, order, refused.Code
	}
	return 0, order, "no answer"
}

// orderOf reads the order of an answer: it stands alone or, for an offer, in an ack.
func orderOf(raw []byte) (wire.Order, error) {
	var inAck struct{ Order *wire.Order }
	if err := json.Unmarshal(raw, &inAck); err != nil || inAck.Order != nil {
		return *cmp.Or(inAck.Order, new(wire.Order)), err
	}
	var alone wire.Order
	err := json.Unmarshal(raw, &alone)
	return alone, err
}

func (c *crowd) once(ctx context.Context, role dispatch.Role, sub, path, body, key string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", c.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token(role, sub))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

// repeat asks again for all answers from the from-th on: each must be given as it was.
func (c *crowd) repeat(from int) {
	c.t.Helper()
	c.mu.Lock()
	acks := c.acks[from:]
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*patience)
	defer cancel()
	slots := make(chan struct{}, 32) // as many at once as a busy gateway has
	var wg sync.WaitGroup
	for _, a := range acks {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			again, err := a.repeat(ctx)
			if err != nil || again != a.text {
				c.wrong("%s\nwas answered %s\nand again    %s (%v)", a.what, a.text, again, err)
			}
		})
	}
	wg.Wait()
}

// recent gives from where on the latest n answers stand.
func (c *crowd) recent(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, len(c.acks)-n)
}

// report fails the test for what went wrong.
func (c *crowd) report() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, d := range c.defects {
		if i == 10 {
			c.t.Errorf("and %d more", len(c.defects)-i)
			break
		}
		c.t.Error(d)
	}
}
