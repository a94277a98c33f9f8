package main

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hexfleet/hexfleet/store/sqlite"
)

// TestChaos_PowerLoss takes the power from servers under load: the process is killed, and what it wrote to its store
// and did not sync is gone. Nothing that was acknowledged may be (P1).
func TestChaos_PowerLoss(t *testing.T) {
	t.Parallel()
	shim := buildShim(t)
	t.Run("loses_nothing_that_was_acknowledged", func(t *testing.T) {
		t.Parallel()
		rng := seeded(t)
		sum := &crashSum{}
		dropped := 0
		for range times(1, 10) {
			dir := t.TempDir()
			g := crashGame{kind: journalKind{name: "sqlite", place: placeSQLite}, dir: dir, env: []string{"LD_PRELOAD=" + shim},
				died: func() { dropped += losePower(t, dir) }}
			sum.add(g.play(t, rng))
			if t.Failed() {
				return
			}
		}
		t.Logf("%v; %d times there was something that was not synced", sum, dropped)
		if dropped == 0 && times(0, 1) > 0 { // a few kills may all miss the instants between a write and its sync
			t.Error("nothing was ever written and not synced: no power loss was seen")
		}
	})
	t.Run("is_seen_on_a_disk_that_lies", func(t *testing.T) {
		t.Parallel()
		lostOnALyingDisk(t, shim, seeded(t))
	})
}

// lostOnALyingDisk proves that the layer bites: where a sync does nothing, what was acknowledged is gone.
func lostOnALyingDisk(t *testing.T, shim string, rng *rand.Rand) {
	dir := t.TempDir()
	v := &victim{t: t, binary: crashableBinary(t), dir: dir, listen: steadyPort(t, rng),
		env: []string{"LD_PRELOAD=" + shim, "POWERLOSS_LIES=1"}}
	v.start("")
	c := newCrowd(t, v)
	c.rider("r1", rng)
	until(t, "some orders are acknowledged", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.acks) > 5
	})
	v.kill()
	c.mu.Lock()
	acked := c.acks[0]
	c.mu.Unlock()
	losePower(t, dir)
	v.start("")
	c.leave()
	defer c.close()
	v.terminate()
	j := placeSQLite(t, dir).open(t)
	if _, err := j.OrderAt(t.Context(), acked.id(), acked.version); err == nil {
		t.Error("an order outlived a disk that kept nothing: the layer drops nothing")
	}
}

// buildShim compiles the layer that forgets what was not synced.
func buildShim(t *testing.T) string {
	t.Helper()
	shim := filepath.Join(t.TempDir(), "powerloss.so")
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", shim, "testdata/powerloss.c").CombinedOutput()
	if err != nil {
		t.Fatalf("compile the layer: %v\n%s", err, out)
	}
	return shim
}

// losePower leaves of a store's files what was synced; it gives 1 when that is less than what was written.
func losePower(t *testing.T, dir string) (dropped int) {
	t.Helper()
	db := filepath.Join(dir, sqlite.FileName)
	for _, path := range []string{db, db + "-wal"} {
		written, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		synced, err := os.ReadFile(path + ".synced")
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = os.RemoveAll(path)
		case err == nil:
			err = os.WriteFile(path, synced, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written, synced) {
			dropped = 1
		}
	}
	if err := os.RemoveAll(db + "-shm"); err != nil { // memory, to SQLite
		t.Fatal(err)
	}
	return dropped
}
