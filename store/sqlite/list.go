package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Orders implements store.History.
func (j *Journal) Orders(ctx context.Context, f dispatch.OrderFilter) ([]dispatch.Order, error) {
	var orders []dispatch.Order
	err := j.read(ctx, "list orders", func(_ context.Context, db *sql.Conn) error {
		tx, err := db.BeginTx(ctx, nil) // one snapshot: an order may pass from one part into another
		if err != nil {
			return err
		}
		orders, err = listOrders(ctx, tx, f)
		return errors.Join(err, tx.Rollback())
	})
	return orders, err
}

func listOrders(ctx context.Context, q querier, f dispatch.OrderFilter) ([]dispatch.Order, error) {
	markets, err := list(ctx, q, func(row scanner) (m dispatch.MarketID, err error) {
		return m, row.Scan(&m)
	}, `SELECT id FROM markets ORDER BY id`)
	if err != nil {
		return nil, err
	}
	limit := max(f.Limit, 0)
	var all []dispatch.Order
	parts := store.OrderParts(f, markets)
	for i := range parts {
		p := partOf(&parts[i])
		some, err := list(ctx, q, scanOrder, p.query(), append(p.args, limit)...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if len(parts) > 1 {
		slices.SortFunc(all, func(a, b dispatch.Order) int { return cmp.Compare(b.ID, a.ID) })
	}
	return all[:min(limit, len(all))], nil
}

// part is one of the queries of a list: conditions that all hold.
type part struct {
	where []string
	args  []any
}

func (p *part) and(clause string, args ...any) {
	p.where, p.args = append(p.where, clause), append(p.args, args...)
}

// oneOf adds the condition that column is one of values, when there are any.
func oneOf[T ~string](p *part, column string, values []T) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = string(v)
	}
	p.and(fmt.Sprintf(`%s IN (%s)`, column, strings.Repeat(`, ?`, len(values))[2:]), args...)
}

func (p *part) query() string {
	query := selectOrders
	if len(p.where) > 0 {
		query += `WHERE ` + strings.Join(p.where, ` AND `)
	}
	return query + ` ORDER BY o.id DESC LIMIT ?`
}

func partOf(f *store.OrderPart) part {
	var p part
	for _, c := range []struct{ column, value string }{
		{`o.rider_id`, string(f.Rider)}, {`o.driver_id`, string(f.Driver)}, {`o.market`, string(f.Market)},
	} {
		if c.value != "" {
			p.and(c.column+` = ?`, c.value)
		}
	}
	oneOf(&p, `o.market`, f.Markets)
	switch {
	case f.Closed:
		p.and(`o.state = ? AND o.closed_at IS NOT NULL`, f.States[0])
	case f.Open:
		p.and(`o.closed_at IS NULL`)
		oneOf(&p, `o.state`, f.States)
	default:
		oneOf(&p, `o.state`, f.States)
	}
	if !f.From.IsZero() {
		p.and(`o.requested_at >= ?`, store.Micros(f.From))
	}
	if !f.To.IsZero() {
		p.and(`o.requested_at < ?`, store.Micros(f.To))
	}
	low, high := store.IDBounds(f.From, f.To)
	if low != "" {
		p.and(`o.id >= ?`, low)
	}
	if after := string(f.After); after != "" && (high == "" || after < high) {
		high = after
	}
	if high != "" {
		p.and(`o.id < ?`, high)
	}
	return p
}
