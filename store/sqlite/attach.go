package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// ErrAbsent is that the data directory holds no database.
var ErrAbsent = errors.New("there is no database")

// Attach opens the journal of a data directory beside the server that may be using it: for tools that work on what
// is stored, in small transactions. It takes no lock and changes no table. Leads is not to be used through it.
func Attach(ctx context.Context, cfg Config) (*Journal, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDir, cfg.Dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: name the data directory of a server", ErrAbsent, dir)
	}
	reader, err := OpenReader(ctx, cfg) // refuses tables of another version
	if err != nil {
		return nil, err
	}
	if err := reader.Close(); err != nil {
		return nil, explain(dir, err)
	}
	j := newJournal(cfg)
	if err := j.open(ctx, dir, slog.New(slog.DiscardHandler)); err != nil {
		return nil, errors.Join(explain(dir, err), j.Close())
	}
	return j, nil
}

// InUse tells whether a server has the data directory open.
func InUse(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, unusable(dir, err)
	}
	defer f.Close() // gives back what is taken below
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
