// Package market is WHEN: the live state of one market and the loop around it.
//
// Core (core.go and the files beside it) is pure: Step(now, input) changes the state in memory and returns
// Effects as values. It has no clock, goroutine, I/O or randomness, so that serving, simulation, replay and
// fault tests all run this one core: the same state, instants and inputs give the same effects, byte for
// byte. A round has two steps: the core emits a Seek, and is fed Candidates, the recorded input.
//
// Loop (loop.go) is the one goroutine that owns a Core. It steps inputs in the order they come, gathers
// their effects in groups, commits each group to the journal, and only then lets replies, offers and events
// out, in commit order:
//
//	Do ──▶ queue ──▶ Core.Step ──▶ forming group ──▶ Commit ──▶ Told (events, notices), replies
//	Candidates ──▶──┘    │                             │
//	   ▲                 └─ Seek ─▶ Finder             └─ failed: a new epoch, recover, step again
//	   └──────────────────────────────┘
//
// The package may import dispatch, match and geo; it declares the small interfaces that it needs.
package market
