package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	natsd "github.com/nats-io/nats-server/v2/server"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
)

// What the tests of several servers on one Postgres say again and again. Such servers have one database, one secret
// and each a data dir and a NATS of its own.

// cluster is one database and what its servers have in common.
type cluster struct {
	t   *testing.T
	url string
	// args are more flags of each server.
	args []string
}

// onPostgres makes an empty database on a server of which several tests may have one each.
func onPostgres(t *testing.T, s *pgtest.Server, args ...string) *cluster {
	t.Helper()
	return &cluster{t: t, url: s.Database(t), args: args}
}

// join starts a server; it may lead or stand by.
func (c *cluster) join(args ...string) *process {
	c.t.Helper()
	dir := c.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(strings.Repeat("of one cluster ", 4)), 0o600); err != nil {
		c.t.Fatal(err)
	}
	p, err := tryServe(c.t, dir, slices.Concat([]string{"--database-url", c.url}, c.args, args)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// pair starts a server that leads and one that stands by.
func (c *cluster) pair() (leader, standby *process) {
	c.t.Helper()
	a, b := c.join(), c.join()
	c.wantStanding(a, "leads")
	c.wantStanding(b, "stands_by")
	return a, b
}

// stands tells whether all markets of a ready server are so.
func (c *cluster) stands(p *process, how string) bool {
	ready := p.rest("GET", "/readyz", "", "")
	if ready.status != 200 {
		return false
	}
	markets, _ := ready.body[how].([]any)
	return len(markets) == len(dispatch.DefaultMarkets())
}

func (c *cluster) wantStanding(p *process, how string) {
	c.t.Helper()
	until(c.t, "the server "+how+" in every market", func() bool { return c.stands(p, how) })
}

// takeover waits until a server leads and tells how long that took.
func (c *cluster) takeover(p *process, since time.Time) {
	c.t.Helper()
	c.wantStanding(p, "leads")
	c.t.Logf("the other server led after %v", time.Since(since).Round(10*time.Millisecond))
}

// pause stops a process where it is, until resume or the end of the test.
func (p *process) pause() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) resume() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatal(err)
	}
}

// acknowledged creates an order and gives the body of its 201. It asks again as a client does: on a busy machine a
// database may be slow for a moment.
func (p *process) acknowledged(rider, key string) (body string) {
	p.t.Helper()
	until(p.t, key+" is acknowledged", func() (ok bool) {
		body, ok = order(p, p.token(dispatch.RoleRider, rider), key)
		return ok
	})
	return body
}

// made is acknowledged, for the id.
func (p *process) made(rider, key string) string {
	p.t.Helper()
	var o struct{ ID string }
	if err := json.Unmarshal([]byte(p.acknowledged(rider, key)), &o); err != nil {
		p.t.Fatal(err)
	}
	return o.ID
}

// cancelled has a dispatcher cancel an order, as acknowledged does, and gives it.
func (p *process) cancelled(id string) (o object) {
	p.t.Helper()
	until(p.t, id+" is cancelled", func() bool {
		a := p.rest("POST", "/v1/orders/"+id+"/cancel", p.staff(), "", "Idempotency-Key", "cancel-"+id)
		if a.status != 200 && a.status != 503 {
			p.t.Fatalf("cancel answered %d %s", a.status, a.raw)
		}
		o = a.body
		return a.status == 200
	})
	return o
}

// orders reads all orders, by id.
func (p *process) orders() map[string]object {
	p.t.Helper()
	all := map[string]object{}
	for cursor := ""; ; {
		page := p.done("GET", "/v1/orders?limit=500"+cursor, "")
		for _, item := range page["items"].([]any) {
			o := item.(object)
			all[o["id"].(string)] = o
		}
		next, more := page["next_cursor"].(string)
		if !more {
			return all
		}
		cursor = "&cursor=" + next
	}
}

