package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func historyTests() []sentence {
	return []sentence{
		{"an_order_reads_back_as_it_was_written", historyOrder},
		{"an_order_is_told_as_it_stood_after_each_version", historyOrderAt},
		{"events_of_an_order_read_back_in_pages", historyEvents},
		{"orders_come_newest_first_and_by_every_filter", historyOrders},
		{"pages_of_orders_hold_each_once", historyPages},
		{"lists_are_what_every_filter_together_leaves", historyLists},
		{"new_and_changed_orders_do_not_move_a_page", historyMoving},
		{"own_orders_are_the_open_and_the_lately_closed", historyOwn},
		{"own_orders_stay_within_the_markets_of_the_token", historyOwnMarkets},
		{"unknown_ids_are_not_found", historyUnknown},
	}
}

func historyOrder(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Edit("o1", dispatch.EventOrderEdited, fullOrder)
	b.Commit()
	h.reopen(t)
	o, err := h.Order(t.Context(), "o1")
	ok(t, "order", err)
	same(t, "order", o, b.Order("o1"))
}

func historyOrderAt(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 1)
	var stood []dispatch.Order
	b.Create("o1", "r1")
	stood = append(stood, b.Order("o1"))
	b.Edit("o1", dispatch.EventOrderEdited, fullOrder)
	stood = append(stood, b.Order("o1"))
	for _, s := range wayTo(dispatch.StateCompleted) {
		b.Move("o1", s, fit(s, "d1"))
		stood = append(stood, b.Order("o1"))
		b.Commit()
	}
	for i, want := range stood {
		o, err := h.OrderAt(t.Context(), "o1", int64(i+1))
		ok(t, "order at", err)
		same(t, fmt.Sprint("version ", i+1), o, want)
	}
	for _, v := range []int64{0, -1, int64(len(stood)) + 1} {
		_, err := h.OrderAt(t.Context(), "o1", v)
		wantCode(t, fmt.Sprint("version ", v), err, dispatch.CodeNotFound)
	}
}

func historyEvents(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Create("o2", "r1")
	for i := range 4 {
		b.Edit("o1", dispatch.EventOrderEdited, func(o *dispatch.Order) { o.Priority = i })
	}
	b.Move("o1", dispatch.StateOffered, nil)
	last := &b.batch.Events[len(b.batch.Events)-1]
	last.By, last.Offer, last.Reason, last.Driver = dispatch.By{Role: dispatch.RoleDispatcher, Sub: "s1"}, "f1", "why", "d9"
	last.Policy = "0a1b2c3d4e5f"
	want := append([]dispatch.Event(nil), b.batch.Events[0])
	want = append(want, b.batch.Events[2:]...)
	b.Commit()
	var got []dispatch.Event
	for page := 0; page < 4; page++ {
		after := int64(len(got))
		events, err := h.OrderEvents(t.Context(), "o1", after, 2)
		ok(t, "order events", err)
		if wantLen := min(2, len(want)-len(got)); len(events) != wantLen {
			t.Fatalf("%d events after version %d, want %d", len(events), after, wantLen)
		}
		got = append(got, events...)
	}
	same(t, "events", got, want)
}

// many commits ten orders, o0 to o9: the even ones in sf and of r0, the odd ones in la and of r1; those of a
// number divisible by three have driver d0 (or d1) on the way; o5 is cancelled.
func many(t *testing.T, h *house) {
	t.Helper()
	books := []*Book{NewBook(t, h, sf), NewBook(t, h, la)}
	for i, b := range books {
		b.Duty(dispatch.DriverID(fmt.Sprint("d", i)), true, 9)
	}
	for i := range 10 {
		b, id := books[i%2], dispatch.OrderID(fmt.Sprint("o", i))
		b.Create(id, dispatch.RiderID(fmt.Sprint("r", i%2)))
		if i%3 == 0 {
			b.Move(id, dispatch.StateEnRouteToPickup, With(dispatch.DriverID(fmt.Sprint("d", i%2))))
		}
		if i == 5 {
			b.Move(id, dispatch.StateCancelled, Cancelled)
		}
	}
	for _, b := range books {
		b.Commit()
	}
}

func ids(orders []dispatch.Order) string {
	s := ""
	for _, o := range orders {
		s += string(o.ID[1:])
	}
	return s
}

