package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

const (
	// eraseRows is how many events one transaction of an erasure rewrites: a few milliseconds of the writer.
	eraseRows = 100
	// yieldFor is the wall time between two of its transactions: a server that writes the same file asks for the
	// lock every few milliseconds, and must find it free.
	yieldFor = 5 * time.Millisecond
	// busyTries bounds how often a transaction is begun that finds the file locked, each for busyMs.
	busyTries = 6
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
	orders    []dispatch.OrderID // that were rewritten
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

// write runs do in a transaction, with others who write given their turn before it.
func (e *eraser) write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	wall := dispatch.Wall{} // not the journal's: it is the kernel's scheduling that is waited for
	var err error
	for range busyTries {
		turn, stop := wall.After(wall.Now().Add(yieldFor))
		select {
		case <-turn:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		if err = e.j.write(ctx, do); codeOf(err) != sqlite3.ErrBusy {
			return err
		}
	}
	return err
}

// permitted runs do in a transaction in which the history may be changed for this erasure.
func (e *eraser) permitted(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	return e.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO permit (one, role, sub, pseudonym) VALUES (1, ?, ?, ?)`,
			e.p.Role, e.p.ID, e.pseudonym)
		if err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM permit`)
		return err
	})
}

// begin judges whether the person can be erased and notes the erasure. A driver's duty goes in the same
// transaction: the next one to go on duty under the id is a new driver.
func (e *eraser) begin(ctx context.Context) error {
	err := e.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT id, pseudonym, requested_at FROM erasures
WHERE role = ? AND sub = ? AND rewritten_at IS NULL`, e.p.Role, e.p.ID).Scan(&e.id, &e.pseudonym, when(&e.at))
		if err == nil || !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := e.busy(ctx, tx); err != nil {
			return err
		}
		e.id = dispatch.NewID(e.at)
		e.pseudonym = dispatch.ErasedPrefix + dispatch.NewID(e.at)
		_, err = tx.ExecContext(ctx, `INSERT INTO erasures (id, role, sub, pseudonym, requested_at) VALUES (?, ?, ?, ?, ?)`,
			e.id, e.p.Role, e.p.ID, e.pseudonym, store.Micros(e.at))
		return err
	})
	if err != nil || e.p.Role != dispatch.RoleDriver {
		return err
	}
	return e.permitted(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := e.busy(ctx, tx); err != nil {
			return err
		}
		return e.duty(ctx, tx)
	})
}

// busy tells, as an ErrBusyPerson, what keeps the person from being erased now.
func (e *eraser) busy(ctx context.Context, tx *sql.Tx) error {
	party, checks := "rider_id", []struct{ query, why string }{}
	if e.p.Role == dispatch.RoleDriver {
		party = "driver_id"
		checks = append(checks, []struct{ query, why string }{
			{`SELECT market FROM drivers WHERE id = ?1 AND online = 1`, "the driver is on duty in market %s"},
			{`SELECT claim_market FROM drivers WHERE id = ?1 AND claimed_at > ?2`, "the driver is going on duty in market %s"},
			{`SELECT id FROM offers WHERE driver_id = ?1 AND state = 'live'`, "the driver has the live offer %s"},
			{`SELECT id FROM orders WHERE closed_at IS NULL AND instr(bars, '"' || ?1 || '"') > 0`,
				"order %s, which is not closed, is not to be offered to the driver and says so"},
			{`SELECT id FROM orders WHERE state = 'no_driver' AND closed_at > ?3 AND instr(bars, '"' || ?1 || '"') > 0`,
				"order %s, which was not to be offered to the driver, found none a moment ago and may be opened again"},
		}...)
	}
	checks = append(checks, []struct{ query, why string }{
		{`SELECT id FROM orders WHERE ` + party + ` = ?1 AND closed_at IS NULL`, "order %s is not closed"},
		{`SELECT id FROM orders WHERE ` + party + ` = ?1 AND state = 'no_driver' AND closed_at > ?3`,
			"order %s found no driver a moment ago and may be opened again"},
	}...)
	var latest time.Time
	if err := tx.QueryRowContext(ctx, `SELECT max(at) FROM markets`).Scan(when(&latest)); err != nil {
		return err
	}
	for _, c := range checks {
		var what string
		err := tx.QueryRowContext(ctx, c.query+` LIMIT 1`, e.p.ID, store.Micros(e.j.wall.Now().Add(-store.ClaimFor)),
			store.Micros(latest.Add(-reopenFor))).Scan(&what)
		if err == nil {
			return store.Busy(c.why, what)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// duty rewrites a driver's row and the events of its duty.
func (e *eraser) duty(ctx context.Context, tx *sql.Tx) error {
	events, err := list(ctx, tx, scanStored, selectStored+`WHERE e.subject_id = ? AND e.subject = 'driver' ORDER BY e.rowid`, e.p.ID)
	if err != nil {
		return err
	}
	if err := e.rewrite(ctx, tx, events); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM drivers WHERE id = ? AND version = 0`, e.p.ID)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE drivers SET id = ?2, tags = NULL, claim_market = NULL, claimed_at = NULL WHERE id = ?1`,
		e.p.ID, e.pseudonym)
	return err
}

// rewrite rewrites those of the events that name the person.
func (e *eraser) rewrite(ctx context.Context, tx *sql.Tx, events []storedEvent) error {
	for i := range events {
		old := &events[i].event
		event, named := store.Rewritten(*old, e.p, e.pseudonym)
		if !named {
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
		_, err = tx.ExecContext(ctx, `UPDATE events SET subject_id = ?, by_sub = ?, driver_id = ?, reason = ?, doc = ? WHERE rowid = ?`,
			id, text(event.By.Sub), text(event.Driver), text(event.Reason), string(rows[0].doc), events[i].row)
		if err != nil {
			return fmt.Errorf("event %d of %s: %w", event.Seq, event.Market, err)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO erasure_subjects (erasure, market, subject, subject_id, seq) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)`, e.id, event.Market, subject, was, event.Seq)
		if err != nil {
			return err
		}
		e.held.Events++
	}
	return nil
}

