package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putAnswer keeps an answer. One is there already: it stays, unless it has run out and only was not pruned
// yet. ?11 is the wall instant after which an answer stands.
const putAnswer = `
INSERT INTO answers (market, sub, key, digest, code, detail, field, order_id, version, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (key, sub, market) DO UPDATE SET digest = ?4, code = ?5, detail = ?6, field = ?7, order_id = ?8,
    version = ?9, at = ?10
WHERE at <= ?11`

func (j *Journal) writeAnswers(ctx context.Context, tx *sql.Tx, answers []dispatch.Answer, now time.Time) error {
	if len(answers) == 0 {
		return nil
	}
	put := tx.StmtContext(ctx, j.stmts.putAnswer)
	for i := range answers {
		a := &answers[i]
		err := one(ctx, put, "answer", i, string(a.Market), a.Sub, a.Key.ID, a.Key.Digest[:],
			text(a.Code), text(a.Detail), text(a.Field), text(a.Order), a.Version,
			store.Micros(now), store.Micros(now.Add(-store.KeepFor)))
		if err != nil {
			return err
		}
	}
	return nil
}

// Answer implements store.History. A key may be known in several markets, when a repeat named another before
// the first answer was kept: the earliest counts. They are not sorted by SQLite, which would build a table.
func (j *Journal) Answer(ctx context.Context, sub, key string) (dispatch.Answer, bool, error) {
	var all []dispatch.Answer
	err := j.read(ctx, "read answer", func(ctx context.Context, db *sql.Conn) error {
		var err error
		all, err = list(ctx, db, scanAnswer, `
SELECT market, sub, key, digest, code, detail, field, order_id, version, at FROM answers
WHERE sub = ? AND key = ? AND at > ?`, sub, key, store.Micros(j.wall.Now().Add(-store.KeepFor)))
		return err
	})
	if err != nil || len(all) == 0 {
		return dispatch.Answer{}, false, err
	}
	return slices.MinFunc(all, func(a, b dispatch.Answer) int { return a.At.Compare(b.At) }), true, nil
}

func scanAnswer(row scanner) (dispatch.Answer, error) {
	var a dispatch.Answer
	var digest []byte
	err := row.Scan(&a.Market, &a.Sub, &a.Key.ID, &digest, opt(&a.Code), opt(&a.Detail), opt(&a.Field),
		opt(&a.Order), &a.Version, when(&a.At))
	copy(a.Key.Digest[:], digest)
	return a, err
}
