package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// Each part of a list is read from an index, in its order. The planner is told to avoid sorting and reading tables
// from end to end, which of tables as small as these it would prefer.
func TestJournal_Orders_are_listed_by_an_index(t *testing.T) {
	j := openAt(t, place(t), nil)
	storetest.NewBook(t, j, "sf").Commit()
	conn, err := j.reads.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, off := range []string{"seqscan", "sort", "bitmapscan", "incremental_sort"} {
		if _, err := conn.Exec(t.Context(), "SET enable_"+off+" = off"); err != nil {
			t.Fatal(err)
		}
	}
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
		"orders_pkey":         {{}, {After: "o5"}, {From: day, To: day.Add(time.Hour)}},
	} {
		for _, f := range filters {
			parts := store.OrderParts(f, []dispatch.MarketID{"la", "sf"})
			for i := range parts {
				query, args := orderQuery(parts[i:i+1], 50)
				plan, err := all(context.Background(), conn, func(row scanner) (line string, err error) {
					return line, row.Scan(&line)
				}, "EXPLAIN "+query, args...)
				text := strings.Join(plan, "\n")
				if err != nil || !strings.Contains(text, "using "+index+" on orders o") || strings.Contains(text, "Sort") {
					t.Errorf("%+v is not listed by %s: %v\n%s\n%s", f, index, err, query, text)
				}
			}
		}
	}
}
