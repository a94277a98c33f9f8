package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Audit is the audit log: append-only chains of entries, each with the hash of the one before in its own. Entries
// about a market's orders come by Commit, in the transaction of what they tell; all others by Record.
//
// Not promised: that what Record was not yet given survives a crash, or that somebody who may write to the database
// and rehashes a chain to its end is found out without a head that was kept elsewhere.
type Audit interface {
	// Record appends entries to a chain that is not a market's, all or none.
	Record(ctx context.Context, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error
	// AuditHeads gives where each chain says that it ends, ascending by name; a chain that has entries and no head
	// stands there with N = 0.
	AuditHeads(ctx context.Context) ([]AuditHead, error)
	// AuditRecords gives at most limit records of a chain with N above after, ascending.
	AuditRecords(ctx context.Context, chain dispatch.AuditChain, after int64, limit int) ([]AuditRecord, error)
	// AuditActors gives who the digests of riders and drivers stand for, as far as they are not erased; by digest.
	AuditActors(ctx context.Context) (map[string]dispatch.By, error)
	// EraseAuditActor forgets who a digest stands for; the chains stay as they are. What is recorded of the same
	// rider or driver later has another digest. It is no error when nothing is known.
	EraseAuditActor(ctx context.Context, role dispatch.Role, sub string) error
}

// AuditRecord is an entry as it is kept.
type AuditRecord struct {
	Chain dispatch.AuditChain
	// N numbers the records of a chain densely from 1.
	N int64
	// At is wall time, in microseconds.
	At time.Time
	// Actor's Sub is the digest of an AuditActor for riders and drivers.
	Actor  dispatch.By
	Action string
	// Object holds a digest in place of a rider's or driver's id.
	Object string
	// Outcome is AuditDone or the code of the refusal.
	Outcome       string
	Before, After dispatch.Standing
	RequestID     string
	Count         int64 // at least 1
	Hash          [sha256.Size]byte
}

// AuditDone is the outcome of what was done.
const AuditDone = "ok"

// AuditHead is where a chain ends: its last record's number and hash.
type AuditHead struct {
	Chain dispatch.AuditChain
	N     int64
	Hash  [sha256.Size]byte
}

// auditFormat is the first byte of the encoding below, so that another may follow.
const auditFormat = 1

// Encode gives the canonical encoding of a record without its hash. Integers are big-endian:
//
//	1 byte   format, 1
//	8 bytes  n
//	8 bytes  at: microseconds since 1970 UTC, two's complement
//	8 bytes  count
//	8 bytes  version before, 0 for none
//	8 bytes  version after, 0 for none
//	then chain, role, sub, action, object, outcome, state before, state after, request id, each as
//	2 bytes  its length in bytes
//	n bytes  UTF-8; none when it is left out
func (r *AuditRecord) Encode() []byte {
	b := make([]byte, 0, 256)
	b = append(b, auditFormat)
	for _, n := range []int64{r.N, Micros(r.At), r.Count, r.Before.Version, r.After.Version} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // two's complement is the format
	}
	for _, s := range []string{
		string(r.Chain), string(r.Actor.Role), r.Actor.Sub, r.Action, r.Object, r.Outcome,
		string(r.Before.State), string(r.After.State), r.RequestID,
	} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s))) //nolint:gosec // Seal cuts no text and refuses longer ones
		b = append(b, s...)
	}
	return b
}

// Follow gives the hash of a record that follows the one with hash before: SHA-256 of that hash and the encoding.
// The first of a chain follows 32 zero bytes.
func (r *AuditRecord) Follow(before [sha256.Size]byte) [sha256.Size]byte {
	return sha256.Sum256(append(before[:], r.Encode()...))
}

// Pseudonym gives the digest under which a rider or driver is kept, making one when there is none.
type Pseudonym func(role dispatch.Role, sub string) (string, error)

// Seal makes records of entries that follow a head, and moves the head to the last. now is the wall instant of
// entries that have none.
func Seal(head *AuditHead, entries []dispatch.AuditEntry, now time.Time, name Pseudonym) ([]AuditRecord, error) {
	records := make([]AuditRecord, len(entries))
	for i := range entries {
		e := &entries[i]
		r := AuditRecord{
			Chain: head.Chain, N: head.N + 1, At: e.At, Actor: e.Actor, Action: e.Action,
			Outcome: cmp.Or(string(e.Outcome), AuditDone), Before: e.Before, After: e.After,
			RequestID: e.RequestID, Count: max(1, e.Count),
		}
		if r.At.IsZero() {
			r.At = now
		}
		r.At = r.At.UTC().Truncate(time.Microsecond)
		var err error
		if r.Actor.Sub, err = pseudonym(e.Actor.Role, e.Actor.Sub, name); err != nil {
			return nil, err
		}
		if r.Object, err = pseudonymised(e.Object, name); err != nil {
			return nil, err
		}
		for _, s := range []string{string(r.Chain), r.Actor.Sub, r.Action, r.Object, r.RequestID} {
			if len(s) > math.MaxUint16 {
				return nil, refuse("audit entry holds a text of %d bytes", len(s))
			}
		}
		r.Hash = r.Follow(head.Hash)
		head.N, head.Hash = r.N, r.Hash
		records[i] = r
	}
	return records, nil
}

// pseudonym keeps the subs of staff, services and operators, who answer for what they do, and hides the others'.
func pseudonym(role dispatch.Role, sub string, name Pseudonym) (string, error) {
	if sub == "" || role != dispatch.RoleRider && role != dispatch.RoleDriver {
		return sub, nil
	}
	return name(role, sub)
}

// pseudonymised does the same within an object that is a rider or a driver.
func pseudonymised(object string, name Pseudonym) (string, error) {
	kind, id, _ := strings.Cut(object, ":")
	hidden, err := pseudonym(dispatch.Role(kind), id, name)
	if hidden == id || err != nil {
		return object, err
	}
	return kind + ":" + hidden, nil
}

// AuditActor is the row that tells who a digest stands for. Without its salt nobody can tell, not even by trying
// every id there is: erasing the row erases the name from the log.
type AuditActor struct {
	Digest string
	Role   dispatch.Role
	Sub    string
	Salt   []byte // 16 random bytes
}

// NewAuditActor makes the row of a rider or driver: "sha256:" and the hexadecimal SHA-256 of salt, role, a zero
// byte and sub.
func NewAuditActor(role dispatch.Role, sub string) AuditActor {
	a := AuditActor{Role: role, Sub: sub, Salt: make([]byte, 16)}
	_, _ = rand.Read(a.Salt) // never fails
	a.Digest = a.digest()
	return a
}

func (a *AuditActor) digest() string {
	sum := sha256.Sum256(fmt.Appendf(append([]byte{}, a.Salt...), "%s\x00%s", a.Role, a.Sub))
	return "sha256:" + hex.EncodeToString(sum[:])
}
