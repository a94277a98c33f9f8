package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

const insertOrders = `
WITH places AS (INSERT INTO order_places (order_id, stops) SELECT * FROM unnest($17::text[], $21::text[]))
INSERT INTO orders (market, state, version, driver_id, vehicle_class, next_stop, pickup_at, pickup_eta, dropoff_eta,
    cancelled_by, reason, search_since, changed_at, bars, priority, closed_at, id, kind, rider_id, requested_at)
SELECT $1::text, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[],
    $16::bigint[], $17::text[], $18::text[], $19::text[], $20::bigint[])`

// updateOrders takes orders to their next version. It upserts, because the order is then found by its key whatever the
// planner thinks of the table; one that is not there would begin above version 1, which the tables refuse, and so they
// do when a batch says that the order is of another market, kind, rider or time of request. Its places are compared
// here.
const updateOrders = `
WITH stood AS (
    INSERT INTO orders (market, state, version, driver_id, vehicle_class, next_stop, pickup_at, pickup_eta,
        dropoff_eta, cancelled_by, reason, search_since, changed_at, bars, priority, closed_at, id, kind, rider_id,
        requested_at)
    SELECT $1::text, * FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[],
        $16::bigint[], $17::bigint[], $18::text[], $19::text[], $20::text[], $21::bigint[])
    ON CONFLICT (id) DO UPDATE SET market = excluded.market, state = excluded.state, version = excluded.version,
        driver_id = excluded.driver_id, vehicle_class = excluded.vehicle_class, next_stop = excluded.next_stop,
        pickup_at = excluded.pickup_at, pickup_eta = excluded.pickup_eta, dropoff_eta = excluded.dropoff_eta,
        cancelled_by = excluded.cancelled_by, reason = excluded.reason, search_since = excluded.search_since,
        changed_at = excluded.changed_at, bars = excluded.bars, priority = excluded.priority,
        closed_at = excluded.closed_at, kind = excluded.kind, rider_id = excluded.rider_id,
        requested_at = excluded.requested_at)
SELECT journal_all('orders', count(*), $2::bigint) FROM unnest($18::text[], $22::text[]) AS n (id, stops)
WHERE (SELECT p.stops FROM order_places p WHERE p.order_id = n.id) = n.stops`

// orders writes the rows of the orders that events are about: first those that begin.
func (w *writer) orders(m dispatch.MarketID, events []eventRow) {
	for i := range events {
		if o := events[i].event.Order; o != nil && o.Version == 1 {
			w.order(&events[i])
		}
	}
	if w.rows.n > 0 {
		w.send(stmtNewOrders, string(m))
	}
	for i := range events {
		if o := events[i].event.Order; o != nil && o.Version > 1 {
			w.order(&events[i])
		}
	}
	if n := w.rows.n; n > 0 {
		w.send(stmtOrders, string(m), int64(n))
	}
}

func (w *writer) order(row *eventRow) {
	o := row.event.Order
	var closedAt time.Time
	if o.State.Closed() {
		closedAt = row.event.At
	}
	w.rows.next().text(string(o.State)).int(o.Version).opt(string(o.Driver)).text(o.VehicleClass).
		int(int64(o.NextStop)).when(o.PickupAt).when(o.PickupETA).when(o.DropoffETA).opt(o.CancelledBy).opt(o.Reason).
		when(o.SearchSince).when(o.ChangedAt).doc(row.bars).int(int64(o.Priority)).when(closedAt).
		text(string(o.ID)).text(string(o.Kind)).text(string(o.Rider)).when(o.RequestedAt).doc(row.stops)
}

const selectOrders = `
SELECT o.id, o.market, o.kind, o.state, o.version, o.rider_id, o.driver_id, o.vehicle_class, o.next_stop,
    o.requested_at, o.pickup_at, o.pickup_eta, o.dropoff_eta, o.cancelled_by, o.reason, o.search_since,
    o.changed_at, o.bars, o.priority, p.stops
FROM orders o LEFT JOIN order_places p ON p.order_id = o.id `

func scanOrder(row scanner) (dispatch.Order, error) {
	var o dispatch.Order
	err := row.Scan(&o.ID, &o.Market, &o.Kind, &o.State, &o.Version, &o.Rider, opt(&o.Driver), &o.VehicleClass,
		&o.NextStop, when(&o.RequestedAt), when(&o.PickupAt), when(&o.PickupETA), when(&o.DropoffETA),
		opt(&o.CancelledBy), opt(&o.Reason), when(&o.SearchSince), when(&o.ChangedAt),
		doc(&o.Bars, store.DecodeBars), &o.Priority, doc(&o.Stops, store.DecodeStops))
	return o, err
}

// Order implements store.History.
func (j *Journal) Order(ctx context.Context, id dispatch.OrderID) (dispatch.Order, error) {
	var o dispatch.Order
	err := j.read(ctx, "read order", func(ctx context.Context, q querier) error {
		var err error
		o, err = scanOrder(q.QueryRow(ctx, selectOrders+`WHERE o.id = $1`, id))
		return found(err, "order")
	})
	return o, err
}

// OwnOrders implements store.History.
func (j *Journal) OwnOrders(ctx context.Context, by dispatch.Actor, since time.Time) ([]dispatch.Order, error) {
	var party string
	switch by.Role {
	case dispatch.RoleRider:
		party = `o.rider_id`
	case dispatch.RoleDriver:
		party = `o.driver_id`
	default:
		return nil, nil // no order is another's own
	}
	var orders []dispatch.Order
	err := j.list(ctx, "read own orders", func(ctx context.Context, q querier) error {
		var err error
		orders, err = all(ctx, q, scanOrder, selectOrders+`WHERE `+party+` = $1 AND o.closed_at IS NULL
UNION ALL `+selectOrders+`WHERE `+party+` = $1 AND o.closed_at >= $2
ORDER BY 1`, by.Sub, store.Micros(since))
		return err
	})
	orders = slices.DeleteFunc(orders, func(o dispatch.Order) bool { return !by.MayRead(&o) })
	return orders, err
}
