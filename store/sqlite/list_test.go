package sqlite

import (
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// Each list is read from an index, in its order: nothing is sorted, and no table is read from end to end.
func TestJournal_Orders_are_listed_by_an_index(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	storetest.NewBook(t, j, "sf").Commit()
	day := time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC)
	both := []dispatch.State{dispatch.StateSearching, dispatch.StateCompleted, dispatch.StateCancelled}
	for index, filters := range map[string][]dispatch.OrderFilter{
		"orders_rider": {
			{Rider: "r1"}, {Rider: "r1", After: "o5"}, {Rider: "r1", From: day, To: day.Add(time.Hour)},
			{Rider: "r1", Market: "sf", States: both},
		},
		"orders_driver":       {{Driver: "d1"}, {Driver: "d1", After: "o5", States: both, From: day}},
		"orders_open":         {{Market: "sf", States: both[:1]}, {States: both[:1], From: day}},
		"orders_closed_state": {{Market: "sf", States: both[1:]}, {States: both[1:], After: "o5", From: day, To: day.Add(1)}},
		"autoindex_orders_1":  {{}, {After: "o5"}, {From: day, To: day.Add(time.Hour)}},
	} {
		for _, f := range filters {
			parts := store.OrderParts(f, []dispatch.MarketID{"la", "sf"})
			for i := range parts {
				p := partOf(&parts[i])
				plan, err := list(t.Context(), j.reader, func(row scanner) (line string, err error) {
					var rest any
					return line, row.Scan(&rest, &rest, &rest, &line)
				}, "EXPLAIN QUERY PLAN "+p.query(), append(p.args, 50)...)
				if err != nil {
					t.Fatal(err)
				}
				first := plan[0]
				bounded := strings.HasPrefix(first, "SEARCH o USING INDEX") || index == "autoindex_orders_1" && strings.HasPrefix(first, "SCAN o USING INDEX")
				if !bounded || !strings.Contains(first, index+" ") && !strings.HasSuffix(first, index) || strings.Contains(strings.Join(plan, "\n"), "TEMP B-TREE") {
					t.Errorf("%+v is not listed by %s: %s\n%s", f, index, p.query(), strings.Join(plan, "\n"))
				}
			}
		}
	}
}
