package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

const insertExplanations = `
INSERT INTO explanations (order_id, at, round, market, drivers, doc)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])
ON CONFLICT DO NOTHING`

// AddExplanations implements store.Explanations. They wait for no disk: explanations are losable.
func (j *Journal) AddExplanations(ctx context.Context, es []dispatch.Explanation) error {
	if len(es) == 0 {
		return nil
	}
	n := len(es)
	orders, markets, drivers, docs := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	at, rounds := make([]int64, n), make([]int64, n)
	for i := range es {
		e := &es[i]
		ids, doc, err := store.EncodeExplanation(e)
		if err != nil {
			return away("keep explanations", fmt.Errorf("explanation of %s: %w", e.Order, err))
		}
		orders[i], markets[i], drivers[i], docs[i] = string(e.Order), string(e.Market), string(ids), string(doc)
		at[i], rounds[i] = store.Micros(e.At), e.Round
	}
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, insertExplanations, orders, at, rounds, markets, drivers, docs)
			return err
		})
	})
	if err != nil {
		return away("keep explanations", err)
	}
	return nil
}

// Explanations implements store.Explanations.
func (j *Journal) Explanations(ctx context.Context, id dispatch.OrderID, limit int) ([]dispatch.Explanation, error) {
	var es []dispatch.Explanation
	err := j.read(ctx, "read explanations", func(ctx context.Context, q querier) error {
		var err error
		es, err = all(ctx, q, scanExplanation, `SELECT order_id, at, round, market, drivers, doc FROM explanations
WHERE order_id = $1 ORDER BY at DESC, round DESC LIMIT $2`, string(id), max(limit, 0))
		return err
	})
	slices.Reverse(es)
	return es, err
}

func scanExplanation(row scanner) (dispatch.Explanation, error) {
	var order dispatch.OrderID
	var at time.Time
	var round int64
	var market dispatch.MarketID
	var drivers, doc string
	if err := row.Scan(&order, when(&at), &round, &market, &drivers, &doc); err != nil {
		return dispatch.Explanation{}, err
	}
	e, err := store.DecodeExplanation([]byte(drivers), []byte(doc))
	e.Order, e.At, e.Round, e.Market = order, at, round, market
	return e, err
}

// OrderOffers implements store.History: what an explanation is told with.
func (j *Journal) OrderOffers(ctx context.Context, id dispatch.OrderID) ([]dispatch.Offer, error) {
	var offers []dispatch.Offer
	err := j.read(ctx, "read offers of an order", func(ctx context.Context, q querier) error {
		var err error
		offers, err = all(ctx, q, scanOffer, selectOffers+`WHERE order_id = $1 AND (state = 'live' OR ended_wall > $2) ORDER BY created_at, id`,
			id, store.Micros(j.wall.Now().Add(-store.KeepFor)))
		return err
	})
	return offers, err
}

// explanationRows is how many rows one statement deletes, or looks at for a driver.
const explanationRows = 2000

// DropExplanations implements store.Explanations.
func (j *Journal) DropExplanations(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for more := true; more; {
		n, err := j.change(ctx, `DELETE FROM explanations WHERE ctid = ANY (ARRAY
    (SELECT ctid FROM explanations WHERE at < $1 ORDER BY at LIMIT $2))`, store.Micros(before), explanationRows)
		total += n
		more = n == explanationRows
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return total, away("drop explanations", err)
		}
	}
	return total, nil
}

// change runs one statement in a transaction of its own and gives how many rows it changed.
func (j *Journal) change(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, sql, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// EraseExplanations implements store.Explanations.
func (j *Journal) EraseExplanations(
	ctx context.Context, d dispatch.DriverID, pseudonym string, orders []dispatch.OrderID,
) (int64, error) {
	var total int64
	for some := range slices.Chunk(orders, eraseRows) {
		n, err := j.change(ctx, `DELETE FROM explanations WHERE order_id = ANY ($1)`, words(some))
		if total += n; err != nil {
			return total, away("erase explanations", err)
		}
	}
	if d == "" {
		return total, nil
	}
	n, err := j.renameExplained(ctx, d, pseudonym)
	if total += n; err != nil {
		return total, away("erase explanations", err)
	}
	return total, nil
}

// explained is a row's key and drivers.
type explained struct {
	order     string
	at, round int64
	drivers   string
}

func scanExplained(row scanner) (r explained, err error) {
	return r, row.Scan(&r.order, &r.at, &r.round, &r.drivers)
}

// renameExplained looks at every row, a page at a time.
func (j *Journal) renameExplained(ctx context.Context, d dispatch.DriverID, pseudonym string) (total int64, err error) {
	last := explained{}
	for more := true; more; {
		var page []explained
		err := j.list(ctx, "read explanations", func(ctx context.Context, q querier) error {
			var err error
			page, err = all(ctx, q, scanExplained, `SELECT order_id, at, round, drivers FROM explanations
WHERE (order_id, at, round) > ($1, $2, $3) ORDER BY order_id, at, round LIMIT $4`, last.order, last.at, last.round, explanationRows)
			return err
		})
		if err != nil {
			return total, err
		}
		more = len(page) == explanationRows
		for _, r := range page {
			last = r
			as, named := store.RewrittenDrivers(r.drivers, d, pseudonym)
			if !named {
				continue
			}
			n, err := j.change(ctx, `UPDATE explanations SET drivers = $1 WHERE order_id = $2 AND at = $3 AND round = $4`, as, r.order, r.at, r.round)
			if total += n; err != nil {
				return total, err
			}
		}
	}
	return total, nil
}
