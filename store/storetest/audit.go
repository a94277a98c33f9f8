package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// Audit adds an entry to the batch.
func (b *Book) Audit(e dispatch.AuditEntry) { b.batch.Audit = append(b.batch.Audit, e) }

// anAct is an entry of a dispatcher's act with every field set.
func anAct(order string) dispatch.AuditEntry {
	return dispatch.AuditEntry{
		Actor: dispatch.By{Role: dispatch.RoleDispatcher, Sub: "anna"}, Action: "order.cancel", Object: "order:" + order,
		Before: dispatch.Standing{State: dispatch.StateSearching, Version: 1},
		After:  dispatch.Standing{State: dispatch.StateCancelled, Version: 2}, RequestID: "q1",
	}
}

// aRefusal is an entry of an access refused to a rider.
func aRefusal(sub string) dispatch.AuditEntry {
	return dispatch.AuditEntry{
		At: wallStart().Add(-time.Second), Actor: dispatch.By{Role: dispatch.RoleRider, Sub: sub},
		Action: "read.driver", Object: "driver:d1", Outcome: dispatch.CodeForbidden,
	}
}

func auditTests() []sentence {
	return []sentence{
		{"acts_are_kept_with_their_commit", auditCommit},
		{"a_group_of_acts_alone_is_kept", auditAlone},
		{"a_group_that_does_not_stand_leaves_no_entry", auditRefused},
		{"riders_and_drivers_stand_there_by_a_digest", auditDigest},
		{"erasing_an_actor_leaves_the_chain_whole", auditErase},
		{"what_is_recorded_keeps_its_instant_and_count", auditRecord},
		{"writers_race_and_the_chain_is_whole", auditRace},
		{"chains_are_read_in_pages_and_after_a_restart", auditPages},
		{"closed_it_records_nothing", auditClosed},
	}
}

// whole reads a chain, which must be sound, and gives its records.
func (h *house) whole(t *testing.T, chain dispatch.AuditChain) []store.AuditRecord {
	t.Helper()
	var all []store.AuditRecord
	head, err := store.ReadAudit(t.Context(), h, chain, func(r *store.AuditRecord) error {
		all = append(all, *r)
		return nil
	})
	ok(t, "read audit chain "+string(chain), err)
	if head.N != int64(len(all)) {
		t.Errorf("chain %s ends at %d after %d records", chain, head.N, len(all))
	}
	return all
}

func auditCommit(t *testing.T, h *house) {
	b, other := NewBook(t, h, sf), NewBook(t, h, la)
	b.Create("o1", "r1")
	b.Commit()
	b.Move("o1", dispatch.StateCancelled, Cancelled)
	b.Audit(anAct("o1"))
	refused := anAct("o1")
	refused.Actor, refused.Outcome = dispatch.By{Role: dispatch.RoleAdmin, Sub: "root"}, dispatch.CodeIllegalTransition
	refused.Before, refused.RequestID = refused.After, ""
	b.Audit(refused)
	b.Commit()
	other.Audit(anAct("o2"))
	other.Commit()
	got := h.whole(t, dispatch.MarketChain(sf))
	for i := range got {
		got[i].Hash = [32]byte{}
	}
	e := anAct("o1")
	want := store.AuditRecord{
		Chain: "market:sf", N: 1, At: wallStart(), Actor: e.Actor, Action: e.Action, Object: e.Object, Outcome: "ok",
		Before: e.Before, After: e.After, RequestID: "q1", Count: 1,
	}
	second := want
	second.N, second.Actor, second.Before, second.RequestID = 2, refused.Actor, refused.Before, ""
	second.Outcome = string(dispatch.CodeIllegalTransition)
	same(t, "records", got, []store.AuditRecord{want, second})
	if n := len(h.whole(t, dispatch.MarketChain(la))); n != 1 {
		t.Errorf("the other market's chain has %d records", n)
	}
	heads, err := h.AuditHeads(t.Context())
	ok(t, "heads", err)
	var names []string
	for _, head := range heads {
		names = append(names, fmt.Sprint(head.Chain, " ", head.N))
	}
	same(t, "heads", names, []string{"market:la 1", "market:sf 2"})
}

func auditAlone(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Audit(anAct("o1"))
	b.Commit()
	if n := len(h.whole(t, dispatch.MarketChain(sf))); n != 1 || b.Lease.Batch != 1 {
		t.Errorf("%d records after batch %d", n, b.Lease.Batch)
	}
}

func auditRefused(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	rival := b.rival()
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateCompleted, With("d1")) // against the law
	b.Audit(anAct("o1"))
	wantIs(t, "commit", b.TryCommit(), dispatch.ErrRefused)
	rival.Audit(anAct("o1"))
	wantIs(t, "commit by the deposed", h.Commit(t.Context(), rival.Batch()), dispatch.ErrFenced)
	if got := h.whole(t, dispatch.MarketChain(sf)); len(got) != 0 {
		t.Errorf("records %+v", got)
	}
}

