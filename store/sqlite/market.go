package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Renew implements store.Leads: the lock of the directory stands for the lease.
func (j *Journal) Renew(context.Context) error { return nil }

// Resign implements store.Leads: Close gives the lock back.
func (j *Journal) Resign(context.Context) error { return nil }

// Lead implements store.Leads. It queues for the writer behind a commit in flight.
func (j *Journal) Lead(ctx context.Context, m dispatch.MarketID) (dispatch.Lease, error) {
	lease := dispatch.Lease{Market: m}
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
INSERT INTO markets (id, epoch) VALUES (?, 1)
ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1
RETURNING epoch, batch, last_epoch`, m).Scan(&lease.Epoch, &lease.Batch, &lease.Last)
	})
	if err != nil {
		return dispatch.Lease{}, away("lead market", err)
	}
	return lease, nil
}

// Recover implements store.Leads. It reads one snapshot.
func (j *Journal) Recover(ctx context.Context, m dispatch.MarketID) (dispatch.Recovery, error) {
	var r dispatch.Recovery
	err := j.read(ctx, "recover market", func(ctx context.Context, db *sql.Conn) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		r, err = recovery(ctx, tx, m)
		return errors.Join(err, tx.Rollback())
	})
	if err != nil {
		return dispatch.Recovery{}, err
	}
	return r, nil
}

func recovery(ctx context.Context, q querier, m dispatch.MarketID) (r dispatch.Recovery, err error) {
	err = q.QueryRowContext(ctx, `SELECT seq, at FROM markets WHERE id = ?`, m).Scan(&r.Seq, when(&r.At))
	if err != nil {
		return r, found(err, "market")
	}
	r.Orders, err = list(ctx, q, scanOrder, selectOrders+`WHERE o.market = ? AND o.closed_at IS NULL ORDER BY o.id`, m)
	if err != nil {
		return r, fmt.Errorf("orders: %w", err)
	}
	r.Offers, err = list(ctx, q, scanOffer, selectOffers+`WHERE market = ? AND state = 'live' ORDER BY id`, m)
	if err != nil {
		return r, fmt.Errorf("offers: %w", err)
	}
	r.Duties, err = list(ctx, q, scanDuty, selectDuties+`
WHERE version > 0 AND id IN (
    SELECT id FROM drivers WHERE market = ?1 AND online = 1
    UNION SELECT driver_id FROM orders WHERE market = ?1 AND closed_at IS NULL AND driver_id IS NOT NULL)
ORDER BY id`, m)
	if err != nil {
		return r, fmt.Errorf("duties: %w", err)
	}
	return r, nil
}

// Cursor implements store.Relay.
func (j *Journal) Cursor(ctx context.Context, m dispatch.MarketID) (int64, error) {
	var seq int64
	err := j.read(ctx, "read cursor", func(ctx context.Context, db *sql.Conn) error {
		return found(db.QueryRowContext(ctx, `SELECT cursor FROM markets WHERE id = ?`, m).Scan(&seq), "market")
	})
	return seq, err
}

// SetCursor implements store.Relay.
func (j *Journal) SetCursor(ctx context.Context, m dispatch.MarketID, seq int64) error {
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var set int64
		return found(tx.QueryRowContext(ctx,
			`UPDATE markets SET cursor = max(cursor, ?) WHERE id = ? RETURNING cursor`, seq, m).Scan(&set), "market")
	})
	if err != nil {
		return away("move cursor", err)
	}
	return nil
}
