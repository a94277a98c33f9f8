package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// claimLater claims in a goroutine of its own and gives its outcome.
func claimLater(ctx context.Context, j *Journal, d dispatch.DriverID) <-chan error {
	out := make(chan error, 1)
	go func() {
		_, err := j.Claim(ctx, d, "sf")
		out <- err
	}()
	return out
}

// untilWaiting returns once n claims wait.
func untilWaiting(t *testing.T, j *Journal, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		j.claims.mu.Lock()
		waiting := len(j.claims.waiting)
		j.claims.mu.Unlock()
		if waiting == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d claims wait, want %d", waiting, n)
		}
	}
}

// occupied takes the one writer until free is called.
func occupied(t *testing.T, j *Journal) (free func()) {
	t.Helper()
	busy, err := j.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := busy.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestJournal_Claim(t *testing.T) {
	t.Run("claims_all_who_wait", func(t *testing.T) {
		j := openAt(t, t.TempDir(), nil)
		defer j.Close()
		free := occupied(t, j)
		const n = 2*claimGroup + 1
		var outcomes []<-chan error
		for i := range n {
			outcomes = append(outcomes, claimLater(t.Context(), j, dispatch.DriverID(fmt.Sprint("d", i))))
		}
		untilWaiting(t, j, n)
		free()
		for i, out := range outcomes {
			if err := <-out; err != nil {
				t.Errorf("driver %d: %v", i, err)
			}
		}
		if got := claimed(t, j); got != n {
			t.Errorf("%d drivers are claimed, want %d", got, n)
		}
	})
	t.Run("leaves_out_who_gave_up", func(t *testing.T) {
		j := openAt(t, t.TempDir(), nil)
		defer j.Close()
		free := occupied(t, j)
		first, leaveFirst := context.WithCancel(t.Context())
		a := claimLater(first, j, "a") // has the turn, and waits for the writer
		untilWaiting(t, j, 1)
		second, leaveSecond := context.WithCancel(t.Context())
		b := claimLater(second, j, "b")
		untilWaiting(t, j, 2)
		c := claimLater(t.Context(), j, "c")
		untilWaiting(t, j, 3)
		leaveFirst()
		leaveSecond()
		for _, out := range []<-chan error{a, b} {
			if err := <-out; dispatch.CodeOf(err) != dispatch.CodeUnavailable {
				t.Errorf("one who gave up was told %v", err)
			}
		}
		free()
		if err := <-c; err != nil {
			t.Errorf("one who waited on: %v", err)
		}
		if got := claimed(t, j); got != 1 {
			t.Errorf("%d drivers are claimed, want 1", got)
		}
	})
	t.Run("tells_everyone_when_the_store_is_away", func(t *testing.T) {
		j := openAt(t, t.TempDir(), nil)
		defer j.Close()
		run(t, j.writer, "DROP TABLE drivers")
		free := occupied(t, j)
		outcomes := []<-chan error{claimLater(t.Context(), j, "a"), claimLater(t.Context(), j, "b")}
		untilWaiting(t, j, 2)
		free()
		for _, out := range outcomes {
			if err := <-out; dispatch.CodeOf(err) != dispatch.CodeUnavailable {
				t.Errorf("told %v", err)
			}
		}
	})
}

// claimed counts the drivers that are claimed.
func claimed(t *testing.T, j *Journal) int {
	t.Helper()
	var n int
	err := j.read(t.Context(), "count", func(ctx context.Context, db *sql.Conn) error {
		return db.QueryRowContext(ctx, `SELECT count(*) FROM drivers WHERE claim_market = 'sf'`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
