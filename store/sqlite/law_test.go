package sqlite

import (
	"errors"
	"slices"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func TestMigrations_Transitions_are_those_of_dispatch(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
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
	got, err := list(t.Context(), j.reader, func(row scanner) (tr transition, err error) {
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
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	b.Duty("d1", true, 1)
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateEnRouteToPickup, storetest.With("d1"))
	b.Create("o2", "r1")
	b.Commit()
	for sentence, query := range map[string]string{
		"events never change":                "UPDATE events SET reason = 'because' WHERE seq = 1",
		"events never go":                    "DELETE FROM events WHERE seq = 4",
		"an order's state has its event":     "UPDATE orders SET state = 'offered', version = 2 WHERE id = 'o2'",
		"an order begins by an event":        "INSERT INTO orders SELECT 'o3', market, kind, state, version, rider_id, driver_id, vehicle_class, next_stop, requested_at, pickup_at, pickup_eta, dropoff_eta, cancelled_by, reason, search_since, changed_at, bars, priority, closed_at FROM orders WHERE id = 'o2'",
		"an order keeps its driver":          "UPDATE orders SET driver_id = 'd2' WHERE id = 'o1'",
		"an open order is not closed":        "UPDATE orders SET closed_at = 1 WHERE id = 'o2'",
		"a cursor is not past the history":   "UPDATE markets SET cursor = seq + 1",
		"a driver has a capacity":            "UPDATE drivers SET capacity = 0",
		"one on duty has no claim":           "UPDATE drivers SET claim_market = 'la', claimed_at = 1",
		"one on duty is in a market":         "UPDATE drivers SET market = NULL",
		"one on duty is in a known market":   "UPDATE drivers SET market = 'la'",
		"an anchor is one":                   "INSERT INTO clock (id, wall, market, scale) VALUES (2, 1, 1, 1)",
		"an offer is of a known order":       "INSERT INTO offers (id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at) VALUES ('f1', 'o9', 'sf', 'd1', 'live', 1, 1, 'line', 1, 2)",
		"a live offer has not ended":         "INSERT INTO offers (id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at, ended_at) VALUES ('f1', 'o2', 'sf', 'd1', 'live', 1, 1, 'line', 1, 2, 3)",
		"an offer ends with its wall time":   "INSERT INTO offers (id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at, ended_at) VALUES ('f1', 'o2', 'sf', 'd1', 'declined', 1, 1, 'line', 1, 2, 3)",
		"a seq is told once":                 "INSERT INTO events (market, seq, subject, subject_id, version, type, at, by_role, doc) VALUES ('sf', 1, 'driver', 'd1', 2, 'driver.offline', 1, 'driver', '{}')",
		"a version is told once":             "INSERT INTO events (market, seq, subject, subject_id, version, type, at, by_role, doc) VALUES ('sf', 5, 'driver', 'd1', 1, 'driver.offline', 1, 'driver', '{}')",
		"places are of a known order":        "INSERT INTO order_places (order_id, stops) VALUES ('o9', '[]')",
		"a duty event has no order's states": "INSERT INTO events (market, seq, subject, subject_id, version, type, at, by_role, from_state, to_state, doc) VALUES ('sf', 5, 'driver', 'd1', 2, 'driver.offline', 1, 'driver', 'searching', 'offered', '{}')",
	} {
		_, err := j.writer.ExecContext(t.Context(), query)
		if e, ok := errors.AsType[sqlite3.Error](err); !ok || e.Code != sqlite3.ErrConstraint {
			t.Errorf("%s: %s gave %v, want a constraint", sentence, query, err)
		}
	}
}

func TestMigrations_History_holds_no_place(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateOffered, nil)
	b.Commit()
	if _, err := j.writer.ExecContext(t.Context(), "DELETE FROM order_places"); err != nil {
		t.Fatal(err)
	}
	want := b.Order("o1")
	want.Stops = nil
	events, err := j.OrderEvents(t.Context(), "o1", 0, 10)
	if err != nil || len(events) != 2 || len(events[1].Order.Stops) != 0 {
		t.Errorf("the history after its places were erased: %+v, %v", events, err)
	}
	if o, err := j.Order(t.Context(), "o1"); err != nil || len(o.Stops) != 0 || o.Version != want.Version {
		t.Errorf("the order after its places were erased: %+v, %v", o, err)
	}
}

func TestMigrations_go_back_and_forth(t *testing.T) {
	dir := filled(t)
	db, err := connect(t.Context(), dir+"/"+FileName, writerPragmas(), 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Down(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'goose%'
		AND name NOT LIKE 'sqlite%'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tables and indexes are left after going back: %v", left, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	j := openAt(t, dir, nil)
	defer j.Close()
	storetest.NewBook(t, j, "sf").Commit()
}

// A check with IN and a list cost 30 page faults a row before this test was: SQLite builds a table for it.
func TestCommit_Statements_build_no_table_of_their_own(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	for query, params := range map[string]int{
		insertEvent: 16, insertOrder: 20, insertPlaces: 2, updateOrder: 21, offline: 8, putOffer: 13, putAnswer: 11,
	} {
		steps, err := list(t.Context(), j.writer, func(row scanner) (opcode string, err error) {
			var rest any
			return opcode, row.Scan(&rest, &opcode, &rest, &rest, &rest, &rest, &rest, &rest)
		}, "EXPLAIN "+query, make([]any, params)...)
		if err != nil || len(steps) == 0 {
			t.Fatalf("explain %s: %d steps, %v", query, len(steps), err)
		}
		if slices.Contains(steps, "OpenEphemeral") {
			t.Errorf("%s builds a table for each row", query)
		}
	}
}
