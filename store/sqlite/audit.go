package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// The statements of the audit log are not prepared with those of a commit: acts of staff are few, and a commit
// without one asks for none of them.
const (
	selectHead  = `SELECT n, hash FROM audit_chains WHERE id = ?`
	insertAudit = `
INSERT INTO audit (chain, n, at, role, sub, action, object, outcome, before_state, before_version, after_state,
    after_version, request_id, count, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	putHead = `
INSERT INTO audit_chains (id, n, hash) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET n = ?2, hash = ?3`
)

// writeAudit appends entries to a chain, within a transaction.
func (j *Journal) writeAudit(
	ctx context.Context, tx *sql.Tx, chain dispatch.AuditChain, entries []dispatch.AuditEntry, now time.Time,
) error {
	if len(entries) == 0 {
		return nil
	}
	head := store.AuditHead{Chain: chain}
	err := tx.QueryRowContext(ctx, selectHead, chain).Scan(&head.N, hash(&head.Hash))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the head of audit chain %s: %w", chain, err)
	}
	records, err := store.Seal(&head, entries, now, func(role dispatch.Role, sub string) (string, error) {
		return auditActor(ctx, tx, role, sub)
	})
	if err != nil {
		return fmt.Errorf("seal audit entries of %s: %w", chain, err)
	}
	for i := range records {
		r := &records[i]
		_, err := tx.ExecContext(ctx, insertAudit, chain, r.N, store.Micros(r.At), text(r.Actor.Role), text(r.Actor.Sub),
			r.Action, text(r.Object), r.Outcome, text(r.Before.State), r.Before.Version, text(r.After.State),
			r.After.Version, text(r.RequestID), r.Count, r.Hash[:])
		if err != nil {
			return fmt.Errorf("audit entry %d of %s: %w", r.N, chain, err)
		}
	}
	if _, err := tx.ExecContext(ctx, putHead, chain, head.N, head.Hash[:]); err != nil {
		return fmt.Errorf("move the head of audit chain %s: %w", chain, err)
	}
	return nil
}

// auditActor gives the digest of a rider or driver, making one when there is none.
func auditActor(ctx context.Context, tx *sql.Tx, role dispatch.Role, sub string) (digest string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT digest FROM audit_actors WHERE role = ? AND sub = ?`, role, sub).Scan(&digest)
	if !errors.Is(err, sql.ErrNoRows) {
		return digest, err
	}
	a := store.NewAuditActor(role, sub)
	_, err = tx.ExecContext(ctx, `INSERT INTO audit_actors (digest, role, sub, salt) VALUES (?, ?, ?, ?)`,
		a.Digest, a.Role, a.Sub, a.Salt)
	return a.Digest, err
}

// Record implements store.Audit.
func (j *Journal) Record(ctx context.Context, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error {
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return j.writeAudit(ctx, tx, chain, entries, j.wall.Now())
	})
	if err != nil {
		return away("record in audit chain "+string(chain), err)
	}
	return nil
}

// AuditHeads implements store.Audit.
func (j *Journal) AuditHeads(ctx context.Context) ([]store.AuditHead, error) {
	var heads []store.AuditHead
	err := j.read(ctx, "read audit chains", func(_ context.Context, db *sql.Conn) error {
		var err error
		heads, err = list(ctx, db, func(row scanner) (h store.AuditHead, err error) {
			return h, row.Scan(&h.Chain, &h.N, hash(&h.Hash))
		}, `
SELECT id, n, hash FROM audit_chains
UNION ALL SELECT DISTINCT chain, 0, NULL FROM audit WHERE chain NOT IN (SELECT id FROM audit_chains)
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
	err := j.read(ctx, "read audit chain", func(_ context.Context, db *sql.Conn) error {
		var err error
		records, err = list(ctx, db, scanAudit, `
SELECT chain, n, at, role, sub, action, object, outcome, before_state, before_version, after_state, after_version,
    request_id, count, hash
FROM audit WHERE chain = ? AND n > ? ORDER BY n LIMIT ?`, chain, after, max(limit, 0))
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
	err := j.read(ctx, "read audit actors", func(_ context.Context, db *sql.Conn) error {
		_, err := list(ctx, db, func(row scanner) (struct{}, error) {
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
const eraseAuditActor = `DELETE FROM audit_actors WHERE role = ? AND sub = ?`

// EraseAuditActor implements store.Audit.
func (j *Journal) EraseAuditActor(ctx context.Context, role dispatch.Role, sub string) error {
	err := j.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, eraseAuditActor, role, sub)
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
