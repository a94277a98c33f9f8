package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// claimGroup is how many claims one transaction takes at most: about a millisecond of work beside the sync
// that it costs anyway, so that a commit never waits long behind it.
const claimGroup = 128

// claims gathers the drivers that wait to be claimed. A shift's whole fleet comes on duty within a second: a
// transaction, and a sync, for each would hold the writer for seconds, with every order waiting behind. Of
// those who wait one has the turn and writes for all.
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

// take gives those that have waited longest.
func (c *claims) take() []*claimant {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), claimGroup)
	group := c.waiting[:n:n]
	if c.waiting = c.waiting[n:]; len(c.waiting) == 0 {
		c.waiting = nil // lets the claimants go
	}
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

// claimWaiting claims those who wait, in one transaction, and tells them; the caller, own, has the turn and
// gives it back here. The group is taken once the transaction has begun: an error before that is the caller's
// alone.
func (j *Journal) claimWaiting(ctx context.Context, own *claimant) error {
	defer func() { <-j.claims.turn }()
	select {
	case <-own.done: // by the one who had the turn before
		return nil
	default:
	}
	var group []*claimant
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		group = j.claims.take()
		for _, one := range group {
			var err error
			if one.claim, err = claim(ctx, tx, one.driver, one.market, j.wall.Now()); err != nil {
				return err
			}
		}
		return nil
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

// claim reserves one driver, within a transaction.
func claim(
	ctx context.Context, tx *sql.Tx, d dispatch.DriverID, m dispatch.MarketID, now time.Time,
) (dispatch.Claim, error) {
	claim, onDuty, err := standing(ctx, tx, d, m, now)
	if err != nil || claim.Held != "" || onDuty {
		return claim, err
	}
	_, err = tx.ExecContext(ctx, `
INSERT INTO drivers (id, claim_market, claimed_at) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET claim_market = ?2, claimed_at = ?3`, d, m, store.Micros(now))
	return claim, err
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
