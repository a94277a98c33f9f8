package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
)

// renew keeps a node's row, on the database's clock, and clears away those of nodes long gone.
const renew = `
WITH gone AS (DELETE FROM nodes WHERE expires < clock_timestamp() - interval '1 hour' AND id <> $1)
INSERT INTO nodes (id, expires) VALUES ($1, clock_timestamp() + $2::bigint * interval '1 microsecond')
ON CONFLICT (id) DO UPDATE SET expires = excluded.expires`

const resign = `DELETE FROM nodes WHERE id = $1`

// standing is how a market stands with a node: who leads it, and whether that is another that lives.
const standing = `
SELECT coalesce(m.node, ''), m.node <> $2 AND EXISTS (
    SELECT FROM nodes n WHERE n.id = m.node AND n.expires > clock_timestamp()) AS held
FROM markets m WHERE m.id = $1`

const begin = `
INSERT INTO markets (id, epoch, node) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING RETURNING epoch, batch, last_epoch`

const take = `
UPDATE markets SET epoch = epoch + 1, node = $2 WHERE id = $1 RETURNING epoch, batch, last_epoch`

// hangUp ends sessions in the middle of something: those of a node by its name, and those of this node by their
// numbers. A leader that was stopped in the middle of a commit would else bar its market for as long as it stands
// still.
const hangUp = `
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND state IS DISTINCT FROM 'idle'
    AND (application_name = $1 OR application_name = $2 AND pid = ANY ($3))`

// Renew implements store.Leads.
func (j *Journal) Renew(ctx context.Context) error {
	err := j.write(ctx, j.leases, j.bounds.Read, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, renew, j.node, dispatch.LeaseFor.Microseconds())
		return err
	})
	if err != nil {
		return away("renew leases", err)
	}
	return nil
}

// Resign implements store.Leads.
func (j *Journal) Resign(ctx context.Context) error {
	err := j.write(ctx, j.leases, j.bounds.Read, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, resign, j.node)
		return err
	})
	if err != nil {
		return away("give leases back", err)
	}
	return nil
}

// Lead implements store.Leads. The market's row is asked twice: before it is locked, so that who must not have it
// waits for nobody's commit, and after, because its leader may have renewed while the lock was waited for.
func (j *Journal) Lead(ctx context.Context, m dispatch.MarketID) (dispatch.Lease, error) {
	lease := dispatch.Lease{Market: m}
	err := j.Renew(ctx)
	if err == nil {
		err = j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
			leader, err := j.leader(ctx, conn, m)
			if err == nil {
				err = j.hangUp(ctx, conn, leader)
			}
			if err != nil {
				return err
			}
			return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error { return j.take(ctx, tx, &lease) })
		})
	}
	switch {
	case errors.Is(err, dispatch.ErrHeld):
		return dispatch.Lease{}, fmt.Errorf("lead %s: %w", m, err)
	case err != nil:
		return dispatch.Lease{}, away("lead market", err)
	}
	return lease, nil
}

// leader gives the node that the market's row names, "" when there is none. The error is dispatch.ErrHeld when it is
// another that lives.
func (j *Journal) leader(ctx context.Context, q querier, m dispatch.MarketID) (string, error) {
	var node string
	var held bool
	err := q.QueryRow(ctx, standing, m, j.node).Scan(&node, &held)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil
	case err == nil && held:
		return "", dispatch.ErrHeld
	}
	return node, err
}

// hangUp ends the sessions that may hold the market's row: those of its last leader, which lives no more, and those
// of commits of this node of which nothing was heard.
func (j *Journal) hangUp(ctx context.Context, conn *pgxpool.Conn, leader string) error {
	if leader == j.node {
		leader = ""
	}
	pids := j.stale.take()
	if leader == "" && len(pids) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, hangUp, application(leader), application(j.node), pids); err != nil {
		j.stale.add(pids...)
		return fmt.Errorf("end the sessions of the last leader: %w", err)
	}
	return nil
}

// take takes the market, made when there is none, within a transaction.
func (j *Journal) take(ctx context.Context, tx pgx.Tx, lease *dispatch.Lease) error {
	into := []any{&lease.Epoch, &lease.Batch, &lease.Last}
	err := tx.QueryRow(ctx, begin, lease.Market, j.node).Scan(into...)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT FROM markets WHERE id = $1 FOR UPDATE`, lease.Market); err != nil {
		return err
	}
	if _, err := j.leader(ctx, tx, lease.Market); err != nil {
		return err
	}
	return tx.QueryRow(ctx, take, lease.Market, j.node).Scan(into...)
}
