package main

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
)

// TestChaos_DatabaseKilled kills Postgres under a server under load: what it held in memory and had not written is gone,
// and nothing of that may have been acknowledged (P1, P8). A commit that does not wait for the log would be among it,
// for the database is told to write that only every ten seconds by itself.
func TestChaos_DatabaseKilled(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	s := pgtest.Start(t, pgtest.Options{Settings: []string{"wal_writer_delay=10s"}})
	url := s.Database(t)
	v := &victim{t: t, binary: crashableBinary(t), dir: t.TempDir(), listen: steadyPort(t, rng), args: []string{
		"--database-url", url, "--markets", markets(t, quick+`,"search_timeout_s":3600`)}}
	v.start("")
	c := newCrowd(t, v)
	c.come(rng)
	defer c.close()
	inFlight, n := 0, times(2, 40)
	for range n {
		c.answered()
		time.Sleep(time.Duration(100+rng.IntN(400)) * time.Millisecond)
		inFlight += c.inFlight()
		s.Kill(t)
		if v.ended() {
			t.Fatalf("the server ended with its database\n%s", v.logs)
		}
		s.Restart(t)
	}
	c.answered()
	c.leave()
	c.repeat(0)
	v.terminate()
	c.report()
	b := readBook(t, openPostgres(t, url), "sf", "nyc")
	checked := b.has(c.acks)
	b.published(readStream(t, v.dir))
	t.Logf("the database was killed %d times with %d requests in flight, %d answers checked", n, inFlight, checked)
	if inFlight == 0 || checked == 0 {
		t.Error("the kills hit nothing")
	}
}