func historyOrders(t *testing.T, h *house) {
	many(t, h)
	for _, c := range []struct {
		filter dispatch.OrderFilter
		want   string
	}{
		{dispatch.OrderFilter{}, "9876543210"},
		{dispatch.OrderFilter{Market: sf}, "86420"},
		{dispatch.OrderFilter{Markets: []dispatch.MarketID{la}}, "97531"},
		{dispatch.OrderFilter{Markets: []dispatch.MarketID{la, sf}, Market: sf}, "86420"},
		{dispatch.OrderFilter{Markets: []dispatch.MarketID{la}, Market: sf}, ""},
		{dispatch.OrderFilter{Rider: "r1"}, "97531"},
		{dispatch.OrderFilter{Driver: "d1"}, "93"},
		{dispatch.OrderFilter{States: []dispatch.State{dispatch.StateCancelled}}, "5"},
		{dispatch.OrderFilter{States: []dispatch.State{dispatch.StateCancelled, dispatch.StateEnRouteToPickup}}, "96530"},
		{dispatch.OrderFilter{Rider: "r0", Driver: "d0", Market: sf, States: []dispatch.State{dispatch.StateEnRouteToPickup}}, "60"},
		{dispatch.OrderFilter{After: "o7", Market: la}, "531"},
		{dispatch.OrderFilter{Rider: "r7"}, ""},
		{dispatch.OrderFilter{Rider: "r0' OR 1=1 --"}, ""},
	} {
		c.filter.Limit = 50
		orders, err := h.Orders(t.Context(), c.filter)
		ok(t, "orders", err)
		if got := ids(orders); got != c.want {
			t.Errorf("%+v gave %q, want %q", c.filter, got, c.want)
		}
	}
	none, err := h.Orders(t.Context(), dispatch.OrderFilter{})
	ok(t, "orders", err)
	same(t, "orders with limit 0", ids(none), "")
}

func historyPages(t *testing.T, h *house) {
	many(t, h)
	got := ""
	for f := (dispatch.OrderFilter{Limit: 3}); ; {
		orders, err := h.Orders(t.Context(), f)
		ok(t, "orders", err)
		got += ids(orders) + "|"
		if len(orders) < f.Limit {
			break
		}
		f.After = orders[len(orders)-1].ID
	}
	same(t, "pages", got, "987|654|321|0|")
}

// hours commits an order an hour, two days long, with ids as the edge mints them: by turns in sf and la, of r0 to r2,
// in each third hour of d0 or d1, in five states. They are given newest first.
func hours(t *testing.T, h *house) []dispatch.Order {
	t.Helper()
	books := []*Book{NewBook(t, h, sf), NewBook(t, h, la)}
	for i, b := range books {
		b.Duty(dispatch.DriverID(fmt.Sprint("d", i)), true, 50)
	}
	states := []dispatch.State{
		dispatch.StateSearching, dispatch.StateEnRouteToPickup, dispatch.StateCompleted, dispatch.StateNoDriver, dispatch.StateReturned,
	}
	orders := make([]dispatch.Order, 48)
	for i := range orders {
		b := books[i%2]
		b.Now = Start().Add(time.Duration(i) * time.Hour)
		id := dispatch.OrderID(dispatch.DeriveID(b.Now, fmt.Sprint(i)))
		b.create(id, dispatch.RiderID(fmt.Sprint("r", i%3)), dispatch.KindDelivery)
		for _, s := range wayTo(states[i%5]) {
			b.Move(id, s, fit(s, dispatch.DriverID(fmt.Sprint("d", i%2))))
		}
		orders[len(orders)-1-i] = b.Order(id)
	}
	for _, b := range books {
		b.Commit()
	}
	return orders
}

// matches is what a filter means, but for its After and Limit.
func matches(f *dispatch.OrderFilter, o *dispatch.Order) bool {
	return (f.Market == "" || o.Market == f.Market) && (len(f.Markets) == 0 || slices.Contains(f.Markets, o.Market)) &&
		(len(f.States) == 0 || slices.Contains(f.States, o.State)) &&
		(f.Rider == "" || o.Rider == f.Rider) && (f.Driver == "" || o.Driver == f.Driver) &&
		!o.RequestedAt.Before(f.From) && (f.To.IsZero() || o.RequestedAt.Before(f.To))
}

func historyLists(t *testing.T, h *house) {
	all := hours(t, h)
	open, closed := []dispatch.State{dispatch.StateSearching, dispatch.StateEnRouteToPickup}, []dispatch.State{dispatch.StateNoDriver, dispatch.StateCompleted}
	for _, states := range [][]dispatch.State{nil, open[:1], closed[:1], closed, append(open, closed...)} {
		for _, market := range []dispatch.MarketID{"", sf} {
			for _, markets := range [][]dispatch.MarketID{nil, {la}, {sf, la}} {
				for _, party := range []dispatch.OrderFilter{{}, {Rider: "r1"}, {Driver: "d0"}, {Rider: "r0", Driver: "d1"}} {
					for _, span := range [][2]time.Duration{{}, {5 * time.Hour, 0}, {0, 40 * time.Hour}, {5 * time.Hour, 40 * time.Hour}, {5 * time.Hour, 5*time.Hour + time.Microsecond}} {
						f := party
						f.States, f.Market, f.Markets, f.Limit = states, market, markets, 5
						if span[0] > 0 {
							f.From = Start().Add(span[0])
						}
						if span[1] > 0 {
							f.To = Start().Add(span[1])
						}
						checkPages(t, h, f, all)
					}
				}
			}
		}
	}
}

