package postgres

import (
	"encoding/binary"
	"time"

	"github.com/hexfleet/hexfleet/store"
)

// rows are what one statement of a commit is given: an array a column, with a value of each row. It is written in Postgres's binary format by hand: the driver's encoders look up each value's type anew, which took as
// long as the commit itself. The zero value is ready; its memory is kept from one statement to the next. Owned by
// the commit that uses it.
//
// A row is written by naming its values in the order of the statement's columns:
//
//	r.next().text(id).int(version)
type rows struct {
	columns []column // columns[:width] are in use
	width   int      // as many as the widest row has values
	n       int      // rows so far
	at      int      // the next value's column

	scalars []byte   // the values given to params, one after the other
	out     [][]byte // what params gave last
}

// column is one array so far, in the format of array_recv in Postgres's src/backend/utils/adt/arrayfuncs.c: a header
// (one dimension, whether there are NULLs, the type, how many, the first one's index), then each value with its
// length before it.
type column struct {
	nulls bool
	bytes []byte
}

// headerLen is that of an array of one dimension.
const headerLen = 20

// The types of columns, by their number in pg_type.
const (
	oidBool  = 16
	oidBytea = 17
	oidInt8  = 20
	oidText  = 25
)

// clear begins another statement.
func (r *rows) clear() { r.width, r.n, r.at = 0, 0, 0 }

// next begins a row.
func (r *rows) next() *rows {
	r.n++
	r.at = 0
	return r
}

// column gives that of the next value, begun when this is its first.
func (r *rows) column(oid uint32) *column {
	if r.at == len(r.columns) {
		r.columns = append(r.columns, column{})
	}
	c := &r.columns[r.at]
	r.at++
	if r.at > r.width {
		r.width = r.at
		c.nulls = false
		c.bytes = append(c.bytes[:0], make([]byte, headerLen)...)
		binary.BigEndian.PutUint32(c.bytes[8:], oid)
	}
	return c
}

// text adds a string.
func (r *rows) text(s string) *rows {
	c := r.column(oidText)
	c.bytes = binary.BigEndian.AppendUint32(c.bytes, uint32(len(s)))
	c.bytes = append(c.bytes, s...)
	return r
}

// opt adds a string, "" as NULL.
func (r *rows) opt(s string) *rows {
	if s == "" {
		return r.null(oidText)
	}
	return r.text(s)
}

// doc adds a document, nil as NULL.
func (r *rows) doc(doc []byte) *rows {
	if doc == nil {
		return r.null(oidText)
	}
	return r.raw(oidText, doc)
}

// bytes adds a byte string.
func (r *rows) bytes(b []byte) *rows { return r.raw(oidBytea, b) }

// int adds a number.
func (r *rows) int(v int64) *rows {
	c := r.column(oidInt8)
	c.bytes = binary.BigEndian.AppendUint32(c.bytes, 8)
	c.bytes = binary.BigEndian.AppendUint64(c.bytes, uint64(v))
	return r
}

// when adds an instant, the zero time as NULL.
func (r *rows) when(t time.Time) *rows {
	if t.IsZero() {
		return r.null(oidInt8)
	}
	return r.int(store.Micros(t))
}

// bool adds a truth value.
func (r *rows) bool(b bool) *rows {
	v := []byte{0}
	if b {
		v[0] = 1
	}
	return r.raw(oidBool, v)
}

func (r *rows) raw(oid uint32, b []byte) *rows {
	c := r.column(oid)
	c.bytes = binary.BigEndian.AppendUint32(c.bytes, uint32(len(b)))
	c.bytes = append(c.bytes, b...)
	return r
}

func (r *rows) null(oid uint32) *rows {
	c := r.column(oid)
	c.nulls = true
	c.bytes = binary.BigEndian.AppendUint32(c.bytes, 0xffffffff)
	return r
}

// params gives the statement's parameters: scalars (string, int64 or nil) first, then the columns. They are good until
// the next call of a method.
func (r *rows) params(scalars ...any) [][]byte {
	r.lead(scalars)
	for i := range r.columns[:r.width] {
		r.out = append(r.out, r.columns[i].array(r.n))
	}
	return r.out
}

// values gives the parameters as params does, but the only row's values instead of columns.
func (r *rows) values(scalars ...any) [][]byte {
	r.lead(scalars)
	for i := range r.columns[:r.width] {
		r.out = append(r.out, r.columns[i].value())
	}
	return r.out
}

// lead begins the parameters with scalars.
func (r *rows) lead(scalars []any) {
	r.out, r.scalars = r.out[:0], r.scalars[:0]
	for _, s := range scalars {
		from := len(r.scalars)
		switch v := s.(type) {
		case string:
			r.scalars = append(r.scalars, v...)
		case int64:
			r.scalars = binary.BigEndian.AppendUint64(r.scalars, uint64(v))
		case nil:
			r.out = append(r.out, nil)
			continue
		default:
			panic("a parameter is neither string nor int64")
		}
		r.out = append(r.out, r.scalars[from:len(r.scalars):len(r.scalars)])
	}
}

// array gives the column, of n values.
func (c *column) array(n int) []byte {
	binary.BigEndian.PutUint32(c.bytes[0:], 1)
	binary.BigEndian.PutUint32(c.bytes[4:], 0)
	if c.nulls {
		binary.BigEndian.PutUint32(c.bytes[4:], 1)
	}
	binary.BigEndian.PutUint32(c.bytes[12:], uint32(n))
	binary.BigEndian.PutUint32(c.bytes[16:], 1)
	return c.bytes
}

// value gives the only value, nil for NULL.
func (c *column) value() []byte {
	if c.nulls {
		return nil
	}
	return c.bytes[headerLen+4:]
}
