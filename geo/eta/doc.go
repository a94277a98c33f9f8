// Package eta estimates travel times by road. Who is matched with whom rests on them, so each Estimate says
// where it comes from, and there is always one: a router that is slow, broken or knows no route is replaced
// by a line.
//
//	Fallback ── Router ── cache ── breaker ── OSRM /table or Valhalla /sources_to_targets, in a time budget
//	    └────── Learnt: straight line x circuity / speed; a prior curve, corrected by what drivers drove
//
// Learnt is the model of one city: it says how it learns, and Document how that is written down. StraightLine
// is one fixed speed, for simulated drivers.
//
// The package matches nobody, reads no clock (instants come from functions passed in) and stores nothing:
// whoever holds a Learnt keeps its document. State belongs to the Learnt or the Router that holds it; both are
// safe for concurrent use. It may import geo and nothing else of ours.
package eta
