package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Partitions of samples are named after their day: samples_20260531.
const (
	partitionPrefix = "samples_"
	partitionLayout = "20060102"
)

// codeNoPartition is a row for which there is no partition.
const codeNoPartition = "23514"

// partitions are the days whose partition is known to be there, so that none is asked for twice. One may have been
// dropped by another node: then the next write finds out.
type partitions struct {
	mu    sync.Mutex
	known map[string]bool // guarded by mu
}

// missing gives those of the days that are not known.
func (p *partitions) missing(days []time.Time) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(days, func(d time.Time) bool { return p.known[d.Format(partitionLayout)] })
}

func (p *partitions) set(day time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]bool{}
	}
	p.known[day.Format(partitionLayout)] = true
}

func (p *partitions) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = nil
}

const insertSamples = `
INSERT INTO samples (market, at, order_id, driver_id, state, lat, lng, speed_mps, heading_deg)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[],
    $8::float8[], $9::float8[])
ON CONFLICT DO NOTHING`

// AddSamples implements store.Samples. They wait for no disk: samples are losable.
func (j *Journal) AddSamples(ctx context.Context, samples []dispatch.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	var err error
	for range 2 { // again when a day was dropped meanwhile
		if err = j.makePartitions(ctx, samples); err != nil {
			break
		}
		err = j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
			return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, insertSamples, sampleColumns(samples)...)
				return err
			})
		})
		if codeOf(err) != codeNoPartition {
			break
		}
		j.partitions.clear()
	}
	if err != nil {
		return away("keep samples", err)
	}
	return nil
}

// sampleColumns gives an array a column.
func sampleColumns(samples []dispatch.Sample) []any {
	n := len(samples)
	markets, orders, drivers, states := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	at, lat, lng := make([]int64, n), make([]float64, n), make([]float64, n)
	speed, heading := make([]*float64, n), make([]*float64, n)
	for i := range samples {
		s := &samples[i]
		markets[i], orders[i], drivers[i], states[i] = string(s.Market), string(s.Order), string(s.Driver), string(s.State)
		at[i], lat[i], lng[i] = s.At.UnixMicro(), s.Lat, s.Lng
		speed[i], heading[i] = number(s.SpeedMps), number(s.HeadingDeg)
	}
	return []any{markets, at, orders, drivers, states, lat, lng, speed, heading}
}

// number is how a number that may be NaN is kept: as NULL then.
func number(f float64) *float64 {
	if math.IsNaN(f) {
		return nil
	}
	return &f
}

