package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putAnswer keeps an answer. One is there already: it stays, unless it has run out and only was not pruned
// yet. ?11 is the wall instant after which an answer stands.
const putAnswer = `
INSERT INTO answers (market, sub, key, digest, code, detail, field, order_id, version, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (sub, key, market) DO UPDATE SET digest = ?4, code = ?5, detail = ?6, field = ?7, order_id = ?8,
    version = ?9, at = ?10
WHERE at <= ?11`

func (j *Journal) writeAnswers(ctx context.Context, tx *sql.Tx, answers []dispatch.Answer, now time.Time) error {
	if len(answers) == 0 {
		return nil
	}
	put := tx.StmtContext(ctx, j.stmts.putAnswer)
	for i := range answers {
		a := &answers[i]
		err := one(ctx, put, "answer under key", a.Key.ID, string(a.Market), a.Sub, a.Key.ID, a.Key.Digest[:],
			text(a.Code), text(a.Detail), text(a.Field), text(a.Order), a.Version,
			store.Micros(now), store.Micros(now.Add(-store.KeepFor)))
		if err != nil {
			return err
		}
	}
	return nil
}

// Answer implements store.History.
func (j *Journal) Answer(ctx context.Context, sub, key string) (dispatch.Answer, bool, error) {
	var a dispatch.Answer
	var kept bool
	err := j.read("read answer", func(db *sql.DB) error {
		var digest []byte
		err := db.QueryRowContext(ctx, `
SELECT market, sub, key, digest, code, detail, field, order_id, version, at FROM answers
WHERE sub = ? AND key = ? AND at > ? ORDER BY at LIMIT 1`, sub, key, store.Micros(j.wall.Now().Add(-store.KeepFor))).
			Scan(&a.Market, &a.Sub, &a.Key.ID, &digest, opt(&a.Code), opt(&a.Detail), opt(&a.Field),
				opt(&a.Order), &a.Version, when(&a.At))
		copy(a.Key.Digest[:], digest)
		if kept = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return a, kept, err
}
