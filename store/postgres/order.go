package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// names are what a statement calls the columns of the rows that it is given of orders with their events.
const names = `id, seq, version, type, at, by_role, by_sub, event_driver, offer_id, event_reason, doc, from_state, state,
    driver_id, vehicle_class, next_stop, pickup_at, pickup_eta, dropoff_eta, cancelled_by, reason, search_since, changed_at,
    bars, priority, closed_at, kind, rider_id, requested_at, policy`

// columns lists them, and more.
func columns(list func(...string) string, more ...string) string {
	return list(append([]string{"$3 text", "$4 bigint", "$5 bigint", "$6 text", "$7 bigint", "$8 text", "$9 text", "$10 text",
		"$11 text", "$12 text", "$13 text", "$14 text", "$15 text", "$16 text", "$17 text", "$18 bigint", "$19 bigint",
		"$20 bigint", "$21 bigint", "$22 text", "$23 text", "$24 bigint", "$25 bigint", "$26 text", "$27 bigint", "$28 bigint",
		"$29 text", "$30 text", "$31 bigint", "$32 text"}, more...)...)
}

// insertEvents writes the events of rows n.
const insertEvents = `
    INSERT INTO events (market, subject, subject_id, version, type, at, by_role, by_sub, from_state, to_state, driver_id,
        offer_id, reason, policy, doc, seq)
    SELECT $1::text, 'order', id, version, type, at, by_role, by_sub, from_state, state, event_driver, offer_id,
        event_reason, policy, doc, `

// lawful holds when an event of n is a legal transition and its order as orders in its state are.
const lawful = `order_fits(n.kind, n.state, n.driver_id, n.next_stop, n.cancelled_by, n.closed_at)
        AND (SELECT true FROM transitions t
            WHERE t.type = n.type AND t.from_state = n.from_state AND t.to_state = n.state)`

// beginOrders writes the events by which orders begin and, from the same values, the orders' rows and places. An event
// that is not lawful finds no row, and then nothing stands: see journal_all.
func beginOrders(list func(...string) string) string {
	return `
WITH n (` + names + `, stops) AS (SELECT ` + columns(list, "$33 text") + `),
told AS (` + insertEvents + `seq FROM n),
placed AS (INSERT INTO order_places (order_id, stops) SELECT id, stops FROM n),
begun AS (
    INSERT INTO orders (market, id, version, state, driver_id, vehicle_class, next_stop, pickup_at, pickup_eta,
        dropoff_eta, cancelled_by, reason, search_since, changed_at, bars, priority, closed_at, kind, rider_id,
        requested_at)
    SELECT $1::text, id, version, state, driver_id, vehicle_class, next_stop, pickup_at, pickup_eta, dropoff_eta,
        cancelled_by, reason, search_since, changed_at, bars, priority, closed_at, kind, rider_id, requested_at
    FROM n WHERE version = 1 AND from_state = '' AND ` + lawful + `
    RETURNING 1)
SELECT journal_all('transitions', count(*), $2::bigint) FROM begun HAVING count(*) <> $2::bigint`
}

// updateOrders changes the rows of orders by rows n: what an order is of, and its driver but for a reassignment, stays,
// and it was left as its event says.
const (
	updateOrders = `
    UPDATE orders o SET version = n.version, state = n.state, driver_id = n.driver_id, vehicle_class = n.vehicle_class,
        next_stop = n.next_stop, pickup_at = n.pickup_at, pickup_eta = n.pickup_eta, dropoff_eta = n.dropoff_eta,
        cancelled_by = n.cancelled_by, reason = n.reason, search_since = n.search_since, changed_at = n.changed_at,
        bars = n.bars, priority = n.priority, closed_at = n.closed_at
    FROM `
	follows = `CASE WHEN o.version = n.version - 1 AND o.state = n.from_state AND o.market = $1::text
            AND o.kind = n.kind AND o.rider_id = n.rider_id AND o.requested_at = n.requested_at
        THEN o.driver_id IS NULL OR n.driver_id IS NULL OR o.driver_id = n.driver_id OR n.type = 'order.reassigned' END`
)

// stepOrders writes the other events of orders and, from the same values, the orders' rows. A row is found by its place,
// ctid, which the planner knows one way to get at.
var stepOrders = `
WITH n (` + names + `) AS (SELECT ` + columns(many) + `),
told AS (` + insertEvents + `seq FROM n),
stood AS (` + updateOrders + `(
        SELECT *, CASE WHEN ` + lawful + ` THEN (SELECT k.ctid FROM orders k WHERE k.id = n.id) END AS tid FROM n) n
    WHERE o.ctid = n.tid AND ` + follows + `
    RETURNING 1)
SELECT journal_all('transitions', count(*), $2::bigint) FROM stood HAVING count(*) <> $2::bigint`