// TestServe_SharesADatabase has two servers on one Postgres: one leads, the other stands by and takes over.
func TestServe_SharesADatabase(t *testing.T) {
	t.Parallel()
	s := chaosPostgres.Server(t)
	for name, end := range map[string]func(*process){
		"after_a_kill": (*process).kill,
		"after_a_drain": func(p *process) {
			if code, _ := p.terminate(); code != exitDone {
				p.t.Errorf("exit %d", code)
			}
		},
	} {
		t.Run("takes_over_"+name, func(t *testing.T) {
			t.Parallel()
			takesOver(t, onPostgres(t, s), end)
		})
	}
	t.Run("leads_alone_after_a_restart", func(t *testing.T) {
		t.Parallel()
		c := onPostgres(t, s)
		p := c.join()
		id := p.made("r1", "k1")
		if code, _ := p.terminate(); code != exitDone {
			t.Errorf("exit %d", code)
		}
		q := c.join()
		if !c.stands(q, "leads") {
			t.Error("it does not lead at once what the last one gave back")
		}
		if again := q.made("r1", "k1"); again != id {
			t.Errorf("the same key made %s and %s", id, again)
		}
	})
	t.Run("tells_the_sockets_of_all_over_one_bus", func(t *testing.T) {
		t.Parallel()
		url := startNATS(t, t.TempDir(), natsd.RANDOM_PORT).ClientURL()
		c := onPostgres(t, s, "--nats-url", url)
		a, b := c.pair()
		rider := b.dial(b.token(dispatch.RoleRider, "r1"))
		rider.fence()
		id := a.made("r1", "k1")
		rider.find("order", event(id, 1)) // while the other leads
		a.kill()
		c.wantStanding(b, "leads")
		b.cancelled(id)
		rider.find("order", event(id, 2))
		rider.wantVersions(id, 1, 2)
		until(t, "both events are in the stream, once", func() bool {
			return slices.Equal(streamed(t, url), []string{"sf:1", "sf:2"})
		})
		if strings.Contains(b.logs.String(), "--nats-url") {
			t.Error("it warns of a bus of its own")
		}
	})
	t.Run("has_one_market_clock", func(t *testing.T) {
		t.Parallel()
		c := onPostgres(t, s, "--time-scale", "3")
		a, b := c.pair()
		if drift := a.now().Sub(b.now()).Abs(); drift > time.Minute {
			t.Errorf("their market clocks are %v apart", drift)
		}
		out, code := hexfleetOutput("serve", "--data-dir", a.dir, "--listen", "127.0.0.1:0", "--database-url", c.url)
		if code != exitFailure || !strings.Contains(out, "--time-scale 3") {
			t.Errorf("another scale: exit %d, said %q", code, out)
		}
	})
}

// takesOver has a server end while another stands by.
func takesOver(t *testing.T, c *cluster, end func(*process)) {
	a, b := c.pair()
	rider := b.dial(b.token(dispatch.RoleRider, "r1"))
	rider.fence()               // or its snapshot would tell of the first order, and no event of it come
	told := map[string]string{} // key -> the body of the 201
	create := func(p *process, key string) string { return p.acknowledged("r1", key) }
	for i := range 20 {
		key := fmt.Sprintf("k%d", i)
		told[key] = create(a, key)
	}
	if again := create(b, "k0"); again != told["k0"] {
		t.Errorf("k0 was answered %s, and by the server that stands by %s", told["k0"], again)
	}
	refused := b.rest("POST", "/v1/orders", b.token(dispatch.RoleRider, "r1"), rideBody, "Idempotency-Key", "new")
	if refused.status != 503 || refused.body["code"] != "unavailable" || refused.header.Get("Retry-After") == "" {
		t.Errorf("the server that stands by answered %d %v %s", refused.status, refused.header, refused.raw)
	}
	began := time.Now()
	end(a)
	c.takeover(b, began)
	for key, body := range told {
		if again := create(b, key); again != body {
			t.Errorf("%s was answered %s, and after the takeover %s", key, body, again)
		}
	}
	create(b, "new")
	orders := b.orders()
	if len(orders) != len(told)+1 {
		t.Errorf("%d orders, want %d", len(orders), len(told)+1)
	}
	// A socket that was there before is told what it missed, each version once and in order.
	for id := range orders {
		o := b.cancelled(id)
		var want []float64
		for v := 1.0; v <= o["version"].(float64); v++ {
			rider.find("order", event(id, v))
			want = append(want, v)
		}
		rider.wantVersions(id, want...)
	}
	checkHistories(t, b, b.staff(), len(orders))
}

