package sqlite

import (
	"context"
	"database/sql"
)

// scanner is a row to be read: *sql.Row or *sql.Rows.
type scanner interface{ Scan(into ...any) error }

// querier is what reads: a reader or one transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list reads all rows of a query.
func list[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// exists is not_found when the query gives no row.
func exists(ctx context.Context, q querier, what, query string, args ...any) error {
	var n int
	return found(q.QueryRowContext(ctx, query, args...).Scan(&n), what)
}
