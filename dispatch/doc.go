// Package dispatch holds the nouns and laws of the domain: orders, offers, duty, markets, the one
// transition table, and the values that cross the walls between rooms (Command, Reply, Event, Batch,
// Lease). Everything here is a plain value or a pure function: no I/O and no goroutines. The two
// exceptions are named: clock.go is where wall time enters the program, and ids.go reads randomness for
// identifiers minted at the edge.
//
// It may import geo and nothing else of ours. It owns no state.
package dispatch
