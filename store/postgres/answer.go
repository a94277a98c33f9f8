package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putAnswers keeps answers. Where one is there already the commit is refused; whether it was run out, and only not pruned
// yet, is looked at then alone: keys are new but for once in a day.
func putAnswers(list func(...string) string) string {
	return `
INSERT INTO answers (market, at, sub, key, digest, code, detail, field, order_id, version)
SELECT $1::text, $2::bigint, ` + list("$3 text", "$4 text", "$5 bytea", "$6 text", "$7 text", "$8 text", "$9 text", "$10 bigint")
}

// dropAnswers forgets those that have run out under keys that are to be used again. $2 is the wall instant after which
// an answer stands.
func dropAnswers(list func(...string) string) string {
	return `
DELETE FROM answers a USING (
    SELECT (SELECT CASE WHEN k.at <= $2::bigint THEN k.ctid END FROM answers k
        WHERE k.sub = n.sub AND k.key = n.key AND k.market = $1::text) AS tid
    FROM (SELECT ` + list("$3 text", "$4 text") + `) AS n (sub, key)) d
WHERE a.ctid = d.tid`
}

// answersKey is the constraint that refuses a second answer under a key.
const answersKey = "answers_pkey"

// answers writes answers; again says that a key was found used.
func (w *writer) answers(answers []dispatch.Answer, now time.Time, again bool) {
	if len(answers) == 0 {
		return
	}
	market := string(answers[0].Market)
	if again {
		for i := range answers {
			w.rows.next().text(answers[i].Sub).text(answers[i].Key.ID)
		}
		w.send(stmtDropAnswers, market, store.Micros(now.Add(-store.KeepFor)))
	}
	for i := range answers {
		a := &answers[i]
		w.rows.next().text(a.Sub).text(a.Key.ID).bytes(a.Key.Digest[:]).opt(string(a.Code)).opt(a.Detail).
			opt(a.Field).opt(string(a.Order)).int(a.Version)
	}
	w.send(stmtAnswers, market, store.Micros(now))
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
