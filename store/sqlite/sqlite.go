// Package sqlite keeps the journal in one SQLite file: what a lone server runs on with nothing installed.
// A commit is one transaction in WAL mode with synchronous=FULL, so that it survives power loss.
//
// It does not serve two processes: the data directory is locked, and that lock stands for the leases of a
// cluster. It does not decide: what a defect would write against the law of dispatch, the tables refuse.
//
// The package owns the files of its data directory. It may import dispatch, geo, store and, of drivers,
// go-sqlite3 only.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// The files of a data directory; SQLite adds hexfleet.db-wal and hexfleet.db-shm.
const (
	FileName = "hexfleet.db"
	LockName = "lock"
)

// readers is how many reads run at once; more wait for one to end. Reads are short and from memory for the
// most part, so that a few more than a small machine's cores are enough.
const readers = 8

// Config says where and with what a Journal works.
type Config struct {
	// Dir is the data directory; it is made when it is absent.
	Dir string
	// Wall is the wall clock: the life of keys, ended offers and claims; nil for dispatch.Wall.
	Wall dispatch.Clock
	// Log tells of migrations; nil for none.
	Log *slog.Logger
}

// Journal implements store.Journal.
type Journal struct {
	wall dispatch.Clock // immutable
	lock *os.File       // immutable; holds the flock of the directory until Close, nil of one that only reads

	// writer is one connection, so that writes queue in Go, where a context ends the wait, and not in
	// SQLite, nil of a journal that only reads; reader is a pool of connections that cannot write. Both immutable.
	writer, reader *sql.DB
	stmts          statements    // immutable
	claims         *claims       // immutable
	days           *days         // immutable
	explanations   *explanations // immutable
	checkpoints    *checkpoints  // immutable

	// life is held shared by each call and alone by Close, which so waits for what is under way.
	life   sync.RWMutex
	closed bool // guarded by life
}

var _ store.Journal = (*Journal)(nil)

// Open opens the journal of a data directory and brings its tables up to date. The error is one of ErrDir,
// ErrLocked, ErrDamaged and ErrNewer where the operator can do something about it.
func Open(ctx context.Context, cfg Config) (*Journal, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDir, cfg.Dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	j := newJournal(cfg)
	j.lock = lock
	if err := j.open(ctx, dir, cfg.Log); err != nil {
		return nil, errors.Join(explain(dir, err), j.Close())
	}
	return j, nil
}

// newJournal makes a journal that nothing is opened for yet.
func newJournal(cfg Config) *Journal {
	if cfg.Wall == nil {
		cfg.Wall = dispatch.Wall{}
	}
	return &Journal{
		wall: cfg.Wall, claims: newClaims(), days: newDays(cfg.Dir),
		explanations: &explanations{path: filepath.Join(cfg.Dir, ExplanationsName)}, checkpoints: newCheckpoints(),
	}
}

func (j *Journal) open(ctx context.Context, dir string, log *slog.Logger) error {
	var err error
	path := filepath.Join(dir, FileName)
	if j.writer, err = connect(ctx, path, writerPragmas(), 1); err != nil {
		return fmt.Errorf("open writer: %w", err)
	}
	if j.lock != nil { // without it others use the file, and the tables are as they have to be
		if err := migrate(ctx, j.writer, log); err != nil {
			return err
		}
	}
	if j.reader, err = connect(ctx, path, readerPragmas(), readers); err != nil {
		return fmt.Errorf("open readers: %w", err)
	}
	if j.stmts, err = prepare(ctx, j.writer, insertEvent); err != nil {
		return err
	}
	if j.lock != nil {
		return j.checkpoints.start(ctx, dir, j.writer, log)
	}
	return nil
}

// Ping implements store.Journal.
func (j *Journal) Ping(ctx context.Context) error {
	return j.read(ctx, "ping", func(ctx context.Context, db *sql.Conn) error {
		var n int
		return db.QueryRowContext(ctx, `SELECT count(*) FROM clock`).Scan(&n)
	})
}

// Close implements store.Journal. A second Close does nothing.
func (j *Journal) Close() error {
	j.life.Lock()
	defer j.life.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	errs := []error{j.checkpoints.stop()}
	for _, db := range []*sql.DB{j.reader, j.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	j.days.close()
	j.explanations.close()
	// Last of all: until here nobody else may open the directory.
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return errors.Join(errs...)
}

// read runs a read; doing says what for. ctx ends the wait for a reader only: the context that do is given does
// not end, because a query under one that may takes a goroutine or two, a third of its cost. A query that may
// have to look at many rows is asked under the caller's.
func (j *Journal) read(ctx context.Context, doing string, do func(context.Context, *sql.Conn) error) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return away(doing, sql.ErrConnDone)
	}
	conn, err := j.reader.Conn(ctx)
	if err != nil {
		return away(doing, fmt.Errorf("wait for a reader: %w", err))
	}
	defer conn.Close()
	if err := do(context.WithoutCancel(ctx), conn); err != nil {
		return away(doing, err)
	}
	return nil
}

// write runs do in a transaction of the one writer. ctx ends the wait for the writer only: what has begun
// goes on to its end, a few milliseconds later. The error is as the driver or do gave it.
func (j *Journal) write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed || j.writer == nil {
		return sql.ErrConnDone
	}
	conn, err := j.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("wait for the writer: %w", err)
	}
	defer conn.Close()
	ctx = context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// After a panic alone: a connection does not close under its transaction, and would hide the panic.
	defer func() { _ = tx.Rollback() }()
	if err := do(ctx, tx); err != nil {
		if undo := tx.Rollback(); undo != nil {
			// Not wrapping err: nobody may take it for a refusal of which nothing stands.
			return fmt.Errorf("roll back after %v: %w", err, undo) //nolint:errorlint // as the comment says
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	j.checkpoints.wrote(0)
	return nil
}
