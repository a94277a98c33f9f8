package store

import (
	"context"
	"fmt"

	"github.com/hexfleet/hexfleet/dispatch"
)

// AuditFault is the first record of a chain that is not as it was written. Error names it.
type AuditFault struct {
	Chain dispatch.AuditChain
	// N is the number of the record at which the fault shows.
	N    int64
	What string
}

// Error implements error.
func (f *AuditFault) Error() string {
	return fmt.Sprintf("audit chain %s: entry %d %s", f.Chain, f.N, f.What)
}

// auditPage is how many records are read at once.
const auditPage = 1000

// ReadAudit reads a chain to its end, checks that each record follows the one before and that the last is the one
// that the head tells, and gives the head. visit is told each record that is sound, in order. The error is an
// *AuditFault where the chain is broken, or visit's own.
func ReadAudit(
	ctx context.Context, log Audit, chain dispatch.AuditChain, visit func(*AuditRecord) error,
) (AuditHead, error) {
	at := AuditHead{Chain: chain}
	for {
		records, err := log.AuditRecords(ctx, chain, at.N, auditPage)
		if err != nil {
			return at, err
		}
		for i := range records {
			r := &records[i]
			if err := follows(&at, r); err != nil {
				return at, err
			}
			at.N, at.Hash = r.N, r.Hash
			if err := visit(r); err != nil {
				return at, err
			}
		}
		if len(records) == auditPage {
			continue
		}
		ended, err := ends(ctx, log, at)
		if err != nil || ended {
			return at, err
		}
	}
}

func follows(at *AuditHead, r *AuditRecord) error {
	switch {
	case r.N != at.N+1:
		return &AuditFault{at.Chain, at.N + 1, fmt.Sprintf("is missing: the next is %d", r.N)}
	case r.Follow(at.Hash) != r.Hash:
		return &AuditFault{at.Chain, r.N, "does not match its hash: it, or the one before it, was changed or moved"}
	}
	return nil
}

// ends compares where the records end with the head, which is written with them and read after them: it is never
// behind. false when more were written meanwhile.
func ends(ctx context.Context, log Audit, at AuditHead) (bool, error) {
	heads, err := log.AuditHeads(ctx)
	if err != nil {
		return false, err
	}
	head := AuditHead{Chain: at.Chain}
	for _, h := range heads {
		if h.Chain == at.Chain {
			head = h
		}
	}
	switch {
	case head == at:
		return true, nil
	case head.N < at.N:
		return false, &AuditFault{at.Chain, head.N + 1, fmt.Sprintf("is not known to the head, which ends at %d", head.N)}
	case head.N == at.N:
		return false, &AuditFault{at.Chain, at.N, "is not the last that the head tells: its hash is another"}
	}
	more, err := log.AuditRecords(ctx, at.Chain, at.N, 1)
	if err == nil && len(more) == 0 {
		err = &AuditFault{at.Chain, at.N + 1, fmt.Sprintf("is missing: the log is cut off, its head ends at %d", head.N)}
	}
	return false, err
}
