package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"

	"github.com/hexfleet/hexfleet/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schema gives the steps of the database; release is called after the database was closed.
func schema(db *sql.DB, release func() error) (*store.Schema, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return store.NewSchema(store.SchemaConfig{
		Dialect: goose.DialectSQLite3, DB: db, Files: files, Newer: ErrNewer, Close: release,
		Made: `SELECT count(*) FROM sqlite_schema WHERE name = 'goose_db_version'`,
	})
}

// migrate brings the tables up to date, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	s, err := schema(db, nil)
	if err != nil {
		return err
	}
	done, err := s.Up(ctx, s.Latest())
	for _, step := range done {
		log.InfoContext(ctx, "database migrated", "schema", step.Version, "step", step.Name)
	}
	return err
}

// OpenSchema opens the schema of a data directory for operators. To change it takes the directory's lock, so that
// it is refused with ErrLocked while a server uses it; to read it does not, and makes nothing: of a directory without
// a database every step is still to be made. Other errors are as Open's.
func OpenSchema(ctx context.Context, dir string, change bool) (*store.Schema, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDir, dir, err)
	}
	release := func() error { return nil }
	path := filepath.Join(dir, FileName)
	if change {
		lock, err := lockDir(dir)
		if err != nil {
			return nil, err
		}
		release = lock.Close
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		db, err := sql.Open("sqlite3", ":memory:")
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		return schema(db, nil)
	}
	pragmas := readerPragmas()
	if change {
		pragmas = writerPragmas()
	}
	db, err := connect(ctx, path, pragmas, 1)
	if err != nil {
		return nil, errors.Join(explain(dir, err), release())
	}
	s, err := schema(db, release)
	if err == nil {
		_, err = s.Status(ctx) // a damaged database is told of here
	}
	if err != nil {
		return nil, errors.Join(explain(dir, err), db.Close(), release())
	}
	return s, nil
}

// OpenReader opens the journal of a data directory for reading only, for tools, beside a server that may be using it.
// The tables have to be up to date. Errors are as Open's, and ErrOlder.
func OpenReader(ctx context.Context, cfg Config) (*Journal, error) {
	s, err := OpenSchema(ctx, cfg.Dir, false)
	if err != nil {
		return nil, err
	}
	plan, err := s.Plan(ctx, true, s.Latest())
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, explain(cfg.Dir, err)
	}
	if len(plan) > 0 {
		return nil, fmt.Errorf("%w: %s/%s: run 'hexfleet migrate up', or start the server once",
			ErrOlder, cfg.Dir, FileName)
	}
	j := newJournal(cfg)
	dir, err := filepath.Abs(cfg.Dir)
	if err == nil {
		j.reader, err = connect(ctx, filepath.Join(dir, FileName), readerPragmas(), readers)
	}
	if err != nil {
		return nil, errors.Join(explain(cfg.Dir, err), j.Close())
	}
	return j, nil
}
