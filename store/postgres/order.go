package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

func insertOrders(list func(...string) string) string {
	return `
WITH places AS (INSERT INTO order_places (order_id, stops) SELECT ` + list("$17 text", "$21 text") + `)
INSERT INTO orders (` + orderColumns + `)
SELECT $1::text, ` + listOrders(list)
}

const orderColumns = `market, state, version, driver_id, vehicle_class, next_stop, pickup_at, pickup_eta, dropoff_eta,
    cancelled_by, reason, search_since, changed_at, bars, priority, closed_at, id, kind, rider_id, requested_at`

// listOrders lists what is written of orders, but for their market, $1.
func listOrders(list func(...string) string) string {
	return list("$2 text", "$3 bigint", "$4 text", "$5 text", "$6 bigint", "$7 bigint", "$8 bigint", "$9 bigint", "$10 text",
		"$11 text", "$12 bigint", "$13 bigint", "$14 text", "$15 bigint", "$16 bigint", "$17 text", "$18 text", "$19 text",
		"$20 bigint")
}

// updateOrders takes orders to their next version. It upserts, because an order is then found by its key whatever the
// planner thinks of the table; one that is not there would begin above version 1, which the tables refuse, and so they
// do when a batch says that the order is of another market, kind, rider or time of request.
func updateOrders(list func(...string) string) string {
	return `
INSERT INTO orders (` + orderColumns + `)
SELECT $1::text, ` + listOrders(list) + `
ON CONFLICT (id) DO UPDATE SET market = excluded.market, state = excluded.state, version = excluded.version,
    driver_id = excluded.driver_id, vehicle_class = excluded.vehicle_class, next_stop = excluded.next_stop,
    pickup_at = excluded.pickup_at, pickup_eta = excluded.pickup_eta, dropoff_eta = excluded.dropoff_eta,
    cancelled_by = excluded.cancelled_by, reason = excluded.reason, search_since = excluded.search_since,
    changed_at = excluded.changed_at, bars = excluded.bars, priority = excluded.priority,
    closed_at = excluded.closed_at, kind = excluded.kind, rider_id = excluded.rider_id,
    requested_at = excluded.requested_at`
}

// comparePlaces proves that orders have the places that they began with. It is asked of edited ones: no other
// transition is about what an order is of, and none writes its places.
func comparePlaces(list func(...string) string) string {
	return `
SELECT journal_all('places', count(*), $1::bigint)
FROM (SELECT ` + list("$2 text", "$3 text") + `) AS n (id, stops)
WHERE (SELECT p.stops FROM order_places p WHERE p.order_id = n.id) = n.stops`
}

// orders writes the rows of the orders that events are about: first those that begin.
func (w *writer) orders(m dispatch.MarketID, events []eventRow) {
	for i := range events {
		if o := events[i].event.Order; o != nil && o.Version == 1 {
			w.order(&events[i])
			w.rows.doc(events[i].stops)
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
	if w.rows.n > 0 {
		w.send(stmtOrders, string(m))
	}
	for i := range events {
		if e := events[i].event; e.Order != nil && e.From == e.To {
			w.rows.next().text(string(e.Order.ID)).doc(events[i].stops)
		}
	}
	if n := w.rows.n; n > 0 {
		w.send(stmtPlaces, int64(n))
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
		text(string(o.ID)).text(string(o.Kind)).text(string(o.Rider)).when(o.RequestedAt)
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
	var party, open string
	switch by.Role {
	case dispatch.RoleRider:
		party = `o.rider_id`
		open = party
	case dispatch.RoleDriver:
		party = `o.driver_id`
		open = `o.driver_id IS NOT NULL AND CASE WHEN o.closed_at IS NULL THEN o.driver_id END`
	default:
		return nil, nil // no order is another's own
	}
	var orders []dispatch.Order
	err := j.list(ctx, "read own orders", func(ctx context.Context, q querier) error {
		var err error
		orders, err = all(ctx, q, scanOrder, selectOrders+`WHERE `+open+` = $1 AND o.closed_at IS NULL
UNION ALL `+selectOrders+`WHERE `+party+` = $1 AND o.closed_at >= $2
ORDER BY 1`, by.Sub, store.Micros(since))
		return err
	})
	orders = slices.DeleteFunc(orders, func(o dispatch.Order) bool { return !by.MayRead(&o) })
	return orders, err
}
