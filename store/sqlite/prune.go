package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/hexfleet/hexfleet/store"
)

// pruneRows is how many rows one transaction of Prune deletes: the writer is held for a few milliseconds, no
// longer than by a commit.
const pruneRows = 500

// Prune implements store.Journal.
func (j *Journal) Prune(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for _, query := range []string{
		`DELETE FROM answers WHERE (key, sub, market) IN (
    SELECT key, sub, market FROM answers WHERE at < ? LIMIT ?)`,
		`DELETE FROM offers WHERE rowid IN (
    SELECT rowid FROM offers WHERE state <> 'live' AND ended_wall < ? LIMIT ?)`,
	} {
		for n := int64(pruneRows); n == pruneRows; {
			err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				res, err := tx.ExecContext(ctx, query, store.Micros(before), pruneRows)
				if err != nil {
					return err
				}
				n, err = res.RowsAffected()
				return err
			})
			if err != nil {
				return total, away("prune", err)
			}
			total += n
		}
	}
	return total, nil
}
