package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// tamperings are what somebody who may write to the database does to the audit log, and where that shows. The chain
// access has five records.
func tamperings() []struct {
	name    string
	queries []string
	n       int64 // the first broken record
	what    string
} {
	const of = " WHERE chain = 'access' AND n = "
	return []struct {
		name    string
		queries []string
		n       int64
		what    string
	}{
		{"another_outcome", []string{"UPDATE audit SET outcome = 'ok'" + of + "3"}, 3, "changed"},
		{"another_actor", []string{"UPDATE audit SET role = 'admin', sub = 'eve'" + of + "2"}, 2, "changed"},
		{"another_instant", []string{"UPDATE audit SET at = at + 1" + of + "1"}, 1, "changed"},
		{"a_hash_made_up", []string{"UPDATE audit SET hash = (SELECT hash FROM audit" + of + "1)" + of + "4"}, 4, "changed"},
		{"an_entry_gone", []string{"DELETE FROM audit" + of + "3"}, 3, "is missing: the next is 4"},
		{"the_first_gone", []string{"DELETE FROM audit" + of + "1"}, 1, "is missing: the next is 2"},
		{"a_gap_closed", []string{"DELETE FROM audit" + of + "3", "UPDATE audit SET n = 3" + of + "4", "UPDATE audit SET n = 4" + of + "5"}, 3, "changed"},
		{"two_that_changed_places", []string{"UPDATE audit SET n = 99" + of + "2", "UPDATE audit SET n = 2" + of + "3", "UPDATE audit SET n = 3" + of + "99"}, 2, "moved"},
		{"the_end_cut_off", []string{"DELETE FROM audit WHERE chain = 'access' AND n > 3"}, 4, "cut off, its head ends at 5"},
		{"the_whole_chain_cut_off", []string{"DELETE FROM audit WHERE chain = 'access'"}, 1, "cut off"},
		{"a_head_set_back", []string{"UPDATE audit_chains SET n = 4, hash = (SELECT hash FROM audit" + of + "4) WHERE id = 'access'"}, 5, "not known to the head"},
		{"a_head_gone", []string{"DELETE FROM audit_chains WHERE id = 'access'"}, 1, "not known to the head"},
		{"a_head_of_another_hash", []string{"UPDATE audit_chains SET hash = (SELECT hash FROM audit" + of + "1) WHERE id = 'access'"}, 5, "its hash is another"},
		{"an_entry_of_another_chain", []string{"UPDATE audit SET chain = 'market:sf' WHERE chain = 'access' AND n = 5"}, 5, "cut off"},
	}
}

// RunTampering changes the audit log behind the journal's back and expects that to be found. exec runs statements in
// the journal's database: with the guards of the tables off, or as they are.
func RunTampering(t *testing.T, b Backend, exec func(t *testing.T, place string, guards bool, query string) error) {
	for _, tampering := range tamperings() {
		t.Run(tampering.name, func(t *testing.T) {
			h := open(t, b)
			for range 5 {
				ok(t, "record", h.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{aRefusal("r1")}))
			}
			h.whole(t, dispatch.ChainAccess)
			if err := exec(t, h.place, true, tampering.queries[0]); err == nil {
				t.Errorf("the tables let through: %s", tampering.queries[0])
			}
			h.whole(t, dispatch.ChainAccess)
			for _, query := range tampering.queries {
				ok(t, query, exec(t, h.place, false, query))
			}
			_, err := store.ReadAudit(t.Context(), h, dispatch.ChainAccess, func(*store.AuditRecord) error { return nil })
			fault, found := errors.AsType[*store.AuditFault](err)
			if !found || fault.N != tampering.n || !strings.Contains(fault.Error(), tampering.what) {
				t.Errorf("found %v, want entry %d %s", err, tampering.n, tampering.what)
			}
		})
	}
}