func auditDigest(t *testing.T, h *house) {
	twice := []dispatch.AuditEntry{aRefusal("r1"), aRefusal("r1"), aRefusal("r2"), {
		Actor: dispatch.By{Role: dispatch.RoleService, Sub: "pos-7"}, Action: "order.assign", Outcome: dispatch.CodeForbidden,
	}}
	ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, twice[:1]))
	ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, twice[1:]))
	got := h.whole(t, dispatch.ChainAccess)
	first, again, other := got[0].Actor.Sub, got[1].Actor.Sub, got[2].Actor.Sub
	if !strings.HasPrefix(first, "sha256:") || first != again || first == other {
		t.Errorf("digests %q, %q, %q", first, again, other)
	}
	if got[3].Actor.Sub != "pos-7" {
		t.Errorf("a service stands there as %q", got[3].Actor.Sub)
	}
	known, err := h.AuditActors(t.Context())
	ok(t, "actors", err)
	driver, _ := strings.CutPrefix(got[0].Object, "driver:")
	same(t, "actors", known, map[string]dispatch.By{
		first:  {Role: dispatch.RoleRider, Sub: "r1"},
		other:  {Role: dispatch.RoleRider, Sub: "r2"},
		driver: {Role: dispatch.RoleDriver, Sub: "d1"},
	})
}

func auditErase(t *testing.T, h *house) {
	record := func() {
		ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{aRefusal("r1")}))
	}
	record()
	for range 2 {
		ok(t, "erase", h.EraseAuditActor(t.Context(), dispatch.RoleRider, "r1"))
		ok(t, "erase", h.EraseAuditActor(t.Context(), dispatch.RoleDriver, "d1"))
	}
	known, err := h.AuditActors(t.Context())
	ok(t, "actors", err)
	same(t, "actors", known, map[string]dispatch.By{})
	record()
	got := h.whole(t, dispatch.ChainAccess)
	if got[0].Actor.Sub == got[1].Actor.Sub || got[0].Object == got[1].Object {
		t.Errorf("an erased rider or driver can be told by what came later: %+v", got)
	}
}

func auditRecord(t *testing.T, h *house) {
	flood := dispatch.AuditEntry{At: wallStart().Add(-time.Minute + 999), Action: "access", Outcome: dispatch.CodeUnauthenticated, Count: 7000}
	ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{flood}))
	ok(t, "record nothing", h.Record(t.Context(), dispatch.ChainOperator, nil))
	got := h.whole(t, dispatch.ChainAccess)[0]
	got.Hash = [32]byte{}
	same(t, "record", got, store.AuditRecord{
		Chain: "access", N: 1, At: flood.At.Truncate(time.Microsecond), Action: "access", Outcome: "unauthenticated", Count: 7000,
	})
	heads, err := h.AuditHeads(t.Context())
	ok(t, "heads", err)
	if len(heads) != 1 {
		t.Errorf("heads %+v", heads)
	}
}

func auditRace(t *testing.T, h *house) {
	const writers, each = 8, 10
	b := NewBook(t, h, sf)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e := aRefusal(fmt.Sprint("r", i)) // the same riders, so that they race for a digest too
				e.RequestID = fmt.Sprint(w, "-", i)
				if err := h.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{e, e}); err != nil {
					t.Errorf("record: %v", err)
				}
			}
		})
	}
	for range each {
		b.Audit(anAct("o1"))
		b.Commit()
	}
	wg.Wait()
	var ids []string
	for _, r := range h.whole(t, dispatch.ChainAccess) {
		ids = append(ids, r.RequestID)
	}
	slices.Sort(ids)
	if len(ids) != 2*writers*each || len(slices.Compact(ids)) != writers*each {
		t.Errorf("%d records", len(ids))
	}
	if n := len(h.whole(t, dispatch.MarketChain(sf))); n != each {
		t.Errorf("%d records of the market", n)
	}
	known, err := h.AuditActors(t.Context())
	ok(t, "actors", err)
	if len(known) != each+1 {
		t.Errorf("%d actors, want %d", len(known), each+1)
	}
}

func auditPages(t *testing.T, h *house) {
	var entries []dispatch.AuditEntry
	for range 5 {
		entries = append(entries, aRefusal("r1"))
	}
	ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, entries))
	before := h.whole(t, dispatch.ChainAccess)
	h.reopen(t)
	ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, entries[:1]))
	if got := h.whole(t, dispatch.ChainAccess); len(got) != 6 {
		t.Errorf("%d records after a restart", len(got))
	}
	page, err := h.AuditRecords(t.Context(), dispatch.ChainAccess, 2, 2)
	ok(t, "records", err)
	same(t, "page", page, before[2:4])
}

func auditClosed(t *testing.T, h *house) {
	ok(t, "close", h.Close())
	wantCode(t, "record", h.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{aRefusal("r1")}), dispatch.CodeUnavailable)
	_, err := h.AuditHeads(t.Context())
	wantCode(t, "heads", err, dispatch.CodeUnavailable)
}
