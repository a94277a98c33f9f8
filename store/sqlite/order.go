package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

const insertOrder = `
INSERT INTO orders (state, version, driver_id, vehicle_class, next_stop, pickup_at, pickup_eta, dropoff_eta,
    cancelled_by, reason, search_since, changed_at, bars, priority, closed_at, id, market, kind, rider_id,
    requested_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)`

const insertPlaces = `INSERT INTO order_places (order_id, stops) VALUES (?, ?)`

// updateOrder takes an order from the version before. What an order is of (its market, kind, rider, time of
// request and places) never changes; a batch that says otherwise finds no row.
const updateOrder = `
UPDATE orders SET state = ?1, version = ?2, driver_id = ?3, vehicle_class = ?4, next_stop = ?5, pickup_at = ?6,
    pickup_eta = ?7, dropoff_eta = ?8, cancelled_by = ?9, reason = ?10, search_since = ?11, changed_at = ?12,
    bars = ?13, priority = ?14, closed_at = ?15
WHERE id = ?16 AND version = ?2 - 1 AND market = ?17 AND kind = ?18 AND rider_id = ?19 AND requested_at = ?20
    AND EXISTS (SELECT 1 FROM order_places WHERE order_id = ?16 AND stops = ?21)`

// orderWriter writes the rows of orders within one transaction.
type orderWriter struct{ insert, places, update *sql.Stmt }

func (j *Journal) orderWriter(ctx context.Context, tx *sql.Tx) orderWriter {
	return orderWriter{
		insert: tx.StmtContext(ctx, j.stmts.insertOrder),
		places: tx.StmtContext(ctx, j.stmts.insertPlaces),
		update: tx.StmtContext(ctx, j.stmts.updateOrder),
	}
}

func (w orderWriter) write(ctx context.Context, row *eventRow) error {
	o := row.event.Order
	var closedAt time.Time
	if o.State.Closed() {
		closedAt = row.event.At
	}
	args := []any{
		string(o.State), o.Version, text(o.Driver), o.VehicleClass, o.NextStop, instant(o.PickupAt),
		instant(o.PickupETA), instant(o.DropoffETA), text(o.CancelledBy), text(o.Reason),
		instant(o.SearchSince), instant(o.ChangedAt), document(row.bars), o.Priority, instant(closedAt),
		string(o.ID), string(o.Market), string(o.Kind), string(o.Rider), instant(o.RequestedAt),
	}
	if o.Version > 1 {
		return one(ctx, w.update, "order", o.ID, append(args, string(row.stops))...)
	}
	if err := one(ctx, w.insert, "order", o.ID, args...); err != nil {
		return err
	}
	return one(ctx, w.places, "places of order", o.ID, string(o.ID), string(row.stops))
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
	err := j.read(ctx, "read order", func(ctx context.Context, db *sql.Conn) error {
		var err error
		o, err = scanOrder(db.QueryRowContext(ctx, selectOrders+`WHERE o.id = ?`, id))
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
	err := j.read(ctx, "read own orders", func(ctx context.Context, db *sql.Conn) error {
		var err error
		orders, err = list(ctx, db, scanOrder, selectOrders+`WHERE `+party+` = ?1 AND o.closed_at IS NULL
UNION ALL `+selectOrders+`WHERE `+party+` = ?1 AND o.closed_at >= ?2
ORDER BY 1`, by.Sub, store.Micros(since))
		return err
	})
	orders = slices.DeleteFunc(orders, func(o dispatch.Order) bool { return !by.MayRead(&o) })
	return orders, err
}
