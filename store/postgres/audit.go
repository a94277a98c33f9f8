package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// The statements of the audit log are not prepared with those of a commit: acts of staff are few, and a commit
// without one asks for none of them.
const (
	insertAudit = `
INSERT INTO audit (chain, n, at, role, sub, action, object, outcome, before_state, before_version, after_state,
    after_version, request_id, count, hash)
SELECT $1::text, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::bigint[], $15::bytea[]) AS a (n)
ORDER BY a.n`
	// putHead is given its row as an array of one.
	putHead = `
INSERT INTO audit_chains (id, n, hash) SELECT $1::text, * FROM unnest($2::bigint[], $3::bytea[])
ON CONFLICT (id) DO UPDATE SET n = excluded.n, hash = excluded.hash`
	selectHead = `SELECT n, hash FROM audit_chains WHERE id = $1`
)

// seal makes the records of a market's commit. The head is read before the commit begins and without a lock: only a
// commit of the same market moves it, and that would fence this one. A batch without an entry asks nothing.
func (j *Journal) seal(ctx context.Context, conn *pgxpool.Conn, b *dispatch.Batch, now time.Time) ([]store.AuditRecord, error) {
	if len(b.Audit) == 0 {
		return nil, nil
	}
	return sealed(ctx, conn, dispatch.MarketChain(b.Market), b.Audit, now)
}

// sealed reads a chain's head and makes the records that follow it.
func sealed(
	ctx context.Context, q querier, chain dispatch.AuditChain, entries []dispatch.AuditEntry, now time.Time,
) ([]store.AuditRecord, error) {
	head := store.AuditHead{Chain: chain}
	err := q.QueryRow(ctx, selectHead, string(chain)).Scan(&head.N, hash(&head.Hash))
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read the head of audit chain %s: %w", chain, err)
	}
	records, err := store.Seal(&head, entries, now, func(role dispatch.Role, sub string) (string, error) {
		return auditActor(ctx, q, role, sub)
	})
	if err != nil {
		return nil, fmt.Errorf("seal audit entries of %s: %w", chain, err)
	}
	return records, nil
}

// auditActor gives the digest of a rider or driver, making one when there is none. Of two that make one at the same
// time the second waits for the first and takes its.
func auditActor(ctx context.Context, q querier, role dispatch.Role, sub string) (digest string, err error) {
	a := store.NewAuditActor(role, sub)
	err = q.QueryRow(ctx, `
INSERT INTO audit_actors (digest, role, sub, salt) VALUES ($1, $2, $3, $4)
ON CONFLICT (role, sub) DO UPDATE SET role = excluded.role
RETURNING digest`, a.Digest, string(a.Role), a.Sub, a.Salt).Scan(&digest)
	return digest, err
}

// audit appends records to a chain.
func (w *writer) audit(records []store.AuditRecord) {
	if len(records) == 0 {
		return
	}
	for i := range records {
		r := &records[i]
		w.rows.next().int(r.N).when(r.At).opt(string(r.Actor.Role)).opt(r.Actor.Sub).text(r.Action).opt(r.Object).
			text(r.Outcome).opt(string(r.Before.State)).int(r.Before.Version).opt(string(r.After.State)).
			int(r.After.Version).opt(r.RequestID).int(r.Count).bytes(r.Hash[:])
	}
	last := &records[len(records)-1]
	w.plain(insertAudit, string(last.Chain))
	w.rows.next().int(last.N).bytes(last.Hash[:])
	w.plain(putHead, string(last.Chain))
}

// plain sends a statement that is not prepared, with the rows gathered for it.
func (w *writer) plain(sql string, scalars ...any) {
	w.pipeline.SendQueryParams(sql, w.rows.params(scalars...), nil, []int16{binaryFormat}, nil)
	w.rows.clear()
}

// Record implements store.Audit. Nodes that write to one chain wait for each other at its head.
func (j *Journal) Record(ctx context.Context, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error { return j.record(ctx, tx, chain, entries) })
	})
	if err != nil {
		return away("record in audit chain "+string(chain), err)
	}
	return nil
}

