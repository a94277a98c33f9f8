package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// putDuties writes the events of duties and, from the same values, takes drivers on duty, changes their duty or frees
// them. One is not taken on duty while it is so in another
// market or another market's claim stands: a claim that ran out before its driver.online was committed may have been
// followed by one elsewhere. It is freed in its own market alone; one on duty has no claim to forget. $3 is the wall
// instant after which a claim stands.
func putDuties(list func(...string) string) string {
	return `
WITH n (id, seq, version, type, at, by_role, by_sub, driver_id, offer_id, reason, doc, online, vehicle_class, capacity,
    tags, since, policy) AS (
    SELECT ` + list("$4 text", "$5 bigint", "$6 bigint", "$7 text", "$8 bigint", "$9 text", "$10 text", "$11 text", "$12 text",
		"$13 text", "$14 text", "$15 boolean", "$16 text", "$17 bigint", "$18 text", "$19 bigint", "$20 text") + `),
told AS (
    INSERT INTO events (market, subject, subject_id, seq, version, type, at, by_role, by_sub, driver_id, offer_id, reason,
        policy, doc)
    SELECT $1::text, 'driver', id, seq, version, type, at, by_role, by_sub, driver_id, offer_id, reason,
        policy, doc FROM n),
stood AS (
    INSERT INTO drivers AS d (market, id, version, online, vehicle_class, capacity, tags, since)
    SELECT $1::text, id, version, online, vehicle_class, capacity, tags, since FROM n
    WHERE n.type = CASE WHEN n.online THEN 'driver.online' ELSE 'driver.offline' END
        AND (n.version = 1 AND n.online OR (SELECT true FROM drivers e WHERE e.id = n.id))
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, market = excluded.market, online = excluded.online,
        vehicle_class = excluded.vehicle_class, capacity = excluded.capacity, tags = excluded.tags,
        since = excluded.since, claim_market = CASE WHEN NOT excluded.online THEN d.claim_market END,
        claimed_at = CASE WHEN NOT excluded.online THEN d.claimed_at END
    WHERE d.version = excluded.version - 1 AND (d.market = excluded.market OR excluded.online AND NOT d.online)
        AND (NOT excluded.online
            OR d.claim_market IS NULL OR d.claim_market = excluded.market OR d.claimed_at <= $3::bigint)
    RETURNING 1)
SELECT journal_all('duties', count(*), $2::bigint) FROM stood HAVING count(*) <> $2::bigint`
}

// duties writes the events of duties, with the rows of their drivers.
func (w *writer) duties(m dispatch.MarketID, events []eventRow, now time.Time) {
	for i := range events {
		if d := events[i].event.Duty; d != nil {
			w.rows.next().text(string(d.Driver)).eventHead(&events[i]).bool(d.Online).text(d.VehicleClass).
				int(int64(d.Capacity)).doc(encodeTags(d.Tags)).when(d.Since).opt(events[i].event.Policy)
		}
	}
	if n := w.rows.n; n > 0 {
		w.send(stmtDuties, string(m), int64(n), store.Micros(now.Add(-store.ClaimFor)))
	}
}

// encodeTags gives the document of a list of strings, nil of none.
func encodeTags(tags []string) []byte {
	if len(tags) == 0 {
		return nil
	}
	doc, err := json.Marshal(tags)
	if err != nil {
		panic(fmt.Sprintf("encode strings: %v", err)) // every list of strings has a document
	}
	return doc
}

const selectDuties = `
SELECT id, market, version, online, vehicle_class, capacity, tags, since FROM drivers `

func scanDuty(row scanner) (dispatch.Duty, error) {
	var d dispatch.Duty
	err := row.Scan(&d.Driver, &d.Market, &d.Version, &d.Online, &d.VehicleClass, &d.Capacity,
		doc(&d.Tags, decodeTags), when(&d.Since))
	return d, err
}

// Duty implements store.Duties.
func (j *Journal) Duty(ctx context.Context, d dispatch.DriverID) (dispatch.Duty, error) {
	var duty dispatch.Duty
	err := j.read(ctx, "read duty", func(ctx context.Context, q querier) error {
		var err error
		duty, err = scanDuty(q.QueryRow(ctx, selectDuties+`WHERE id = $1 AND version > 0`, d))
		return found(err, "driver")
	})
	return duty, err
}
