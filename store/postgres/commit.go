package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// A commit is one pipeline: all its statements are sent at once and are one transaction without BEGIN and COMMIT, so
// that it costs one round trip whatever it holds. Whatever a statement finds wrong it must therefore raise itself.

// fence compares and sets the market's row, and counts the events.
const fence = `SELECT journal_fence($1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint)`

// The statements of a commit, in the order of prepared.
const (
	stmtFence = iota
	stmtEvents
	stmtNewOrders
	stmtOrders
	stmtDuties
	stmtOffers
	stmtAnswers
	stmtCount
)

// prepared are the statements of a commit as one connection knows them.
type prepared [stmtCount]*pgconn.StatementDescription

// statements is where a connection keeps its prepared ones.
const statements = "journal"

// binaryFormat is the number of the format in which all parameters are.
const binaryFormat = 1

func prepare(ctx context.Context, conn *pgconn.PgConn) error {
	var p prepared
	for i, sql := range [stmtCount]string{
		stmtFence: fence, stmtEvents: insertEvents, stmtNewOrders: insertOrders, stmtOrders: updateOrders,
		stmtDuties: putDuties, stmtOffers: putOffers, stmtAnswers: putAnswers,
	} {
		var err error
		if p[i], err = conn.Prepare(ctx, fmt.Sprint("journal_", i), sql, nil); err != nil {
			return fmt.Errorf("prepare %.60q: %w", sql, err)
		}
	}
	conn.CustomData()[statements] = &p
	return nil
}

// Commit implements store.Leads.
func (j *Journal) Commit(ctx context.Context, b *dispatch.Batch) error {
	err := store.Check(b)
	if err == nil {
		var events []eventRow
		if events, err = encodeEvents(b.Events); err == nil {
			err = judged(j.commit(ctx, b, events))
		}
	}
	if err != nil {
		return fmt.Errorf("commit batch %d of epoch %d of %s: %w", b.Batch, b.Epoch, b.Market, err)
	}
	return nil
}

func (j *Journal) commit(ctx context.Context, b *dispatch.Batch, events []eventRow) error {
	// A commit that takes as long as no read may is reason to ask whether the database is there at all.
	late := time.AfterFunc(j.bounds.Read, j.health.doubt)
	defer late.Stop()
	now := j.wall.Now()
	return j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		audit, err := j.seal(ctx, conn, b, now)
		if err != nil {
			return err
		}
		pg := conn.Conn().PgConn()
		w := writer{pipeline: pg.StartPipeline(ctx), rows: j.borrow()}
		w.stmts, _ = pg.CustomData()[statements].(*prepared)
		w.fence(b)
		w.events(b.Market, events, now)
		w.offers(b.Offers, now)
		w.answers(b.Answers, now)
		w.audit(audit)
		err = w.run()
		j.lent.Put(w.rows)
		if _, told := errors.AsType[*pgconn.PgError](err); err != nil && !told {
			j.stale.add(int32(pg.PID()))
		}
		return err
	})
}

func (j *Journal) borrow() *rows {
	if r, ok := j.lent.Get().(*rows); ok {
		return r
	}
	return &rows{}
}

// writer sends the statements of one commit. Owned by it.
type writer struct {
	pipeline *pgconn.Pipeline
	stmts    *prepared
	rows     *rows
}

// send sends a statement with the rows gathered for it.
func (w *writer) send(stmt int, scalars ...any) {
	w.pipeline.SendQueryStatement(w.stmts[stmt], w.rows.params(scalars...), []int16{binaryFormat}, nil)
	w.rows.clear()
}

func (w *writer) fence(b *dispatch.Batch) {
	var last int64
	if n := len(b.Events); n > 0 {
		last = b.Events[n-1].Seq
	}
	var told any
	if at := store.Latest(b); !at.IsZero() {
		told = store.Micros(at)
	}
	w.send(stmtFence, string(b.Market), b.Epoch, b.Batch, int64(len(b.Events)), last, told)
}

// run sends what was gathered, which ends the transaction, and gives the first statement's error.
func (w *writer) run() error {
	err := w.pipeline.Sync()
	for err == nil {
		var result any
		if result, err = w.pipeline.GetResults(); err != nil {
			break
		}
		switch r := result.(type) {
		case *pgconn.ResultReader:
			_, err = r.Close()
		case *pgconn.PipelineSync:
			return w.pipeline.Close()
		case nil:
			err = errors.New("the connection ended before its transaction")
		}
	}
	_ = w.pipeline.Close() // after an error it gives the same one
	return err
}

// stale are the sessions of commits whose outcome was not told. A session may live on, with the locks of its
// transaction, when its client has long hung up.
type stale struct {
	mu   sync.Mutex
	pids []int32 // guarded by mu
}

func (s *stale) add(pids ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pids = append(s.pids, pids...)
}

// take gives those added since it was last called.
func (s *stale) take() []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	pids := s.pids
	s.pids = nil
	return pids
}
