package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Erasures implements store.Erasures.
func (j *Journal) Erasures(ctx context.Context) ([]dispatch.Erasure, error) {
	var found []dispatch.Erasure
	err := j.list(ctx, "read erasures", func(ctx context.Context, q querier) error {
		var err error
		found, err = all(ctx, q, func(row scanner) (e dispatch.Erasure, err error) {
			return e, row.Scan(&e.ID, &e.Role, &e.Pseudonym, when(&e.RequestedAt), &e.Sub)
		}, `SELECT id, role, pseudonym, requested_at, sub FROM erasures
WHERE rewritten_at IS NOT NULL AND done_at IS NULL ORDER BY requested_at, id`)
		for i := range found {
			if err != nil {
				break
			}
			found[i].Subjects, err = all(ctx, q, scanSubject, `SELECT market, subject, subject_id, seq FROM erasure_subjects
WHERE erasure = $1 ORDER BY market, subject, subject_id`, found[i].ID)
		}
		return err
	})
	return found, err
}

func scanSubject(row scanner) (dispatch.ErasedSubject, error) {
	var s dispatch.ErasedSubject
	var subject, id string
	err := row.Scan(&s.Market, &subject, &id, &s.Seq)
	if subject == subjectDriver {
		s.Driver = dispatch.DriverID(id)
	} else {
		s.Order = dispatch.OrderID(id)
	}
	return s, err
}

// Forget implements store.Erasures.
func (j *Journal) Forget(ctx context.Context, erasure string) error {
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM erasure_subjects WHERE erasure = $1`, erasure); err != nil {
				return err
			}
			var id string
			return found(tx.QueryRow(ctx, `UPDATE erasures SET sub = NULL, done_at = $1 WHERE id = $2 AND rewritten_at IS NOT NULL
RETURNING id`, store.Micros(j.wall.Now()), erasure).Scan(&id), "erasure")
		})
	})
	if err != nil {
		return away("forget an erasure", err)
	}
	return nil
}

// Scrub implements store.People. What a statement has deleted or changed stays in the files of a database until its
// vacuum, and in its log and the log's archive as long as these are kept.
func (j *Journal) Scrub(ctx context.Context, whole bool) (string, error) {
	if !whole {
		return "The database keeps old rows in its files until VACUUM, which autovacuum does in time, and in its log.", nil
	}
	tables := []string{"events", "orders", "order_places", "offers", "answers", "drivers", "erasures", "erasure_subjects", "samples"}
	for _, table := range tables {
		err := j.vacuum(ctx, table)
		if err != nil {
			return "", away("vacuum "+table, err)
		}
	}
	return "The database's log may hold old rows until it is recycled.", nil
}

// vacuum takes as long as it takes, on a connection of its own.
func (j *Journal) vacuum(ctx context.Context, table string) error {
	cfg := j.leases.Config().ConnConfig
	cfg.RuntimeParams["statement_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `VACUUM `+pgx.Identifier{table}.Sanitize())
	return errors.Join(err, conn.Close(ctx))
}
