package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// The kinds of subject of an event.
const (
	subjectOrder  = "order"
	subjectDriver = "driver"
)

const insertEvent = `
INSERT INTO events (market, seq, subject, subject_id, version, type, at, by_role, by_sub, from_state, to_state,
    driver_id, offer_id, reason, policy, doc)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// eventRow is an event with its documents, encoded before the transaction begins.
type eventRow struct {
	event *dispatch.Event
	doc   []byte // of the order or the duty
	stops []byte // of the order
	bars  []byte // of the order, nil when there is none
}

func encodeEvents(events []dispatch.Event) ([]eventRow, error) {
	rows := make([]eventRow, len(events))
	for i := range events {
		e := &events[i]
		row := eventRow{event: e}
		var err error
		if e.Duty != nil {
			row.doc, err = store.EncodeDuty(e.Duty)
		} else if row.doc, err = store.EncodeOrder(e.Order); err == nil {
			if row.stops, err = store.EncodeStops(e.Order.Stops); err == nil {
				row.bars, err = store.EncodeBars(e.Order.Bars)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%w: encode event %d: %w", dispatch.ErrRefused, e.Seq, err)
		}
		rows[i] = row
	}
	return rows, nil
}

// writeEvents writes each event and then the row of its subject, one after the other and not only the last
// of a subject: so the tables judge every step, and no two rows change places within the batch.
func (j *Journal) writeEvents(ctx context.Context, tx *sql.Tx, rows []eventRow, now time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	insert := tx.StmtContext(ctx, j.stmts.insertEvent)
	orders := j.orderWriter(ctx, tx)
	duties := j.dutyWriter(ctx, tx)
	for i := range rows {
		row := &rows[i]
		e := row.event
		subject, id, from, to := subjectOrder, "", any(string(e.From)), any(string(e.To))
		if e.Order != nil {
			id = string(e.Order.ID)
		} else {
			subject, id, from, to = subjectDriver, string(e.Duty.Driver), nil, nil
		}
		_, err := insert.ExecContext(ctx, e.Market, e.Seq, subject, id, e.Version, e.Type, instant(e.At),
			e.By.Role, text(e.By.Sub), from, to, text(e.Driver), text(e.Offer), text(e.Reason), text(e.Policy),
			string(row.doc))
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		if e.Order != nil {
			err = orders.write(ctx, row)
		} else {
			err = duties.write(ctx, e.Duty, now)
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
	}
	return nil
}

const selectEvents = `
SELECT e.market, e.seq, e.subject, e.version, e.type, e.at, e.by_role, e.by_sub, e.from_state, e.to_state,
    e.driver_id, e.offer_id, e.reason, e.policy, e.doc, p.stops
FROM events e LEFT JOIN order_places p ON e.subject = 'order' AND p.order_id = e.subject_id `

func scanEvent(row scanner) (dispatch.Event, error) {
	var e dispatch.Event
	var subject string
	var record string
	var stops []dispatch.Stop
	err := row.Scan(&e.Market, &e.Seq, &subject, &e.Version, &e.Type, when(&e.At), &e.By.Role, opt(&e.By.Sub),
		opt(&e.From), opt(&e.To), opt(&e.Driver), opt(&e.Offer), opt(&e.Reason), opt(&e.Policy), &record,
		doc(&stops, store.DecodeStops))
	if err != nil {
		return e, err
	}
	if subject == subjectDriver {
		d, err := store.DecodeDuty([]byte(record))
		e.Duty = &d
		return e, err
	}
	o, err := store.DecodeOrder([]byte(record))
	o.Stops = stops
	e.Order = &o
	return e, err
}

// OrderAt implements store.History.
func (j *Journal) OrderAt(ctx context.Context, id dispatch.OrderID, v int64) (dispatch.Order, error) {
	var e dispatch.Event
	err := j.read(ctx, "read order as it stood", func(ctx context.Context, db *sql.Conn) error {
		var err error
		e, err = scanEvent(db.QueryRowContext(ctx,
			selectEvents+`WHERE e.subject_id = ? AND e.subject = 'order' AND e.version = ?`, id, v))
		return found(err, "order or version")
	})
	if err != nil {
		return dispatch.Order{}, err
	}
	return *e.Order, nil
}

// OrderEvents implements store.History.
func (j *Journal) OrderEvents(ctx context.Context, id dispatch.OrderID, after int64, limit int) ([]dispatch.Event, error) {
	var events []dispatch.Event
	err := j.read(ctx, "read events of order", func(ctx context.Context, db *sql.Conn) error {
		var err error
		events, err = list(ctx, db, scanEvent, selectEvents+
			`WHERE e.subject_id = ? AND e.subject = 'order' AND e.version > ? ORDER BY e.version LIMIT ?`,
			id, after, max(limit, 0))
		if err != nil || len(events) > 0 {
			return err
		}
		return exists(ctx, db, "order", `SELECT 1 FROM orders WHERE id = ?`, id)
	})
	return events, err
}

// MarketEvents implements store.Relay.
func (j *Journal) MarketEvents(ctx context.Context, m dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error) {
	var events []dispatch.Event
	err := j.read(ctx, "read events of market", func(ctx context.Context, db *sql.Conn) error {
		var err error
		events, err = list(ctx, db, scanEvent, selectEvents+
			`WHERE e.market = ? AND e.seq > ? ORDER BY e.seq LIMIT ?`, m, after, max(limit, 0))
		if err != nil || len(events) > 0 {
			return err
		}
		return exists(ctx, db, "market", `SELECT 1 FROM markets WHERE id = ?`, m)
	})
	return events, err
}