// stepOrder does it for a lone one, with less around it: an event whose order's row was not found has no seq, which no
// event can be without.
var stepOrder = `
WITH stood AS (` + updateOrders + `(SELECT ` + columns(lone) + `) n (` + names + `)
    WHERE o.id = n.id AND CASE WHEN ` + lawful + ` THEN ` + follows + ` END
    RETURNING 1)` + insertEvents + `CASE WHEN (SELECT count(*) FROM stood) = $2::bigint THEN seq END
    FROM (SELECT ` + columns(lone) + `) n (` + names + `)`

// comparePlaces proves that orders have the places that they began with. It is asked of edited ones: no other
// transition is about what an order is of, and none writes its places.
func comparePlaces(list func(...string) string) string {
	return `
SELECT journal_all('places', count(*), $1::bigint)
FROM (SELECT ` + list("$2 text", "$3 text") + `) AS n (id, stops)
WHERE (SELECT p.stops FROM order_places p WHERE p.order_id = n.id) = n.stops HAVING count(*) <> $1::bigint`
}

// lockDrivers has whoever counts the orders of the same drivers at the same time, in another market, wait: what is counted
// next is what is committed then.
func lockDrivers(list func(...string) string) string {
	return `
SELECT pg_advisory_xact_lock(hashtextextended(id, 7001)) FROM (SELECT ` + list("$1 text") + ` AS id ORDER BY 1) a`
}

// checkCapacity counts the orders of drivers that have got one. What refuses a full one is journal_capacity, which counts
// anew, and is too dear to be asked of all.
func checkCapacity(list func(...string) string) string {
	return `
SELECT journal_capacity(ARRAY[a.id]) FROM (SELECT ` + list("$1 text") + `) AS a (id)
WHERE (SELECT count(*) FROM orders o WHERE CASE WHEN o.closed_at IS NULL THEN o.driver_id END = a.id
        AND o.closed_at IS NULL AND o.driver_id IS NOT NULL)
    > (SELECT coalesce(max(d.capacity), 1) FROM drivers d WHERE d.id = a.id)`
}

// orders writes the events of orders, with their rows.
func (w *writer) orders(m dispatch.MarketID, events []eventRow) {
	sent := 0
	for _, begins := range []bool{true, false} {
		for i := range events {
			if o := events[i].event.Order; o != nil && (o.Version == 1) == begins {
				w.order(&events[i], begins)
			}
		}
		n := w.rows.n
		if n == 0 {
			continue
		}
		if begins {
			w.send(stmtBegin, string(m), int64(n))
		} else {
			w.send(stmtStep, string(m), int64(n))
		}
		w.flush(n)
		sent += n
	}
	if sent == 0 {
		return
	}
	for i := range events {
		if e := events[i].event; e.Order != nil && e.From == e.To {
			w.rows.next().text(string(e.Order.ID)).doc(events[i].stops)
		}
	}
	if n := w.rows.n; n > 0 {
		w.send(stmtPlaces, int64(n))
	}
	for _, stmt := range []int{stmtLock, stmtCapacity} {
		for i := range events {
			if e := events[i].event; e.Order != nil && assigns(e) {
				w.rows.next().text(string(e.Order.Driver))
			}
		}
		if w.rows.n > 0 {
			w.send(stmt)
		}
	}
}

// assigns tells whether an order's event may have given it to its driver. By any other, putOrders lets an order keep
// its driver or lose it.
func assigns(e *dispatch.Event) bool {
	return e.Order.Driver != "" && !e.To.Closed() && (e.Type == reassigned || e.From != e.To && !e.From.Assigned())
}

// reassigned is the type of the event by which an order changes its driver for another.
const reassigned dispatch.EventType = "order.reassigned"

func (w *writer) order(row *eventRow, begins bool) {
	e, o := row.event, row.event.Order
	var closedAt time.Time
	if o.State.Closed() {
		closedAt = e.At
	}
	w.rows.next().text(string(o.ID)).eventHead(row).text(string(e.From)).text(string(o.State)).
		opt(string(o.Driver)).text(o.VehicleClass).int(int64(o.NextStop)).when(o.PickupAt).when(o.PickupETA).
		when(o.DropoffETA).opt(o.CancelledBy).opt(o.Reason).when(o.SearchSince).when(o.ChangedAt).doc(row.bars).
		int(int64(o.Priority)).when(closedAt).text(string(o.Kind)).text(string(o.Rider)).when(o.RequestedAt).
		opt(e.Policy)
	if begins {
		w.rows.doc(row.stops)
	}
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
