package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

var _ store.Archive = (*Journal)(nil)

const (
	// scanRows is how many events are looked at in one read for what names a driver: some 10 ms.
	scanRows = 20000
	// pageOrders is how many orders are read at once.
	pageOrders = 100
)

// named are the conditions under which an event of an order names a driver; a document is searched for the id as a
// whole JSON string, and decoded only when it is there.
const named = `e.subject = 'order' AND (e.driver_id = ?1 OR e.by_sub = ?1 OR instr(e.doc, '"' || ?1 || '"') > 0)`

// Tell implements store.People.
func (j *Journal) Tell(ctx context.Context, p dispatch.Person, each func(store.Record) error) error {
	err := j.tellParty(ctx, p, each)
	if err != nil {
		return err
	}
	answers, err := j.answersOf(ctx, p.ID)
	return errors.Join(err, tellAll(answers, each, func(a *dispatch.Answer) store.Record { return store.Record{Answer: a} }))
}

// answersOf gives the answers of a sub by their keys. They are found by these, and nobody's lie together: all are looked
// at.
func (j *Journal) answersOf(ctx context.Context, sub string) (answers []dispatch.Answer, err error) {
	err = j.read(ctx, "read answers", func(_ context.Context, db *sql.Conn) error {
		answers, err = list(ctx, db, scanAnswer, `
SELECT market, sub, key, digest, code, detail, field, order_id, version, at FROM answers WHERE sub = ? ORDER BY key`, sub)
		return err
	})
	return answers, err
}

func (j *Journal) tellParty(ctx context.Context, p dispatch.Person, each func(store.Record) error) error {
	if p.Role == dispatch.RoleDriver {
		return j.tellDriver(ctx, dispatch.DriverID(p.ID), each)
	}
	return j.ordersOf(ctx, "rider_id", p.ID, func(o *dispatch.Order) error {
		if err := each(store.Record{Order: o}); err != nil {
			return err
		}
		events, err := j.OrderEvents(ctx, o.ID, 0, int(o.Version))
		return errors.Join(err, tellAll(events, each, func(e *dispatch.Event) store.Record { return store.Record{Event: e} }))
	})
}

func (j *Journal) tellDriver(ctx context.Context, d dispatch.DriverID, each func(store.Record) error) error {
	duty, err := j.Duty(ctx, d)
	if err == nil {
		err = each(store.Record{Duty: &duty})
	} else if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		err = nil
	}
	if err != nil {
		return err
	}
	var offers []dispatch.Offer
	err = j.read(ctx, "read offers", func(_ context.Context, db *sql.Conn) error {
		offers, err = list(ctx, db, scanOffer, selectOffers+`WHERE driver_id = ? ORDER BY id`, d)
		return err
	})
	if err != nil {
		return err
	}
	if err := tellAll(offers, each, func(o *dispatch.Offer) store.Record { return store.Record{Offer: o} }); err != nil {
		return err
	}
	err = j.ordersOf(ctx, "driver_id", string(d), func(o *dispatch.Order) error { return each(store.Record{Order: o}) })
	if err != nil {
		return err
	}
	return j.scan(ctx, `e.subject = 'driver' AND e.subject_id = ?1 OR `+named, string(d), func(rows []storedEvent) error {
		for i := range rows {
			if err := each(store.Record{Event: &rows[i].event}); err != nil {
				return err
			}
		}
		return nil
	})
}

func tellAll[T any](all []T, each func(store.Record) error, as func(*T) store.Record) error {
	for i := range all {
		if err := each(as(&all[i])); err != nil {
			return err
		}
	}
	return nil
}

// ordersOf runs do on each order of a party, ascending by id.
func (j *Journal) ordersOf(ctx context.Context, party, id string, do func(*dispatch.Order) error) error {
	for after := dispatch.OrderID(""); ; {
		var page []dispatch.Order
		err := j.read(ctx, "read orders of a party", func(_ context.Context, db *sql.Conn) error {
			var err error
			page, err = list(ctx, db, scanOrder, selectOrders+`WHERE o.`+party+` = ? AND o.id > ? ORDER BY o.id LIMIT ?`,
				id, after, pageOrders)
			return err
		})
		if err != nil {
			return err
		}
		for i := range page {
			if err := do(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < pageOrders {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

// storedEvent is an event and where it stands.
type storedEvent struct {
	row   int64
	event dispatch.Event
}

// scan runs do on the events that there are now and that meet a condition on one text, ?1, in the order in which
// they were committed. The whole history is read, in bites that keep no snapshot for long.
func (j *Journal) scan(ctx context.Context, condition, text string, do func([]storedEvent) error) error {
	var last int64
	err := j.read(ctx, "read the history", func(ctx context.Context, db *sql.Conn) error {
		return db.QueryRowContext(ctx, `SELECT coalesce(max(rowid), 0) FROM events`).Scan(&last)
	})
	for from := int64(0); err == nil && from < last; from += scanRows {
		var some []storedEvent
		err = j.read(ctx, "read the history", func(_ context.Context, db *sql.Conn) error {
			var err error
			some, err = list(ctx, db, scanStored, selectStored+
				`WHERE e.rowid > ?2 AND e.rowid <= ?3 AND (`+condition+`) ORDER BY e.rowid`, text, from, min(from+scanRows, last))
			return err
		})
		if err == nil && len(some) > 0 {
			err = do(some)
		}
	}
	return err
}

// selectStored reads events without the places of their orders.
const selectStored = `
SELECT e.rowid, e.market, e.seq, e.subject, e.version, e.type, e.at, e.by_role, e.by_sub, e.from_state, e.to_state,
    e.driver_id, e.offer_id, e.reason, e.policy, e.doc, NULL
FROM events e `

func scanStored(row scanner) (storedEvent, error) {
	var s storedEvent
	var err error
	s.event, err = scanEvent(withRow{row, &s.row})
	return s, err
}

// withRow reads the first column of a row by itself.
type withRow struct {
	scanner
	first *int64
}

// Scan implements scanner.
func (w withRow) Scan(into ...any) error { return w.scanner.Scan(append([]any{w.first}, into...)...) }

// Count implements store.People.
func (j *Journal) Count(ctx context.Context, p dispatch.Person) (store.Held, error) {
	var held store.Held
	var orders []dispatch.OrderID
	err := j.Tell(ctx, p, func(r store.Record) error {
		held.Add(r, p)
		if r.Order != nil && p.Role == dispatch.RoleRider {
			orders = append(orders, r.Order.ID)
		}
		return nil
	})
	if err != nil {
		return held, err
	}
	driver := dispatch.DriverID("")
	if p.Role == dispatch.RoleDriver {
		driver = dispatch.DriverID(p.ID)
	}
	held.Samples, err = j.countSamples(ctx, driver, orders)
	return held, err
}
