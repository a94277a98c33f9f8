package postgres

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/store"
)

// instant is how an instant is kept: the zero time as NULL.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return store.Micros(t)
}

// optional reads a string that may be NULL into the string it points at.
type optional[T ~string] struct{ to *T }

// Scan implements sql.Scanner.
func (o optional[T]) Scan(src any) error {
	var s sql.NullString
	err := s.Scan(src)
	*o.to = T(s.String)
	return err
}

func opt[T ~string](to *T) optional[T] { return optional[T]{to} }

// moment reads an instant that may be NULL.
type moment struct{ to *time.Time }

// Scan implements sql.Scanner.
func (m moment) Scan(src any) error {
	var us sql.NullInt64
	err := us.Scan(src)
	*m.to = store.Instant(us.Int64)
	return err
}

func when(to *time.Time) moment { return moment{to} }

// decoded reads a document that may be NULL with one of store's decoders.
type decoded[T any] struct {
	to     *T
	decode func([]byte) (T, error)
}

// Scan implements sql.Scanner.
func (d decoded[T]) Scan(src any) error {
	var doc sql.NullString
	if err := doc.Scan(src); err != nil {
		return err
	}
	var err error
	*d.to, err = d.decode([]byte(doc.String))
	return err
}

func doc[T any](to *T, decode func([]byte) (T, error)) decoded[T] { return decoded[T]{to, decode} }

func decodeTags(doc []byte) ([]string, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	var list []string
	if err := json.Unmarshal(doc, &list); err != nil {
		return nil, fmt.Errorf("decode list: %w", err)
	}
	return list, nil
}
