package sim

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hexfleet/hexfleet/geo"
)

// MaxUnix is the last second that a file may tell, the end of the year 9999: later instants have no
// RFC 3339 form.
const MaxUnix = 253402300799

// MaxBeginUnix is the last second at which a trip or a session of a file may begin, the end of the year 2261:
// positions are known by their nanoseconds since 1970, which a 64-bit number holds until April 2262.
const MaxBeginUnix = 9214646399

// FileError tells what is wrong with a file, and where.
type FileError struct {
	// Line counts from 1, the header's line.
	Line int
	// Column is the header's name of the column; "" when the whole line is meant.
	Column string
	// Detail says what is wrong and names the limit.
	Detail string
}

// Error implements error.
func (e *FileError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
	}
	return fmt.Sprintf("line %d, column %s: %s", e.Line, e.Column, e.Detail)
}

// table reads a CSV file, plain or gzip, whose columns are found by the names in its first line. Owned by
// the goroutine that reads.
type table struct {
	csv    *csv.Reader
	column map[string]int
	// header is its line, for errors.
	header string
	row    []string
	line   int
	// err is the first error of a cell of the present row.
	err error
	// ids are those given out by once.
	ids map[string]bool
}

// newTable reads the header. Gzip is told by its two magic bytes (RFC 1952, section 2.3.1).
func newTable(r io.Reader) (*table, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		in = bufio.NewReaderSize(unzipped, 64<<10)
	}
	// A byte order mark, which spreadsheets write, is no part of the first name: that may stand in quotes.
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		_, _ = in.Discard(len(mark))
	}
	c := csv.NewReader(in)
	c.ReuseRecord = true
	t := &table{csv: c, column: map[string]int{}, ids: map[string]bool{}}
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, &FileError{Line: 1, Detail: "the file is empty, a header is wanted"}
	}
	if err != nil {
		return nil, t.csvError(err)
	}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if _, twice := t.column[name]; twice {
			return nil, &FileError{Line: 1, Column: name, Detail: "stands twice in the header"}
		}
		t.column[name] = i
	}
	t.header = clip(strings.Join(header, ","))
	return t, nil
}

// want gives the first of the names that the header has, or an error that lists them.
func (t *table) want(names ...string) (string, error) {
	if name := t.have(names...); name != "" {
		return name, nil
	}
	return "", &FileError{Line: 1, Detail: fmt.Sprintf("the header has no column %s: it is %q", strings.Join(names, " or "), t.header)}
}

// have gives the first of the names that the header has, "" for none.
func (t *table) have(names ...string) string {
	for _, name := range names {
		if _, ok := t.column[name]; ok {
			return name
		}
	}
	return ""
}

// next reads the next row; false at the end.
func (t *table) next() (bool, error) {
	row, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, t.csvError(err)
	}
	t.line, _ = t.csv.FieldPos(0)
	t.row = row
	return true, nil
}

// csvError makes the errors of encoding/csv ours, and tells how far a stream was read that is cut or broken.
func (t *table) csvError(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		detail := parse.Err.Error()
		if errors.Is(err, csv.ErrFieldCount) {
			detail = fmt.Sprintf("wrong number of fields, the header has %d", len(t.column))
		}
		return &FileError{Line: parse.Line, Detail: detail}
	}
	switch {
	case t.line == 0:
		return fmt.Errorf("read the header: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read rows: the file is cut off after line %d: %w", t.line, err)
	}
	return fmt.Errorf("read rows after line %d: %w", t.line, err)
}

func (t *table) fail(column, format string, args ...any) {
	if t.err == nil {
		t.err = &FileError{Line: t.line, Column: column, Detail: fmt.Sprintf(format, args...)}
	}
}

// text gives a cell; "" when the column is "" (not in the file).
func (t *table) text(column string) string {
	if column == "" {
		return ""
	}
	cell := strings.TrimSpace(t.row[t.column[column]])
	if !utf8.ValidString(cell) {
		t.fail(column, "must be UTF-8")
		return ""
	}
	return strings.Clone(cell)
}

// once gives the id of a row; one that an earlier row has gets the line after it, as the two are different orders.
func (t *table) once(id string) string {
	for t.ids[id] {
		id += ":" + strconv.Itoa(t.line)
	}
	t.ids[id] = true
	return id
}

// number gives a cell as a number from low to high.
func (t *table) number(column string, low, high float64) float64 {
	cell := t.text(column)
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || !(v >= low && v <= high) {
		t.fail(column, "%q must be a number from %s to %s", clip(cell), plain(low), plain(high))
		return 0
	}
	return v
}

// begin gives the cell of unix seconds at which something begins, fractions allowed, to the millisecond.
func (t *table) begin(column string) time.Time { return t.instant(column, MaxBeginUnix) }

func (t *table) instant(column string, most float64) time.Time {
	ms := math.Round(1000 * t.number(column, 0, most))
	return time.UnixMilli(int64(ms)).UTC()
}

// optionalInstant is the zero Time when the column or the cell is empty.
func (t *table) optionalInstant(column string) time.Time {
	if t.text(column) == "" {
		return time.Time{}
	}
	return t.instant(column, MaxUnix)
}

func (t *table) place(lat, lng string) geo.LatLng {
	return geo.LatLng{Lat: t.number(lat, -90, 90), Lng: t.number(lng, -180, 180)}
}

// rows reads what follows the header, once the wanted columns are there; rows that keep refuses are left
// unread.
func rows[T any](r io.Reader, wanted []string, keep func(*table) bool, row func(*table) T) ([]T, error) {
	t, err := newTable(r)
	if err != nil {
		return nil, err
	}
	for _, name := range wanted {
		if _, err := t.want(name); err != nil {
			return nil, err
		}
	}
	var all []T
	for {
		more, err := t.next()
		if err != nil || !more {
			return all, err
		}
		if !keep(t) {
			continue
		}
		value := row(t)
		if t.err != nil {
			return nil, t.err
		}
		all = append(all, value)
	}
}

// everyRow keeps all rows.
func everyRow(*table) bool { return true }

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// clip shortens a cell for an error.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// readFile opens path for read and names it in every error.
func readFile[T any](path string, read func(io.Reader) ([]T, error)) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // a *PathError: it names the file and what was done
	}
	defer f.Close()
	values, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}
