package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/hexfleet/hexfleet/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrating is the advisory lock under which one process at a time changes the schema.
const migrating = 0x686578666c656574 // "hexfleet"

// schema gives the steps of the database; release is called after the database was closed.
func schema(db *sql.DB, release func() error) (*store.Schema, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return store.NewSchema(store.SchemaConfig{
		Dialect: goose.DialectPostgres, DB: db, Files: files, Newer: ErrNewer, Close: release,
		Made: `SELECT count(to_regclass('goose_db_version'))`,
	})
}

// openSchema opens the schema. To change it takes the advisory lock first and waits for whoever has it.
func openSchema(ctx context.Context, cfg *pgx.ConnConfig, change bool) (*store.Schema, error) {
	cfg = cfg.Copy()
	cfg.RuntimeParams["timezone"] = "UTC" // the instants of the steps are kept without a zone
	release := func() error { return nil }
	if change {
		lock, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return nil, err
		}
		// The lock is the session's, and goes with it.
		release = func() error { return lock.Close(context.WithoutCancel(ctx)) }
		if _, err := lock.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrating)); err != nil {
			return nil, errors.Join(fmt.Errorf("wait for another process that migrates: %w", err), release())
		}
	}
	db := stdlib.OpenDB(*cfg)
	s, err := schema(db, release)
	if err == nil {
		_, err = s.Status(ctx) // a database that cannot be read is told of here
	}
	if err != nil {
		return nil, errors.Join(err, db.Close(), release())
	}
	return s, nil
}

// OpenSchema opens the schema of a database for operators. To change it waits until no other process does; servers
// that use the database go on. Errors are as Open's.
func OpenSchema(ctx context.Context, url string, change bool) (*store.Schema, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, malformed(err)
	}
	s, err := openSchema(ctx, cfg, change)
	if err != nil {
		return nil, explain(cfg, err)
	}
	return s, nil
}

// migrate brings the tables up to date, each step in a transaction of its own. Of several processes that start
// together one migrates and the others wait for it.
func migrate(ctx context.Context, cfg *pgx.ConnConfig, log *slog.Logger) (err error) {
	s, err := openSchema(ctx, cfg, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	done, err := s.Up(ctx, s.Latest())
	for _, step := range done {
		log.InfoContext(ctx, "database migrated", "schema", step.Version, "step", step.Name)
	}
	return err
}

// current tells whether every step that this program knows has been made, and no other. It is asked first, on a
// connection that is there anyway: most openings have nothing to migrate.
func current(ctx context.Context, q querier) (bool, error) {
	var made bool
	if err := q.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&made); err != nil || !made {
		return false, err
	}
	have, err := all(ctx, q, func(row scanner) (version int64, err error) { return version, row.Scan(&version) },
		`SELECT version_id FROM goose_db_version WHERE is_applied AND version_id > 0 ORDER BY version_id`)
	if err != nil {
		return false, err
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return false, err
	}
	var want []int64
	for _, f := range files { // by name, which is by number
		version, err := goose.NumericComponent(f.Name())
		if err != nil {
			return false, err
		}
		want = append(want, version)
	}
	return slices.Equal(have, want), nil
}