// TestServe_RefusesDatabases shows what an operator sees of a database that cannot be used, and that no password is
// told.
func TestServe_RefusesDatabases(t *testing.T) {
	t.Parallel()
	const secret = "geh%2Feim-0815"
	for name, url := range map[string]string{
		"another kind":  "mysql://u:" + secret + "@127.0.0.1/x",
		"no url":        "u:" + secret + "@127.0.0.1",
		"no host":       "postgres:" + secret,
		"a bad port":    "postgres://u:" + secret + "@127.0.0.1:port/x",
		"a bad escape":  "postgres://u:" + secret + "%zz@127.0.0.1/x",
		"a file's path": "/var/lib/" + secret,
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			out, code := hexfleetOutput("serve", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--database-url", url)
			if code != exitUsage || !strings.Contains(out, "postgres://USER") {
				t.Errorf("exit %d, said %q", code, out)
			}
			wantUnsaid(t, out, secret)
		})
	}
	t.Run("nobody_there", func(t *testing.T) {
		url := "postgres://u:" + secret + "@" + freePort(t) + "/x?sslmode=disable"
		out, code := hexfleetOutput("serve", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--database-url", url)
		if code != exitFailure || !strings.Contains(out, "cannot be reached") || strings.Count(strings.TrimSpace(out), "\n") > 0 {
			t.Errorf("exit %d, said %q", code, out)
		}
		wantUnsaid(t, out, secret)
	})
	t.Run("the_password", func(t *testing.T) {
		s := pgtest.Start(t, pgtest.Options{NoSync: true, Password: "geh/eim-0815"})
		c := onPostgres(t, s)
		p := c.join()
		p.made("r1", "k1")
		if code, _ := p.terminate(); code != exitDone {
			t.Errorf("exit %d", code)
		}
		wantUnsaid(t, p.logs.String(), secret)
		wrong := strings.Replace(c.url, "0815", "0816", 1)
		out, code := hexfleetOutput("serve", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--database-url", wrong)
		if code != exitFailure || !strings.Contains(out, "password") {
			t.Errorf("exit %d, said %q", code, out)
		}
		wantUnsaid(t, out, "geh%2Feim-0816")
	})
}

// wantUnsaid fails when a secret, as it stands in a URL or plain, is told.
func wantUnsaid(t *testing.T, text, escaped string) {
	t.Helper()
	for _, word := range []string{escaped, strings.ReplaceAll(escaped, "%2F", "/")} {
		if strings.Contains(text, word) {
			t.Errorf("the password is told: %s", text)
		}
	}
}

// TestServe_PausedLeader stops a leader (SIGSTOP) until another leads, and has writes wait for it in sockets and
// connections that were open before: none is done by it, none is answered with success (P6).
func TestServe_PausedLeader(t *testing.T) {
	t.Parallel()
	c := onPostgres(t, chaosPostgres.Server(t))
	a, b := c.pair()
	before := a.made("r0", "k")
	const sockets, each, calls = 9, 100, 100
	riders := make([]*sock, sockets)
	for i := range riders {
		riders[i] = a.dial(a.token(dispatch.RoleRider, fmt.Sprint("r", i)))
		riders[i].fence() // it has been told the present
	}
	conns := openCalls(t, a, calls)
	a.pause()
	began := time.Now()
	for i, r := range riders {
		for n := range each {
			r.send(object{"type": "order.create", "id": fmt.Sprintf("late-%d-%d", i, n), "market": "sf", "kind": "ride",
				"stops": []object{{"type": "pickup", "lat": 37.78, "lng": -122.41}, {"type": "dropoff", "lat": 37.75, "lng": -122.42}}})
		}
	}
	for i, conn := range conns {
		conn.send(a.token(dispatch.RoleRider, "caller"), fmt.Sprintf("late-call-%d", i))
	}
	c.takeover(b, began)
	own := []string{before, b.made("r1", "meanwhile")}
	a.resume()
	codes := map[string]int{}
	for _, r := range riders {
		for range each {
			f := r.wait("error", nil)
			codes[f["code"].(string)]++
		}
	}
	for _, conn := range conns {
		codes[conn.code()]++
	}
	if codes["unavailable"]+codes["overloaded"] != sockets*each+calls {
		t.Errorf("the one that was paused answered %v", codes)
	}
	t.Logf("%d late writes, answered %v", sockets*each+calls, codes)
	c.wantStanding(a, "stands_by")
	c.wantStanding(b, "leads")
	own = append(own, b.made("r1", "after"))
	var found []string
	for id := range b.orders() {
		found = append(found, id)
	}
	slices.Sort(found)
	slices.Sort(own)
	if diff := cmp.Diff(own, found); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	// The keys that were refused are free: whoever repeats them where the market is led is served.
	if id := b.made("caller", "late-call-0"); id == "" {
		t.Error("a repeated key was not served")
	}
	checkHistories(t, b, b.staff(), len(own)+1)
}