func (j *Journal) record(ctx context.Context, tx pgx.Tx, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error {
	// The row of a chain's head is there from its first entry on; until then this lock keeps the order.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('audit ' || $1, 0))`, string(chain)); err != nil {
		return fmt.Errorf("wait for audit chain %s: %w", chain, err)
	}
	records, err := sealed(ctx, tx, chain, entries, j.wall.Now())
	if err != nil {
		return err
	}
	w := writer{pipeline: tx.Conn().PgConn().StartPipeline(ctx), rows: &rows{}}
	w.audit(records)
	return w.run()
}

// AuditHeads implements store.Audit.
func (j *Journal) AuditHeads(ctx context.Context) ([]store.AuditHead, error) {
	var heads []store.AuditHead
	err := j.list(ctx, "read audit chains", func(ctx context.Context, q querier) error {
		var err error
		heads, err = all(ctx, q, func(row scanner) (h store.AuditHead, err error) {
			return h, row.Scan(&h.Chain, &h.N, hash(&h.Hash))
		}, `
SELECT id, n, hash FROM audit_chains
UNION ALL SELECT DISTINCT chain, 0, NULL::bytea FROM audit WHERE chain NOT IN (SELECT id FROM audit_chains)
ORDER BY 1`)
		return err
	})
	return heads, err
}

// AuditRecords implements store.Audit.
func (j *Journal) AuditRecords(
	ctx context.Context, chain dispatch.AuditChain, after int64, limit int,
) ([]store.AuditRecord, error) {
	var records []store.AuditRecord
	err := j.list(ctx, "read audit chain", func(ctx context.Context, q querier) error {
		var err error
		records, err = all(ctx, q, scanAudit, `
SELECT chain, n, at, role, sub, action, object, outcome, before_state, before_version, after_state, after_version,
    request_id, count, hash
FROM audit WHERE chain = $1 AND n > $2 ORDER BY n LIMIT $3`, string(chain), after, max(limit, 0))
		return err
	})
	return records, err
}

func scanAudit(row scanner) (store.AuditRecord, error) {
	var r store.AuditRecord
	err := row.Scan(&r.Chain, &r.N, when(&r.At), opt(&r.Actor.Role), opt(&r.Actor.Sub), &r.Action, opt(&r.Object),
		&r.Outcome, opt(&r.Before.State), &r.Before.Version, opt(&r.After.State), &r.After.Version,
		opt(&r.RequestID), &r.Count, hash(&r.Hash))
	return r, err
}

// AuditActors implements store.Audit.
func (j *Journal) AuditActors(ctx context.Context) (map[string]dispatch.By, error) {
	known := map[string]dispatch.By{}
	err := j.list(ctx, "read audit actors", func(ctx context.Context, q querier) error {
		clear(known)
		_, err := all(ctx, q, func(row scanner) (struct{}, error) {
			var digest string
			var by dispatch.By
			err := row.Scan(&digest, &by.Role, &by.Sub)
			known[digest] = by
			return struct{}{}, err
		}, `SELECT digest, role, sub FROM audit_actors`)
		return err
	})
	return known, err
}

// eraseAuditActor is the whole of EraseAuditActor, for whoever erases more in one transaction: role, sub.
const eraseAuditActor = `DELETE FROM audit_actors WHERE role = $1 AND sub = $2`

// EraseAuditActor implements store.Audit.
func (j *Journal) EraseAuditActor(ctx context.Context, role dispatch.Role, sub string) error {
	err := j.write(ctx, j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, eraseAuditActor, string(role), sub)
		return err
	})
	if err != nil {
		return away("erase audit actor", err)
	}
	return nil
}

// digest32 reads a hash; NULL as zeros.
type digest32 struct{ to *[sha256.Size]byte }

// Scan implements sql.Scanner.
func (d digest32) Scan(src any) error {
	b, ok := src.([]byte)
	if src != nil && (!ok || len(b) != sha256.Size) {
		return fmt.Errorf("a hash of %v", src)
	}
	*d.to = [sha256.Size]byte{}
	copy(d.to[:], b)
	return nil
}

func hash(to *[sha256.Size]byte) digest32 { return digest32{to} }
