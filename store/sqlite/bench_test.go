package sqlite

import (
	"fmt"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// BenchmarkJournalCommit commits groups of transitions (event, order and key of each); ns/op is a group's.
func BenchmarkJournalCommit(b *testing.B) {
	for _, n := range []int{1, 10, 100, 200} {
		b.Run(fmt.Sprintf("transitions=%d", n), func(b *testing.B) {
			j := openAt(b, b.TempDir(), nil)
			defer j.Close()
			book := storetest.NewBook(b, j, "sf")
			b.ReportAllocs()
			made := 0
			for b.Loop() {
				b.StopTimer()
				for range n {
					if id := orderID(made / 2); made%2 == 0 {
						book.Create(id, "r1")
					} else {
						book.Move(id, dispatch.StateOffered, nil)
					}
					o := book.Order(orderID(made / 2))
					book.Answer("r1", fmt.Sprint("k", made), "", &o)
					made++
				}
				b.StartTimer()
				book.Commit()
			}
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "transitions/s")
		})
	}
}