// makePartitions makes those of the samples' days, and of the day after each: at midnight it is there.
func (j *Journal) makePartitions(ctx context.Context, samples []dispatch.Sample) error {
	var days []time.Time
	for i := range samples {
		day := store.Day(samples[i].At)
		days = append(days, day, day.AddDate(0, 0, 1))
	}
	slices.SortFunc(days, time.Time.Compare)
	for _, day := range j.partitions.missing(slices.CompactFunc(days, time.Time.Equal)) {
		err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
			_, err := conn.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF samples FOR VALUES FROM (%d) TO (%d)`,
				partitionPrefix+day.Format(partitionLayout), day.UnixMicro(), day.AddDate(0, 0, 1).UnixMicro()))
			return err
		})
		if err != nil && codeOf(err) != codeUnique { // two nodes that make it at once: one is told that it is there
			return fmt.Errorf("make a partition: %w", err)
		}
		j.partitions.set(day)
	}
	return nil
}

// codeUnique is what the second of two that make one table at the same moment is told.
const codeUnique = "23505"

// Samples implements store.Samples.
func (j *Journal) Samples(ctx context.Context, f dispatch.SampleFilter) ([]dispatch.Sample, error) {
	var c conditions
	for _, by := range []struct{ clause, value string }{
		{`market = $%d`, string(f.Market)}, {`order_id = $%d`, string(f.Order)}, {`driver_id = $%d`, string(f.Driver)},
	} {
		if by.value != "" {
			c.and(by.clause, by.value)
		}
	}
	if f.After != nil && f.After.At.After(f.From) {
		f.From = f.After.At // tells which partitions need not be looked at
	}
	if !f.From.IsZero() {
		c.and(`at >= $%d`, f.From.UnixMicro())
	}
	if !f.To.IsZero() {
		c.and(`at < $%d`, f.To.UnixMicro())
	}
	if f.After != nil {
		c.args = append(c.args, f.After.At.UnixMicro(), string(f.After.Order))
		c.where = append(c.where, fmt.Sprintf(`(at, order_id) > ($%d, $%d)`, len(c.args)-1, len(c.args)))
	}
	query := fmt.Sprintf(`SELECT market, at, order_id, driver_id, state, lat, lng, speed_mps, heading_deg FROM samples %s
ORDER BY at, order_id LIMIT %d`, c.clause(), max(f.Limit, 0))
	var samples []dispatch.Sample
	err := j.list(ctx, "read samples", func(ctx context.Context, q querier) error {
		var err error
		samples, err = all(ctx, q, scanSample, query, c.args...)
		return err
	})
	return samples, err
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
	var names []string
	err := j.list(ctx, "read partitions", func(ctx context.Context, q querier) error {
		var err error
		names, err = all(ctx, q, func(row scanner) (name string, err error) { return name, row.Scan(&name) },
			`SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'samples'::regclass ORDER BY c.relname`)
		return err
	})
	dropped := 0
	limit := store.Day(before) // the day in which before lies stays
	for _, name := range names {
		day, parse := time.Parse(partitionLayout, strings.TrimPrefix(name, partitionPrefix))
		if err != nil || parse != nil || !day.Before(limit) {
			continue
		}
		err = j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
			_, err := conn.Exec(ctx, `DROP TABLE IF EXISTS `+pgx.Identifier{name}.Sanitize())
			return err
		})
		dropped++
	}
	j.partitions.clear()
	if err != nil {
		return dropped, away("drop samples", err)
	}
	return dropped, nil
}

// EraseSamples implements store.Samples, in bites of as many orders as one statement deletes in a moment.
func (j *Journal) EraseSamples(ctx context.Context, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error) {
	var total int64
	erase := func(clause string, arg any) error {
		err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
			tag, err := conn.Exec(ctx, `DELETE FROM samples WHERE `+clause, arg)
			total += tag.RowsAffected()
			return err
		})
		if err != nil {
			return away("erase samples", err)
		}
		return nil
	}
	if d != "" {
		if err := erase(`driver_id = $1`, string(d)); err != nil {
			return total, err
		}
	}
	for some := range slices.Chunk(orders, eraseRows) {
		if err := erase(`order_id = ANY ($1)`, words(some)); err != nil {
			return total, err
		}
	}
	return total, nil
}

// countSamples counts what EraseSamples would delete.
func (j *Journal) countSamples(ctx context.Context, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error) {
	var n int64
	err := j.list(ctx, "count samples", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT count(*) FROM samples WHERE driver_id = nullif($1, '') OR order_id = ANY ($2)`,
			string(d), words(orders)).Scan(&n)
	})
	return n, err
}

// SaveLearnt implements store.Learnt.
func (j *Journal) SaveLearnt(ctx context.Context, m dispatch.MarketID, name string, doc []byte) error {
	if doc == nil {
		doc = []byte{}
	}
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, `INSERT INTO learnt (market, name, doc) VALUES ($1, $2, $3)
ON CONFLICT (market, name) DO UPDATE SET doc = excluded.doc`, string(m), name, doc)
		return err
	})
	if err != nil {
		return away("save what was learnt", err)
	}
	return nil
}

// Learnt implements store.Learnt.
func (j *Journal) Learnt(ctx context.Context, m dispatch.MarketID, name string) ([]byte, bool, error) {
	var doc []byte
	known := true
	err := j.list(ctx, "read what was learnt", func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT doc FROM learnt WHERE market = $1 AND name = $2`, string(m), name).Scan(&doc)
		if errors.Is(err, pgx.ErrNoRows) {
			known = false
			return nil
		}
		return err
	})
	return doc, known && err == nil, err
}
