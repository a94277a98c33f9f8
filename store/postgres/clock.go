package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Anchor implements store.Journal.
func (j *Journal) Anchor(ctx context.Context) (dispatch.Anchor, error) {
	var a dispatch.Anchor
	err := j.read(ctx, "read anchor", func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT wall, market, scale FROM clock`).Scan(when(&a.Wall), when(&a.Market), &a.Scale)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return a, err
}

// Latest implements store.Journal.
func (j *Journal) Latest(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := j.read(ctx, "read latest instant", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT max(at) FROM markets`).Scan(when(&at))
	})
	return at, err
}

// SetAnchor implements store.Journal. Nodes that share a database share the market clock: while another lives its
// scale stays what it is, and a change is a conflict.
func (j *Journal) SetAnchor(ctx context.Context, a dispatch.Anchor) error {
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			// Of two nodes that start together, each with a scale of its own, the later finds the earlier's.
			if _, err := tx.Exec(ctx, `LOCK TABLE clock IN SHARE ROW EXCLUSIVE MODE`); err != nil {
				return err
			}
			var others bool
			err := tx.QueryRow(ctx, `
SELECT EXISTS (SELECT FROM clock WHERE scale <> $1)
    AND EXISTS (SELECT FROM nodes WHERE id <> $2 AND expires > clock_timestamp())`, a.Scale, j.node).Scan(&others)
			if err != nil {
				return err
			}
			if others {
				return dispatch.Errorf(dispatch.CodeConflict, "",
					"another node serves this database with another time scale; stop it first, or give the same scale")
			}
			_, err = tx.Exec(ctx, `
INSERT INTO clock (id, wall, market, scale) VALUES (1, $1, $2, $3)
ON CONFLICT (id) DO UPDATE SET wall = excluded.wall, market = excluded.market, scale = excluded.scale`,
				instant(a.Wall), instant(a.Market), a.Scale)
			return err
		})
	})
	if err != nil {
		return away("store anchor", err)
	}
	return nil
}