// riderOrders rewrites the closed orders of a rider, each with its events and without its places.
func (e *eraser) riderOrders(ctx context.Context) error {
	for {
		var ids []dispatch.OrderID
		err := e.j.read(ctx, "read orders of a party", func(_ context.Context, db *sql.Conn) error {
			var err error
			ids, err = list(ctx, db, scanID, `SELECT id FROM orders WHERE rider_id = ? AND closed_at IS NOT NULL ORDER BY id LIMIT ?`,
				e.p.ID, pageOrders)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			err := e.permitted(ctx, func(ctx context.Context, tx *sql.Tx) error {
				events, err := list(ctx, tx, scanStored, selectStored+`WHERE e.subject_id = ? AND e.subject = 'order' ORDER BY e.rowid`, id)
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
	return e.j.scan(ctx, named, e.p.ID, func(events []storedEvent) error {
		for len(events) > 0 {
			n := min(eraseRows, len(events))
			err := e.permitted(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if err := e.rewrite(ctx, tx, events[:n]); err != nil {
					return err
				}
				seen := map[dispatch.OrderID]bool{}
				for i := range events[:n] {
					if id := events[i].event.Order.ID; !seen[id] {
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
			events = events[n:]
		}
		return nil
	})
}

// order rewrites the row of a closed order that names the person; a rider's places go. An order that is open was
// begun since, and is not of this erasure.
func (e *eraser) order(ctx context.Context, tx *sql.Tx, id dispatch.OrderID) error {
	row := tx.QueryRowContext(ctx, selectOrders+`WHERE o.id = ? AND o.closed_at IS NOT NULL`, id)
	old, err := scanOrder(row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	o, named := store.RewrittenOrder(old, e.p, e.pseudonym)
	if !named {
		return nil
	}
	bars, err := store.EncodeBars(o.Bars)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE orders SET rider_id = ?, driver_id = ?, bars = ?, reason = ? WHERE id = ?`,
		o.Rider, text(o.Driver), document(bars), text(o.Reason), id)
	if err != nil {
		return fmt.Errorf("order %s: %w", id, err)
	}
	e.held.Orders++
	e.orders = append(e.orders, id)
	if e.p.Role != dispatch.RoleRider {
		return nil
	}
	return changed(ctx, tx, &e.held.Places, `DELETE FROM order_places WHERE order_id = ?`, id)
}

// answers deletes answers.
func (e *eraser) answers(ctx context.Context, tx *sql.Tx, some []dispatch.Answer) error {
	for i := range some {
		err := changed(ctx, tx, &e.held.Answers, `DELETE FROM answers WHERE key = ? AND sub = ? AND market = ?`,
			some[i].Key.ID, some[i].Sub, string(some[i].Market))
		if err != nil {
			return err
		}
	}
	return nil
}

// rest erases what does not belong to the history, and notes that the store is done.
func (e *eraser) rest(ctx context.Context) error {
	if err := e.offers(ctx); err != nil {
		return err
	}
	answers, err := e.j.answersOf(ctx, e.p.ID)
	for some := range slices.Chunk(answers, eraseRows) {
		if err == nil {
			err = e.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return e.answers(ctx, tx, some) })
		}
	}
	if err != nil {
		return err
	}
	driver, orders := dispatch.DriverID(""), []dispatch.OrderID(nil)
	if e.p.Role == dispatch.RoleDriver {
		driver = dispatch.DriverID(e.p.ID)
	} else if orders, err = e.subjects(ctx); err != nil {
		return err
	}
	if e.held.Samples, err = e.j.EraseSamples(ctx, driver, orders); err != nil {
		return err
	}
	if _, err := e.j.EraseExplanations(ctx, driver, e.pseudonym, orders); err != nil {
		return err
	}
	return e.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE erasures SET rewritten_at = ? WHERE id = ?`, store.Micros(e.j.wall.Now()), e.id)
		return err
	})
}

// subjects gives the orders of this erasure, those of an earlier try too.
func (e *eraser) subjects(ctx context.Context) (ids []dispatch.OrderID, err error) {
	err = e.j.read(ctx, "read an erasure", func(_ context.Context, db *sql.Conn) error {
		ids, err = list(ctx, db, scanID, `SELECT subject_id FROM erasure_subjects WHERE erasure = ? AND subject = 'order'`, e.id)
		return err
	})
	return ids, err
}

// offers rewrites the offers of a day that name a driver, or takes the words out of those that a rider's orders
// were declined with. They are found by a read, so that the writer is not held while the table is searched.
func (e *eraser) offers(ctx context.Context) error {
	find, arg := `SELECT rowid FROM offers WHERE driver_id = ? AND state <> 'live'`, e.p.ID
	if e.p.Role == dispatch.RoleRider {
		find, arg = `SELECT rowid FROM offers WHERE state = 'declined' AND reason IS NOT NULL
    AND order_id IN (SELECT id FROM orders WHERE rider_id = ?)`, e.pseudonym
	}
	var rows []int64
	err := e.j.read(ctx, "read offers", func(_ context.Context, db *sql.Conn) error {
		var err error
		rows, err = list(ctx, db, func(row scanner) (id int64, err error) { return id, row.Scan(&id) }, find, arg)
		return err
	})
	for err == nil && len(rows) > 0 {
		n := min(eraseRows, len(rows))
		marks := strings.Repeat(`, ?`, n)[2:]
		args := []any{e.p.Role == dispatch.RoleDriver, e.pseudonym}
		for _, id := range rows[:n] {
			args = append(args, id)
		}
		err = e.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			return changed(ctx, tx, &e.held.Offers, `UPDATE offers SET driver_id = iif(?, ?, driver_id),
    reason = iif(state = 'declined', NULL, reason) WHERE rowid IN (`+marks+`)`, args...)
		})
		rows = rows[n:]
	}
	return err
}
