package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Orders implements store.History. All parts are one statement, which reads one snapshot: an order may pass from one
// part into another.
func (j *Journal) Orders(ctx context.Context, f dispatch.OrderFilter) ([]dispatch.Order, error) {
	var orders []dispatch.Order
	err := j.list(ctx, "list orders", func(ctx context.Context, q querier) error {
		markets, err := j.markets(ctx, q)
		if err != nil {
			return err
		}
		query, args := orderQuery(store.OrderParts(f, markets), f.Limit)
		if query != "" {
			orders, err = all(ctx, q, scanOrder, query, args...)
		}
		return err
	})
	return orders, err
}

// markets gives the markets that there are.
func (j *Journal) markets(ctx context.Context, q querier) ([]dispatch.MarketID, error) {
	return all(ctx, q, func(row scanner) (m dispatch.MarketID, err error) {
		return m, row.Scan(&m)
	}, `SELECT id FROM markets ORDER BY id`)
}

// conditions are those of a query, which all hold, and the arguments of the whole statement.
type conditions struct {
	where []string
	args  []any
}

// and adds a condition, in which %d stands for the argument's number.
func (c *conditions) and(clause string, arg any) {
	c.args = append(c.args, arg)
	c.where = append(c.where, fmt.Sprintf(clause, len(c.args)))
}

// clause gives the WHERE, "" for none.
func (c *conditions) clause() string {
	if len(c.where) == 0 {
		return ""
	}
	return `WHERE ` + strings.Join(c.where, ` AND `)
}

// orderQuery gives the statement of a list, "" of no part.
func orderQuery(parts []store.OrderPart, limit int) (string, []any) {
	args := []any{max(limit, 0)}
	var queries []string
	for i := range parts {
		c := conditions{args: args}
		orderConditions(&c, &parts[i])
		args = c.args
		queries = append(queries, `(`+selectOrders+c.clause()+` ORDER BY o.id DESC LIMIT $1)`)
	}
	switch len(queries) {
	case 0:
		return "", nil
	case 1:
		return queries[0], args
	}
	return strings.Join(queries, ` UNION ALL `) + ` ORDER BY 1 DESC LIMIT $1`, args
}

func orderConditions(c *conditions, f *store.OrderPart) {
	for _, by := range []struct{ clause, value string }{
		{`o.rider_id = $%d`, string(f.Rider)}, {`o.driver_id = $%d`, string(f.Driver)}, {`o.market = $%d`, string(f.Market)},
	} {
		if by.value != "" {
			c.and(by.clause, by.value)
		}
	}
	if len(f.Markets) > 0 {
		c.and(`o.market = ANY ($%d)`, words(f.Markets))
	}
	switch {
	case f.Closed:
		c.and(`o.closed_state = $%d`, string(f.States[0]))
	case f.Open:
		c.and(`o.closed_at IS NULL AND o.state = ANY ($%d)`, words(f.States))
	case len(f.States) > 0:
		c.and(`o.state = ANY ($%d)`, words(f.States))
	}
	if !f.From.IsZero() {
		c.and(`o.requested_at >= $%d`, store.Micros(f.From))
	}
	if !f.To.IsZero() {
		c.and(`o.requested_at < $%d`, store.Micros(f.To))
	}
	low, high := store.IDBounds(f.From, f.To)
	if low != "" {
		c.and(`o.id >= $%d`, low)
	}
	if after := string(f.After); after != "" && (high == "" || after < high) {
		high = after
	}
	if high != "" {
		c.and(`o.id < $%d`, high)
	}
}

// words gives named strings as strings, which the driver knows as text[].
func words[T ~string](list []T) []string {
	plain := make([]string, len(list))
	for i, s := range list {
		plain[i] = string(s)
	}
	return plain
}
