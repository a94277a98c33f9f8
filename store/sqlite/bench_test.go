package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func BenchmarkJournal(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Journal { return openAt(b, b.TempDir(), nil) })
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

// bareTables hold the rows of transitions and nothing else: no law, no index but the keys'.
const bareTables = `
CREATE TABLE orders (id TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (id TEXT, version INTEGER, state TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (id, version));
CREATE TABLE answers (sub TEXT, key TEXT, doc TEXT NOT NULL, PRIMARY KEY (sub, key)) WITHOUT ROWID;`

// BenchmarkBare is what SQLite and its driver do with as many rows of the same size by themselves: an order's new
// version and its event, by group; with the answer (full) the rows are those of a lone caller's whole transition.
func BenchmarkBare(b *testing.B) {
	for _, full := range []bool{false, true} {
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprintf("full=%v/group=%d", full, n), func(b *testing.B) {
				db, err := connect(b.Context(), filepath.Join(b.TempDir(), FileName), writerPragmas(), 1)
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				run(b, db, bareTables)
				w := bareWriter(b, db, full)
				groups := 0
				storetest.Callers(b, 1, func(int) func() error {
					return func() error {
						groups++
						return w(groups-1, n)
					}
				}, func(context.Context) {})
				b.ReportMetric(float64(groups*n)/b.Elapsed().Seconds(), "transitions/s")
			})
		}
	}
}

// bareWriter gives what commits the group-th n transitions: steps of n orders side by side, six of each.
func bareWriter(b *testing.B, db *sql.DB, full bool) func(group, n int) error {
	b.Helper()
	var stmts []*sql.Stmt
	for _, text := range []string{
		`INSERT INTO orders VALUES (?1, ?2, 'searching', ?3) ON CONFLICT (id) DO UPDATE SET version = ?2, doc = ?3`,
		`INSERT INTO events VALUES (?1, ?2, 'searching', ?3)`,
		`INSERT INTO answers VALUES ('rider-000000-000', ?1 || ?2, substr(?3, 1, 80))`,
	} {
		stmt, err := db.PrepareContext(b.Context(), text)
		if err != nil {
			b.Fatal(err)
		}
		stmts = append(stmts, stmt)
	}
	if !full {
		stmts = stmts[:2]
	}
	doc := strings.Repeat("x", 350)
	return func(group, n int) error {
		tx, err := db.BeginTx(b.Context(), nil)
		if err != nil {
			return err
		}
		for i := range n {
			id, version := fmt.Sprintf("019e7f71-6b40-7b8b-b578-%012d", group/6*n+i), group%6+1
			for _, stmt := range stmts {
				if _, err := tx.Stmt(stmt).Exec(id, version, doc); err != nil {
					return err
				}
			}
		}
		return tx.Commit()
	}
}
