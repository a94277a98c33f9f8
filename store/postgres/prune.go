package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/store"
)

// pruneRows is how many rows one statement of Prune deletes: a few milliseconds of work, no longer than a commit.
const pruneRows = 500

// Prune implements store.Journal. Of several nodes that prune at once each takes rows that no other has.
func (j *Journal) Prune(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for _, sql := range []string{
		`DELETE FROM answers WHERE (key, sub, market) IN (
    SELECT key, sub, market FROM answers WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
		`DELETE FROM offers WHERE id IN (
    SELECT id FROM offers WHERE state <> 'live' AND ended_wall < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
	} {
		for n := int64(pruneRows); n == pruneRows; {
			err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
				tag, err := conn.Exec(ctx, sql, store.Micros(before), pruneRows)
				n = tag.RowsAffected()
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
