package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// statements are those of a commit, prepared once on the writer.
type statements struct {
	fence, insertEvent, insertOrder, insertPlaces, updateOrder, online, offline, putOffer, putAnswer *sql.Stmt
}

// prepare has the writer know the statements, the events' being insertEvent or what a program of before has.
func prepare(ctx context.Context, db *sql.DB, insertEvent string) (statements, error) {
	var s statements
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.fence, fence}, {&s.insertEvent, insertEvent}, {&s.insertOrder, insertOrder},
		{&s.insertPlaces, insertPlaces}, {&s.updateOrder, updateOrder}, {&s.online, online},
		{&s.offline, offline}, {&s.putOffer, putOffer}, {&s.putAnswer, putAnswer},
	} {
		var err error
		if *p.stmt, err = db.PrepareContext(ctx, p.text); err != nil {
			return s, fmt.Errorf("prepare %.40q: %w", p.text, err)
		}
	}
	return s, nil
}

// fence compares and sets the market's row, and counts the events.
const fence = `
UPDATE markets SET batch = batch + 1, last_epoch = ?4, seq = seq + ?1, at = coalesce(max(at, ?2), at, ?2)
WHERE id = ?3 AND epoch = ?4 AND batch = ?5
RETURNING seq`

// Commit implements store.Leads.
func (j *Journal) Commit(ctx context.Context, b *dispatch.Batch) error {
	err := store.Check(b)
	if err == nil {
		var rows []eventRow
		if rows, err = encodeEvents(b.Events); err == nil {
			err = refused(j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				return j.commit(ctx, tx, b, rows)
			}))
			j.checkpoints.wrote(len(b.Events) + len(b.Offers) + len(b.Answers) + len(b.Audit))
		}
	}
	if err != nil {
		return fmt.Errorf("commit batch %d of epoch %d of %s: %w", b.Batch, b.Epoch, b.Market, err)
	}
	return nil
}

func (j *Journal) commit(ctx context.Context, tx *sql.Tx, b *dispatch.Batch, rows []eventRow) error {
	now := j.wall.Now()
	var seq int64
	err := tx.StmtContext(ctx, j.stmts.fence).
		QueryRowContext(ctx, len(rows), instant(store.Latest(b)), b.Market, b.Epoch, b.Batch).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return dispatch.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("set the market's row: %w", err)
	}
	if n := len(rows); n > 0 && rows[n-1].event.Seq != seq {
		return fmt.Errorf("%w: its last event is %d, should be %d", dispatch.ErrRefused, rows[n-1].event.Seq, seq)
	}
	if err := j.writeEvents(ctx, tx, rows, now); err != nil {
		return err
	}
	if err := j.writeOffers(ctx, tx, b.Offers, now); err != nil {
		return err
	}
	if err := j.writeAnswers(ctx, tx, b.Answers, now); err != nil {
		return err
	}
	return j.writeAudit(ctx, tx, dispatch.MarketChain(b.Market), b.Audit, now)
}

// one runs a statement that must change exactly one row; what and id say whose, for the refusal, which is logged: they
// name nobody.
func one(ctx context.Context, stmt *sql.Stmt, what string, id any, args ...any) error {
	res, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return fmt.Errorf("%s %v: %w", what, id, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("%s %v: %w", what, id, err)
	}
	if n != 1 {
		return fmt.Errorf("%w: %s %v does not follow what is stored", dispatch.ErrRefused, what, id)
	}
	return nil
}
