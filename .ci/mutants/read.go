package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// readAll reads the mutants of a directory whose names are wanted.
func readAll(dir string, wanted *regexp.Regexp) ([]*mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.mutant"))
	if err != nil {
		return nil, err
	}
	var all []*mutant
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".mutant")
		if !wanted.MatchString(name) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		m, err := read(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no such mutant")
	}
	return all, nil
}

// read reads one mutant; the format is that of the package's comment.
func read(name, text string) (*mutant, error) {
	m := &mutant{name: name, tries: 1}
	file := ""
	var old, fresh []string
	place := func() error {
		if len(old) == 0 && len(fresh) == 0 {
			return nil
		}
		if file == "" || len(old) == 0 {
			return errors.New("a place needs a file and a line that stands there now")
		}
		m.edits = append(m.edits, edit{file, strings.Join(old, "\n"), strings.Join(fresh, "\n")})
		old, fresh = nil, nil
		return nil
	}
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		var err error
		switch key, value, _ := strings.Cut(line, ": "); {
		case key == "file":
			err = place()
			file = value
		case file == "":
			err = m.head(key, value)
		case line == "@@":
			err = place()
		case strings.HasPrefix(line, "-"):
			old = append(old, line[1:])
		case strings.HasPrefix(line, "+"):
			fresh = append(fresh, line[1:])
		case strings.HasPrefix(line, " "):
			old, fresh = append(old, line[1:]), append(fresh, line[1:])
		default:
			err = errors.New("begins with none of ' ', '-', '+', '@@' and 'file: '")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if err := place(); err != nil {
		return nil, err
	}
	if m.defect == "" || m.promise == "" || m.test == "" || len(m.edits) == 0 {
		return nil, errors.New("defect, promise, test and an edit are required")
	}
	return m, nil
}

// head takes a line before the first file.
func (m *mutant) head(key, value string) (err error) {
	switch {
	case strings.HasPrefix(key, "#"):
	case key == "defect":
		m.defect = value
	case key == "promise":
		m.promise = value
	case key == "test":
		var ok bool
		if m.pkg, m.test, ok = strings.Cut(value, " "); !ok {
			return errors.New("test: needs a package and a name")
		}
	case key == "tries":
		m.tries, err = strconv.Atoi(value)
	default:
		return fmt.Errorf("%q is no key", key)
	}
	return err
}
