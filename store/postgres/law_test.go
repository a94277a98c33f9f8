package postgres

import (
	"slices"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func TestMigrations_Transitions_are_those_of_dispatch(t *testing.T) {
	j := openAt(t, place(t), nil)
	type transition struct{ event, from, to string }
	var want []transition
	for _, r := range dispatch.Transitions() {
		want = append(want, transition{string(dispatch.Entered(r.To)), string(r.From), string(r.To)})
	}
	for _, s := range dispatch.States() {
		if !s.Closed() && s != dispatch.StateReturned {
			want = append(want, transition{string(dispatch.EventOrderEdited), string(s), string(s)})
		}
		if s.PickedUp() {
			want = append(want, transition{"order.reassigned", string(s), string(s)})
		}
	}
	got, err := all(t.Context(), j.reads, func(row scanner) (tr transition, err error) {
		return tr, row.Scan(&tr.event, &tr.from, &tr.to)
	}, "SELECT type, from_state, to_state FROM transitions")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("the database does not know %v", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("the database allows %v", g)
		}
	}
}

func TestMigrations_Law_holds_against_plain_SQL(t *testing.T) {
	j := openAt(t, place(t), nil)
	b := storetest.NewBook(t, j, "sf")
	b.Duty("d1", true, 1)
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateEnRouteToPickup, storetest.With("d1"))
	b.Create("o2", "r1")
	b.Commit()
	// Beside each breach, that what it breaks is well otherwise: a statement that fails for another reason proves
	// nothing.
	const order = "INSERT INTO orders (id, market, kind, state, version, rider_id, vehicle_class, next_stop, requested_at, priority) VALUES "
	const offer = "INSERT INTO offers (id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at, ended_at, ended_wall) VALUES "
	const event = "INSERT INTO events (market, seq, subject, subject_id, version, type, at, by_role, from_state, to_state, doc) VALUES "
	for sentence, sql := range map[string]string{
		"events never change":                "UPDATE events SET reason = 'because' WHERE seq = 1",
		"events never go":                    "DELETE FROM events WHERE seq = 4",
		"events never go all at once":        "TRUNCATE events CASCADE",
		"an order's state has its event":     "UPDATE orders SET state = 'offered', version = 2 WHERE id = 'o2'",
		"an order changes by an event":       "UPDATE orders SET priority = 9 WHERE id = 'o2'",
		"an order begins by an event":        order + "('o3', 'sf', 'ride', 'searching', 1, 'r1', 'standard', 0, 1, 0)",
		"an order keeps its driver":          "UPDATE orders SET driver_id = 'd2' WHERE id = 'o1'",
		"an order keeps its rider":           "UPDATE orders SET rider_id = 'r2' WHERE id = 'o1'",
		"an open order is not closed":        "UPDATE orders SET closed_at = 1 WHERE id = 'o2'",
		"a cursor is not past the history":   "UPDATE markets SET cursor = seq + 1",
		"a market's epochs begin at 1":       "UPDATE markets SET epoch = 0",
		"a driver has a capacity":            "UPDATE drivers SET capacity = 0",
		"one on duty has no claim":           "UPDATE drivers SET claim_market = 'la', claimed_at = 1",
		"one on duty is in a market":         "UPDATE drivers SET market = NULL",
		"one on duty is in a known market":   "UPDATE drivers SET market = 'la'",
		"an anchor is one":                   "INSERT INTO clock (id, wall, market, scale) VALUES (2, 1, 1, 1)",
		"an offer is of a known order":       offer + "('f1', 'o9', 'sf', 'd1', 'live', 1, 1, 'line', 1, 2, NULL, NULL)",
		"a live offer has not ended":         offer + "('f1', 'o2', 'sf', 'd1', 'live', 1, 1, 'line', 1, 2, 3, NULL)",
		"an offer ends with its wall time":   offer + "('f1', 'o2', 'sf', 'd1', 'declined', 1, 1, 'line', 1, 2, 3, NULL)",
		"a live offer a driver":              offer + "('f1', 'o2', 'sf', 'd1', 'live', 1, 1, 'line', 1, 2, NULL, NULL), ('f2', 'o2', 'sf', 'd1', 'live', 1, 1, 'line', 1, 2, NULL, NULL)",
		"a seq is told once":                 event + "('sf', 1, 'driver', 'd1', 2, 'driver.offline', 1, 'driver', NULL, NULL, '{}')",
		"a seq is counted by its market":     event + "('sf', 5, 'driver', 'd1', 2, 'driver.offline', 1, 'driver', NULL, NULL, '{}')",
		"a version is told once":             event + "('sf', 4, 'driver', 'd1', 1, 'driver.offline', 1, 'driver', NULL, NULL, '{}')",
		"a market of an event is known":      event + "('la', 1, 'driver', 'd2', 1, 'driver.online', 1, 'driver', NULL, NULL, '{}')",
		"places are of a known order":        "INSERT INTO order_places (order_id, stops) VALUES ('o9', '[]')",
		"a duty event has no order's states": event + "('sf', 5, 'driver', 'd1', 2, 'driver.offline', 1, 'driver', 'searching', 'offered', '{}')",
	} {
		_, err := j.writes.Exec(t.Context(), sql)
		if classOf(err) != classConstraint {
			t.Errorf("%s: %s gave %v, want a constraint", sentence, sql, err)
		}
	}
	// The market may count one more; then the same kind of row is refused for nothing but what is wrong with it.
	run(t, j.writes.Config().ConnString(), "UPDATE markets SET seq = seq + 1")
	const next = "('sf', 5, 'order', 'o2', "
	for sentence, values := range map[string]string{
		"an illegal transition":     next + "2, 'order.completed', 1, 'engine', 'searching', 'completed', '{}')",
		"a state it is not in":      next + "2, 'order.returning', 1, 'engine', 'arrived_at_dropoff', 'returning', '{}')",
		"a version skipped":         next + "3, 'order.offered', 1, 'engine', 'searching', 'offered', '{}')",
		"a beginning that is none":  next + "2, 'order.searching', 1, 'engine', '', 'searching', '{}')",
		"a duty's type":             next + "2, 'driver.online', 1, 'engine', 'searching', 'offered', '{}')",
		"a subject nobody knows":    "('sf', 5, 'car', 'o2', 2, 'order.offered', 1, 'engine', 'searching', 'offered', '{}')",
		"a duty's version skipped":  "('sf', 5, 'driver', 'd1', 3, 'driver.offline', 1, 'driver', NULL, NULL, '{}')",
		"a state without the other": next + "2, 'order.offered', 1, 'engine', 'searching', NULL, '{}')",
	} {
		_, err := j.writes.Exec(t.Context(), event+values)
		if classOf(err) != classConstraint {
			t.Errorf("an event with %s gave %v, want a constraint", sentence, err)
		}
	}
	if _, err := j.writes.Exec(t.Context(), event+next+"2, 'order.offered', 1, 'engine', 'searching', 'offered', '{}')"); err != nil {
		t.Errorf("a lawful event: %v", err)
	}
}

func TestMigrations_History_holds_no_place(t *testing.T) {
	url := place(t)
	j := openAt(t, url, nil)
	b := storetest.NewBook(t, j, "sf")
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateOffered, nil)
	b.Commit()
	run(t, url, "DELETE FROM order_places")
	events, err := j.OrderEvents(t.Context(), "o1", 0, 10)
	if err != nil || len(events) != 2 || len(events[1].Order.Stops) != 0 {
		t.Errorf("the history after its places were erased: %+v, %v", events, err)
	}
	if o, err := j.Order(t.Context(), "o1"); err != nil || len(o.Stops) != 0 || o.Version != 2 {
		t.Errorf("the order after its places were erased: %+v, %v", o, err)
	}
}
