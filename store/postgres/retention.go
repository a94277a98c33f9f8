package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/store"
)

type closedOrder struct {
	id string
	at int64
}

func scanClosed(row scanner) (c closedOrder, err error) { return c, row.Scan(&c.id, &c.at) }

// DropPlaces implements store.Retention. It goes on from where the last one ended, by the index on closed_at.
func (j *Journal) DropPlaces(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	last := closedOrder{}
	for more := true; more; {
		err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
			return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
				var err error
				more, err = dropPlaces(ctx, tx, &last, &total, store.Micros(before))
				return err
			})
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return total, away("drop places", err)
		}
	}
	return total, nil
}

// dropPlaces deletes the places of a page of orders that follows last, and moves last; it tells whether there may be
// more.
func dropPlaces(ctx context.Context, tx pgx.Tx, last *closedOrder, total *int64, before int64) (bool, error) {
	var done int64
	err := tx.QueryRow(ctx, `SELECT done FROM retention WHERE what = 'places'`).Scan(&done)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, err
	}
	if last.at < done {
		*last = closedOrder{"", done}
	}
	closed, err := all(ctx, tx, scanClosed, `SELECT id, closed_at FROM orders
WHERE closed_at IS NOT NULL AND (closed_at, id) > ($1, $2) AND closed_at < $3 ORDER BY closed_at, id LIMIT $4`,
		last.at, last.id, before, pruneRows)
	if err != nil {
		return false, err
	}
	more := len(closed) == pruneRows
	ids := make([]string, len(closed))
	for i, c := range closed {
		ids[i] = c.id
	}
	if err := counted(ctx, tx, total, `DELETE FROM order_places WHERE order_id = ANY ($1)`, ids); err != nil {
		return false, err
	}
	done = before
	if more {
		*last = closed[len(closed)-1]
		done = last.at
	}
	_, err = tx.Exec(ctx, `INSERT INTO retention AS r (what, done) VALUES ('places', $1)
ON CONFLICT (what) DO UPDATE SET done = greatest(r.done, excluded.done)`, done)
	return more, err
}

// dropOrders is how many orders one transaction of DropHistory deletes, with some ten events each.
const dropOrders = 50

// DropHistory implements store.Retention.
func (j *Journal) DropHistory(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	cut := store.Micros(before)
	for more := true; more; {
		err := j.dropping(ctx, cut, func(ctx context.Context, tx pgx.Tx) error {
			closed, err := all(ctx, tx, scanClosed, `SELECT o.id, o.closed_at FROM orders o WHERE o.closed_at IS NOT NULL AND o.closed_at < $1
    AND NOT EXISTS (SELECT FROM offers f WHERE f.order_id = o.id)
    AND NOT EXISTS (SELECT FROM events e JOIN markets m ON m.id = e.market
        WHERE e.subject_id = o.id AND e.subject = 'order' AND e.version = o.version AND e.seq > m.cursor)
ORDER BY o.closed_at, o.id LIMIT $2 FOR UPDATE OF o SKIP LOCKED`, cut, dropOrders)
			if err != nil {
				return err
			}
			more = len(closed) == dropOrders
			ids := make([]string, len(closed))
			for i, c := range closed {
				ids[i] = c.id
			}
			for _, sql := range []string{
				`DELETE FROM order_places WHERE order_id = ANY ($1)`,
				`DELETE FROM events WHERE subject_id = ANY ($1) AND subject = 'order'`,
				`DELETE FROM orders WHERE id = ANY ($1)`,
			} {
				if err := counted(ctx, tx, &total, sql, ids); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, away("drop old orders", err)
		}
	}
	if err := j.dropDuties(ctx, cut, &total); err != nil {
		return total, away("drop old duties", err)
	}
	return total, nil
}

// dropDuties deletes the old events of duty but for each driver's last.
func (j *Journal) dropDuties(ctx context.Context, before int64, total *int64) error {
	for after, more := "", true; more; {
		err := j.dropping(ctx, before, func(ctx context.Context, tx pgx.Tx) error {
			ids, err := all(ctx, tx, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
				`SELECT id FROM drivers WHERE id > $1 ORDER BY id LIMIT $2`, after, pruneRows)
			if err != nil {
				return err
			}
			if more = len(ids) == pruneRows; len(ids) > 0 {
				after = ids[len(ids)-1]
			}
			return counted(ctx, tx, total, `DELETE FROM events e USING drivers d, markets m
WHERE d.id = ANY ($1) AND e.subject_id = d.id AND e.subject = 'driver' AND e.version < d.version AND e.at < $2
    AND m.id = e.market AND e.seq <= m.cursor`, ids, before)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropping runs do in a transaction in which old events may be deleted.
func (j *Journal) dropping(ctx context.Context, before int64, do func(context.Context, pgx.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO permit (one, older) VALUES (1, $1)`, before); err != nil {
				return err
			}
			if err := do(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `DELETE FROM permit`)
			return err
		})
	})
}
