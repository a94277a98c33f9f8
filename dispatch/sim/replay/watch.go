package replay

import (
	"errors"
	"fmt"
	"io"

	"github.com/hexfleet/hexfleet/dispatch/market"
)

// ErrDiffers tells of a log whose events or offers this program's core does not come to: of another version, as a rule.
// What happened cannot then be told from its inputs. For errors.Is.
var ErrDiffers = errors.New("this program comes to another history than was recorded")

// Watch tells rec all that the log holds, as it happened: each core that was started, and each step with its effects,
// which a core of this program finds again. Events and offers must be those recorded. step, if any, is called after each
// input. It needs a log that was just opened. The error is an ErrDamaged, an ErrDiffers, or the reader's.
func Watch(l *Log, rec market.Recorder, step func()) (Ending, error) {
	var core *market.Core
	sums := newSummer()
	for n := 1; ; {
		e, err := l.next()
		if errors.Is(err, io.EOF) {
			return l.Ending(), nil
		}
		if err != nil {
			return l.Ending(), err
		}
		if e.Began != nil {
			core = market.NewCore(l.Market, e.Began.Policy, e.Began.Recovery)
			rec.Began(e.Began.Epoch, e.Began.Policy, e.Began.Recovery)
			continue
		}
		if core == nil {
			return l.Ending(), fmt.Errorf("%w: a step comes before the state it was taken in", ErrDamaged)
		}
		in, kind := e.Step.input()
		out := core.Step(e.Step.Now, in)
		// Of what else a core gives, a newer one may say more without having decided otherwise.
		got, err := sums.sums(&market.Effects{Events: out.Events, Offers: out.Offers})
		if err != nil {
			return l.Ending(), err
		}
		if fields := differ(history(e.Step.Effects), got); len(fields) > 0 {
			return l.Ending(), fmt.Errorf("%w: at input %d (%s), by version %s; hexfleet replay tells more", ErrDiffers, n, kind, l.Program)
		}
		rec.Stepped(core.Now(), in, out)
		n++
		if step != nil {
			step()
		}
	}
}

// history are the sums of the effects that make history.
func history(all []Sum) []Sum {
	var some []Sum
	for _, s := range all {
		if s.Field == "Events" || s.Field == "Offers" {
			some = append(some, s)
		}
	}
	return some
}
