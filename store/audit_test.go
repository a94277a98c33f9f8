package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func plainName(role dispatch.Role, sub string) (string, error) {
	a := AuditActor{Role: role, Sub: sub, Salt: make([]byte, 16)}
	return a.digest(), nil
}

// The bytes are durable: a chain written once has to verify for ever.
func TestAuditRecord_Encode(t *testing.T) {
	head := AuditHead{Chain: "market:sf"}
	records, err := Seal(&head, []dispatch.AuditEntry{
		{
			Actor: dispatch.By{Role: dispatch.RoleDispatcher, Sub: "anna"}, Action: "order.cancel", Object: "order:o1",
			Before: dispatch.Standing{State: dispatch.StateSearching, Version: 1},
			After:  dispatch.Standing{State: dispatch.StateCancelled, Version: 2}, RequestID: "q1",
		},
		{At: time.UnixMicro(-1), Action: "é", Outcome: dispatch.CodeForbidden, Count: 258},
	}, time.UnixMicro(0x0102030405060708).Add(999), plainName)
	if err != nil {
		t.Fatal(err)
	}
	const (
		first = "01" + "0000000000000001" + "0102030405060708" + "0000000000000001" + "0000000000000001" + "0000000000000002" +
			"0009" + "6d61726b65743a7366" + // market:sf
			"000a" + "64697370617463686572" + // dispatcher
			"0004" + "616e6e61" + // anna
			"000c" + "6f726465722e63616e63656c" + // order.cancel
			"0008" + "6f726465723a6f31" + // order:o1
			"0002" + "6f6b" + // ok
			"0009" + "736561726368696e67" + // searching
			"0009" + "63616e63656c6c6564" + // cancelled
			"0002" + "7131" // q1
		second = "01" + "0000000000000002" + "ffffffffffffffff" + "0000000000000102" + "0000000000000000" + "0000000000000000" +
			"0009" + "6d61726b65743a7366" + "0000" + "0000" + "0002" + "c3a9" + "0000" +
			"0009" + "666f7262696464656e" + "0000" + "0000" + "0000"
	)
	for i, want := range []string{first, second} {
		if got := hex.EncodeToString(records[i].Encode()); got != want {
			t.Errorf("record %d is encoded\n%s, want\n%s", i+1, got, want)
		}
	}
	b, _ := hex.DecodeString(strings.Repeat("00", 32) + first)
	one := sha256.Sum256(b)
	if records[0].Hash != one {
		t.Errorf("the first hash is %x, want %x", records[0].Hash, one)
	}
	b, _ = hex.DecodeString(hex.EncodeToString(one[:]) + second)
	if want := sha256.Sum256(b); records[1].Hash != want || head != (AuditHead{"market:sf", 2, want}) {
		t.Errorf("the second hash is %x, the head %+v, want %x", records[1].Hash, head, want)
	}
	const pinned = "d3ac2bdcb57a" // the first bytes of the second hash
	if got := hex.EncodeToString(records[1].Hash[:6]); got != pinned {
		t.Errorf("the chain ends in %s, pinned is %s", got, pinned)
	}
}

func TestAuditActor_digest(t *testing.T) {
	a := AuditActor{Role: dispatch.RoleRider, Sub: "r1", Salt: []byte("0123456789abcdef")}
	sum := sha256.Sum256([]byte("0123456789abcdef" + "rider\x00r1"))
	if got, want := a.digest(), "sha256:"+hex.EncodeToString(sum[:]); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if one, two := NewAuditActor("rider", "r1"), NewAuditActor("rider", "r1"); one.Digest == two.Digest || one.Digest != one.digest() {
		t.Errorf("digests %s and %s", one.Digest, two.Digest)
	}
}

func TestSeal(t *testing.T) {
	t.Run("who_is_hidden", func(t *testing.T) {
		rider, _ := plainName(dispatch.RoleRider, "x")
		driver, _ := plainName(dispatch.RoleDriver, "x")
		for _, c := range []struct{ role, sub, object, object2 string }{
			{"rider", rider, "rider:x", "rider:" + rider},
			{"driver", driver, "driver:x", "driver:" + driver},
			{"dispatcher", "x", "order:x", "order:x"},
			{"admin", "x", "offer:x", "offer:x"},
			{"service", "x", "market:x", "market:x"},
			{"operator", "x", "rider:", "rider:"},
			{"operator", "x", "", ""},
		} {
			head := AuditHead{Chain: "access"}
			got, err := Seal(&head, []dispatch.AuditEntry{{Actor: dispatch.By{Role: dispatch.Role(c.role), Sub: "x"}, Object: c.object}}, at, plainName)
			if err != nil || got[0].Actor.Sub != c.sub || got[0].Object != c.object2 {
				t.Errorf("%+v gave %+v, %v", c, got, err)
			}
		}
	})
	t.Run("a_name_that_cannot_be_hidden_is_not_written", func(t *testing.T) {
		broken := errors.New("no name")
		for _, e := range []dispatch.AuditEntry{{Actor: dispatch.By{Role: dispatch.RoleRider, Sub: "x"}}, {Object: "driver:x"}} {
			_, err := Seal(&AuditHead{}, []dispatch.AuditEntry{e}, at, func(dispatch.Role, string) (string, error) { return "", broken })
			if !errors.Is(err, broken) {
				t.Errorf("%+v: %v", e, err)
			}
		}
	})
	t.Run("a_text_beyond_the_format_is_refused", func(t *testing.T) {
		_, err := Seal(&AuditHead{}, []dispatch.AuditEntry{{Object: "order:" + strings.Repeat("x", 1<<16)}}, at, plainName)
		if !errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("err %v", err)
		}
	})
}

// growing is a log whose records are written while it is read.
type growing struct {
	Audit
	records []AuditRecord
	seen    int // how many a reader may see now
}

func (g *growing) AuditRecords(_ context.Context, _ dispatch.AuditChain, after int64, limit int) ([]AuditRecord, error) {
	return g.records[after:min(g.seen, int(after)+limit)], nil
}

func (g *growing) AuditHeads(context.Context) ([]AuditHead, error) {
	g.seen = min(g.seen+700, len(g.records))
	last := g.records[g.seen-1]
	return []AuditHead{{"access", last.N, last.Hash}}, nil
}

func TestReadAudit_of_a_log_that_grows(t *testing.T) {
	const n = 2*auditPage + 1
	head := AuditHead{Chain: "access"}
	records, err := Seal(&head, make([]dispatch.AuditEntry, n), at, plainName)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	got, err := ReadAudit(t.Context(), &growing{records: records, seen: 1}, "access", func(*AuditRecord) error { read++; return nil })
	if err != nil || got != head || read != n {
		t.Errorf("read %d to %+v, %v; want %d", read, got, err, n)
	}
	broken := errors.New("enough")
	_, err = ReadAudit(t.Context(), &growing{records: records, seen: 1}, "access", func(*AuditRecord) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("err %v, want the visitor's", err)
	}
}
