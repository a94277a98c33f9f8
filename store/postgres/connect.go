package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// oldest is the server_version_num of the oldest Postgres served: the first that notices in the middle of a
// statement that its client has gone.
const oldest = 140000

// The most connections of each kind, of one node: 16 in all with one that looks after a database that is away.
const (
	maxReads  = 10
	maxWrites = 4 // commits of as many markets side by side
	maxLeases = 1
)

// inspect proves that the database can keep a journal, brings its tables up to date, and gives how commits are to wait
// for the disk.
func inspect(ctx context.Context, cfg *pgx.ConnConfig, log *slog.Logger) (durable string, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if durable, err = settings(ctx, conn, log); err != nil {
		return "", err
	}
	if ready, err := current(ctx, conn); err != nil || ready {
		return durable, err
	}
	return durable, migrate(ctx, cfg, log)
}

// settings judges those of the database, and gives how commits are to wait for the disk.
func settings(ctx context.Context, conn *pgx.Conn, log *slog.Logger) (durable string, err error) {
	var version, encoding, fsync, pages string
	var standby bool
	err = conn.QueryRow(ctx, `
SELECT current_setting('server_version_num'), current_setting('server_encoding'), current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('synchronous_commit'), pg_is_in_recovery()`).
		Scan(&version, &encoding, &fsync, &pages, &durable, &standby)
	if err != nil {
		return "", fmt.Errorf("read settings: %w", err)
	}
	if err := newEnough(version); err != nil {
		return "", err
	}
	if standby {
		return "", fmt.Errorf("%w: it is a standby, which takes no writes; give the address of the primary", ErrSettings)
	}
	if encoding != "UTF8" {
		return "", fmt.Errorf("%w: its encoding is %s; make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
			ErrSettings, encoding)
	}
	if fsync != "on" || pages != "on" {
		log.WarnContext(ctx, "the database does not survive power loss: acknowledged orders may be lost; turn fsync and"+
			" full_page_writes on", "fsync", fsync, "full_page_writes", pages)
	}
	if durable == "off" {
		log.WarnContext(ctx, "the database is set to synchronous_commit=off; the journal's own sessions turn it on")
		durable = "on"
	}
	return durable, nil
}

// newEnough judges a server_version_num.
func newEnough(version string) error {
	if n, err := strconv.Atoi(version); err != nil || n < oldest {
		return fmt.Errorf("%w: its version is %s, %d is the oldest that will do; upgrade it", ErrOld, version, oldest)
	}
	return nil
}

// session gives the pool's configuration with what all kinds of sessions have in common.
func (j *Journal) session(base *pgxpool.Config, conns int32) *pgxpool.Config {
	cfg := base.Copy()
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = conns, 1, 0
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.HealthCheckPeriod = 10 * time.Second
	// A ping before each use costs a round trip and tells nothing of the next moment: what meets a dead connection
	// drops them all, and a read is asked again.
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	for name, value := range map[string]string{
		"application_name": application(j.node),
		"lock_timeout":     milliseconds(j.bounds.Lock),
		// Queries here are short; compiling one takes longer than running it.
		"jit": "off",
		// What a client leaves behind that is gone without a word: an open transaction, a statement that runs, a
		// connection into nowhere.
		"idle_in_transaction_session_timeout": "5s",
		"client_connection_check_interval":    "1s",
		"tcp_keepalives_idle":                 "5",
		"tcp_keepalives_interval":             "2",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "10s",
	} {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	return cfg
}

// application is how a node's sessions are named in the database.
func application(node string) string { return "hexfleet " + node }

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// writing is for commits and claims: of few rows each, all found by their keys. Plans are made once, while the tables
// may still be empty and reading them from end to end seems cheap.
func (j *Journal) writing(base *pgxpool.Config, durable string) *pgxpool.Config {
	cfg := j.session(base, maxWrites)
	cfg.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = durable
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = milliseconds(j.bounds.Write)
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := proveDurable(ctx, conn); err != nil {
			return err
		}
		return prepare(ctx, conn.PgConn(), j.said)
	}
	return cfg
}

// leasing is for leases alone: a connection that nothing else keeps busy.
func (j *Journal) leasing(base *pgxpool.Config, durable string) *pgxpool.Config {
	cfg := j.session(base, maxLeases)
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = durable
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = milliseconds(j.bounds.Write)
	cfg.AfterConnect = proveDurable
	return cfg
}

// reading is for what cannot write.
func (j *Journal) reading(base *pgxpool.Config) *pgxpool.Config {
	cfg := j.session(base, maxReads)
	cfg.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = milliseconds(j.bounds.Recover)
	return cfg
}

// proveDurable reads back that this session's commits wait for the disk: a proxy in between may drop settings.
func proveDurable(ctx context.Context, conn *pgx.Conn) error {
	var got string
	if err := conn.QueryRow(ctx, `SHOW synchronous_commit`).Scan(&got); err != nil {
		return fmt.Errorf("read synchronous_commit: %w", err)
	}
	if got == "off" {
		return fmt.Errorf("%w: synchronous_commit is off and cannot be turned on; connect to Postgres itself, or to a"+
			" pooler that keeps settings and sessions", ErrSettings)
	}
	return nil
}
