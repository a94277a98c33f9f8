package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

const (
	// eraseRows is how many events one transaction of an erasure rewrites.
	eraseRows = 100
	// reopenFor is how long (market time) an order that found no driver may stand in the memory of its leader, from
	// where a dispatcher may open it again with the names that it had.
	reopenFor = 15 * time.Minute
)

// eraser is one erasure under way.
type eraser struct {
	j         *Journal
	p         dispatch.Person
	id        string
	pseudonym string
	at        time.Time // wall
	held      store.Held
}

// Erase implements store.People.
func (j *Journal) Erase(ctx context.Context, p dispatch.Person) (dispatch.Erasure, store.Held, error) {
	e := &eraser{j: j, p: p, at: j.wall.Now()}
	err := e.begin(ctx)
	if err == nil && p.Role == dispatch.RoleRider {
		err = e.riderOrders(ctx)
	} else if err == nil {
		err = e.driverEvents(ctx)
	}
	if err == nil {
		err = e.rest(ctx)
	}
	if err != nil && !errors.Is(err, store.ErrBusyPerson) {
		err = away("erase", err)
	}
	return dispatch.Erasure{ID: e.id, Role: p.Role, Pseudonym: e.pseudonym, RequestedAt: e.at, Sub: p.ID}, e.held, err
}

// write runs do in a transaction.
func (e *eraser) write(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	return e.j.write(ctx, e.j.writes, e.j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error { return do(ctx, tx) })
	})
}

// permitted runs do in a transaction in which the history may be changed for this erasure.
func (e *eraser) permitted(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	return e.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO permit (one, role, sub, pseudonym) VALUES (1, $1, $2, $3)`,
			string(e.p.Role), e.p.ID, e.pseudonym)
		if err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM permit`)
		return err
	})
}

