package postgres

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putOffers makes offers or ends live ones; one that has ended never changes.
func putOffers(list func(...string) string) string {
	return `
WITH stood AS (
    INSERT INTO offers AS o (id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at,
        expires_at, ended_at, ended_wall, reason)
    SELECT ` + list("$2 text", "$3 text", "$4 text", "$5 text", "$6 text", "$7 bigint", "$8 bigint", "$9 text", "$10 bigint",
		"$11 bigint", "$12 bigint", "$13 bigint", "$14 text") + `
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at,
        ended_wall = excluded.ended_wall, reason = excluded.reason
    WHERE o.state = 'live' AND o.order_id = excluded.order_id AND o.driver_id = excluded.driver_id
    RETURNING 1)
SELECT journal_all('offers', count(*), $1::bigint) FROM stood HAVING count(*) <> $1::bigint`
}

// offers writes each offer as the batch leaves it, the ended ones first: a driver may be given a new offer in the
// batch that ends its last.
func (w *writer) offers(offers []dispatch.Offer, now time.Time) {
	if len(offers) == 0 {
		return
	}
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
			w.rows.next().text(string(o.ID)).text(string(o.Order)).text(string(o.Market)).text(string(o.Driver)).
				text(string(o.State)).int(int64(o.Pickup)).int(int64(o.Trip)).text(o.Source).when(o.CreatedAt).
				when(o.ExpiresAt).when(o.EndedAt).when(endedWall).opt(o.Reason)
		}
		if n := w.rows.n; n > 0 {
			w.send(stmtOffers, int64(n))
		}
	}
}

const selectOffers = `
SELECT id, order_id, market, driver_id, state, pickup_ns, trip_ns, source, created_at, expires_at, ended_at,
    reason
FROM offers `

func scanOffer(row scanner) (dispatch.Offer, error) {
	var o dispatch.Offer
	var pickup, trip int64
	err := row.Scan(&o.ID, &o.Order, &o.Market, &o.Driver, &o.State, &pickup, &trip, &o.Source,
		when(&o.CreatedAt), when(&o.ExpiresAt), when(&o.EndedAt), opt(&o.Reason))
	o.Pickup, o.Trip = time.Duration(pickup), time.Duration(trip)
	return o, err
}

// Offer implements store.History.
func (j *Journal) Offer(ctx context.Context, id dispatch.OfferID) (dispatch.Offer, error) {
	var o dispatch.Offer
	err := j.read(ctx, "read offer", func(ctx context.Context, q querier) error {
		var err error
		o, err = scanOffer(q.QueryRow(ctx, selectOffers+`WHERE id = $1 AND (state = 'live' OR ended_wall > $2)`,
			id, store.Micros(j.wall.Now().Add(-store.KeepFor))))
		return found(err, "offer")
	})
	return o, err
}

// LiveOffers implements store.History.
func (j *Journal) LiveOffers(ctx context.Context, d dispatch.DriverID) ([]dispatch.Offer, error) {
	var offers []dispatch.Offer
	err := j.read(ctx, "read live offers", func(ctx context.Context, q querier) error {
		var err error
		offers, err = all(ctx, q, scanOffer, selectOffers+`WHERE driver_id = $1 AND state = 'live' ORDER BY id`, d)
		return err
	})
	return offers, err
}
