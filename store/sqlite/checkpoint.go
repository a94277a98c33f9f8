package sqlite

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// A commit appends the pages that it changed to the log of the file (-wal), which a checkpoint writes back. SQLite has
// the commit that finds the log long do that, and whoever waits for it waits for a thousand pages more; here it is done
// beside the commits, of many commits at once, so that a page that they all changed is written once.
//
// The log is begun anew when all of it is written back. Under load it never is, because commits go on: what they have
// added in the meantime is written back while the writer is held, a few milliseconds.

// The log's length in pages, as far as it is known: what is written is counted by rows.
const (
	checkpointAt = 16000 // 64 MB of 4 KiB pages: some two hundred commits of full groups
	// checkpointBy is at what length a commit does it itself, should the other not come to it.
	checkpointBy = "80000"
	// writePages is about what a transaction changes whatever it writes.
	writePages = 8
)

// checkpoints writes the log back.
type checkpoints struct {
	pages atomic.Int64  // in the log since it was last written back, about
	due   chan struct{} // capacity 1: that it is due says it all
	quit  chan struct{} // closed by stop

	db   *sql.DB // immutable after start; one connection
	log  *slog.Logger
	done sync.WaitGroup
}

func newCheckpoints() *checkpoints {
	return &checkpoints{due: make(chan struct{}, 1), quit: make(chan struct{})}
}

// start begins to look after the log of a data directory, whose one writer is held meanwhile at the end of each.
func (c *checkpoints) start(ctx context.Context, dir string, writer *sql.DB, log *slog.Logger) (err error) {
	if c.db, err = connect(ctx, filepath.Join(dir, FileName), commonPragmas(), 1); err != nil {
		return err
	}
	c.log = log
	c.done.Go(func() {
		for {
			select {
			case <-c.due:
			case <-c.quit:
				return
			}
			if err := c.run(context.Background(), writer); err != nil {
				c.log.Warn("the log of the database was not written back; a commit will", "error", err)
			}
		}
	})
	return nil
}

// wrote tells that a transaction wrote rows.
func (c *checkpoints) wrote(rows int) {
	if c.pages.Add(int64(rows+writePages)) >= checkpointAt {
		select {
		case c.due <- struct{}{}:
		default:
		}
	}
}

// run writes the log back: what is in it, and then what has come meanwhile.
func (c *checkpoints) run(ctx context.Context, writer *sql.DB) error {
	const passive = `PRAGMA wal_checkpoint(PASSIVE)`
	c.pages.Store(0)
	if _, err := c.db.ExecContext(ctx, passive); err != nil {
		return err
	}
	conn, err := writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	c.pages.Store(0)
	_, err = c.db.ExecContext(ctx, passive)
	return err
}

// stop ends it, and waits for what is under way.
func (c *checkpoints) stop() error {
	close(c.quit)
	c.done.Wait()
	if c.db == nil {
		return nil
	}
	return c.db.Close()
}