// begin judges whether the person can be erased and notes the erasure. A driver's duty goes in a transaction that
// holds its row, for which whoever takes it on duty waits: the next one to go on duty under the id is a new driver.
func (e *eraser) begin(ctx context.Context) error {
	err := e.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT id, pseudonym, requested_at FROM erasures
WHERE role = $1 AND sub = $2 AND rewritten_at IS NULL`, string(e.p.Role), e.p.ID).Scan(&e.id, &e.pseudonym, when(&e.at))
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := e.busy(ctx, tx); err != nil {
			return err
		}
		e.id = dispatch.NewID(e.at)
		e.pseudonym = dispatch.ErasedPrefix + dispatch.NewID(e.at)
		_, err = tx.Exec(ctx, `INSERT INTO erasures (id, role, sub, pseudonym, requested_at) VALUES ($1, $2, $3, $4, $5)`,
			e.id, string(e.p.Role), e.p.ID, e.pseudonym, store.Micros(e.at))
		return err
	})
	if err != nil || e.p.Role != dispatch.RoleDriver {
		return err
	}
	return e.permitted(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := e.busy(ctx, tx); err != nil {
			return err
		}
		return e.duty(ctx, tx)
	})
}

// check is something that keeps a person from being erased, while the query finds any.
type check struct {
	query string
	args  []any
	why   string
}

// checks are those of a person; latest is the market time up to which there are events.
func (e *eraser) checks(latest time.Time) []check {
	id, reopened := e.p.ID, store.Micros(latest.Add(-reopenFor))
	if e.p.Role == dispatch.RoleRider {
		return partyChecks("rider_id", id, reopened)
	}
	return append([]check{
		{`SELECT market FROM drivers WHERE id = $1 AND online`, []any{id}, "the driver is on duty in market %s"},
		{`SELECT claim_market FROM drivers WHERE id = $1 AND claimed_at > $2`,
			[]any{id, store.Micros(e.j.wall.Now().Add(-store.ClaimFor))}, "the driver is going on duty in market %s"},
		{`SELECT id FROM offers WHERE driver_id = $1 AND state = 'live'`, []any{id}, "the driver has the live offer %s"},
		{`SELECT id FROM orders WHERE closed_at IS NULL AND strpos(bars, '"' || $1 || '"') > 0`, []any{id},
			"order %s, which is not closed, is not to be offered to the driver and says so"},
		{`SELECT id FROM orders WHERE closed_state = 'no_driver' AND closed_at > $2 AND strpos(bars, '"' || $1 || '"') > 0`,
			[]any{id, reopened}, "order %s, which was not to be offered to the driver, found none a moment ago and may be opened again"},
	}, partyChecks("driver_id", id, reopened)...)
}

func partyChecks(party, id string, reopened int64) []check {
	return []check{
		{`SELECT id FROM orders WHERE ` + party + ` = $1 AND closed_at IS NULL`, []any{id}, "order %s is not closed"},
		{`SELECT id FROM orders WHERE ` + party + ` = $1 AND closed_state = 'no_driver' AND closed_at > $2`, []any{id, reopened},
			"order %s found no driver a moment ago and may be opened again"},
	}
}

// busy tells, as an ErrBusyPerson, what keeps the person from being erased now. A driver's row is held from here on.
func (e *eraser) busy(ctx context.Context, tx pgx.Tx) error {
	if e.p.Role == dispatch.RoleDriver {
		if _, err := tx.Exec(ctx, `SELECT FROM drivers WHERE id = $1 FOR UPDATE`, e.p.ID); err != nil {
			return err
		}
	}
	var latest time.Time
	if err := tx.QueryRow(ctx, `SELECT max(at) FROM markets`).Scan(when(&latest)); err != nil {
		return err
	}
	for _, c := range e.checks(latest) {
		var what string
		err := tx.QueryRow(ctx, c.query+` LIMIT 1`, c.args...).Scan(&what)
		if err == nil {
			return store.Busy(c.why, what)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
	}
	return nil
}

// duty rewrites a driver's row and the events of its duty.
func (e *eraser) duty(ctx context.Context, tx pgx.Tx) error {
	events, err := all(ctx, tx, scanEvent, selectBare+`WHERE e.subject_id = $1 AND e.subject = 'driver' ORDER BY e.version`, e.p.ID)
	if err != nil {
		return err
	}
	if err := e.rewrite(ctx, tx, events); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM drivers WHERE id = $1 AND version = 0`, e.p.ID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE drivers SET id = $2, tags = NULL, claim_market = NULL, claimed_at = NULL WHERE id = $1`,
		e.p.ID, e.pseudonym)
	return err
}

// rewrite rewrites those of the events that name the person, all sent at once.
func (e *eraser) rewrite(ctx context.Context, tx pgx.Tx, events []dispatch.Event) error {
	var batch pgx.Batch
	for i := range events {
		old := &events[i]
		event, changed := store.Rewritten(*old, e.p, e.pseudonym)
		if !changed {
			continue
		}
		rows, err := encodeEvents([]dispatch.Event{event})
		if err != nil {
			return err
		}
		subject, id, was := subjectOrder, "", ""
		if event.Order != nil {
			id, was = string(event.Order.ID), string(event.Order.ID)
		} else {
			subject, id, was = subjectDriver, string(event.Duty.Driver), string(old.Duty.Driver)
		}
		batch.Queue(`UPDATE events SET subject_id = $1, by_sub = nullif($2, ''), driver_id = nullif($3, ''), reason = nullif($4, ''), doc = $5
WHERE market = $6 AND seq = $7`, id, event.By.Sub, string(event.Driver), event.Reason, string(rows[0].doc), string(event.Market), event.Seq)
		batch.Queue(`INSERT INTO erasure_subjects AS s (erasure, market, subject, subject_id, seq) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (erasure, market, subject, subject_id) DO UPDATE SET seq = greatest(s.seq, excluded.seq)`,
			e.id, string(event.Market), subject, was, event.Seq)
		e.held.Events++
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// riderOrders rewrites the closed orders of a rider, each with its events and without its places.
func (e *eraser) riderOrders(ctx context.Context) error {
	for {
		var ids []dispatch.OrderID
		err := e.j.list(ctx, "read orders of a party", func(ctx context.Context, q querier) error {
			var err error
			ids, err = all(ctx, q, scanID, `SELECT id FROM orders WHERE rider_id = $1 AND closed_at IS NOT NULL ORDER BY id LIMIT $2`,
				e.p.ID, pageOrders)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			err := e.permitted(ctx, func(ctx context.Context, tx pgx.Tx) error {
				events, err := all(ctx, tx, scanEvent, selectBare+`WHERE e.subject_id = $1 AND e.subject = 'order' ORDER BY e.version`, id)
				if err != nil {
					return err
				}
				if err := e.rewrite(ctx, tx, events); err != nil {
					return err
				}
				return e.order(ctx, tx, id)
			})
			if err != nil {
				return err
			}
		}
	}
}

func scanID(row scanner) (id dispatch.OrderID, err error) { return id, row.Scan(&id) }

// driverEvents rewrites the events of orders that name a driver, and the orders' rows.
func (e *eraser) driverEvents(ctx context.Context) error {
	return e.j.scan(ctx, named, e.p.ID, func(events []dispatch.Event) error {
		for some := range slices.Chunk(events, eraseRows) {
			err := e.permitted(ctx, func(ctx context.Context, tx pgx.Tx) error {
				if err := e.rewrite(ctx, tx, some); err != nil {
					return err
				}
				seen := map[dispatch.OrderID]bool{}
				for i := range some {
					if id := some[i].Order.ID; !seen[id] {
						seen[id] = true
						if err := e.order(ctx, tx, id); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// order rewrites the row of a closed order that names the person; a rider's places go. An order that is open was
// begun since, and is not of this erasure.
func (e *eraser) order(ctx context.Context, tx pgx.Tx, id dispatch.OrderID) error {
	old, err := scanOrder(tx.QueryRow(ctx, selectOrders+`WHERE o.id = $1 AND o.closed_at IS NOT NULL FOR UPDATE OF o`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	o, changed := store.RewrittenOrder(old, e.p, e.pseudonym)
	if !changed {
		return nil
	}
	bars, err := store.EncodeBars(o.Bars)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE orders SET rider_id = $1, driver_id = nullif($2, ''), bars = nullif($3, ''), reason = nullif($4, '') WHERE id = $5`,
		string(o.Rider), string(o.Driver), string(bars), o.Reason, string(id))
	if err != nil {
		return fmt.Errorf("order %s: %w", id, err)
	}
	e.held.Orders++
	if e.p.Role != dispatch.RoleRider {
		return nil
	}
	return counted(ctx, tx, &e.held.Places, `DELETE FROM order_places WHERE order_id = $1`, string(id))
}

