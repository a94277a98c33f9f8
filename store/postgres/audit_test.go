package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// auditBackend gives a database to each place; known tells which.
func auditBackend() (b storetest.Backend, known map[string]string) {
	known = map[string]string{} // one test at a time
	return storetest.Backend{
		Open: func(t *testing.T, name string, wall dispatch.Clock) store.Journal {
			if known[name] == "" {
				known[name] = place(t)
			}
			return openAt(t, known[name], wall)
		},
	}, known
}

// The guards are off for who is superuser and wants them off, the statements of the journal's owner are refused.
func TestJournal_Audit_tampering(t *testing.T) {
	b, known := auditBackend()
	storetest.RunTampering(t, b, func(t *testing.T, name string, guards bool, query string) error {
		conn, err := pgx.Connect(t.Context(), known[name])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if !guards {
			if _, err := conn.Exec(t.Context(), "SET session_replication_role = replica"); err != nil {
				t.Fatal(err)
			}
		}
		_, err = conn.Exec(t.Context(), query)
		return err
	})
}

func TestMigrations_Audit_is_append_only(t *testing.T) {
	url := place(t)
	j := openAt(t, url, nil)
	for range 2 {
		err := j.Record(t.Context(), dispatch.ChainAccess, []dispatch.AuditEntry{{Action: "access", Outcome: "forbidden"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	const columns = "(chain, n, at, role, sub, action, object, outcome, before_version, after_version, count, hash)"
	const zeros = "decode(repeat('00', 32), 'hex')"
	for sentence, query := range map[string]string{
		"entries never change":               "UPDATE audit SET outcome = 'ok' WHERE false",
		"entries never go":                   "DELETE FROM audit WHERE false",
		"entries never go all at once":       "TRUNCATE audit",
		"heads never go all at once":         "TRUNCATE audit_chains",
		"an entry leaves no gap":             "INSERT INTO audit " + columns + " VALUES ('access', 4, 1, NULL, NULL, 'access', NULL, 'ok', 0, 0, 1, " + zeros + ")",
		"a rider is not named":               "INSERT INTO audit " + columns + " VALUES ('access', 3, 1, 'rider', 'r1', 'access', NULL, 'ok', 0, 0, 1, " + zeros + ")",
		"a driver is not named as an object": "INSERT INTO audit " + columns + " VALUES ('access', 3, 1, NULL, NULL, 'access', 'driver:d1', 'ok', 0, 0, 1, " + zeros + ")",
		"a head has its entry":               "UPDATE audit_chains SET n = 3",
		"a head does not go back":            "UPDATE audit_chains SET (n, hash) = (SELECT n, hash FROM audit WHERE n = 1)",
	} {
		if _, err := conn.Exec(t.Context(), query); classOf(err) != classConstraint {
			t.Errorf("%s: %s gave %v", sentence, query, err)
		}
	}
}
