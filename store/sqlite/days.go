package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// SamplesDir holds the samples of trips: a database for each day of market time, so that a day is dropped by
// removing its files, and writing samples never waits for the journal's writer, or the journal for it.
const SamplesDir = "samples"

// dayLayout names a day's file; it sorts by time.
const dayLayout = "2006-01-02"

// daySchema is the whole of a day's database. The key serves the learner, which reads a market and a span.
const daySchema = `
CREATE TABLE IF NOT EXISTS samples (
    market    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    order_id  TEXT    NOT NULL,
    driver_id TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    lat       REAL    NOT NULL,
    lng       REAL    NOT NULL,
    speed_mps   REAL, -- NULL when not told
    heading_deg REAL, -- NULL when not told
    PRIMARY KEY (market, at, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS samples_order ON samples (order_id, at);
CREATE INDEX IF NOT EXISTS samples_driver ON samples (driver_id, at, order_id);`

// openDays is how many days stay open: the one that is written, the one before at midnight, and what is read.
const openDays = 4

// days are the databases of samples. An open one is used under mu: writes come every few seconds, and who reads
// samples is in no hurry.
type days struct {
	dir string // immutable

	mu   sync.Mutex
	open map[string]*sql.DB // by name of the day
	last []string           // the open ones, latest used last
}

func newDays(dir string) *days {
	return &days{dir: filepath.Join(dir, SamplesDir), open: map[string]*sql.DB{}}
}

func dayPragmas() []pragma {
	return []pragma{
		{"_journal_mode", "WAL", "journal_mode", "wal"},
		{"_synchronous", "NORMAL", "synchronous", "1"}, // whole after power loss; the last seconds are losable
		{"_busy_timeout", busyMs, "busy_timeout", busyMs},
		{"_secure_delete", "on", "secure_delete", "1"},
		{"_txlock", "immediate", "", ""},
	}
}

// dayLocked gives a day's database; one that does not exist is made when asked to, and else nil.
func (d *days) dayLocked(ctx context.Context, name string, make bool) (*sql.DB, error) {
	path := filepath.Join(d.dir, name+".db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		d.closeLocked(name) // dropped by another process
		if !make {
			return nil, nil
		}
	}
	d.last = append(slices.DeleteFunc(d.last, func(n string) bool { return n == name }), name)
	if db, ok := d.open[name]; ok {
		return db, nil
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	db, err := connect(ctx, path, dayPragmas(), 1)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, daySchema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d.open[name] = db
	for len(d.last) > openDays {
		d.closeLocked(d.last[0])
	}
	return db, nil
}

// closeLocked closes a day that is open. What its close has to say is of no use: every write was committed.
func (d *days) closeLocked(name string) {
	if db, ok := d.open[name]; ok {
		_ = db.Close()
	}
	delete(d.open, name)
	d.last = slices.DeleteFunc(d.last, func(n string) bool { return n == name })
}

func (d *days) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.open {
		d.closeLocked(name)
	}
}

// names gives the days that there are, ascending.
func (d *days) names() ([]string, error) {
	files, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, f := range files {
		name, isDB := strings.CutSuffix(f.Name(), ".db")
		if _, parse := time.Parse(dayLayout, name); isDB && parse == nil {
			names = append(names, name)
		}
	}
	return names, err
}

// use runs do on each day that there is, from first to last ("" is unbounded), until it says that it is done.
func (d *days) use(ctx context.Context, first, last string, do func(*sql.DB) (done bool, err error)) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name < first || last != "" && name > last {
			continue
		}
		done, err := d.useOne(ctx, name, do)
		if err != nil {
			return fmt.Errorf("samples of %s: %w", name, err)
		}
		if done {
			return nil
		}
	}
	return nil
}

func (d *days) useOne(ctx context.Context, name string, do func(*sql.DB) (bool, error)) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	db, err := d.dayLocked(ctx, name, false)
	if err != nil || db == nil {
		return false, err
	}
	return do(db)
}

func (d *days) drop(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closeLocked(name)
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(d.dir, name+".db"+suffix)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
