package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// online takes a driver on duty, or changes its duty, unless it is on duty in another market or another
// market's claim stands: a claim that ran out before its driver.online was committed may have been followed
// by one elsewhere. ?9 is the wall instant after which a claim stands.
const online = `
INSERT INTO drivers (id, version, market, online, vehicle_class, capacity, tags, since)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?2 = 1 OR EXISTS (SELECT 1 FROM drivers WHERE id = ?1)
ON CONFLICT (id) DO UPDATE SET version = ?2, market = ?3, online = ?4, vehicle_class = ?5, capacity = ?6,
    tags = ?7, since = ?8, claim_market = NULL, claimed_at = NULL
WHERE version = ?2 - 1 AND (online = 0 OR market = ?3)
    AND (claim_market IS NULL OR claim_market = ?3 OR claimed_at <= ?9)`

// offline frees the driver; one on duty has no claim to forget.
const offline = `
UPDATE drivers SET version = ?2, online = ?4, vehicle_class = ?5, capacity = ?6, tags = ?7, since = ?8
WHERE id = ?1 AND version = ?2 - 1 AND market = ?3`

// dutyWriter writes the rows of drivers within one transaction.
type dutyWriter struct{ online, offline *sql.Stmt }

func (j *Journal) dutyWriter(ctx context.Context, tx *sql.Tx) dutyWriter {
	return dutyWriter{
		online:  tx.StmtContext(ctx, j.stmts.online),
		offline: tx.StmtContext(ctx, j.stmts.offline),
	}
}

func (w dutyWriter) write(ctx context.Context, d *dispatch.Duty, now time.Time) error {
	tags, err := texts(d.Tags)
	if err != nil {
		return fmt.Errorf("encode tags: %w", err)
	}
	args := []any{
		string(d.Driver), d.Version, string(d.Market), d.Online, d.VehicleClass, d.Capacity, tags, instant(d.Since),
	}
	if d.Online {
		return one(ctx, w.online, "duty of version", d.Version, append(args, store.Micros(now.Add(-store.ClaimFor)))...)
	}
	return one(ctx, w.offline, "duty of version", d.Version, args...)
}

const selectDuties = `
SELECT id, market, version, online, vehicle_class, capacity, tags, since FROM drivers `

func scanDuty(row scanner) (dispatch.Duty, error) {
	var d dispatch.Duty
	err := row.Scan(&d.Driver, &d.Market, &d.Version, &d.Online, &d.VehicleClass, &d.Capacity,
		doc(&d.Tags, decodeTexts), when(&d.Since))
	return d, err
}

// Duty implements store.Duties.
func (j *Journal) Duty(ctx context.Context, d dispatch.DriverID) (dispatch.Duty, error) {
	var duty dispatch.Duty
	err := j.read(ctx, "read duty", func(ctx context.Context, db *sql.Conn) error {
		var err error
		duty, err = scanDuty(db.QueryRowContext(ctx, selectDuties+`WHERE id = ? AND version > 0`, d))
		return found(err, "driver")
	})
	return duty, err
}
