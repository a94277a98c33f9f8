// Package postgres keeps the journal in a Postgres database, which several nodes share: each leads the markets
// whose rows name it, by a lease on the database's clock, and every commit is fenced by its market's row.
//
// It does not decide: what a defect would write against the law of dispatch, the tables refuse. It does not wait:
// each call is bounded, and while the database is known to be away it is told so at once.
//
// The package owns the tables of the schema that the connection finds first, and its connections. It may import
// dispatch, geo, store and, of drivers, pgx only.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Config says where and with what a Journal works.
type Config struct {
	// URL names the database: postgres://user:password@host:port/database and libpq's other forms and options.
	URL string
	// Wall is the wall clock: the life of keys, ended offers and claims; nil for dispatch.Wall. Leases are on the
	// database's own.
	Wall dispatch.Clock
	// Log tells of migrations and of a database that goes away and comes back; nil for none.
	Log *slog.Logger
	// Bounds are the longest waits.
	Bounds Bounds
}

// Journal implements store.Journal.
type Journal struct {
	node   string         // immutable; new for each Open
	wall   dispatch.Clock // immutable
	log    *slog.Logger   // immutable
	bounds Bounds         // immutable

	// writes commits and claims, reads cannot write, leases renews: so that neither slow reads nor slow commits
	// cost a lease. Immutable.
	writes, reads, leases *pgxpool.Pool
	claims                *claims // immutable
	health                *health // immutable
	stale                 stale
	lent                  sync.Pool // of *rows, kept for their memory
	partitions            partitions
	// said turns a statement of a commit into the one that is prepared, for tests that play another version of the
	// program; nil: as it is. Set before any connection is made, or forgotten ones are made anew.
	said func(string) string

	// life is held shared by each call and alone by Close, which so waits for what is under way.
	life   sync.RWMutex
	closed bool // guarded by life
}

var _ store.Journal = (*Journal)(nil)

// errClosed is the cause of what a closed journal answers.
var errClosed = errors.New("the journal is closed")

// Open opens the journal in a database and brings its tables up to date. The error is one of ErrConnect, ErrOld,
// ErrNewer, ErrDamaged and ErrSettings where the operator can do something about it.
func Open(ctx context.Context, cfg Config) (*Journal, error) {
	if cfg.Wall == nil {
		cfg.Wall = dispatch.Wall{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	bounds, err := cfg.Bounds.withDefaults()
	if err != nil {
		return nil, err
	}
	base, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, malformed(err)
	}
	j := &Journal{
		node: rand.Text(), wall: cfg.Wall, log: cfg.Log, bounds: bounds, claims: newClaims(),
	}
	base.ConnConfig.ConnectTimeout = bounds.Connect
	j.health = newHealth(cfg.Log, j.probe, j.forget)
	if err := j.open(ctx, base); err != nil {
		return nil, errors.Join(explain(base.ConnConfig, err), j.Close())
	}
	return j, nil
}

func (j *Journal) open(ctx context.Context, base *pgxpool.Config) error {
	durable, err := inspect(ctx, base.ConnConfig, j.log)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		pool **pgxpool.Pool
		cfg  *pgxpool.Config
	}{
		{&j.writes, j.writing(base, durable)}, {&j.leases, j.leasing(base, durable)}, {&j.reads, j.reading(base)},
	} {
		// The context given here is the pool's for good.
		if *p.pool, err = pgxpool.NewWithConfig(context.Background(), p.cfg); err != nil {
			return err
		}
		if err := (*p.pool).Ping(ctx); err != nil {
			return err
		}
	}
	j.health.start()
	return nil
}

// probe asks the database for a sign of life, on a connection of its own. It waits longer than a read: on a machine
// that is merely busy nothing that is under way may be ended.
func (j *Journal) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, j.bounds.Connect)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, j.leases.Config().ConnConfig)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT 1")
	return errors.Join(err, conn.Close(ctx))
}

// pools gives the pools by what they are for.
func (j *Journal) pools() map[string]*pgxpool.Pool {
	return map[string]*pgxpool.Pool{"writes": j.writes, "reads": j.reads, "leases": j.leases}
}

// forget drops all connections: those made before the database went away may be dead.
func (j *Journal) forget() {
	for _, pool := range j.pools() {
		pool.Reset()
	}
}

// Ping implements store.Journal.
func (j *Journal) Ping(ctx context.Context) error {
	return j.read(ctx, "ping", func(ctx context.Context, q querier) error {
		var n int
		return q.QueryRow(ctx, `SELECT count(*) FROM clock`).Scan(&n)
	})
}

// Close implements store.Journal. A second Close does nothing. Resigning is tried once, within the bound of a read:
// when it fails the leases run out by themselves.
func (j *Journal) Close() error {
	j.life.Lock()
	defer j.life.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	j.health.stop()
	if j.leases != nil && !j.health.away() {
		ctx, cancel := context.WithTimeout(context.Background(), j.bounds.Read)
		defer cancel()
		if _, err := j.leases.Exec(ctx, resign, j.node); err != nil {
			j.log.Warn("leases not given back; they run out by themselves", "error", err)
		}
	}
	for _, pool := range j.pools() {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}
