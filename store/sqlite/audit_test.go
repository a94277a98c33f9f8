package sqlite

import (
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func auditBackend() storetest.Backend {
	return storetest.Backend{
		Open: func(t *testing.T, place string, wall dispatch.Clock) store.Journal { return openAt(t, place, wall) },
	}
}

func TestJournal_Audit_tampering(t *testing.T) {
	storetest.RunTampering(t, auditBackend(), func(t *testing.T, place string, guards bool, query string) error {
		db := raw(t, place)
		if !guards {
			for _, name := range []string{
				"audit_follows", "audit_never_changes", "audit_never_goes",
				"audit_chains_begin", "audit_chains_follow", "audit_chains_never_go",
			} {
				run(t, db, "DROP TRIGGER IF EXISTS "+name)
			}
		}
		_, err := db.ExecContext(t.Context(), query)
		return err
	})
}

func TestMigrations_Audit_is_append_only(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, nil)
	defer j.Close()
	for range 2 {
		err := j.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{{Action: "access", Outcome: "forbidden"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	db := raw(t, dir)
	const columns = "(chain, n, at, role, sub, action, object, outcome, before_version, after_version, count, hash)"
	for sentence, query := range map[string]string{
		"an entry takes no other's place": "INSERT OR REPLACE INTO audit " + columns +
			" VALUES ('access', 2, 1, NULL, NULL, 'access', NULL, 'ok', 0, 0, 1, zeroblob(32))",
		"an entry leaves no gap": "INSERT INTO audit " + columns +
			" VALUES ('access', 4, 1, NULL, NULL, 'access', NULL, 'ok', 0, 0, 1, zeroblob(32))",
		"a rider is not named": "INSERT INTO audit " + columns +
			" VALUES ('access', 3, 1, 'rider', 'r1', 'access', NULL, 'ok', 0, 0, 1, zeroblob(32))",
		"a driver is not named as an object": "INSERT INTO audit " + columns +
			" VALUES ('access', 3, 1, NULL, NULL, 'access', 'driver:d1', 'ok', 0, 0, 1, zeroblob(32))",
		"a head takes no other's place": "INSERT OR REPLACE INTO audit_chains (id, n, hash) SELECT chain, n, hash FROM audit WHERE n = 1",
		"a head has its entry":          "UPDATE audit_chains SET n = 3",
	} {
		if _, err := db.ExecContext(t.Context(), query); codeOf(err) == 0 {
			t.Errorf("%s: %s gave %v", sentence, query, err)
		}
	}
}
