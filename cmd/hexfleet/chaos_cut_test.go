package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestChaos_CutAcknowledgements has the answers to every second commit cut off after the database has committed. The
// server has to find out what became of each: nothing is done twice, and nobody is told that something failed which
// did not (P7, P8).
func TestChaos_CutAcknowledgements(t *testing.T) {
	t.Parallel()
	const askers = 12
	rng := seeded(t)
	wanted := int64(times(100, 5000))
	dir := t.TempDir()
	at, err := url.Parse(chaosPostgres.Server(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	var commits atomic.Int64
	proxy := startCutter(t, at.Host, func() bool { return commits.Add(1)%2 == 0 })
	direct := at.String()
	at.Host = proxy.listener.Addr().String()
	v := &victim{t: t, binary: crashableBinary(t), dir: dir, listen: steadyPort(t, rng), args: []string{"--database-url", at.String()}}
	v.start("")
	c := newCrowd(t, v)
	defer c.close()
	var created atomic.Int64
	for i := range askers {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		c.actors.Go(func() {
			sub, body := fmt.Sprintf("r%d", i), rideBody
			if i%2 == 1 { // a market's commits come one after the other: two are cut twice as often
				body = nycBody
			}
			for !c.over() {
				status, order := c.post(dispatch.RoleRider, sub, "/v1/orders", body)
				if created.Add(1); status == 201 && rng.IntN(2) == 0 {
					status, _ = c.post(dispatch.RoleRider, sub, "/v1/orders/"+string(order.ID)+"/cancel", `{}`)
				}
				if status/100 != 2 { // nobody else touches the order
					c.wrong("%s was told that order %q failed: %d", sub, order.ID, status)
				}
			}
		})
	}
	began, told := time.Now(), int64(0)
	for deadline := began.Add(20 * time.Minute); proxy.cuts.Load() < wanted; time.Sleep(20 * time.Millisecond) {
		if n := proxy.cuts.Load() / 1000; n > told {
			told = n
			t.Logf("%d acknowledgements of commits cut after %v", n*1000, time.Since(began).Round(time.Second))
		}
		if proxy.commits.Load() == 0 && c.recent(0) > 200 {
			t.Fatalf("of all that was acknowledged the proxy saw no commit: does its fence call %s no more?", fenceCall)
		}
		if time.Now().After(deadline) || v.ended() {
			t.Fatalf("%d of %d acknowledgements were cut\n%s", proxy.cuts.Load(), wanted, v.logs)
		}
	}
	c.leave()
	c.repeat(0)
	v.terminate()
	c.report()
	b := readBook(t, openPostgres(t, direct), "sf", "nyc")
	answered := b.has(c.acks)
	t.Logf("%d of %d acknowledgements of commits cut; %d answers to %d askers, %d of whom were asked to come again; %d orders",
		proxy.cuts.Load(), proxy.commits.Load(), answered, askers, c.unavailable, len(b.orders))
	if int64(len(b.orders)) != created.Load() {
		t.Errorf("%d orders were asked for and acknowledged, the journal has %d", created.Load(), len(b.orders))
	}
}
