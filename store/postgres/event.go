package postgres

import (
	"context"
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

// eventRow is an event with its documents.
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

// events writes each event and the row of its subject. They go in stretches that touch each order and each driver
// once: what a statement judges of all its rows is so judged at every step, as if each event had come alone.
func (w *writer) events(m dispatch.MarketID, events []eventRow, now time.Time) {
	touched := make(map[string]struct{}, 2*len(events))
	for from := 0; from < len(events); {
		clear(touched)
		to := from
		for to < len(events) && touch(touched, events[to].event) {
			to++
		}
		w.stretch(m, events[from:to], now)
		from = to
	}
}

// touch notes whom the event is about; false when one of them was touched before.
func touch(touched map[string]struct{}, e *dispatch.Event) bool {
	var ids [3]string
	if e.Duty != nil {
		ids[0] = "d" + string(e.Duty.Driver)
	} else {
		ids[0] = "o" + string(e.Order.ID)
		if e.Order.Driver != "" {
			ids[1] = "d" + string(e.Order.Driver)
		}
		if e.Driver != "" && e.Driver != e.Order.Driver {
			ids[2] = "d" + string(e.Driver) // the one taken off
		}
	}
	for _, id := range ids {
		if _, seen := touched[id]; seen {
			return false
		}
	}
	for _, id := range ids {
		if id != "" {
			touched[id] = struct{}{}
		}
	}
	return true
}

// stretch writes events together with their subjects' rows.
func (w *writer) stretch(m dispatch.MarketID, events []eventRow, now time.Time) {
	w.orders(m, events)
	w.duties(m, events, now)
}

// eventHead adds what events of every subject have, after the subject's id.
func (r *rows) eventHead(row *eventRow) *rows {
	e := row.event
	return r.int(e.Seq).int(e.Version).text(string(e.Type)).when(e.At).text(string(e.By.Role)).opt(e.By.Sub).
		opt(string(e.Driver)).opt(string(e.Offer)).opt(e.Reason).doc(row.doc)
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
	err := j.read(ctx, "read order as it stood", func(ctx context.Context, q querier) error {
		var err error
		e, err = scanEvent(q.QueryRow(ctx,
			selectEvents+`WHERE e.subject_id = $1 AND e.subject = 'order' AND e.version = $2`, id, v))
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
	err := j.list(ctx, "read events of order", func(ctx context.Context, q querier) error {
		var err error
		events, err = all(ctx, q, scanEvent, selectEvents+
			`WHERE e.subject_id = $1 AND e.subject = 'order' AND e.version > $2 ORDER BY e.version LIMIT $3`,
			id, after, max(limit, 0))
		if err != nil || len(events) > 0 {
			return err
		}
		return exists(ctx, q, "order", `SELECT 1 FROM orders WHERE id = $1`, id)
	})
	return events, err
}

// MarketEvents implements store.Relay.
func (j *Journal) MarketEvents(ctx context.Context, m dispatch.MarketID, after int64, limit int) ([]dispatch.Event, error) {
	var events []dispatch.Event
	err := j.list(ctx, "read events of market", func(ctx context.Context, q querier) error {
		var err error
		events, err = all(ctx, q, scanEvent, selectEvents+
			`WHERE e.market = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3`, m, after, max(limit, 0))
		if err != nil || len(events) > 0 {
			return err
		}
		return exists(ctx, q, "market", `SELECT 1 FROM markets WHERE id = $1`, m)
	})
	return events, err
}
