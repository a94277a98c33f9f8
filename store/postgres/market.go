package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Recover implements store.Leads. It reads one snapshot.
func (j *Journal) Recover(ctx context.Context, m dispatch.MarketID) (dispatch.Recovery, error) {
	var r dispatch.Recovery
	err := j.ask(ctx, "recover market", j.bounds.Recover, func(ctx context.Context, conn *pgxpool.Conn) error {
		snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return begun(ctx, conn, snapshot, func(tx pgx.Tx) (err error) {
			r, err = recovery(ctx, tx, m)
			return err
		})
	})
	if err != nil {
		return dispatch.Recovery{}, err
	}
	return r, nil
}

func recovery(ctx context.Context, q querier, m dispatch.MarketID) (r dispatch.Recovery, err error) {
	err = q.QueryRow(ctx, `SELECT seq, at FROM markets WHERE id = $1`, m).Scan(&r.Seq, when(&r.At))
	if err != nil {
		return r, found(err, "market")
	}
	r.Orders, err = all(ctx, q, scanOrder, selectOrders+`WHERE o.market = $1 AND o.closed_at IS NULL ORDER BY o.id`, m)
	if err != nil {
		return r, fmt.Errorf("orders: %w", err)
	}
	r.Offers, err = all(ctx, q, scanOffer, selectOffers+`WHERE market = $1 AND state = 'live' ORDER BY id`, m)
	if err != nil {
		return r, fmt.Errorf("offers: %w", err)
	}
	r.Duties, err = all(ctx, q, scanDuty, selectDuties+`
WHERE version > 0 AND id IN (
    SELECT id FROM drivers WHERE market = $1 AND online
    UNION SELECT driver_id FROM orders WHERE market = $1 AND closed_at IS NULL AND driver_id IS NOT NULL)
ORDER BY id`, m)
	if err != nil {
		return r, fmt.Errorf("duties: %w", err)
	}
	return r, nil
}

// Cursor implements store.Relay.
func (j *Journal) Cursor(ctx context.Context, m dispatch.MarketID) (int64, error) {
	var seq int64
	err := j.read(ctx, "read cursor", func(ctx context.Context, q querier) error {
		return found(q.QueryRow(ctx, `SELECT cursor FROM markets WHERE id = $1`, m).Scan(&seq), "market")
	})
	return seq, err
}

// SetCursor implements store.Relay. It does not wait for the disk, because commits of the market would wait with it:
// a power loss may take the cursor back by what was moved in the last second, and the relay tells that again.
func (j *Journal) SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error {
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		// Sent as one, the two are one transaction.
		var batch pgx.Batch
		batch.Queue(`SELECT set_config('synchronous_commit', 'off', true)`)
		batch.Queue(`UPDATE markets SET cursor = greatest(cursor, $1) WHERE id = $2 RETURNING cursor`, seq, m)
		results := conn.SendBatch(ctx, &batch)
		_, err := results.Exec()
		if err == nil {
			err = results.QueryRow().Scan(&seq)
		}
		return errors.Join(found(err, "market"), results.Close())
	})
	if err != nil {
		return away("move cursor", err)
	}
	return nil
}
