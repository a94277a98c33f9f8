// Package tune looks for a policy that costs less than another: what a policy costs (Objective), which policies are looked
// at (Space: a base and values of some of its keys), and a coordinate descent over them (Search).
//
//	Space ─ Sizes ─▶ Search ─ Points ─▶ Evaluate (the caller's: simulated days) ─ costs ─▶ Search ─▶ the best Point
//	  └──────────────── Policy, Changes ───────┘
//
// It simulates nothing itself and knows no day: whoever calls it evaluates, on days of its choice, and must judge the best
// on days that were not among them, because the least of several costs flatters itself. It is pure: no clock, no
// randomness, the same costs give the same best. A Space is immutable; a Search belongs to its caller. The package may
// import dispatch.
package tune
