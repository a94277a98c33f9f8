// Package node runs the markets that this process leads: for each a loop, the H3 index of its drivers, the
// search for candidates within a time budget, and the relay of its history to the bus. It answers commands
// (Do) and takes and tells positions (Put, Driver, Nearby); the gateway's ports are written for it.
//
// What a leader holds in memory is of three kinds, each with one owner: the market's live state (market.Loop,
// may be ahead of the journal), the fleet as committed (fleet, what is shown to people), and the fixes (the
// index, losable). It reaches the store and the bus through what cmd wires in, and imports neither gateway
// nor store.
package node
