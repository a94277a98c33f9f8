package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Backup copies the databases of a data directory, as they stand at one instant each, to another that is absent or
// empty; a server may be using the directory and goes on. What it gives is a data directory: a server can be started
// on it. The journal comes last, so that a directory with one is whole.
func Backup(ctx context.Context, dir, to string) error {
	if _, err := os.Stat(filepath.Join(dir, FileName)); err != nil {
		return fmt.Errorf("back up %s: %w", dir, err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("back up to %s: %w", to, err)
	}
	if there, err := os.ReadDir(to); err != nil || len(there) > 0 {
		return fmt.Errorf("back up to %s: %w", to, errors.Join(err, fs.ErrExist))
	}
	days, err := filepath.Glob(filepath.Join(dir, SamplesDir, "*.db"))
	if err != nil {
		return err
	}
	names := make([]string, 0, len(days)+1)
	for _, day := range days {
		names = append(names, filepath.Join(SamplesDir, filepath.Base(day)))
	}
	if len(days) > 0 {
		if err := os.Mkdir(filepath.Join(to, SamplesDir), 0o700); err != nil {
			return err
		}
	}
	for _, name := range append(names, FileName) {
		if err := copyDatabase(ctx, filepath.Join(dir, name), filepath.Join(to, name)); err != nil {
			return explain(dir, fmt.Errorf("back up %s: %w", name, err))
		}
	}
	return syncDir(to)
}

// copyDatabase copies what is committed at one instant, and makes the copy durable, which SQLite does not.
func copyDatabase(ctx context.Context, from, to string) (err error) {
	db, err := connect(ctx, from, commonPragmas(), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return err
	}
	if err := check(ctx, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// check reads a copy from end to end: a backup that is damaged is found when it is made.
func check(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "mode=ro"}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil || found != "ok" {
		return fmt.Errorf("the copy is damaged: %s: %w", found, errors.Join(err, ErrDamaged))
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
