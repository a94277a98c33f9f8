package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Archive is what a backend offers beside the Journal: the data of people, how long things are kept, samples of
// trips, explanations and what was learnt. storetest.RunArchive exercises it for every backend. Errors are as Journal's.
type Archive interface {
	People
	Erasures
	Retention
	Samples
	Explanations
	Learnt
}

// ErrBusyPerson is that the person cannot be erased now, because something of theirs is still under way. The message is a
// sentence that says what.
var ErrBusyPerson = errors.New("cannot be erased now")

// Busy makes an ErrBusyPerson.
func Busy(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBusyPerson}, args...)...)
}

// People is what is kept of riders and drivers.
//
// A driver is named by its orders, by the bars of orders that were not to be offered to it, and by its duty: the
// whole history is read to find them, a few hundred thousand events a second. A rider's orders have an index.
type People interface {
	// Tell calls each with all that is held of a person, but for samples, and stops with the error of each: the
	// orders of a rider, ascending by id, each followed by its events; or the duty of a driver, its offers, the
	// orders that it drove last, and every event that names it, as they were committed; then the answers kept under
	// its keys.
	Tell(ctx context.Context, p dispatch.Person, each func(Record) error) error
	// Count tells how much Tell would, and how many samples there are.
	Count(ctx context.Context, p dispatch.Person) (Held, error)
	// Erase takes a person out of the store in small transactions, so that others go on writing: see Rewritten for
	// what becomes of each record. It begins by refusing, with ErrBusyPerson, while an order of the person is not
	// closed, or it is on duty, or a claim or a live offer of it stands, or an order that is not closed bars it.
	// One that was cut off goes on when it is called again, under the same pseudonym. What the person does after it
	// began is not covered.
	Erase(ctx context.Context, p dispatch.Person) (dispatch.Erasure, Held, error)
	// Scrub overwrites what a backend's files may still hold of what was deleted, as far as the backend can while
	// others use it; whole rewrites the files, which makes others wait. What it could not do is told in the string,
	// a sentence for the operator.
	Scrub(ctx context.Context, whole bool) (string, error)
}

// Record is one thing held of a person; exactly one field is set.
type Record struct {
	Duty   *dispatch.Duty
	Order  *dispatch.Order
	Event  *dispatch.Event
	Offer  *dispatch.Offer
	Answer *dispatch.Answer
}

// Held counts what is held of a person.
type Held struct {
	Orders, Places, Events, Offers, Answers, Samples int64
}

// Add counts a record of p.
func (h *Held) Add(r Record, p dispatch.Person) {
	switch {
	case r.Order != nil:
		h.Orders++
		if p.Role == dispatch.RoleRider && len(r.Order.Stops) > 0 {
			h.Places++
		}
	case r.Event != nil:
		h.Events++
	case r.Offer != nil:
		h.Offers++
	case r.Answer != nil:
		h.Answers++
	}
}

// Erasures is what the part that owns the bus needs: the copies of events there go after those in the store.
type Erasures interface {
	// Erasures gives those that are done in the store and whose copies elsewhere may not be gone, oldest first.
	Erasures(ctx context.Context) ([]dispatch.Erasure, error)
	// Forget notes that an erasure is done everywhere: the erased id is forgotten here too.
	Forget(ctx context.Context, erasure string) error
}

// Retention forgets what is old, in small transactions. All instants are market time.
type Retention interface {
	// DropPlaces deletes the places of orders that were closed before the instant before; the orders stay. It gives
	// of how many.
	DropPlaces(ctx context.Context, before time.Time) (int64, error)
	// DropHistory deletes whole orders that were closed before the instant before, and the events of duty from
	// before it but for each driver's last; what the bus has not got stays. It gives how many rows.
	DropHistory(ctx context.Context, before time.Time) (int64, error)
}

// Rewritten gives an event as it stands after person p was erased, and whether that differs from how it stood. The
// id of p is replaced wherever it stands for p: as a rider's, a driver's, in bars and as the one who acted. With it go
// the words that people wrote: a reason (but for no_show and the engine's own) and the tags of a duty. Version,
// seq, states and instants stay.
func Rewritten(e dispatch.Event, p dispatch.Person, pseudonym string) (dispatch.Event, bool) {
	was, named := e, false
	swap := func(role dispatch.Role, id string) string {
		if role != p.Role || id != p.ID {
			return id
		}
		named = true
		return pseudonym
	}
	e.By.Sub = swap(e.By.Role, e.By.Sub)
	e.Driver = dispatch.DriverID(swap(dispatch.RoleDriver, string(e.Driver)))
	if e.Order != nil {
		o := rewrittenOrder(*e.Order, swap)
		e.Order = &o
	}
	if e.Duty != nil {
		d := *e.Duty
		d.Driver = dispatch.DriverID(swap(dispatch.RoleDriver, string(d.Driver)))
		d.Tags = nil
		e.Duty = &d
	}
	if !named {
		return was, false
	}
	if e.By.Role != dispatch.RoleEngine && e.Reason != reasonNoShow {
		e.Reason = ""
	}
	return e, true
}

// RewrittenOrder gives an order as it stands after person p was erased, and whether that differs.
func RewrittenOrder(o dispatch.Order, p dispatch.Person, pseudonym string) (dispatch.Order, bool) {
	named := false
	as := rewrittenOrder(o, func(role dispatch.Role, id string) string {
		if role != p.Role || id != p.ID {
			return id
		}
		named = true
		return pseudonym
	})
	if !named {
		return o, false
	}
	return as, true
}

// reasonNoShow is a reason of the contract, not words of people.
const reasonNoShow = "no_show"

func rewrittenOrder(o dispatch.Order, swap func(dispatch.Role, string) string) dispatch.Order {
	o.Rider = dispatch.RiderID(swap(dispatch.RoleRider, string(o.Rider)))
	o.Driver = dispatch.DriverID(swap(dispatch.RoleDriver, string(o.Driver)))
	if len(o.Bars) > 0 {
		bars := make([]dispatch.Bar, len(o.Bars))
		for i, b := range o.Bars {
			b.Driver = dispatch.DriverID(swap(dispatch.RoleDriver, string(b.Driver)))
			bars[i] = b
		}
		o.Bars = bars
	}
	if o.Reason != reasonNoShow {
		o.Reason = ""
	}
	return o
}
