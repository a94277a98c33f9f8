package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

const (
	permitRider  = "INSERT INTO permit (one, role, sub, pseudonym) VALUES (1, 'rider', 'r1', 'erased-1')"
	permitDriver = "INSERT INTO permit (one, role, sub, pseudonym) VALUES (1, 'driver', 'd1', 'erased-1')"
	permitOld    = "INSERT INTO permit (one, older) VALUES (1, 9000000000000000)"
	endPermit    = "DELETE FROM permit"
)

// permitted gives a journal with o1 of r1 by d1 (events 2 to 4), closed, and o2 of r2 (5), open; d1 is off duty
// (1 and 6). All is published but for event 6.
func permitted(t *testing.T) *Journal {
	t.Helper()
	j := openAt(t, place(t), nil)
	b := storetest.NewBook(t, j, "sf")
	b.Duty("d1", true, 1)
	b.Create("o1", "r1")
	b.Move("o1", dispatch.StateEnRouteToPickup, storetest.With("d1"))
	b.Move("o1", dispatch.StateCancelled, storetest.Cancelled)
	b.Create("o2", "r2")
	b.Duty("d1", false, 1)
	b.Commit()
	if err := j.SetCursor(t.Context(), "sf", 5); err != nil {
		t.Fatal(err)
	}
	return j
}

