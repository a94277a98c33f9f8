package replay

import (
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// entry is one record of a log; exactly one member is set. Members are durable: some may be added, none renamed.
type entry struct {
	Start *start
	Began *began
	Step  *step
	End   *end
}

// start tells whose log it is; the first record.
type start struct {
	Market dispatch.MarketID
	// Epoch is that of the lease under which the first core began.
	Epoch int64
	// Program is the version of the one that recorded.
	Program string
	// At is when the recording began, wall time.
	At time.Time
}

// began tells that a core was started; one that ran before is void.
type began struct {
	Epoch    int64
	Policy   dispatch.Policy
	Recovery dispatch.Recovery
}

// step is one step of the core. Without an input it is a Tick.
type step struct {
	Now        time.Time
	Do         *market.Do
	Candidates *market.Candidates
	Reload     *market.Reload
	Effects    []Sum
}

// end tells that the recording was ended.
type end struct {
	// Broken is why it ended before the term did; "" when it did not.
	Broken string
}

// stepOf records an input.
func stepOf(now time.Time, in market.Input) (*step, error) {
	s := &step{Now: now.Round(0).UTC()}
	switch in := in.(type) {
	case market.Do:
		s.Do = &in
	case market.Candidates:
		s.Candidates = &in
	case market.Reload:
		s.Reload = &in
	case market.Tick:
	default:
		return nil, fmt.Errorf("an input of type %T cannot be recorded", in)
	}
	return s, nil
}

// input gives what the core was given, and its kind in a word.
func (s *step) input() (market.Input, string) {
	switch {
	case s.Do != nil:
		return *s.Do, string(s.Do.Command.Op)
	case s.Candidates != nil:
		return *s.Candidates, "candidates"
	case s.Reload != nil:
		return *s.Reload, "reload"
	}
	return market.Tick{}, "tick"
}
