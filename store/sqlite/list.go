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

// Orders implements store.History. A list is read in parts, each of which one index gives in its order, and merged:
// a condition with OR over several markets or states would have SQLite read and sort all that match.
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
	parts := orderParts(f, markets)
	for i := range parts {
		some, err := list(ctx, q, scanOrder, parts[i].query(), append(parts[i].args, limit)...)
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

func (p *part) query() string {
	query := selectOrders
	if len(p.where) > 0 {
		query += `WHERE ` + strings.Join(p.where, ` AND `)
	}
	return query + ` ORDER BY o.id DESC LIMIT ?`
}

// clone gives a part that can go on by itself.
func (p *part) clone() part { return part{slices.Clone(p.where), slices.Clone(p.args)} }

// orderParts gives the parts of a list. By rider or driver it is one: nobody has so many orders that the rest of
// the filter needs an index.
func orderParts(f dispatch.OrderFilter, known []dispatch.MarketID) []part {
	base := orderBounds(f)
	if f.Rider != "" || f.Driver != "" {
		if f.Market != "" {
			base.and(`o.market = ?`, f.Market)
		}
		oneOf(&base, `o.market`, f.Markets)
		oneOf(&base, `o.state`, f.States)
		return []part{base}
	}
	markets := known
	if f.Market != "" {
		markets = []dispatch.MarketID{f.Market}
	}
	if len(f.Markets) > 0 {
		markets = slices.DeleteFunc(slices.Clone(markets), func(m dispatch.MarketID) bool { return !slices.Contains(f.Markets, m) })
	}
	if f.Market == "" && len(f.Markets) == 0 && len(f.States) == 0 {
		return []part{base} // all there is, by id
	}
	var parts []part
	for _, m := range markets {
		p := base.clone()
		p.and(`o.market = ?`, m)
		parts = append(parts, stateParts(&p, f.States)...)
	}
	return parts
}

// stateParts parts a market's list by state: the open orders are few and have an index without the state, each
// closed state has its own place in another.
func stateParts(p *part, states []dispatch.State) []part {
	if len(states) == 0 {
		return []part{*p}
	}
	var parts []part
	var open []dispatch.State
	for _, s := range states {
		if !s.Closed() {
			open = append(open, s)
			continue
		}
		one := p.clone()
		one.and(`o.state = ?`, s)
		one.and(`o.closed_at IS NOT NULL`)
		parts = append(parts, one)
	}
	if len(open) > 0 {
		one := p.clone()
		one.and(`o.closed_at IS NULL`)
		oneOf(&one, `o.state`, open)
		parts = append(parts, one)
	}
	return parts
}

// orderBounds is what bounds every part.
func orderBounds(f dispatch.OrderFilter) part {
	var p part
	if f.Rider != "" {
		p.and(`o.rider_id = ?`, f.Rider)
	}
	if f.Driver != "" {
		p.and(`o.driver_id = ?`, f.Driver)
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
