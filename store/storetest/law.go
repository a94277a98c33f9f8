package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func lawTests() []sentence {
	return []sentence{
		{"every_transition_of_the_table_is_taken_and_no_other", lawTransitions},
		{"an_order_leaves_only_the_state_it_is_in", lawChain},
		{"an_edit_keeps_the_state_and_the_driver", lawEdit},
		{"another_driver_comes_by_a_reassignment_only", lawTwoDrivers},
		{"no_driver_has_more_orders_than_its_capacity", lawCapacity},
		{"a_state_that_needs_a_driver_has_one_and_no_other_has", lawDriver},
		{"who_cancelled_is_told_by_the_cancelled_and_no_other", lawCancelled},
		{"what_an_order_is_of_never_changes", lawImmutable},
	}
}

// setOut puts an order into state s as if it had come there lawfully, by the shortest way.
func setOut(b *Book, id dispatch.OrderID, s dispatch.State, d dispatch.DriverID) {
	b.Create(id, "r1")
	for _, to := range wayTo(s) {
		b.Move(id, to, fit(to, d))
	}
}

// wayTo is the shortest way from searching to s by the transition table; nil for searching itself.
func wayTo(s dispatch.State) []dispatch.State {
	before := map[dispatch.State]dispatch.State{dispatch.StateSearching: ""}
	for queue := []dispatch.State{dispatch.StateSearching}; len(queue) > 0; queue = queue[1:] {
		for _, r := range dispatch.Transitions() {
			if _, seen := before[r.To]; r.From == queue[0] && !seen {
				before[r.To] = r.From
				queue = append(queue, r.To)
			}
		}
	}
	var way []dispatch.State
	for ; s != dispatch.StateSearching && s != ""; s = before[s] {
		way = append([]dispatch.State{s}, way...)
	}
	return way
}

// fit gives the change that makes an order such as its new state asks for: a driver, who cancelled it.
func fit(to dispatch.State, d dispatch.DriverID) func(*dispatch.Order) {
	return func(o *dispatch.Order) {
		switch {
		case to == dispatch.StateCancelled:
			Cancelled(o)
		case to.Assigned(), to == dispatch.StateCompleted, to == dispatch.StateReturned:
			o.Driver = d
		default:
			o.Driver = ""
		}
		if to != dispatch.StateCancelled {
			o.CancelledBy = ""
		}
	}
}

func lawTransitions(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	n := 0
	for _, from := range append(dispatch.States(), "") {
		for _, to := range dispatch.States() {
			n++
			id, d := dispatch.OrderID(fmt.Sprint("o", n)), dispatch.DriverID(fmt.Sprint("d", n))
			switch from {
			case "":
				b.Create(id, "r1")
				e := &b.batch.Events[0]
				e.Type, e.To, e.Order.State = dispatch.Entered(to), to, to
				fit(to, d)(e.Order)
			case dispatch.StateScheduled:
				b.Create(id, "r1")
				e := &b.batch.Events[0]
				e.Type, e.To, e.Order.State = dispatch.Entered(from), from, from
				o := *e.Order
				b.orders[id] = o
				b.Move(id, to, fit(to, d))
			default:
				setOut(b, id, from, d)
				b.Move(id, to, fit(to, d))
			}
			err := b.TryCommit()
			legal := dispatch.May(dispatch.RoleEngine, from, to) || dispatch.May(dispatch.RoleDriver, from, to) ||
				dispatch.May(dispatch.RoleDispatcher, from, to) || dispatch.May(dispatch.RoleRider, from, to)
			if legal && err != nil {
				t.Errorf("%q to %q: %v", from, to, err)
			}
			if !legal {
				wantIs(t, fmt.Sprintf("%q to %q", from, to), err, dispatch.ErrRefused)
			}
		}
	}
}

func lawChain(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	setOut(b, "o1", dispatch.StateArrivedAtPickup, "d1")
	b.Commit()
	o := b.Order("o1")
	o.Version, o.State = o.Version+1, dispatch.StateArrivedAtDropoff
	b.Event(dispatch.Event{ // in the table, but not from where the order is
		Type: dispatch.Entered(o.State), Version: o.Version, Order: &o, By: dispatch.By{Role: dispatch.RoleDriver},
		From: dispatch.StateEnRouteToDropoff, To: o.State, Driver: "d1",
	})
	wantIs(t, "commit", b.TryCommit(), dispatch.ErrRefused)
}

