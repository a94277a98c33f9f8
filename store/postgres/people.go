package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

var _ store.Archive = (*Journal)(nil)

const (
	// scanRows is how many events are looked at in one read for what names a driver.
	scanRows = 5000
	// scanPages is how many pages of answers, of some forty each, are looked at in one statement.
	scanPages = 5000
	// pageOrders is how many orders are read at once.
	pageOrders = 100
)

// named are the conditions under which an event of an order names a driver; a document is searched for the id as a
// whole JSON string, and decoded only when it is there.
const named = `e.subject = 'order' AND (e.driver_id = $1 OR e.by_sub = $1 OR strpos(e.doc, '"' || $1 || '"') > 0)`

// Tell implements store.People.
func (j *Journal) Tell(ctx context.Context, p dispatch.Person, each func(store.Record) error) error {
	err := j.tellParty(ctx, p, each)
	if err != nil {
		return err
	}
	var answers []dispatch.Answer
	err = j.answerPages(ctx, func(from, to string) error {
		return j.list(ctx, "read answers", func(ctx context.Context, q querier) error {
			some, err := all(ctx, q, scanAnswer, `
SELECT market, sub, key, digest, code, detail, field, order_id, version, at FROM answers
WHERE ctid >= $1::tid AND ctid < $2::tid AND sub = $3`, from, to, p.ID)
			answers = append(answers, some...)
			return err
		})
	})
	slices.SortFunc(answers, func(a, b dispatch.Answer) int { return cmp.Compare(a.Key.ID, b.Key.ID) })
	return errors.Join(err, tellAll(answers, each, func(a *dispatch.Answer) store.Record { return store.Record{Answer: a} }))
}

// answerPages runs do on one stretch after the other of the answers that there are now, from one place in their table to
// another, which is not in it. They are found by their keys, and nobody's lie together.
func (j *Journal) answerPages(ctx context.Context, do func(from, to string) error) error {
	var pages int64
	err := j.list(ctx, "measure the answers", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT pg_relation_size('answers') / current_setting('block_size')::bigint`).Scan(&pages)
	})
	for from := int64(0); err == nil && from < pages; from += scanPages {
		err = do(fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", from+scanPages))
	}
	return err
}

func (j *Journal) tellParty(ctx context.Context, p dispatch.Person, each func(store.Record) error) error {
	if p.Role == dispatch.RoleDriver {
		return j.tellDriver(ctx, dispatch.DriverID(p.ID), each)
	}
	return j.ordersOf(ctx, "rider_id", p.ID, func(o *dispatch.Order) error {
		if err := each(store.Record{Order: o}); err != nil {
			return err
		}
		events, err := j.OrderEvents(ctx, o.ID, 0, int(o.Version))
		return errors.Join(err, tellAll(events, each, func(e *dispatch.Event) store.Record { return store.Record{Event: e} }))
	})
}

func (j *Journal) tellDriver(ctx context.Context, d dispatch.DriverID, each func(store.Record) error) error {
	duty, err := j.Duty(ctx, d)
	if err == nil {
		err = each(store.Record{Duty: &duty})
	} else if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		err = nil
	}
	if err != nil {
		return err
	}
	var offers []dispatch.Offer
	err = j.list(ctx, "read offers", func(ctx context.Context, q querier) error {
		offers, err = all(ctx, q, scanOffer, selectOffers+`WHERE driver_id = $1 ORDER BY id`, d)
		return err
	})
	if err != nil {
		return err
	}
	if err := tellAll(offers, each, func(o *dispatch.Offer) store.Record { return store.Record{Offer: o} }); err != nil {
		return err
	}
	err = j.ordersOf(ctx, "driver_id", string(d), func(o *dispatch.Order) error { return each(store.Record{Order: o}) })
	if err != nil {
		return err
	}
	return j.scan(ctx, `e.subject = 'driver' AND e.subject_id = $1 OR `+named, string(d), func(events []dispatch.Event) error {
		return tellAll(events, each, func(e *dispatch.Event) store.Record { return store.Record{Event: e} })
	})
}

func tellAll[T any](list []T, each func(store.Record) error, as func(*T) store.Record) error {
	for i := range list {
		if err := each(as(&list[i])); err != nil {
			return err
		}
	}
	return nil
}

// ordersOf runs do on each order of a party, ascending by id.
func (j *Journal) ordersOf(ctx context.Context, party, id string, do func(*dispatch.Order) error) error {
	for after := dispatch.OrderID(""); ; {
		var page []dispatch.Order
		err := j.list(ctx, "read orders of a party", func(ctx context.Context, q querier) error {
			var err error
			page, err = all(ctx, q, scanOrder, selectOrders+`WHERE o.`+party+` = $1 AND o.id > $2 ORDER BY o.id LIMIT $3`,
				id, after, pageOrders)
			return err
		})
		if err != nil {
			return err
		}
		for i := range page {
			if err := do(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < pageOrders {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

// selectBare reads events without the places of their orders.
const selectBare = `
SELECT e.market, e.seq, e.subject, e.version, e.type, e.at, e.by_role, e.by_sub, e.from_state, e.to_state,
    e.driver_id, e.offer_id, e.reason, e.policy, e.doc, NULL::text
FROM events e `

// scan runs do on the events that there are now and that meet a condition on one text, $1, market by market in the
// order in which they were committed. The whole history is read, in bites.
func (j *Journal) scan(ctx context.Context, condition, text string, do func([]dispatch.Event) error) error {
	var markets []dispatch.MarketID
	err := j.list(ctx, "read markets", func(ctx context.Context, q querier) error {
		var err error
		markets, err = j.markets(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range markets {
		last, from := int64(math.MaxInt64), int64(0)
		for from < last {
			var some []dispatch.Event
			err := j.list(ctx, "read the history", func(ctx context.Context, q querier) error {
				if last == math.MaxInt64 {
					if err := q.QueryRow(ctx, `SELECT seq FROM markets WHERE id = $1`, string(m)).Scan(&last); err != nil {
						return err
					}
				}
				var err error
				some, err = all(ctx, q, scanEvent, selectBare+
					`WHERE e.market = $2 AND e.seq > $3 AND e.seq <= $4 AND (`+condition+`) ORDER BY e.seq`,
					text, string(m), from, min(from+scanRows, last))
				return err
			})
			if err != nil {
				return err
			}
			if len(some) > 0 {
				if err := do(some); err != nil {
					return err
				}
			}
			from += scanRows
		}
	}
	return nil
}

// Count implements store.People.
func (j *Journal) Count(ctx context.Context, p dispatch.Person) (store.Held, error) {
	var held store.Held
	var orders []dispatch.OrderID
	err := j.Tell(ctx, p, func(r store.Record) error {
		held.Add(r, p)
		if r.Order != nil && p.Role == dispatch.RoleRider {
			orders = append(orders, r.Order.ID)
		}
		return nil
	})
	if err != nil {
		return held, err
	}
	driver := dispatch.DriverID("")
	if p.Role == dispatch.RoleDriver {
		driver = dispatch.DriverID(p.ID)
	}
	held.Samples, err = j.countSamples(ctx, driver, orders)
	return held, err
}
