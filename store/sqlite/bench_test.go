package sqlite

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
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

// BenchmarkJournalClaim has many drivers come on duty at once; ns/op is a driver's share.
func BenchmarkJournalClaim(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			j := openAt(b, b.TempDir(), nil)
			defer j.Close()
			b.ReportAllocs()
			b.SetParallelism(max(1, n/runtime.GOMAXPROCS(0)))
			if n == 1 {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			}
			var made atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					d := dispatch.DriverID(fmt.Sprint("d", made.Add(1)))
					if _, err := j.Claim(b.Context(), d, "sf"); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkJournalRead reads what a command on an order does: its key and the order.
func BenchmarkJournalRead(b *testing.B) {
	j := openAt(b, b.TempDir(), nil)
	defer j.Close()
	book := storetest.NewBook(b, j, "sf")
	for i := range 1000 {
		book.Create(orderID(i), "r1")
	}
	book.Commit()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, err := j.Answer(b.Context(), "r1", fmt.Sprint("k", i)); err != nil {
			b.Fatal(err)
		}
		if _, err := j.Order(b.Context(), orderID(i%1000)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareCommit is the floor under BenchmarkJournalCommit on the same disk: as many rows (event, order, key
// of each transition) of the same size, in one table without an index, a law or a document to encode.
func BenchmarkBareCommit(b *testing.B) {
	for _, n := range []int{1, 10, 100, 200} {
		b.Run(fmt.Sprintf("transitions=%d", n), func(b *testing.B) {
			db, err := connect(b.Context(), filepath.Join(b.TempDir(), FileName), writerPragmas(), 1)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			run(b, db, "CREATE TABLE rows (id INTEGER PRIMARY KEY, doc TEXT)")
			insert, err := db.Prepare("INSERT INTO rows (doc) VALUES (?)")
			if err != nil {
				b.Fatal(err)
			}
			doc := strings.Repeat("x", 300) // a row of an event or an order, without its indexes
			made := 0
			for b.Loop() {
				tx, err := db.Begin()
				if err != nil {
					b.Fatal(err)
				}
				for range 3 * n {
					if _, err := tx.Stmt(insert).Exec(doc); err != nil {
						b.Fatal(err)
					}
				}
				if err := tx.Commit(); err != nil {
					b.Fatal(err)
				}
				made += n
			}
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "transitions/s")
		})
	}
}
