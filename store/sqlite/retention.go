package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// DropPlaces implements store.Retention. It goes on from where the last one ended, by the index on closed_at.
func (j *Journal) DropPlaces(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for last, more := (closedOrder{}), true; more; {
		if err := ctx.Err(); err != nil {
			return total, away("drop places", err)
		}
		err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			closed, err := list(ctx, tx, scanClosed, `SELECT id, closed_at, rowid FROM orders
WHERE (closed_at, rowid) > (max(?1, (SELECT coalesce(max(done), 0) - 1 FROM retention)), ?2) AND closed_at < ?3
ORDER BY closed_at, rowid LIMIT ?4`, last.at, last.row, store.Micros(before), pruneRows)
			if err != nil {
				return err
			}
			done := store.Micros(before)
			if more = len(closed) == pruneRows; more {
				last = closed[pruneRows-1]
				done = last.at
			}
			for _, c := range closed {
				if err := changed(ctx, tx, &total, `DELETE FROM order_places WHERE order_id = ?`, c.id); err != nil {
					return err
				}
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO retention (what, done) VALUES ('places', ?1)
ON CONFLICT (what) DO UPDATE SET done = max(done, ?1)`, done)
			return err
		})
		if err != nil {
			return total, away("drop places", err)
		}
	}
	return total, nil
}

// changed runs a statement and adds to total how many rows it changed.
func changed(ctx context.Context, tx *sql.Tx, total *int64, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	*total += n
	return err
}

type closedOrder struct {
	id      string
	at, row int64
}

func scanClosed(row scanner) (c closedOrder, err error) { return c, row.Scan(&c.id, &c.at, &c.row) }

// dropOrders is how many orders one transaction of DropHistory deletes, with some ten events each.
const dropOrders = 50

// DropHistory implements store.Retention.
func (j *Journal) DropHistory(ctx context.Context, before time.Time) (int64, error) {
	total, err := j.dropOrders(ctx, before)
	if err != nil {
		return total, away("drop old orders", err)
	}
	duties, err := j.dropDuties(ctx, before)
	if err != nil {
		return total, away("drop old duties", err)
	}
	return total + duties, nil
}

func (j *Journal) dropOrders(ctx context.Context, before time.Time) (total int64, err error) {
	for more := true; more && err == nil; {
		err = j.dropping(ctx, before, func(ctx context.Context, tx *sql.Tx) error {
			closed, err := list(ctx, tx, scanClosed, `SELECT o.id, o.closed_at, o.rowid FROM orders o WHERE o.closed_at < ?
    AND NOT EXISTS (SELECT 1 FROM offers f WHERE f.order_id = o.id)
    AND NOT EXISTS (SELECT 1 FROM events e JOIN markets m ON m.id = e.market
        WHERE e.subject_id = o.id AND e.subject = 'order' AND e.version = o.version AND e.seq > m.cursor)
ORDER BY o.closed_at LIMIT ?`, store.Micros(before), dropOrders)
			if err != nil {
				return err
			}
			more = len(closed) == dropOrders
			for _, c := range closed {
				for _, query := range []string{
					`DELETE FROM order_places WHERE order_id = ?`,
					`DELETE FROM events WHERE subject_id = ? AND subject = 'order'`,
					`DELETE FROM orders WHERE id = ?`,
				} {
					if err := changed(ctx, tx, &total, query, c.id); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return total, err
}

// dropDuties deletes the old events of duty but for each driver's last, driver by driver.
func (j *Journal) dropDuties(ctx context.Context, before time.Time) (total int64, err error) {
	for after, more := "", true; more && err == nil; {
		err = j.dropping(ctx, before, func(ctx context.Context, tx *sql.Tx) error {
			ids, err := list(ctx, tx, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
				`SELECT id FROM drivers WHERE id > ? ORDER BY id LIMIT ?`, after, pruneRows)
			if err != nil {
				return err
			}
			more = len(ids) == pruneRows
			for _, id := range ids {
				err := changed(ctx, tx, &total, `DELETE FROM events WHERE subject_id = ?1 AND subject = 'driver' AND at < ?2
    AND version < (SELECT version FROM drivers WHERE id = ?1) AND seq <= (SELECT cursor FROM markets m WHERE m.id = market)`,
					id, store.Micros(before))
				if err != nil {
					return err
				}
				after = id
			}
			return nil
		})
	}
	return total, err
}

// dropping runs do in a transaction in which old events may be deleted.
func (j *Journal) dropping(ctx context.Context, before time.Time, do func(context.Context, *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO permit (one, older) VALUES (1, ?)`, store.Micros(before)); err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM permit`)
		return err
	})
}

// SaveLearnt implements store.Learnt.
func (j *Journal) SaveLearnt(ctx context.Context, m dispatch.MarketID, name string, doc []byte) error {
	if doc == nil {
		doc = []byte{}
	}
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO learnt (market, name, doc) VALUES (?1, ?2, ?3)
ON CONFLICT (market, name) DO UPDATE SET doc = ?3`, m, name, doc)
		return err
	})
	if err != nil {
		return away("save what was learnt", err)
	}
	return nil
}

// Learnt implements store.Learnt.
func (j *Journal) Learnt(ctx context.Context, m dispatch.MarketID, name string) ([]byte, bool, error) {
	var doc []byte
	known := true
	err := j.read(ctx, "read what was learnt", func(ctx context.Context, db *sql.Conn) error {
		err := db.QueryRowContext(ctx, `SELECT doc FROM learnt WHERE market = ? AND name = ?`, m, name).Scan(&doc)
		if errors.Is(err, sql.ErrNoRows) {
			known = false
			return nil
		}
		return err
	})
	return doc, known && err == nil, err
}
