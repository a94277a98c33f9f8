package sim

import (
	"math"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// AsRecorded is what tables call what really happened.
const AsRecorded = "as recorded"

// aftermath is what came of what was seen, told as of a simulation of its trips and workers.
func (f *fold) aftermath() *Result {
	sc := &Scenario{Trips: f.p.Trips, From: f.p.From, To: f.p.To}
	w := &world{sc: sc, pol: &Policy{Name: AsRecorded}, now: f.p.To, tally: newTally(sc), history: newHistory()}
	w.tally.offers, w.tally.gap = f.w.offers, f.w.gap
	for i := range sc.Trips {
		w.tally.orderOf[dispatch.OrderID(sc.Trips[i].ID)] = &w.tally.orders[i]
	}
	for _, worker := range f.p.Workers {
		d := &driver{id: worker.ID}
		w.drivers = append(w.drivers, d)
		w.tally.driverOf[d.id] = &d.book
	}
	for i := range f.notes {
		f.notes[i].count(w)
	}
	r := w.result()
	r.DeadheadLine, r.Digest = geo.Meters(math.NaN()), ""
	return r
}

// count takes a note to the books.
func (n *note) count(w *world) {
	t := w.tally
	switch {
	case n.order != nil:
		o := n.order.Order
		if b := t.orderOf[o.ID]; b != nil && b.requested.IsZero() {
			b.requested = n.at
		}
		t.order(n.at, n.order)
	case n.lost != nil:
		t.released(n.at, &dispatch.Event{Order: n.lost, Driver: n.lost.Driver})
	default:
		if b := t.driverOf[n.driver]; b != nil {
			t.duty(n.at, b, n.online, geo.LatLng{}) // where is not known well enough
		}
	}
}