func lawEdit(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Duty("d1", true, 2)
	b.Create("o1", "r1")
	b.Edit("o1", dispatch.EventOrderEdited, func(o *dispatch.Order) { o.Priority = 5 })
	setOut(b, "o2", dispatch.StateEnRouteToPickup, "d1")
	b.Commit()
	b.Edit("o2", dispatch.EventOrderEdited, With("d2"))
	wantIs(t, "an edit of the driver", b.TryCommit(), dispatch.ErrRefused)
	b.Edit("o2", "order.reassigned", With("d2"))
	wantIs(t, "a reassignment before the pickup", b.TryCommit(), dispatch.ErrRefused)
	b.Edit("o1", dispatch.Entered(dispatch.StateSearching), nil)
	wantIs(t, "a state entered from itself", b.TryCommit(), dispatch.ErrRefused)
	b.Edit("o1", "order.painted", nil)
	wantIs(t, "an unknown type", b.TryCommit(), dispatch.ErrRefused)
	b.Move("o1", dispatch.StateCancelled, Cancelled)
	b.Edit("o1", dispatch.EventOrderEdited, nil)
	wantIs(t, "an edit of a closed order", b.TryCommit(), dispatch.ErrRefused)
}

func lawTwoDrivers(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	setOut(b, "o1", dispatch.StateEnRouteToPickup, "d1")
	b.Commit()
	b.Move("o1", dispatch.StateArrivedAtPickup, With("d2"))
	wantIs(t, "a step with another driver", b.TryCommit(), dispatch.ErrRefused)
	b.Move("o1", dispatch.StateArrivedAtPickup, nil)
	b.Move("o1", dispatch.StateEnRouteToDropoff, nil)
	b.Edit("o1", "order.reassigned", With("d2"))
	b.Commit()
	o, err := h.Order(t.Context(), "o1")
	ok(t, "order", err)
	same(t, "driver", o.Driver, dispatch.DriverID("d2"))
	b.Move("o1", dispatch.StateCompleted, With("d1"))
	wantIs(t, "a completion with another driver", b.TryCommit(), dispatch.ErrRefused)
}

func lawCapacity(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	for capacity := 1; capacity <= 3; capacity++ {
		d := dispatch.DriverID(fmt.Sprint("d", capacity))
		b.Duty(d, true, capacity)
		for i := range capacity {
			setOut(b, dispatch.OrderID(fmt.Sprint("o", capacity, "-", i)), dispatch.StateEnRouteToPickup, d)
		}
		b.Commit()
		setOut(b, "more", dispatch.StateEnRouteToPickup, d)
		wantIs(t, fmt.Sprintf("one more than %d", capacity), b.TryCommit(), dispatch.ErrRefused)
		b.Move(dispatch.OrderID(fmt.Sprint("o", capacity, "-0")), dispatch.StateCancelled, Cancelled)
		setOut(b, dispatch.OrderID(fmt.Sprint("next", capacity)), dispatch.StateEnRouteToPickup, d)
		b.Commit()
	}
	b.Duty("d3", true, 1) // fewer from now on; what it has goes on to its end
	b.Move("o3-1", dispatch.StateArrivedAtPickup, nil)
	b.Commit()
}

func lawDriver(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	for _, s := range dispatch.States() {
		if s == dispatch.StateScheduled || s == dispatch.StateCancelled {
			continue // the way there is another; a cancelled order may or may not have had a driver
		}
		setOut(b, "o1", s, "d1")
		o := b.batch.Events[len(b.batch.Events)-1].Order
		if o.Driver == "" {
			o.Driver = "d1"
		} else {
			o.Driver = ""
		}
		wantIs(t, fmt.Sprintf("%s with driver %q", s, o.Driver), b.TryCommit(), dispatch.ErrRefused)
	}
}

func lawCancelled(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Commit()
	b.Move("o1", dispatch.StateCancelled, nil)
	wantIs(t, "cancelled by nobody", b.TryCommit(), dispatch.ErrRefused)
	b.Move("o1", dispatch.StateCancelled, func(o *dispatch.Order) { o.CancelledBy = "weather" })
	wantIs(t, "cancelled by the weather", b.TryCommit(), dispatch.ErrRefused)
	b.Move("o1", dispatch.StateOffered, Cancelled)
	wantIs(t, "offered, and cancelled by its rider", b.TryCommit(), dispatch.ErrRefused)
}

func lawImmutable(t *testing.T, h *house) {
	b := NewBook(t, h, sf)
	b.Create("o1", "r1")
	b.Commit()
	for name, change := range map[string]func(*dispatch.Order){
		"kind":            func(o *dispatch.Order) { o.Kind = dispatch.KindDelivery },
		"rider":           func(o *dispatch.Order) { o.Rider = "r2" },
		"time of request": func(o *dispatch.Order) { o.RequestedAt = o.RequestedAt.Add(time.Second) },
		"places":          func(o *dispatch.Order) { o.Stops = o.Stops[:1:1] },
	} {
		b.Edit("o1", dispatch.EventOrderEdited, change)
		wantIs(t, "another "+name, b.TryCommit(), dispatch.ErrRefused)
	}
}
