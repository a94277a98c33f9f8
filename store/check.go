package store

import (
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Check finds what is wrong with a batch in itself, before any backend is asked: an event of another
// market, a hole in seq, an event whose order or duty says something else than the event. The error is a
// dispatch.ErrRefused: such a batch is a defect of its maker.
func Check(b *dispatch.Batch) error {
	for i := range b.Events {
		e := &b.Events[i]
		if e.Market != b.Market {
			return refuse("event %d is of market %s", e.Seq, e.Market)
		}
		if want := b.Events[0].Seq + int64(i); e.Seq != want || e.Seq < 1 {
			return refuse("event %d stands where %d should", e.Seq, want)
		}
		if err := checkSubject(e); err != nil {
			return err
		}
	}
	for i := range b.Offers {
		if b.Offers[i].Market != b.Market {
			return refuse("offer %s is of market %s", b.Offers[i].ID, b.Offers[i].Market)
		}
	}
	for i := range b.Answers {
		if a := &b.Answers[i]; a.Market != b.Market || a.Key.ID == "" {
			return refuse("answer %d, of market %s, cannot be kept", i, a.Market) // names nobody: it is logged
		}
	}
	return nil
}

func checkSubject(e *dispatch.Event) error {
	switch {
	case (e.Order == nil) == (e.Duty == nil):
		return refuse("event %d must tell of an order or of a duty", e.Seq)
	case e.Order != nil:
		o := e.Order
		if o.Market != e.Market || o.Version != e.Version || o.State != e.To {
			return refuse("event %d tells version %d, %s, but its order stands at version %d, %s, in %s",
				e.Seq, e.Version, e.To, o.Version, o.State, o.Market)
		}
	default:
		d := e.Duty
		if d.Market != e.Market || d.Version != e.Version || d.Online != (e.Type == dispatch.EventDriverOnline) {
			return refuse("event %d, %s, tells version %d, but its duty stands at version %d in %s",
				e.Seq, e.Type, e.Version, d.Version, d.Market)
		}
	}
	return nil
}

// Latest is the latest market instant that the batch tells, rounded up to what Micros keeps: a core that
// starts there starts no earlier than anything told.
func Latest(b *dispatch.Batch) time.Time {
	at := b.At
	for i := range b.Events {
		if b.Events[i].At.After(at) {
			at = b.Events[i].At
		}
	}
	if cut := at.Truncate(time.Microsecond); cut.Before(at) {
		return cut.Add(time.Microsecond)
	}
	return at
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{dispatch.ErrRefused}, args...)...)
}