func transact(j *Journal, queries ...string) error {
	return j.write(context.Background(), j.writes, j.bounds.Write, func(ctx context.Context, conn *pgxpool.Conn) error {
		return begun(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			for _, query := range queries {
				if _, err := tx.Exec(ctx, query); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestPermit_Lets_an_id_be_replaced_and_words_go(t *testing.T) {
	for _, queries := range [][]string{
		{permitRider, `UPDATE events SET by_sub = 'erased-1', reason = NULL, doc = jsonb_set(doc::jsonb - 'reason', '{rider_id}', '"erased-1"')::text
			WHERE seq = 2`, endPermit},
		{permitRider, "UPDATE orders SET rider_id = 'erased-1', reason = NULL WHERE id = 'o1'", endPermit},
		{permitDriver, `UPDATE events SET driver_id = 'erased-1', doc = jsonb_set(doc::jsonb, '{driver_id}', '"erased-1"')::text WHERE seq = 3`, endPermit},
		{permitDriver, "UPDATE events SET subject_id = 'erased-1', by_sub = 'erased-1' WHERE seq = 1", endPermit},
		{permitDriver, "UPDATE orders SET driver_id = 'erased-1', bars = NULL WHERE id = 'o1'", endPermit},
		{permitOld, "DELETE FROM events WHERE seq IN (1, 2, 3, 4)", endPermit},
	} {
		if err := transact(permitted(t), queries...); err != nil {
			t.Errorf("%s: %v", strings.Join(queries, "; "), err)
		}
	}
}

func TestPermit_Lets_nothing_else_pass(t *testing.T) {
	j := permitted(t)
	for sentence, queries := range map[string][]string{
		"a permit ends with its transaction":            {permitRider},
		"one of old things too":                         {permitOld, "DELETE FROM events WHERE seq = 2"},
		"a permit names a pseudonym":                    {"INSERT INTO permit (one, role, sub, pseudonym) VALUES (1, 'rider', 'r1', 'r2')", endPermit},
		"a permit is for one thing":                     {permitRider, "UPDATE permit SET older = 1", endPermit},
		"there is one permit":                           {permitRider, strings.Replace(permitDriver, "(1,", "(2,", 1), endPermit},
		"nothing ends what has no end":                  {"INSERT INTO never (id) VALUES (1)"},
		"a policy stays":                                {permitRider, "UPDATE events SET policy = 'x' WHERE seq = 4", endPermit},
		"a rider's permit is not for drivers":           {permitRider, "UPDATE events SET driver_id = 'erased-1' WHERE seq = 3", endPermit},
		"not for another rider":                         {permitRider, "UPDATE events SET by_sub = 'erased-1' WHERE seq = 5", endPermit},
		"not for another pseudonym":                     {permitRider, "UPDATE events SET by_sub = 'erased-2' WHERE seq = 2", endPermit},
		"not for an act in another role":                {permitDriver, "UPDATE events SET by_sub = 'erased-1' WHERE seq = 2", endPermit},
		"words go and are not put in":                   {permitRider, "UPDATE events SET reason = 'because' WHERE seq = 4", endPermit},
		"a state stays":                                 {permitRider, "UPDATE events SET to_state = 'offered' WHERE seq = 3", endPermit},
		"a version stays":                               {permitRider, "UPDATE events SET version = 9 WHERE seq = 4", endPermit},
		"a seq stays":                                   {permitRider, "UPDATE events SET seq = 9 WHERE seq = 4", endPermit},
		"an instant stays":                              {permitRider, "UPDATE events SET at = 9 WHERE seq = 4", endPermit},
		"a type stays":                                  {permitRider, "UPDATE events SET type = 'order.edited' WHERE seq = 4", endPermit},
		"an order's events stay its own":                {permitDriver, "UPDATE events SET subject_id = 'erased-1' WHERE seq = 4", endPermit},
		"a document keeps its state":                    {permitRider, "UPDATE events SET doc = jsonb_set(doc::jsonb, '{state}', '\"x\"')::text WHERE seq = 4", endPermit},
		"a document keeps its version":                  {permitRider, "UPDATE events SET doc = jsonb_set(doc::jsonb, '{version}', '9')::text WHERE seq = 4", endPermit},
		"a document's rider is whom the permit names":   {permitRider, "UPDATE events SET doc = jsonb_set(doc::jsonb, '{rider_id}', '\"r2\"')::text WHERE seq = 4", endPermit},
		"a document's driver stays with a rider's":      {permitRider, "UPDATE events SET doc = jsonb_set(doc::jsonb, '{driver_id}', '\"erased-1\"')::text WHERE seq = 4", endPermit},
		"without a permit no document changes":          {"UPDATE events SET doc = (doc::jsonb - 'reason')::text WHERE seq = 4"},
		"without a permit no rider changes":             {"UPDATE orders SET rider_id = 'erased-1' WHERE id = 'o1'"},
		"an order's rider is whom the permit names":     {permitRider, "UPDATE orders SET rider_id = 'r2' WHERE id = 'o1'", endPermit},
		"an open order stays its rider's":               {strings.Replace(permitRider, "r1", "r2", 1), "UPDATE orders SET rider_id = 'erased-1' WHERE id = 'o2'", endPermit},
		"an order's driver is whom the permit names":    {permitDriver, "UPDATE orders SET driver_id = 'd2' WHERE id = 'o1'", endPermit},
		"an order keeps its state under a permit":       {permitDriver, "UPDATE orders SET driver_id = 'erased-1', state = 'returned', cancelled_by = NULL WHERE id = 'o1'", endPermit},
		"to change is not to delete":                    {permitRider, "DELETE FROM events WHERE seq = 2", endPermit},
		"to delete is not to change":                    {permitOld, "UPDATE events SET by_sub = 'erased-1' WHERE seq = 2", endPermit},
		"what is open does not go":                      {permitOld, "DELETE FROM events WHERE seq = 5", endPermit},
		"what is not published and last does not go":    {permitOld, "DELETE FROM events WHERE seq = 6", endPermit},
		"what is younger than the permit does not go":   {"INSERT INTO permit (one, older) VALUES (1, 5)", "DELETE FROM events WHERE seq = 2", endPermit},
		"erasures keep no id once they are done":        {"INSERT INTO erasures VALUES ('e1', 'rider', 'r1', 'erased-1', 1, 1, 1)"},
		"erasures keep the id until then":               {"INSERT INTO erasures VALUES ('e1', 'rider', NULL, 'erased-1', 1, 1, NULL)"},
		"erasures are done here before they are at all": {"INSERT INTO erasures VALUES ('e1', 'rider', NULL, 'erased-1', 1, NULL, 1)"},
	} {
		err := transact(j, queries...)
		if classOf(err) != classConstraint {
			t.Errorf("%s: %s gave %v, want a constraint", sentence, strings.Join(queries, "; "), err)
		}
	}
}
