package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres/pgtest"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// durable starts a server that survives power loss.
func durable(b *testing.B) *pgtest.Server {
	b.Helper()
	return pgtest.Start(b, pgtest.Options{Settings: []string{"shared_buffers=512MB"}})
}

func BenchmarkJournal(b *testing.B) {
	server := durable(b)
	storetest.Bench(b, func(b *testing.B) store.Journal {
		j, err := Open(b.Context(), Config{URL: server.Database(b), Bounds: patient()})
		if err != nil {
			b.Fatal(err)
		}
		return j
	})
}

// bareTables hold the rows of transitions and nothing else: no law, no index but the keys'.
const bareTables = `
CREATE TABLE bare_orders (id text PRIMARY KEY, version bigint NOT NULL, state text NOT NULL, doc text NOT NULL)
    WITH (fillfactor = 80);
CREATE TABLE bare_events (id text, version bigint, state text NOT NULL, doc text NOT NULL, PRIMARY KEY (id, version));
CREATE TABLE bare_answers (sub text, key text, doc text NOT NULL, PRIMARY KEY (sub, key));`

// The statements of a bare transition: a new version of an order and its event, by arrays or one by one; with the
// answer for the lone caller, whose rows are then those of a full transition.
const (
	bareArrays = `
WITH o AS (
    INSERT INTO bare_orders SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, doc = excluded.doc)
INSERT INTO bare_events SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])`
	bareOne = `
WITH o AS (
    INSERT INTO bare_orders VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, doc = excluded.doc)
INSERT INTO bare_events VALUES ($1, $2, $3, $4)`
	bareFull = `
WITH o AS (
    INSERT INTO bare_orders VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, doc = excluded.doc),
a AS (INSERT INTO bare_answers VALUES ('rider-000000-000', $1 || $2::bigint, $5))
INSERT INTO bare_events VALUES ($1, $2, $3, $4)`
)

// bareSteps is how many transitions an order has, as in storetest.Bench.
const bareSteps = 6

// bareRow gives the n-th transition: every bareSteps of them are of one order.
func bareRow(n int64) (id string, version int64) {
	return fmt.Sprintf("019e7f71-6b40-7b8b-b578-%012d", n/bareSteps), n%bareSteps + 1
}

func bareServer(b *testing.B, server *pgtest.Server, conns int32) *pgxpool.Pool {
	b.Helper()
	cfg, err := pgxpool.ParseConfig(server.Database(b))
	if err != nil {
		b.Fatal(err)
	}
	cfg.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if _, err := pool.Exec(b.Context(), bareTables); err != nil {
		b.Fatal(err)
	}
	return pool
}

// BenchmarkBare is what Postgres and pgx do with as many rows of the same size by themselves.
func BenchmarkBare(b *testing.B) {
	server := durable(b)
	doc := strings.Repeat("x", 350)
	idle := func(context.Context) {}
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprintf("commit=each/workers=%d", n), func(b *testing.B) {
			pool := bareServer(b, server, int32(n))
			var made atomic.Int64
			storetest.Callers(b, n, func(int) func() error {
				return func() error {
					id, version := bareRow(made.Add(1) - 1)
					_, err := pool.Exec(b.Context(), bareOne, id, version, "searching", doc)
					return err
				}
			}, idle)
		})
	}
	b.Run("commit=full/workers=1", func(b *testing.B) {
		pool := bareServer(b, server, 1)
		answer := strings.Repeat("x", 80)
		made := int64(0)
		storetest.Callers(b, 1, func(int) func() error {
			return func() error {
				id, version := bareRow(made)
				made++
				_, err := pool.Exec(b.Context(), bareFull, id, version, "searching", doc, answer)
				return err
			}
		}, idle)
	})
	for name, commit := range map[string]func(context.Context, *pgxpool.Pool, *bareGroup) error{
		"batch": bareBatch, "unnest": bareUnnest,
	} {
		b.Run("commit="+name+"/group=100", func(b *testing.B) {
			pool := bareServer(b, server, 1)
			made := int64(0)
			groups := 0
			b.ResetTimer()
			for groups = 0; made < int64(b.N); groups++ {
				var g bareGroup
				for range 100 {
					// Of a hundred orders side by side, as of a hundred callers.
					id, version := bareRow(int64(groups%bareSteps) + bareSteps*(int64(groups/bareSteps)*100+int64(len(g.ids))))
					g.ids, g.versions = append(g.ids, id), append(g.versions, version)
					g.states, g.docs = append(g.states, "searching"), append(g.docs, doc)
				}
				if err := commit(b.Context(), pool, &g); err != nil {
					b.Fatal(err)
				}
				made += 100
			}
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "transitions/s")
		})
	}
}

// bareGroup are the columns of a group of transitions.
type bareGroup struct {
	ids, states, docs []string
	versions          []int64
}

func bareUnnest(ctx context.Context, pool *pgxpool.Pool, g *bareGroup) error {
	_, err := pool.Exec(ctx, bareArrays, g.ids, g.versions, g.states, g.docs)
	return err
}

func bareBatch(ctx context.Context, pool *pgxpool.Pool, g *bareGroup) error {
	var batch pgx.Batch
	for i := range g.ids {
		batch.Queue(bareOne, g.ids[i], g.versions[i], g.states[i], g.docs[i])
	}
	return pool.SendBatch(ctx, &batch).Close()
}
