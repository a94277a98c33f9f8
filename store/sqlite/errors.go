package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Errors of Open, for errors.Is. Each message is a sentence that names the directory and what to do.
var (
	// ErrDir: the data directory cannot be made, read or written.
	ErrDir = errors.New("data directory cannot be used")
	// ErrLocked: another process holds the data directory.
	ErrLocked = errors.New("data directory is in use")
	// ErrDamaged: the file is no database, or a broken one. Reads may meet it later, too.
	ErrDamaged = errors.New("database is damaged")
	// ErrNewer: a newer hexfleet wrote the database.
	ErrNewer = errors.New("database is of a newer hexfleet")
	// ErrOlder: an older hexfleet wrote the database, and it is opened for reading only.
	ErrOlder = errors.New("database is of an older hexfleet")
)

func unusable(dir string, cause error) error {
	return fmt.Errorf("%w: %s: %w; make it a directory that this user may write to, or choose another",
		ErrDir, dir, cause)
}

// explain says what to do about an error met while opening the directory.
func explain(dir string, err error) error {
	switch codeOf(err) {
	case sqlite3.ErrNotADB, sqlite3.ErrCorrupt:
		return fmt.Errorf("%w: %s/%s: restore it from a backup, or move it away to start with an empty one: %w",
			ErrDamaged, dir, FileName, err)
	case sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return unusable(dir, err)
	}
	if errors.Is(err, ErrNewer) {
		return fmt.Errorf("%s/%s: %w", dir, FileName, err)
	}
	return fmt.Errorf("open %s/%s: %w", dir, FileName, err)
}

// away is how the error of anything but a commit is told: not_found and the like as they are, damage as
// ErrDamaged, all else as a store that is away.
func away(doing string, err error) error {
	if _, ok := errors.AsType[*dispatch.Error](err); ok {
		return err
	}
	switch codeOf(err) {
	case sqlite3.ErrNotADB, sqlite3.ErrCorrupt:
		return fmt.Errorf("%s: %w: %w", doing, ErrDamaged, err)
	case sqlite3.ErrConstraint:
		return fmt.Errorf("%s: %w", doing, err)
	}
	return dispatch.Unavailable("the store does not answer", fmt.Errorf("%s: %w", doing, err))
}

// refused makes the error of a constraint an ErrRefused and leaves others as they are.
func refused(err error) error {
	if codeOf(err) == sqlite3.ErrConstraint {
		return fmt.Errorf("%w: %w", dispatch.ErrRefused, err)
	}
	return err
}

// codeOf gives SQLite's primary result code, 0 when err is not the driver's.
func codeOf(err error) sqlite3.ErrNo {
	if e, ok := errors.AsType[sqlite3.Error](err); ok {
		return e.Code
	}
	return 0
}

// found turns the absence of a row into not_found.
func found(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return dispatch.Errorf(dispatch.CodeNotFound, "", "no such %s", what)
	}
	return err
}
