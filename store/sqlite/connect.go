package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// pragma is one setting of a connection: how the driver is asked for it and what SQLite must say it has.
// The driver ignores an option it does not know, so that nothing is believed before it was read back. A setting
// for which the driver has no option ("") is made by its PRAGMA.
type pragma struct{ option, ask, name, want string }

// busyMs bounds the wait for a lock of another process, which only a tool of the operator can hold.
const busyMs = "5000"

// kept is how many statements a connection keeps prepared; there are some thirty texts. Preparing them anew at
// each read took 7 % of the whole server's CPU.
const kept = "64"

func commonPragmas() []pragma {
	return []pragma{
		{"_journal_mode", "WAL", "journal_mode", "wal"},
		{"_synchronous", "FULL", "synchronous", "2"},
		{"_busy_timeout", busyMs, "busy_timeout", busyMs},
		{"_foreign_keys", "on", "foreign_keys", "1"},
		{"_stmt_cache_size", kept, "", ""},
	}
}

func writerPragmas() []pragma {
	return append(commonPragmas(),
		pragma{"_txlock", "immediate", "", ""},
		// What is deleted is overwritten: nobody shall find an erased person in the file.
		pragma{"_secure_delete", "on", "secure_delete", "1"},
		// A statement that a trigger may refuse keeps what it overwrites, in a file when a transaction is large:
		// a commit must not fail for want of one.
		pragma{"", "MEMORY", "temp_store", "2"},
		// The log is written back beside the commits: checkpoint.go.
		pragma{"", checkpointBy, "wal_autocheckpoint", checkpointBy})
}

func readerPragmas() []pragma {
	return append(commonPragmas(), pragma{"_query_only", "on", "query_only", "1"})
}

// connect opens a pool of at most conns connections that stay open, and proves its settings.
func connect(ctx context.Context, path string, pragmas []pragma, conns int) (*sql.DB, error) {
	options := url.Values{"mode": {"rwc"}}
	var more []string
	for _, p := range pragmas {
		if p.option != "" {
			options.Set(p.option, p.ask)
		} else {
			more = append(more, "PRAGMA "+p.name+" = "+p.ask)
		}
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	db := sql.OpenDB(connector{dsn.String(), more})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := prove(ctx, db, pragmas); err != nil {
		_ = db.Close() // nothing was written; the first error tells more
		return nil, err
	}
	return db, nil
}

// connector opens connections with all their settings. Immutable.
type connector struct {
	dsn  string
	more []string // what each connection is told first
}

var _ driver.Connector = connector{}

// Connect implements driver.Connector.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	for _, text := range c.more {
		if _, err := conn.(*sqlite3.SQLiteConn).Exec(text, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", text, err), conn.Close())
		}
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// prove reads the settings back.
func prove(ctx context.Context, db *sql.DB, pragmas []pragma) error {
	for _, p := range pragmas {
		if p.name == "" {
			continue
		}
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if got != p.want {
			return fmt.Errorf("pragma %s is %q, must be %q: this build of SQLite or this file system cannot"+
				" keep what it is given", p.name, got, p.want)
		}
	}
	return nil
}
