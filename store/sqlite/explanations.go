package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// ExplanationsName is the file of the explanations in a data directory: one of its own, so that writing them never
// waits for the journal's writer, or the journal for it. It is losable, and no part of a backup.
const ExplanationsName = "explanations.db"

// explanationsSchema is the whole of the database.
const explanationsSchema = `
CREATE TABLE IF NOT EXISTS explanations (
    order_id TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    market   TEXT    NOT NULL,
    drivers  TEXT    NOT NULL,
    doc      TEXT    NOT NULL,
    PRIMARY KEY (order_id, at, round)
) STRICT;
CREATE INDEX IF NOT EXISTS explanations_at ON explanations (at);`

// explanationRows is how many rows one statement deletes, or looks at for a driver: some 10 ms.
const explanationRows = 2000

// explanations is that database. It is used under mu: writes come every few seconds, and reads are rare.
type explanations struct {
	path string // immutable

	mu sync.Mutex
	db *sql.DB // nil until it is used
}

// use runs do on the database. One that does not exist is made when asked to, and else left alone: then do is not run.
func (e *explanations) use(ctx context.Context, make bool, do func(*sql.DB) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.db == nil {
		if _, err := os.Stat(e.path); errors.Is(err, fs.ErrNotExist) && !make {
			return nil
		}
		db, err := connect(ctx, e.path, dayPragmas(), 1) // as losable as samples are
		if err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, explanationsSchema); err != nil {
			return errors.Join(err, db.Close())
		}
		e.db = db
	}
	return do(e.db)
}

// close closes the database. What its close has to say is of no use: every write was committed.
func (e *explanations) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.db != nil {
		_ = e.db.Close()
	}
}

// explaining runs what is about explanations while the journal is open.
func (j *Journal) explaining(ctx context.Context, doing string, make bool, do func(*sql.DB) error) error {
	return j.samples(doing, func() error { return j.explanations.use(ctx, make, do) })
}

// AddExplanations implements store.Explanations.
func (j *Journal) AddExplanations(ctx context.Context, es []dispatch.Explanation) error {
	if len(es) == 0 {
		return nil
	}
	return j.explaining(ctx, "keep explanations", true, func(db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // after a commit it does nothing
		put, err := tx.PrepareContext(ctx, `INSERT OR IGNORE INTO explanations VALUES (?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer put.Close()
		for i := range es {
			e := &es[i]
			drivers, doc, err := store.EncodeExplanation(e)
			if err != nil {
				return fmt.Errorf("explanation of %s: %w", e.Order, err)
			}
			_, err = put.ExecContext(ctx, string(e.Order), store.Micros(e.At), e.Round, string(e.Market), string(drivers), string(doc))
			if err != nil {
				return err
			}
		}
		return tx.Commit()
	})
}

// Explanations implements store.Explanations.
func (j *Journal) Explanations(ctx context.Context, id dispatch.OrderID, limit int) ([]dispatch.Explanation, error) {
	var es []dispatch.Explanation
	err := j.explaining(ctx, "read explanations", false, func(db *sql.DB) error {
		var err error
		es, err = list(ctx, db, scanExplanation, `SELECT order_id, at, round, market, drivers, doc FROM explanations
WHERE order_id = ? ORDER BY at DESC, round DESC LIMIT ?`, string(id), max(limit, 0))
		return err
	})
	slices.Reverse(es)
	return es, err
}

func scanExplanation(row scanner) (dispatch.Explanation, error) {
	var order dispatch.OrderID
	var at time.Time
	var round int64
	var market dispatch.MarketID
	var drivers, doc string
	if err := row.Scan(&order, when(&at), &round, &market, &drivers, &doc); err != nil {
		return dispatch.Explanation{}, err
	}
	e, err := store.DecodeExplanation([]byte(drivers), []byte(doc))
	e.Order, e.At, e.Round, e.Market = order, at, round, market
	return e, err
}

// DropExplanations implements store.Explanations.
func (j *Journal) DropExplanations(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for more := true; more; {
		more = false
		err := j.explaining(ctx, "drop explanations", false, func(db *sql.DB) error {
			res, err := db.ExecContext(ctx, `DELETE FROM explanations WHERE rowid IN
    (SELECT rowid FROM explanations WHERE at < ? ORDER BY at LIMIT ?)`, store.Micros(before), explanationRows)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			total += n
			more = n == explanationRows
			return err
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// EraseExplanations implements store.Explanations.
func (j *Journal) EraseExplanations(
	ctx context.Context, d dispatch.DriverID, pseudonym string, orders []dispatch.OrderID,
) (int64, error) {
	var total int64
	for some := range slices.Chunk(orders, eraseRows) {
		err := j.explaining(ctx, "erase explanations", false, func(db *sql.DB) error {
			for _, id := range some {
				res, err := db.ExecContext(ctx, `DELETE FROM explanations WHERE order_id = ?`, string(id))
				if err != nil {
					return err
				}
				n, err := res.RowsAffected()
				if total += n; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
	}
	if d != "" {
		n, err := j.renameExplained(ctx, d, pseudonym)
		if total += n; err != nil {
			return total, err
		}
	}
	return total, j.explaining(ctx, "erase explanations", false, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
		return err
	})
}

// renamed is a row and its drivers.
type renamed struct {
	row     int64
	drivers string
}

// renameExplained looks at every row, a page at a time.
func (j *Journal) renameExplained(ctx context.Context, d dispatch.DriverID, pseudonym string) (total int64, err error) {
	for after, more := int64(0), true; more; {
		more = false
		err := j.explaining(ctx, "erase explanations", false, func(db *sql.DB) error {
			page, err := list(ctx, db, func(row scanner) (r renamed, err error) { return r, row.Scan(&r.row, &r.drivers) },
				`SELECT rowid, drivers FROM explanations WHERE rowid > ? ORDER BY rowid LIMIT ?`, after, explanationRows)
			if err != nil {
				return err
			}
			for _, r := range page {
				after = r.row
				as, named := store.RewrittenDrivers(r.drivers, d, pseudonym)
				if !named {
					continue
				}
				if _, err := db.ExecContext(ctx, `UPDATE explanations SET drivers = ? WHERE rowid = ?`, as, r.row); err != nil {
					return err
				}
				total++
			}
			more = len(page) == explanationRows
			return nil
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
