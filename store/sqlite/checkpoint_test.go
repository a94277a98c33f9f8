package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func TestCheckpoints(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, nil)
	defer j.Close()
	book := storetest.NewBook(t, j, "sf")
	made := 0
	commit := func(orders int) {
		for range orders {
			book.Create(dispatch.OrderID(fmt.Sprintf("o%06d", made)), "r1")
			made++
		}
		book.Commit()
	}
	length := func() int64 {
		info, err := os.Stat(filepath.Join(dir, FileName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	t.Run("begin_the_log_anew", func(t *testing.T) {
		commit(500)
		was := length()
		for range 20 {
			if err := j.checkpoints.run(t.Context(), j.writer); err != nil {
				t.Fatal(err)
			}
			commit(50)
		}
		if now := length(); now > was {
			t.Errorf("the log had %d bytes, and has %d after 20 checkpoints", was, now)
		}
	})
	t.Run("are_made_once_enough_was_written", func(t *testing.T) {
		j.checkpoints.pages.Store(checkpointAt)
		commit(1)
		clock := dispatch.Wall{}
		for end := clock.Now().Add(time.Minute); j.checkpoints.pages.Load() >= checkpointAt; {
			if clock.Now().After(end) {
				t.Fatal("the log was not written back")
			}
			turn, stop := clock.After(clock.Now().Add(time.Millisecond))
			<-turn
			stop()
		}
	})
}
