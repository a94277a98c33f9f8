package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
)

// Files gives the logs in a folder, ascending by name: by market, epoch and time.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == Suffix && !e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

// Holds tells whether a log has an id in it, of whomever: as any whole text of what was recorded or, in a log that
// is not whole, anywhere in its bytes. It says yes rather than no.
func Holds(path, id string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	l, err := Open(f)
	for err == nil {
		var e *entry
		if e, err = l.next(); err == nil && names(reflect.ValueOf(e), id) {
			return true, nil
		}
	}
	if errors.Is(err, io.EOF) && l.Ending() == Whole {
		return false, nil
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, ErrDamaged) {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return contains(f, []byte(id))
}

// names tells whether any string within v is the id.
func names(v reflect.Value, id string) bool {
	switch v.Kind() {
	case reflect.String:
		return v.String() == id
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && names(v.Elem(), id)
	case reflect.Struct:
		for i := range v.NumField() {
			if names(v.Field(i), id) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if names(v.Index(i), id) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if names(it.Key(), id) || names(it.Value(), id) {
				return true
			}
		}
	}
	return false
}

// contains looks for bytes in a file from its beginning.
func contains(f io.ReadSeeker, what []byte) (bool, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	buf := make([]byte, 0, 1<<18)
	for {
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf, what) {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		keep := min(len(buf), len(what)-1) // the id may begin here and end in what is read next
		buf = buf[:copy(buf, buf[len(buf)-keep:])]
	}
}