// counted runs a statement and adds to total how many rows it changed.
func counted(ctx context.Context, tx pgx.Tx, total *int64, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	*total += tag.RowsAffected()
	return err
}

// rest erases what does not belong to the history, and notes that the store is done.
func (e *eraser) rest(ctx context.Context) error {
	if err := e.offers(ctx); err != nil {
		return err
	}
	err := e.j.answerPages(ctx, func(from, to string) error {
		return e.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
			return counted(ctx, tx, &e.held.Answers,
				`DELETE FROM answers WHERE ctid >= $1::tid AND ctid < $2::tid AND sub = $3`, from, to, e.p.ID)
		})
	})
	if err != nil {
		return err
	}
	driver, orders := dispatch.DriverID(""), []dispatch.OrderID(nil)
	if e.p.Role == dispatch.RoleDriver {
		driver = dispatch.DriverID(e.p.ID)
	} else {
		err = e.j.list(ctx, "read an erasure", func(ctx context.Context, q querier) error {
			var err error
			orders, err = all(ctx, q, scanID, `SELECT subject_id FROM erasure_subjects WHERE erasure = $1 AND subject = 'order'`, e.id)
			return err
		})
	}
	if err == nil {
		e.held.Samples, err = e.j.EraseSamples(ctx, driver, orders)
	}
	if err == nil {
		_, err = e.j.EraseExplanations(ctx, driver, e.pseudonym, orders)
	}
	if err != nil {
		return err
	}
	return e.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE erasures SET rewritten_at = $1 WHERE id = $2`, store.Micros(e.j.wall.Now()), e.id)
		return err
	})
}

// offers rewrites the offers of a day that name a driver, or takes the words out of those that a rider's orders were
// declined with.
func (e *eraser) offers(ctx context.Context) error {
	sql, id := `UPDATE offers SET driver_id = $2, reason = CASE WHEN state <> 'declined' THEN reason END
WHERE driver_id = $1 AND state <> 'live'`, e.p.ID
	if e.p.Role == dispatch.RoleRider {
		sql, id = `UPDATE offers SET reason = NULL WHERE state = 'declined' AND reason IS NOT NULL
    AND order_id IN (SELECT o.id FROM orders o WHERE o.rider_id = $2 AND $1 <> '')`, e.pseudonym
	}
	return e.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return counted(ctx, tx, &e.held.Offers, sql, id, e.pseudonym)
	})
}
