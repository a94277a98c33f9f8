package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Recorder is told all that a market's core is given and gives, in order and from the loop's goroutine: enough to
// run the core again elsewhere and to compare. It must not block. Values are shared: neither side writes to them
// any more, so that a recorder may look at them later.
type Recorder interface {
	// Began tells that a core was started from what the journal held, under policy p; whatever was told before is of
	// a core that was dropped. epoch is that of the lease; it may rise again without another Began.
	Began(epoch int64, p dispatch.Policy, r dispatch.Recovery)
	// Stepped tells a step: the instant and the input that the core was given, and what came of it.
	Stepped(now time.Time, in Input, out Effects)
}
