// Package actor holds simulated drivers and riders as pure automata: Next(now, event) gives the commands
// that the actor now sends. An automaton has no clock, goroutine, network or unseeded randomness; the same
// events at the same instants give the same commands. What runs it (client/fleet over real sockets, a
// simulation on a virtual clock) calls Next with a Tick at the instant that Wake names, and with whatever
// the server says.
//
// Next and Wake of one actor belong to one goroutine at a time; the caller sees to that. All instants and
// spans are market time. The package knows nothing of the wire; its words are aliases of dispatch's, so
// that client/fleet can speak them without importing the server's nouns. It may import dispatch and geo.
package actor
