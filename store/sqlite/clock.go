package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Anchor implements store.Journal.
func (j *Journal) Anchor(ctx context.Context) (dispatch.Anchor, error) {
	var a dispatch.Anchor
	err := j.read(ctx, "read anchor", func(ctx context.Context, db *sql.Conn) error {
		err := db.QueryRowContext(ctx, `SELECT wall, market, scale FROM clock`).
			Scan(when(&a.Wall), when(&a.Market), &a.Scale)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return a, err
}

// Latest implements store.Journal.
func (j *Journal) Latest(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := j.read(ctx, "read latest instant", func(ctx context.Context, db *sql.Conn) error {
		return db.QueryRowContext(ctx, `SELECT max(at) FROM markets`).Scan(when(&at))
	})
	return at, err
}

// SetAnchor implements store.Journal.
func (j *Journal) SetAnchor(ctx context.Context, a dispatch.Anchor) error {
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
INSERT INTO clock (id, wall, market, scale) VALUES (1, ?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET wall = ?1, market = ?2, scale = ?3`, instant(a.Wall), instant(a.Market), a.Scale)
		return err
	})
	if err != nil {
		return away("store anchor", err)
	}
	return nil
}
