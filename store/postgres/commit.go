package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// A commit is one pipeline: all its statements are sent at once and are one transaction without BEGIN and COMMIT, so
// that it costs one round trip whatever it holds. Whatever a statement finds wrong it must therefore raise itself.

// fence compares and sets the market's row, and counts the events. It tells the tables' triggers that the statements
// after it judge for themselves.
const fence = `
WITH stood AS (
    UPDATE markets SET batch = batch + 1, last_epoch = epoch, seq = seq + $4::bigint, at = greatest(at, $6::bigint)
    WHERE id = $1::text AND epoch = $2::bigint AND batch = $3::bigint
    RETURNING seq)
SELECT set_config('hexfleet.commit', 'on', true), CASE
    WHEN NOT EXISTS (SELECT FROM stood) THEN journal_fenced($1::text, $2::bigint, $3::bigint)
    WHEN $4::bigint > 0 AND (SELECT seq FROM stood) <> $5::bigint
        THEN journal_all('events', (SELECT seq FROM stood), $5::bigint)
END`

// The statements of a commit. Each but the fence is known twice: for many rows, and for a lone one, which comes as plain
// values, because arrays of one take longer than all the rest of it.
const (
	stmtFence = iota
	stmtBegin
	stmtStep
	stmtPlaces
	stmtLock
	stmtCapacity
	stmtDuties
	stmtOffers
	stmtAnswers
	stmtDropAnswers
	stmtCount
)

// prepared are the statements of a commit as one connection knows them: for many rows, and for one.
type prepared [stmtCount][2]*pgconn.StatementDescription

// statements is where a connection keeps its prepared ones.
const statements = "journal"

// binaryFormat is the number of the format in which all parameters are.
const binaryFormat = 1

// prepare has a connection know the statements; said, when it is not nil, says them otherwise.
func prepare(ctx context.Context, conn *pgconn.PgConn, said func(string) string) error {
	var p prepared
	for i, texts := range [stmtCount][2]string{
		stmtFence: {fence, fence}, stmtBegin: forms(beginOrders), stmtStep: {stepOrders, stepOrder},
		stmtPlaces: forms(comparePlaces), stmtLock: forms(lockDrivers), stmtCapacity: forms(checkCapacity),
		stmtDuties: forms(putDuties), stmtOffers: forms(putOffers), stmtAnswers: forms(putAnswers),
		stmtDropAnswers: forms(dropAnswers),
	} {
		for form, sql := range texts {
			if said != nil {
				sql = said(sql)
			}
			var err error
			if p[i][form], err = conn.Prepare(ctx, fmt.Sprintf("journal_%d_%d", i, form), sql, nil); err != nil {
				return fmt.Errorf("prepare %.60q: %w", sql, err)
			}
		}
	}
	conn.CustomData()[statements] = &p
	return nil
}

// forms gives a statement for many rows and for a lone one.
func forms(text func(list func(...string) string) string) [2]string {
	return [2]string{text(many), text(lone)}
}

// many lists columns as select expressions that give a row each: "$4 bigint" as "unnest($4::bigint[])".
func many(columns ...string) string { return expressions("unnest(%s::%s[])", columns) }

// lone lists columns as those of the only row: "$4 bigint" as "$4::bigint".
func lone(columns ...string) string { return expressions("%s::%s", columns) }

func expressions(format string, columns []string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		param, kind, _ := strings.Cut(c, " ")
		list[i] = fmt.Sprintf(format, param, kind)
	}
	return strings.Join(list, ", ")
}

// Commit implements store.Leads.
func (j *Journal) Commit(ctx context.Context, b *dispatch.Batch) error {
	err := store.Check(b)
	if err == nil {
		err = judged(j.commit(ctx, b))
	}
	if err != nil {
		return fmt.Errorf("commit batch %d of epoch %d of %s: %w", b.Batch, b.Epoch, b.Market, err)
	}
	return nil
}

func (j *Journal) commit(ctx context.Context, b *dispatch.Batch) error {
	// A commit that takes as long as no read may is reason to ask whether the database is there at all.
	late := time.AfterFunc(j.bounds.Read, j.health.doubt)
	defer late.Stop()
	now := j.wall.Now()
	return j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		audit, err := j.seal(ctx, conn, b, now)
		if err != nil {
			return err
		}
		err = j.send(ctx, conn, b, audit, now, false)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.ConstraintName == answersKey {
			err = j.send(ctx, conn, b, audit, now, true) // of the first nothing stands
		}
		return err
	})
}

// send sends the commit and waits for its end; again says that it was refused because a key was found used. What needs
// no document goes first: the database works on it while the documents are made.
func (j *Journal) send(
	ctx context.Context, conn *pgxpool.Conn, b *dispatch.Batch, audit []store.AuditRecord, now time.Time, again bool,
) error {
	pg := conn.Conn().PgConn()
	w := writer{pipeline: pg.StartPipeline(ctx), rows: j.borrow()}
	defer j.lent.Put(w.rows)
	w.stmts, _ = pg.CustomData()[statements].(*prepared)
	w.fence(b)
	w.answers(b.Answers, now, again)
	w.flush(len(b.Events))
	events, err := encodeEvents(b.Events)
	if err != nil {
		_ = w.pipeline.Close() // hangs up in the middle of the transaction, which ends it
		return err
	}
	w.events(b.Market, events, now)
	w.offers(b.Offers, now)
	w.audit(audit)
	err = w.run()
	if _, told := errors.AsType[*pgconn.PgError](err); err != nil && !told {
		j.stale.add(int32(pg.PID()))
	}
	return err
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
	forms := &w.stmts[stmt]
	if w.rows.n == 1 {
		w.pipeline.SendQueryStatement(forms[1], w.rows.values(scalars...), []int16{binaryFormat}, nil)
	} else {
		w.pipeline.SendQueryStatement(forms[0], w.rows.params(scalars...), []int16{binaryFormat}, nil)
	}
	w.rows.clear()
}

// flushFrom is how many events a group or a stretch has from which on it is not sent as a whole: for fewer a second
// write to the socket takes longer than it saves.
const flushFrom = 8

// flush lets the database begin with what was sent, of a group or stretch of n events. Its error is met again by run.
func (w *writer) flush(n int) {
	if n >= flushFrom {
		_ = w.pipeline.Flush()
	}
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
