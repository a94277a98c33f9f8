package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
)

// querier is what reads: a connection or one transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// scanner is a row to be read.
type scanner interface{ Scan(into ...any) error }

// use lends a connection of a pool to do, for within at most. A call that fails as it would when the database is
// away raises doubt; broken tells that its connection was found dead while there was time left.
func (j *Journal) use(
	ctx context.Context, pool *pgxpool.Pool, within time.Duration, do func(context.Context, *pgxpool.Conn) error,
) (broken bool, err error) {
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	own := call{cancel}
	if !j.health.enter(&own) {
		return false, dispatch.Unavailable("the store is away", nil)
	}
	defer j.health.leave(&own)
	conn, err := acquire(ctx, pool, j.bounds.Acquire)
	if err == nil {
		err = do(ctx, conn)
		broken = conn.Conn().IsClosed() && ctx.Err() == nil
		release(conn)
	}
	if doubtful(err) && asked.Err() == nil {
		if broken {
			j.forget() // what killed this one has killed the others
		}
		j.health.doubt()
	}
	return broken, err
}

func acquire(ctx context.Context, pool *pgxpool.Pool, within time.Duration) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return pool.Acquire(ctx)
}

// release gives a connection back. A closed one is taken out of its pool first, which would wait up to 15 s for the
// server to say goodbye and count it as long.
func release(conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() {
		conn.Release()
		return
	}
	_ = conn.Hijack().PgConn().Conn().Close() // closed by whoever found it dead, or by this
}

// read runs a read by key; doing says what for.
func (j *Journal) read(ctx context.Context, doing string, do func(context.Context, querier) error) error {
	return j.ask(ctx, doing, j.bounds.Read, func(ctx context.Context, c *pgxpool.Conn) error { return do(ctx, c) })
}

// list runs a read that may have to look at many rows.
func (j *Journal) list(ctx context.Context, doing string, do func(context.Context, querier) error) error {
	return j.ask(ctx, doing, j.bounds.List, func(ctx context.Context, c *pgxpool.Conn) error { return do(ctx, c) })
}

// ask runs what reads. Where the connection turns out dead it is asked again on another.
func (j *Journal) ask(
	ctx context.Context, doing string, within time.Duration, do func(context.Context, *pgxpool.Conn) error,
) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return away(doing, errClosed)
	}
	broken, err := j.use(ctx, j.reads, within, do)
	if broken {
		_, err = j.use(ctx, j.reads, within, do)
	}
	if err != nil {
		return away(doing, err)
	}
	return nil
}

// write runs what writes, on a connection of pool. The error is as the driver or do gave it: whether anything was
// written is known only when there is none.
func (j *Journal) write(
	ctx context.Context, pool *pgxpool.Pool, within time.Duration, do func(context.Context, *pgxpool.Conn) error,
) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return errClosed
	}
	_, err := j.use(ctx, pool, within, do)
	return err
}

// all reads all rows of a query.
func all[T any](ctx context.Context, q querier, scan func(scanner) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// exists is not_found when the query gives no row.
func exists(ctx context.Context, q querier, what, sql string, args ...any) error {
	var n int
	return found(q.QueryRow(ctx, sql, args...).Scan(&n), what)
}

// begun runs do within a transaction of conn.
func begun(ctx context.Context, conn *pgxpool.Conn, o pgx.TxOptions, do func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}
