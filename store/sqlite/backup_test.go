package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// A backup is taken while a server commits: it holds whole batches, and everything that was acknowledged before.
func TestBackup_of_a_server_that_commits(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "a b?", "backup")
	j := openAt(t, dir, nil)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	commit := func(i int) {
		b.Create(orderID(i), "r1")
		b.Move(orderID(i), dispatch.StateOffered, nil)
		b.Commit()
	}
	for i := range 50 {
		commit(i)
	}
	acked := b.Seq
	stop, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() {
		for i := 50; ; i++ {
			select {
			case <-stop:
				return
			default:
				commit(i)
			}
		}
	})
	err := Backup(t.Context(), dir, to)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		commit(1_000_000 + i) // later than the backup
	}
	restored := openAt(t, to, nil)
	defer restored.Close()
	wantDense(t, restored, acked)
	if r, err := restored.Recover(t.Context(), "sf"); err != nil || r.Seq >= b.Seq || r.Seq%2 != 0 {
		t.Errorf("the backup ends at seq %d of %d: %v", r.Seq, b.Seq, err)
	}
	storetest.NewBook(t, restored, "sf").Commit()
	if f, err := os.Stat(filepath.Join(to, FileName)); err != nil || f.Mode().Perm() != 0o600 {
		t.Errorf("others may read the backup: %v, %v", f.Mode(), err)
	}
}

func TestBackup_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"a_directory_without_a_database": {t.TempDir(), filepath.Join(t.TempDir(), "to"), fs.ErrNotExist},
		"to_write_where_something_is":    {filled(t), filled(t), fs.ErrExist},
		"to_write_where_it_may_not":      {filled(t), "/proc/backup", fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Backup(t.Context(), c.from, c.to); !errors.Is(err, c.want) {
				t.Errorf("err %v, want %v", err, c.want)
			}
		})
	}
	t.Run("a_damaged_database", func(t *testing.T) {
		dir := filled(t)
		db, err := os.ReadFile(filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		copy(db[len(db)/2:], strings.Repeat("damage", 4000))
		if err := os.WriteFile(filepath.Join(dir, FileName), db, 0o600); err != nil {
			t.Fatal(err)
		}
		err = Backup(t.Context(), dir, filepath.Join(t.TempDir(), "to"))
		wantOpenError(t, err, ErrDamaged, dir)
	})
}
