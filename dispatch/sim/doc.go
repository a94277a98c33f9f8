// Package sim holds what a simulated day is made of: the trips and meals that riders ask for and the
// sessions in which drivers are on shift, read from files of recorded days or made up from a seed, and the
// demand of a real city, fitted from its trips.
//
// It does not move anyone (sim/actor does) and opens no socket. Trips and sessions are plain values; the
// package owns no state. It may import dispatch, match, market, geo and geo/eta.
package sim
