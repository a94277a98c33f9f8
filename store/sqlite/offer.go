package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putOffer makes an offer or ends a live one; one that has ended never changes.
const putOffer = `
INSERT INTO offers (id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at,
    ended_at, ended_wall, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at,
    ended_wall = excluded.ended_wall, reason = excluded.reason
WHERE state = 'live' AND order_id = excluded.order_id AND driver_id = excluded.driver_id`

// writeOffers writes each offer as the batch leaves it, the ended ones first: a driver may be given a new
// offer in the batch that ends its last.
func (j *Journal) writeOffers(ctx context.Context, tx *sql.Tx, offers []dispatch.Offer, now time.Time) error {
	if len(offers) == 0 {
		return nil
	}
	put := tx.StmtContext(ctx, j.stmts.putOffer)
	last := make(map[dispatch.OfferID]int, len(offers))
	for i := range offers {
		last[offers[i].ID] = i
	}
	for _, live := range []bool{false, true} {
		for i := range offers {
			o := &offers[i]
			if last[o.ID] != i || (o.State == dispatch.OfferLive) != live {
				continue
			}
			var endedWall time.Time
			if !live {
				endedWall = now
			}
			err := one(ctx, put, "offer", o.ID, string(o.ID), string(o.Order), string(o.Market), string(o.Driver),
				string(o.State), int64(o.Pickup), int64(o.Trip), o.Source, instant(o.CreatedAt), instant(o.ExpiresAt),
				instant(o.EndedAt), instant(endedWall), text(o.Reason))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const selectOffers = `
SELECT id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at, ended_at,
    reason
FROM offers `

func scanOffer(row scanner) (dispatch.Offer, error) {
	var o dispatch.Offer
	err := row.Scan(&o.ID, &o.Order, &o.Market, &o.Driver, &o.State, &o.Pickup, &o.Trip, &o.Source,
		when(&o.CreatedAt), when(&o.ExpiresAt), when(&o.EndedAt), opt(&o.Reason))
	return o, err
}

// Offer implements store.History.
func (j *Journal) Offer(ctx context.Context, id dispatch.OfferID) (dispatch.Offer, error) {
	var o dispatch.Offer
	err := j.read(ctx, "read offer", func(ctx context.Context, db *sql.Conn) error {
		var err error
		o, err = scanOffer(db.QueryRowContext(ctx, selectOffers+`WHERE id = ? AND (state = 'live' OR ended_wall > ?)`,
			id, store.Micros(j.wall.Now().Add(-store.KeepFor))))
		return found(err, "offer")
	})
	return o, err
}

// OrderOffers implements store.History.
func (j *Journal) OrderOffers(ctx context.Context, id dispatch.OrderID) ([]dispatch.Offer, error) {
	var offers []dispatch.Offer
	err := j.read(ctx, "read offers of an order", func(ctx context.Context, db *sql.Conn) error {
		var err error
		offers, err = list(ctx, db, scanOffer, selectOffers+`WHERE order_id = ? AND (state = 'live' OR ended_wall > ?) ORDER BY created_at, id`,
			string(id), store.Micros(j.wall.Now().Add(-store.KeepFor)))
		return err
	})
	return offers, err
}

// LiveOffers implements store.History.
func (j *Journal) LiveOffers(ctx context.Context, d dispatch.DriverID) ([]dispatch.Offer, error) {
	var offers []dispatch.Offer
	err := j.read(ctx, "read live offers", func(ctx context.Context, db *sql.Conn) error {
		var err error
		offers, err = list(ctx, db, scanOffer, selectOffers+`WHERE driver_id = ? AND state = 'live' ORDER BY id`, d)
		return err
	})
	return offers, err
}
