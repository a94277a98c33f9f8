package dispatch

// Listener is told what the markets publish. The functions are called one at a time for one market, in
// the order of publication; they must not block. Values are shared, not to be written.
type Listener struct {
	// Event tells each committed event, at least once; after a hole in Seq the history has the rest.
	Event func(*Event)
	// Notice tells a driver of an offer made or ended; losable.
	Notice func(*Notice)
	// Position tells where the driver of an order is; losable.
	Position func(*Position)
	// Nudge tells an order as it stands to its driver once more, to have it look; losable.
	Nudge func(*Order)
	// Published tells, each second, the seq up to which a market's events have been published, so that a
	// lost last event is a hole too.
	Published func(m MarketID, seq int64)
}
