package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// The chaos tests prove P1 to P4, P7 and P8 on real processes that are killed, cut off and deprived of what they
// did not sync. Each has a small count for make test and the full one for make chaos; docs/bench/chaos.md tells
// what the full ones gave.

// chaosEnv asks for the full counts.
const chaosEnv = "HEXFLEET_CHAOS"

// seedEnv repeats the choices of an earlier run, though not its timing.
const seedEnv = "HEXFLEET_SEED"

// times gives the small count, or the full one in make chaos.
func times(small, full int) int {
	if os.Getenv(chaosEnv) != "" {
		return full
	}
	return small
}

// seeded gives a source of choices whose seed is told.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedEnv, err)
		}
	}
	t.Logf("%s=%d", seedEnv, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// journalKind is a store that the chaos tests run on.
type journalKind struct {
	name string
	// place makes room for a server of its own, whose data dir is dir.
	place func(t *testing.T, dir string) place
	// shared: a server leads by lease there, so that one which comes back after a kill waits for its own to run out.
	shared bool
}

// place is where a server keeps its journal.
type place struct {
	// args are the flags that send the server there.
	args []string
	// open opens the journal for the test; no server may be running.
	open func(t *testing.T) store.Journal
}

// journalKinds are the stores of the chaos tests.
func journalKinds() []journalKind {
	return []journalKind{{name: "sqlite", place: placeSQLite}, {name: "postgres", place: placePostgres, shared: true}}
}

func placeSQLite(_ *testing.T, dir string) place {
	return place{open: func(t *testing.T) store.Journal {
		t.Helper()
		j, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
		return opened(t, j, err)
	}}
}

// placePostgres makes a database on the server that the chaos tests share.
func placePostgres(t *testing.T, _ string) place {
	t.Helper()
	url := chaosPostgres.Server(t).Database(t)
	return place{args: []string{"--database-url", url}, open: func(t *testing.T) store.Journal {
		t.Helper()
		return openPostgres(t, url)
	}}
}

func openPostgres(t *testing.T, url string) store.Journal {
	t.Helper()
	j, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	return opened(t, j, err)
}

func opened(t *testing.T, j store.Journal, err error) store.Journal {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() }) // a test may have closed it
	return j
}

// chaosPostgres is the Postgres of the chaos tests, started for the first that asks. Its syncs are of no matter to
// them: none takes its power. TestMain stops it.
var chaosPostgres = pgtest.Cluster{Options: pgtest.Options{NoSync: true}}

// crashable is the program with its failpoints, built once a run for the first test that asks. It is
// package-level because no test outlives the others; TestMain removes it.
var crashable struct {
	once sync.Once
	dir  string
	err  error
}

// crashableBinary gives the path of the program built with its failpoints.
func crashableBinary(t *testing.T) string {
	t.Helper()
	crashable.once.Do(func() {
		if crashable.dir, crashable.err = os.MkdirTemp("", "hexfleet-crashable-"); crashable.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-tags", "failpoint", "-o", filepath.Join(crashable.dir, "hexfleet"), ".")
		if out, err := cmd.CombinedOutput(); err != nil {
			crashable.err = fmt.Errorf("build the program with its failpoints: %w\n%s", err, out)
		}
	})
	if crashable.err != nil {
		t.Fatal(crashable.err)
	}
	return filepath.Join(crashable.dir, "hexfleet")
}

// endChaos tidies up after the last test.
func endChaos() {
	chaosPostgres.Stop()
	if crashable.dir != "" {
		_ = os.RemoveAll(crashable.dir) // what stays is in the system's temporary folder
	}
}

// steadyPort gives an address that a server can come back to after each kill: of ports below those that the
// system hands out by itself, so that no connection of another test takes it meanwhile.
func steadyPort(t *testing.T, rng *rand.Rand) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rng.IntN(10000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}
