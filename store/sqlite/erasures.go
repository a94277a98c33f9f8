package sqlite

import (
	"context"
	"database/sql"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Erasures implements store.Erasures.
func (j *Journal) Erasures(ctx context.Context) ([]dispatch.Erasure, error) {
	var all []dispatch.Erasure
	err := j.read(ctx, "read erasures", func(_ context.Context, db *sql.Conn) error {
		var err error
		all, err = list(ctx, db, func(row scanner) (e dispatch.Erasure, err error) {
			return e, row.Scan(&e.ID, &e.Role, &e.Pseudonym, when(&e.RequestedAt), &e.Sub)
		}, `SELECT id, role, pseudonym, requested_at, sub FROM erasures
WHERE rewritten_at IS NOT NULL AND done_at IS NULL ORDER BY requested_at, id`)
		for i := range all {
			if err != nil {
				break
			}
			all[i].Subjects, err = list(ctx, db, scanSubject, `SELECT market, subject, subject_id, seq FROM erasure_subjects
WHERE erasure = ? ORDER BY market, subject, subject_id`, all[i].ID)
		}
		return err
	})
	return all, err
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

// Forget implements store.Erasures. The page with the erased id is written to the file before it returns.
func (j *Journal) Forget(ctx context.Context, erasure string) error {
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM erasure_subjects WHERE erasure = ?`, erasure); err != nil {
			return err
		}
		var id string
		return found(tx.QueryRowContext(ctx, `UPDATE erasures SET sub = NULL, done_at = ? WHERE id = ? AND rewritten_at IS NOT NULL
RETURNING id`, store.Micros(j.wall.Now()), erasure).Scan(&id), "erasure")
	})
	if err != nil {
		return away("forget an erasure", err)
	}
	_, err = j.Scrub(ctx, false)
	return err
}

// Scrub implements store.People. Deleted bytes are overwritten at once in the pages of the file (secure_delete), but
// a page that was divided may hold copies of rows in its free space, which only a rewrite of the file takes away,
// and the log (-wal) holds pages as they were until it is emptied.
func (j *Journal) Scrub(ctx context.Context, whole bool) (string, error) {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return "", away("scrub", sql.ErrConnDone)
	}
	conn, err := j.writer.Conn(ctx)
	if err != nil {
		return "", away("scrub", err)
	}
	defer conn.Close()
	if whole {
		if _, err := conn.ExecContext(ctx, `VACUUM`); err != nil {
			return "", away("rewrite the file", err)
		}
		if err := j.explanations.use(ctx, false, rewrite(ctx)); err != nil {
			return "", away("rewrite the explanations", err)
		}
	}
	var blocked, pages, moved int
	if err := conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&blocked, &pages, &moved); err != nil {
		return "", away("empty the log of the file", err)
	}
	switch {
	case blocked != 0:
		return "The log of the database could not be emptied because of others who read it; it is once they have closed.", nil
	case !whole:
		return "The database file may hold old bytes in the free space of its pages until it is rewritten.", nil
	}
	return "", nil
}

// rewrite overwrites what a database's file holds of deleted rows.
func rewrite(ctx context.Context) func(*sql.DB) error {
	return func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `VACUUM; PRAGMA wal_checkpoint(TRUNCATE)`)
		return err
	}
}
