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
// How a round decides: table.go puts candidates in order, decide.go says who is asked for whom, by the costs of
// costs.go and the solver of package match; round.go holds the rounds and carries them out, waves.go the further offers
// of an order, asked.go how often drivers are asked, explain.go what is told of it all.
//
// What is not in the journal is soft: a recovered core does without it, and stays within the law. That is where rounds
// and waves stand, bars that no version of an order tells yet, what a driver was asked in the last minute, and how long
// it has been idle.
//
// The package may import dispatch, match and geo; it declares the small interfaces that it needs.
package market
