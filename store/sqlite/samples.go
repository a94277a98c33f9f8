package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// AddSamples implements store.Samples.
func (j *Journal) AddSamples(ctx context.Context, samples []dispatch.Sample) error {
	byDay := map[string][]dispatch.Sample{}
	for _, s := range samples {
		name := s.At.UTC().Format(dayLayout)
		byDay[name] = append(byDay[name], s)
	}
	return j.samples("keep samples", func() error {
		for name, of := range byDay {
			if err := j.days.add(ctx, name, of); err != nil {
				return fmt.Errorf("samples of %s: %w", name, err)
			}
		}
		return nil
	})
}

func (d *days) add(ctx context.Context, name string, samples []dispatch.Sample) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	db, err := d.dayLocked(ctx, name, true)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	put, err := tx.PrepareContext(ctx, `INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer put.Close()
	for i := range samples {
		s := &samples[i]
		_, err := put.ExecContext(ctx, string(s.Market), s.At.UnixMicro(), string(s.Order), string(s.Driver),
			string(s.State), s.Lat, s.Lng, number(s.SpeedMps), number(s.HeadingDeg))
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// number is how a number that may be NaN is kept: as NULL then.
func number(f float64) any {
	if math.IsNaN(f) {
		return nil
	}
	return f
}

// Samples implements store.Samples.
func (j *Journal) Samples(ctx context.Context, f dispatch.SampleFilter) ([]dispatch.Sample, error) {
	first, last := "", ""
	if f.After != nil && f.After.At.After(f.From) {
		f.From = f.After.At
	}
	if !f.From.IsZero() {
		first = f.From.UTC().Format(dayLayout)
	}
	if !f.To.IsZero() {
		last = f.To.UTC().Format(dayLayout)
	}
	var all []dispatch.Sample
	err := j.samples("read samples", func() error {
		return j.days.use(ctx, first, last, func(db *sql.DB) (bool, error) {
			query, args := sampleQuery(&f, f.Limit-len(all))
			some, err := list(ctx, db, scanSample, query, args...)
			all = append(all, some...)
			return len(all) >= f.Limit, err
		})
	})
	return all, err
}

func sampleQuery(f *dispatch.SampleFilter, limit int) (string, []any) {
	var p part
	for _, c := range []struct{ column, value string }{
		{"market", string(f.Market)}, {"order_id", string(f.Order)}, {"driver_id", string(f.Driver)},
	} {
		if c.value != "" {
			p.and(c.column+` = ?`, c.value)
		}
	}
	if !f.From.IsZero() {
		p.and(`at >= ?`, f.From.UnixMicro())
	}
	if !f.To.IsZero() {
		p.and(`at < ?`, f.To.UnixMicro())
	}
	if f.After != nil {
		p.and(`(at, order_id) > (?, ?)`, f.After.At.UnixMicro(), string(f.After.Order))
	}
	query := `SELECT market, at, order_id, driver_id, state, lat, lng, speed_mps, heading_deg FROM samples`
	if len(p.where) > 0 {
		query += ` WHERE ` + strings.Join(p.where, ` AND `)
	}
	return query + ` ORDER BY at, order_id LIMIT ?`, append(p.args, max(limit, 0))
}

func scanSample(row scanner) (dispatch.Sample, error) {
	var s dispatch.Sample
	var speed, heading sql.NullFloat64
	err := row.Scan(&s.Market, when(&s.At), &s.Order, &s.Driver, &s.State, &s.Lat, &s.Lng, &speed, &heading)
	s.SpeedMps, s.HeadingDeg, s.AccuracyM = math.NaN(), math.NaN(), math.NaN()
	if speed.Valid {
		s.SpeedMps = speed.Float64
	}
	if heading.Valid {
		s.HeadingDeg = heading.Float64
	}
	return s, err
}

// DropSamples implements store.Samples.
func (j *Journal) DropSamples(ctx context.Context, before time.Time) (int, error) {
	dropped := 0
	limit := store.Day(before).Format(dayLayout) // the day in which before lies stays
	err := j.samples("drop samples", func() error {
		names, err := j.days.names()
		if err != nil {
			return err
		}
		for _, name := range names {
			if name >= limit || ctx.Err() != nil {
				break
			}
			if err := j.days.drop(name); err != nil {
				return err
			}
			dropped++
		}
		return ctx.Err()
	})
	return dropped, err
}

// EraseSamples implements store.Samples. The files are rewritten where something was deleted.
func (j *Journal) EraseSamples(ctx context.Context, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error) {
	var total int64
	err := j.samples("erase samples", func() error {
		return j.days.use(ctx, "", "", func(db *sql.DB) (bool, error) {
			n, err := eraseSamples(ctx, db, d, orders)
			total += n
			if err == nil && n > 0 {
				_, err = db.ExecContext(ctx, `VACUUM; PRAGMA wal_checkpoint(TRUNCATE)`)
			}
			return false, err
		})
	})
	return total, err
}

func eraseSamples(ctx context.Context, db *sql.DB, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	var total int64
	remove := func(column, id string) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM samples WHERE `+column+` = ?`, id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		total += n
		return err
	}
	if d != "" {
		if err := remove("driver_id", string(d)); err != nil {
			return 0, err
		}
	}
	for _, id := range orders {
		if err := remove("order_id", string(id)); err != nil {
			return 0, err
		}
	}
	return total, tx.Commit()
}

// samples runs what is about samples while the journal is open.
func (j *Journal) samples(doing string, do func() error) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return away(doing, sql.ErrConnDone)
	}
	if err := do(); err != nil {
		return away(doing, err)
	}
	return nil
}

// countSamples counts what EraseSamples would delete.
func (j *Journal) countSamples(ctx context.Context, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error) {
	var total int64
	count := func(db *sql.DB, column, id string) error {
		var n int64
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM samples WHERE `+column+` = ?`, id).Scan(&n)
		total += n
		return err
	}
	err := j.samples("count samples", func() error {
		return j.days.use(ctx, "", "", func(db *sql.DB) (bool, error) {
			if d != "" {
				if err := count(db, "driver_id", string(d)); err != nil {
					return false, err
				}
			}
			for _, id := range orders {
				if err := count(db, "order_id", string(id)); err != nil {
					return false, err
				}
			}
			return false, nil
		})
	})
	return total, err
}
