// Package sim runs the engine on a virtual clock, and holds what a simulated day is made of: the trips and meals that
// riders ask for and the sessions in which drivers are on shift, read from files of recorded days or made up from a
// seed, and the demand of a real city, fitted from its trips.
//
// Run steps a real market.Core and a real geo.Index through a Scenario under a Policy; drivers and riders are those of
// sim/actor, which move by the Scenario's Travel:
//
//	queue (instant, slot) ──▶ core ─ Seek ─▶ finder (index, travel) ─ Candidates ─▶ core ─ events, notices ─▶ actors
//	                      └─▶ driver, rider, network ─ commands ─▶ core
//
// A second of the virtual clock costs what happens in it: positions go to the index when a round looks, not ping by ping.
// Nothing reads a clock, a map's order or unseeded randomness, so that the same scenario, policy and seed give the same
// history, byte for byte. What was given to the core is given to a real market.Loop in the tests, with the same history.
//
// A Witness is told what happened in a market, by a replay of its log or by a simulation, and Past takes apart what the
// world did by itself, which makes a Scenario for another policy, and what came of it.
//
// The package opens no socket and is not the server: it has no commits, its search (finder.go) repeats dispatch/node's
// without its time budget and explanations, and nobody watches for drivers who fall silent on their way to a pickup. State belongs to one run and its goroutine; Scenarios
// are shared and never written. It may import dispatch, match, market, sim/actor, geo and geo/eta.
package sim
