package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Errors of Open, for errors.Is. Each message is a sentence that names the database and what to do.
var (
	// ErrConnect: there is no such server, database, user or password.
	ErrConnect = errors.New("database cannot be reached")
	// ErrOld: the server is too old.
	ErrOld = errors.New("database server is too old")
	// ErrNewer: a newer hexfleet wrote the database.
	ErrNewer = errors.New("database is of a newer hexfleet")
	// ErrDamaged: the server finds its data broken. Reads may meet it later, too.
	ErrDamaged = errors.New("database is damaged")
	// ErrSettings: the database or the user's rights are not such that a journal can be kept.
	ErrSettings = errors.New("database cannot keep a journal")
)

// The SQLSTATEs told apart; a class is the first two characters.
const (
	codeFenced       = "HF001" // our own, raised by journal_fenced
	classData        = "22"    // a value that Postgres cannot keep
	classConstraint  = "23"    // a constraint, and what our triggers raise
	classCardinality = "21"    // one row told twice in one statement
	classConnection  = "08"
	classOperator    = "57" // shut down, crashed, starting, cancelled
	codeReadOnly     = "25006"
	codeTooMany      = "53300"
	codeCancelled    = "57014"
	codePassword     = "28P01"
	classAuth        = "28"
	codeNoDatabase   = "3D000"
	codeNoRight      = "42501"
	codeDamagedData  = "XX001"
	codeDamagedIndex = "XX002"
)

// codeOf gives the SQLSTATE, "" when err is not the server's.
func codeOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

func classOf(err error) string {
	code := codeOf(err)
	return code[:min(2, len(code))]
}

// line is an error told in one line; the driver tells of each address that it tried in one of its own.
type line struct{ err error }

// Error implements error.
func (l line) Error() string { return strings.Join(strings.Fields(l.err.Error()), " ") }

// Unwrap gives the error.
func (l line) Unwrap() error { return l.err }

// explain says what to do about an error met while opening the database.
func explain(cfg *pgx.ConnConfig, err error) error {
	err = line{err}
	name := fmt.Sprintf("postgres://%s@%s/%s", cfg.User, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), cfg.Database)
	known := errors.Is(err, ErrOld) || errors.Is(err, ErrNewer) || errors.Is(err, ErrSettings)
	switch code := codeOf(err); {
	case known:
		return fmt.Errorf("%s: %w", name, err)
	case code == codeNoDatabase:
		return fmt.Errorf("%w: %s: there is no such database; make it with: createdb -E UTF8 -T template0 %s: %w",
			ErrConnect, name, cfg.Database, err)
	case classOf(err) == classAuth:
		return fmt.Errorf("%w: %s: the server does not let this user in; check user and password in the URL, and the"+
			" server's pg_hba.conf: %w", ErrConnect, name, err)
	case code == codeNoRight:
		return fmt.Errorf("%w: %s: the user may not make tables here; make it the owner of the database with:"+
			" ALTER DATABASE %s OWNER TO %s: %w", ErrSettings, name, cfg.Database, cfg.User, err)
	case code == codeDamagedData || code == codeDamagedIndex:
		return fmt.Errorf("%w: %s: restore it from a backup; the server's log says which file: %w", ErrDamaged, name, err)
	case isConnect(err):
		return fmt.Errorf("%w: %s: check that the server runs and that its address in the URL is right: %w",
			ErrConnect, name, err)
	}
	return fmt.Errorf("open %s: %w", name, err)
}

func malformed(err error) error {
	return fmt.Errorf("%w: the database URL is malformed: %w", ErrConnect, err)
}

func isConnect(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok || errors.Is(err, context.DeadlineExceeded)
}

// away is how the error of anything but a commit is told: not_found and the like as they are, damage as
// ErrDamaged, all else as a store that is away.
func away(doing string, err error) error {
	if _, ok := errors.AsType[*dispatch.Error](err); ok {
		return err
	}
	switch code := codeOf(err); {
	case code == codeDamagedData || code == codeDamagedIndex:
		return fmt.Errorf("%s: %w: %w", doing, ErrDamaged, err)
	case classOf(err) == classConstraint:
		return fmt.Errorf("%s: %w", doing, err)
	}
	return dispatch.Unavailable("the store does not answer", fmt.Errorf("%s: %w", doing, err))
}

// judged makes the error of a commit one that the contract names: after these nothing of the batch stands. All
// others are ambiguous.
func judged(err error) error {
	if codeOf(err) == codeFenced {
		return fmt.Errorf("%w: %w", dispatch.ErrFenced, err)
	}
	switch classOf(err) {
	case classConstraint, classData, classCardinality:
		return fmt.Errorf("%w: %w", dispatch.ErrRefused, err)
	}
	return err
}

// doubtful tells that an error may mean that the database is away.
func doubtful(err error) bool {
	if _, ok := errors.AsType[*dispatch.Error](err); ok || err == nil || errors.Is(err, pgx.ErrNoRows) {
		return false
	}
	switch code := codeOf(err); code {
	case "", codeReadOnly, codeTooMany:
		return true
	case codeCancelled: // a slow statement
		return false
	}
	class := classOf(err)
	return class == classConnection || class == classOperator
}

// found turns the absence of a row into not_found.
func found(err error, what string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return dispatch.Errorf(dispatch.CodeNotFound, "", "no such %s", what)
	}
	return err
}
