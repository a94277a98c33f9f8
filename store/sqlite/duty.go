package sqlite

import (
	"context"
	"database/sql"
	"errors"
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
		return one(ctx, w.online, "driver", d.Driver, append(args, store.Micros(now.Add(-store.ClaimFor)))...)
	}
	return one(ctx, w.offline, "driver", d.Driver, args...)
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
	err := j.read("read duty", func(db *sql.DB) error {
		var err error
		duty, err = scanDuty(db.QueryRowContext(ctx, selectDuties+`WHERE id = ? AND version > 0`, d))
		return found(err, "driver")
	})
	return duty, err
}

// Claim implements store.Duties.
func (j *Journal) Claim(ctx context.Context, d dispatch.DriverID, m dispatch.MarketID) (dispatch.Claim, error) {
	var claim dispatch.Claim
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := j.wall.Now()
		var err error
		var onDuty bool
		if claim, onDuty, err = standing(ctx, tx, d, m, now); err != nil || claim.Held != "" || onDuty {
			return err
		}
		_, err = tx.ExecContext(ctx, `
INSERT INTO drivers (id, claim_market, claimed_at) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET claim_market = ?2, claimed_at = ?3`, d, m, store.Micros(now))
		return err
	})
	if err != nil {
		return dispatch.Claim{}, away("claim driver", err)
	}
	return claim, nil
}

// standing tells what a claim of driver d for market m meets; onDuty that it is on duty there already.
func standing(ctx context.Context, q querier, d dispatch.DriverID, m dispatch.MarketID, now time.Time) (
	claim dispatch.Claim, onDuty bool, err error,
) {
	var duty, claimed, working dispatch.MarketID
	var claimedAt time.Time
	err = q.QueryRowContext(ctx, `
SELECT version, CASE online WHEN 1 THEN market END, claim_market, claimed_at,
    (SELECT o.market FROM orders o WHERE o.driver_id = d.id AND o.closed_at IS NULL AND o.market <> ?2 LIMIT 1)
FROM drivers d WHERE d.id = ?1`, d, m).
		Scan(&claim.Version, opt(&duty), opt(&claimed), when(&claimedAt), opt(&working))
	if errors.Is(err, sql.ErrNoRows) {
		return claim, false, nil
	}
	// A claim made after now, by a clock since set back, stands no longer than any other.
	fresh := claimed != "" && now.Sub(claimedAt).Abs() < store.ClaimFor
	switch {
	case duty == m:
		return claim, true, err
	case duty != "":
		claim.Held = duty
	case working != "":
		claim.Held = working
	case fresh && claimed != m:
		claim.Held = claimed
	}
	return claim, false, err
}
