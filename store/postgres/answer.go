package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putAnswers keeps answers. One is there already: it stays, unless it has run out and only was not pruned yet. $3 is
// the wall instant now, $4 the one after which an answer stands.
const putAnswers = `
WITH stood AS (
    INSERT INTO answers AS a (market, at, sub, key, digest, code, detail, field, order_id, version)
    SELECT $1::text, $3::bigint, * FROM unnest($5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::text[],
        $11::text[], $12::bigint[])
    ON CONFLICT (sub, key, market) DO UPDATE SET digest = excluded.digest, code = excluded.code,
        detail = excluded.detail, field = excluded.field, order_id = excluded.order_id, version = excluded.version,
        at = excluded.at
    WHERE a.at <= $4::bigint
    RETURNING 1)
SELECT journal_all('answers', (SELECT count(*) FROM stood), $2::bigint)`

func (w *writer) answers(answers []dispatch.Answer, now time.Time) {
	if len(answers) == 0 {
		return
	}
	for i := range answers {
		a := &answers[i]
		w.rows.next().text(a.Sub).text(a.Key.ID).bytes(a.Key.Digest[:]).opt(string(a.Code)).opt(a.Detail).
			opt(a.Field).opt(string(a.Order)).int(a.Version)
	}
	w.send(stmtAnswers, string(answers[0].Market), int64(len(answers)), store.Micros(now),
		store.Micros(now.Add(-store.KeepFor)))
}

// Answer implements store.History. A key may be known in several markets, when a repeat named another before the
// first answer was kept: the earliest counts.
func (j *Journal) Answer(ctx context.Context, sub, key string) (dispatch.Answer, bool, error) {
	var a dispatch.Answer
	kept := false
	err := j.read(ctx, "read answer", func(ctx context.Context, q querier) error {
		var err error
		a, err = scanAnswer(q.QueryRow(ctx, `
SELECT market, sub, key, digest, code, detail, field, order_id, version, at FROM answers
WHERE sub = $1 AND key = $2 AND at > $3 ORDER BY at LIMIT 1`, sub, key, store.Micros(j.wall.Now().Add(-store.KeepFor))))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		kept = err == nil
		return err
	})
	if err != nil || !kept {
		return dispatch.Answer{}, false, err
	}
	return a, true, nil
}

func scanAnswer(row scanner) (dispatch.Answer, error) {
	var a dispatch.Answer
	var digest []byte
	err := row.Scan(&a.Market, &a.Sub, &a.Key.ID, &digest, opt(&a.Code), opt(&a.Detail), opt(&a.Field),
		opt(&a.Order), &a.Version, when(&a.At))
	copy(a.Key.Digest[:], digest)
	return a, err
}
