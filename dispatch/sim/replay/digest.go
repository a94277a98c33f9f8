package replay

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/market"
)

// Sum is the digest of one field of a step's effects: the first 8 bytes of the SHA-256 of its canonical form. A log
// holds digests and not the effects: they are a tenth of the size, and a replay has the effects itself. One for
// each field tells which differs.
type Sum struct {
	Field string
	Hash  uint64
}

// summer digests effects. Owned by one goroutine.
type summer struct {
	fields map[reflect.Type][]field
	buf    []byte
}

type field struct {
	index int
	name  string
}

func newSummer() *summer { return &summer{fields: map[reflect.Type][]field{}} }

// sums digests each field that is not zero, in their order.
func (s *summer) sums(out *market.Effects) ([]Sum, error) {
	v := reflect.ValueOf(out).Elem()
	var sums []Sum
	for _, f := range s.of(v.Type()) {
		part := v.Field(f.index)
		if zero(part) {
			continue
		}
		buf, err := s.append(s.buf[:0], part)
		if err != nil {
			return nil, fmt.Errorf("digest %s: %w", f.name, err)
		}
		s.buf = buf
		hash := sha256.Sum256(buf)
		sums = append(sums, Sum{f.name, binary.BigEndian.Uint64(hash[:])})
	}
	return sums, nil
}

// of gives the fields of a struct.
func (s *summer) of(t reflect.Type) []field {
	fields, known := s.fields[t]
	if !known {
		for i := range t.NumField() {
			fields = append(fields, field{i, t.Field(i).Name})
		}
		s.fields[t] = fields
	}
	return fields
}

// zero tells what has no canonical form: a field that says nothing digests as if it were not there, so that a field
// that is added leaves the digests of before as they were.
func zero(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		if at, is := v.Interface().(time.Time); is {
			return at.IsZero()
		}
	}
	return v.IsZero()
}

// append adds the canonical form of a value: numbers at fixed length, lengths before what has one, struct fields by
// name, maps by ascending keys, instants by their nanoseconds, errors by their text. It tells values of one type
// apart, and no more.
func (s *summer) append(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float())), nil
	case reflect.String:
		return text(b, v.String()), nil
	case reflect.Pointer, reflect.Interface:
		return s.pointed(b, v)
	case reflect.Struct:
		return s.record(b, v)
	case reflect.Slice, reflect.Array:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		var err error
		for i := 0; i < v.Len() && err == nil; i++ {
			b, err = s.append(b, v.Index(i))
		}
		return b, err
	case reflect.Map:
		return s.table(b, v)
	}
	return b, fmt.Errorf("a %s has no canonical form", v.Type())
}

func text(b []byte, t string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(t))), t...)
}

func (s *summer) pointed(b []byte, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return append(b, 0), nil
	}
	b = append(b, 1)
	if v.Kind() == reflect.Pointer {
		return s.append(b, v.Elem())
	}
	if err, is := v.Interface().(error); is {
		return text(b, err.Error()), nil
	}
	return s.append(text(b, v.Elem().Type().String()), v.Elem())
}

func (s *summer) record(b []byte, v reflect.Value) ([]byte, error) {
	if at, is := v.Interface().(time.Time); is {
		return binary.BigEndian.AppendUint64(b, uint64(at.UnixNano())), nil //nolint:gosec // two's complement
	}
	var err error
	for _, f := range s.of(v.Type()) {
		if part := v.Field(f.index); !zero(part) {
			if b, err = s.append(text(b, f.name), part); err != nil {
				return b, err
			}
		}
	}
	return append(b, 0), nil // no field has an empty name
}

func (s *summer) table(b []byte, v reflect.Value) ([]byte, error) {
	type pair struct {
		key   []byte
		value reflect.Value
	}
	var pairs []pair
	for it := v.MapRange(); it.Next(); {
		key, err := s.append(nil, it.Key())
		if err != nil {
			return b, err
		}
		pairs = append(pairs, pair{key, it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(string(a.key), string(b.key)) })
	b = binary.AppendUvarint(b, uint64(len(pairs)))
	var err error
	for _, p := range pairs {
		if b, err = s.append(append(b, p.key...), p.value); err != nil {
			return b, err
		}
	}
	return b, nil
}
