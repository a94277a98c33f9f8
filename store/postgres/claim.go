package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// claimGroup is how many claims one transaction takes at most: a few milliseconds of work.
const claimGroup = 128

// claims gathers the drivers that wait to be claimed. A shift's whole fleet comes on duty within a second: of those
// who wait one has the turn and writes for all.
type claims struct {
	turn chan struct{} // capacity 1: whoever put its token in writes

	mu      sync.Mutex
	waiting []*claimant // guarded by mu; oldest first
}

// claimant is one driver to be claimed. claim and err are written before done is closed, and read after.
type claimant struct {
	driver dispatch.DriverID
	market dispatch.MarketID
	claim  dispatch.Claim
	err    error
	done   chan struct{}
}

func newClaims() *claims { return &claims{turn: make(chan struct{}, 1)} }

func (c *claims) enter(d dispatch.DriverID, m dispatch.MarketID) *claimant {
	one := &claimant{driver: d, market: m, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, one)
	return one
}

// take gives those that have waited longest, of each driver one.
func (c *claims) take() []*claimant {
	c.mu.Lock()
	defer c.mu.Unlock()
	var group, rest []*claimant
	drivers := map[dispatch.DriverID]bool{}
	for _, one := range c.waiting {
		if len(group) < claimGroup && !drivers[one.driver] {
			drivers[one.driver] = true
			group = append(group, one)
		} else {
			rest = append(rest, one)
		}
	}
	c.waiting = rest
	return group
}

// leave takes one out that gives up; one that is being written is not there any more.
func (c *claims) leave(one *claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.waiting {
		if c.waiting[i] == one {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			return
		}
	}
}

// Claim implements store.Duties.
func (j *Journal) Claim(ctx context.Context, d dispatch.DriverID, m dispatch.MarketID) (dispatch.Claim, error) {
	own := j.claims.enter(d, m)
	for {
		select {
		case <-own.done:
			return own.claim, own.err
		case <-ctx.Done():
			j.claims.leave(own)
			return dispatch.Claim{}, away("claim driver", ctx.Err())
		case j.claims.turn <- struct{}{}:
		}
		if err := j.claimWaiting(ctx, own); err != nil {
			j.claims.leave(own)
			return dispatch.Claim{}, away("claim driver", err)
		}
	}
}

// claimWaiting claims those who wait, in one transaction, and tells them; the caller, own, has the turn and gives it
// back here. The group is taken once there is a connection: an error before that is the caller's alone.
func (j *Journal) claimWaiting(ctx context.Context, own *claimant) error {
	defer func() { <-j.claims.turn }()
	select {
	case <-own.done: // by the one who had the turn before
		return nil
	default:
	}
	var group []*claimant
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		group = j.claims.take()
		return j.claimAll(ctx, conn, group)
	})
	if err != nil && len(group) == 0 {
		return err
	}
	for _, one := range group {
		if err != nil {
			one.claim, one.err = dispatch.Claim{}, away("claim driver", err)
		}
		close(one.done)
	}
	return nil
}

// A claim makes the driver's row when there is none, locks it, and judges it in a statement that begins only then:
// what another node has committed meanwhile is seen. A node that led the market until a moment ago claims nobody: its
// claim would outlast the duty that the driver has had with the next leader, and bar it from other markets.
const (
	claimRows = `INSERT INTO drivers (id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`
	claimLock = `SELECT FROM drivers WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE`
	// $3 is the wall instant now, $4 how long a claim stands. One made after now, by a clock since set back, stands no
	// longer than any other.
	claimJudge = `
WITH standing AS (
    SELECT d.id, d.version, a.market, CASE WHEN d.online THEN d.market END AS duty,
        EXISTS (SELECT FROM markets m WHERE m.id = a.market AND m.node <> $5) AS foreign_led,
        (SELECT o.market FROM orders o WHERE CASE WHEN o.closed_at IS NULL THEN o.driver_id END = d.id
            AND o.closed_at IS NULL AND o.driver_id IS NOT NULL AND o.market <> a.market LIMIT 1) AS working,
        CASE WHEN abs($3::bigint - d.claimed_at) < $4::bigint THEN d.claim_market END AS claimed
    FROM unnest($1::text[], $2::text[]) AS a (id, market),
        LATERAL (SELECT * FROM drivers e WHERE e.id = a.id LIMIT 1) AS d),
judged AS (
    SELECT id, version, market, foreign_led, duty IS NOT NULL AS busy,
        CASE WHEN duty = market THEN NULL ELSE coalesce(duty, working, nullif(claimed, market)) END AS held
    FROM standing),
made AS (
    INSERT INTO drivers (id, claim_market, claimed_at)
    SELECT id, market, $3::bigint FROM judged WHERE held IS NULL AND NOT busy AND NOT foreign_led
    ON CONFLICT (id) DO UPDATE SET claim_market = excluded.claim_market, claimed_at = excluded.claimed_at)
SELECT id, version, held, foreign_led FROM judged`
)

// claimAll claims drivers, all of them different, in one transaction.
func (j *Journal) claimAll(ctx context.Context, conn *pgxpool.Conn, group []*claimant) error {
	drivers, markets := make([]string, len(group)), make([]string, len(group))
	byDriver := make(map[dispatch.DriverID]*claimant, len(group))
	for i, one := range group {
		drivers[i], markets[i] = string(one.driver), string(one.market)
		byDriver[one.driver] = one
	}
	// Sent as one, the three are one transaction.
	var batch pgx.Batch
	batch.Queue(claimRows, drivers)
	batch.Queue(claimLock, drivers)
	batch.Queue(claimJudge, drivers, markets, store.Micros(j.wall.Now()), store.ClaimFor.Microseconds(), j.node).
		Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var d dispatch.DriverID
				var c dispatch.Claim
				var foreign bool
				if err := rows.Scan(&d, &c.Version, opt(&c.Held), &foreign); err != nil {
					return err
				}
				if foreign {
					byDriver[d].err = dispatch.Unavailable("the market is led by another node", dispatch.ErrHeld)
					continue
				}
				byDriver[d].claim = c
			}
			return rows.Err()
		})
	return conn.SendBatch(ctx, &batch).Close()
}