// checkPages reads a list to its end.
func checkPages(t *testing.T, h *house, f dispatch.OrderFilter, all []dispatch.Order) {
	t.Helper()
	var got, want []dispatch.OrderID
	for i := range all {
		if matches(&f, &all[i]) {
			want = append(want, all[i].ID)
		}
	}
	for range len(all) {
		page, err := h.Orders(t.Context(), f)
		ok(t, "orders", err)
		for _, o := range page {
			got = append(got, o.ID)
		}
		if len(page) < f.Limit {
			break
		}
		f.After = page[len(page)-1].ID
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v gave %v, want %v", f, got, want)
	}
}

func historyMoving(t *testing.T, h *house) {
	all := hours(t, h)
	f := dispatch.OrderFilter{Market: sf, Limit: 10}
	first, err := h.Orders(t.Context(), f)
	ok(t, "orders", err)
	b := NewBook(t, h, sf)
	for i := range 5 {
		b.Create(dispatch.OrderID(dispatch.DeriveID(b.Now, fmt.Sprint("later", i))), "r1")
	}
	for _, o := range all {
		if o.Market == sf && o.State == dispatch.StateSearching {
			b.Move(o.ID, dispatch.StateNoDriver, nil)
		}
	}
	b.Commit()
	f.After = first[len(first)-1].ID
	second, err := h.Orders(t.Context(), f)
	ok(t, "orders", err)
	var want, got []dispatch.OrderID
	for _, o := range all {
		if o.Market == sf && len(want) < 20 {
			want = append(want, o.ID)
		}
	}
	for _, o := range append(first, second...) {
		got = append(got, o.ID)
	}
	same(t, "two pages with new orders between them", got, want)
}

func historyOwn(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 9)
	closed := map[dispatch.OrderID]time.Time{}
	for i, s := range []dispatch.State{
		dispatch.StateCompleted, dispatch.StateEnRouteToPickup, dispatch.StateCompleted, dispatch.StateNoDriver,
		dispatch.StateSearching, dispatch.StateCompleted,
	} {
		id := dispatch.OrderID(fmt.Sprint("o", i))
		setOut(b, id, s, "d1")
		closed[id] = b.Now // that of the last event
		b.Now = b.Now.Add(time.Minute)
	}
	b.Create("o7", "r2")
	b.Commit()
	rider, driver := dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d1"}
	for _, c := range []struct {
		by    dispatch.Actor
		since time.Time
		want  string
	}{
		{rider, Start(), "012345"},
		{rider, closed["o2"], "12345"},
		{rider, closed["o2"].Add(time.Microsecond), "1345"},
		{rider, b.Now, "14"},
		{driver, Start(), "0125"},
		{driver, closed["o2"].Add(time.Microsecond), "15"},
		{dispatch.Actor{Role: dispatch.RoleRider, Sub: "d1"}, Start(), ""},
		{dispatch.Actor{Role: dispatch.RoleDispatcher, Sub: "r1"}, Start(), ""},
		{dispatch.Actor{Role: dispatch.RoleDriver}, Start(), ""},
	} {
		orders, err := h.OwnOrders(t.Context(), c.by, c.since)
		ok(t, "own orders", err)
		if got := ids(orders); got != c.want {
			t.Errorf("%+v since %v gave %q, want %q", c.by, c.since, got, c.want)
		}
		for _, o := range orders {
			want, err := h.Order(t.Context(), o.ID)
			ok(t, "order", err)
			same(t, "own order", o, want)
		}
	}
}

func historyOwnMarkets(t *testing.T, h *house) {
	for i, m := range []dispatch.MarketID{sf, la} {
		b := NewBook(t, h, m)
		b.Create(dispatch.OrderID(fmt.Sprint("o", i)), "r1")
		b.Commit()
	}
	by := dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1", Markets: []dispatch.MarketID{la}}
	orders, err := h.OwnOrders(t.Context(), by, Start())
	ok(t, "own orders", err)
	same(t, "own orders", ids(orders), "1")
}

func historyUnknown(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Duty("d1", true, 1)
	b.Commit()
	_, err := h.Order(t.Context(), "d1")
	wantCode(t, "order", err, dispatch.CodeNotFound)
	_, err = h.OrderAt(t.Context(), "d1", 1)
	wantCode(t, "order at", err, dispatch.CodeNotFound)
	_, err = h.OrderEvents(t.Context(), "d1", 0, 10)
	wantCode(t, "order events", err, dispatch.CodeNotFound)
	_, err = h.Offer(t.Context(), "o1")
	wantCode(t, "offer", err, dispatch.CodeNotFound)
	_, err = h.Duty(t.Context(), "o1")
	wantCode(t, "duty", err, dispatch.CodeNotFound)
	events, err := h.OrderEvents(t.Context(), "o1", 1, 10)
	ok(t, "events after the last", err)
	offers, err := h.LiveOffers(t.Context(), "o1")
	ok(t, "live offers of nobody", err)
	if !slices.Equal([]int{len(events), len(offers)}, []int{0, 0}) {
		t.Errorf("%d events after the last, %d offers of nobody", len(events), len(offers))
	}
}
