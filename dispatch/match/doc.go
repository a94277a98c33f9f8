// Package match decides who gets whom: a pure function from a Problem (orders, the drivers near them, what
// each pair costs and what it costs to leave an order waiting) to an Assignment with its proof. It has no clock,
// no randomness and no goroutine; a Solver owns the memory that it uses again. The same problem gives the same
// assignment, from whatever start.
//
// # The problem
//
// Choose for each order at most one driver of its row, no driver twice, such that the sum of the chosen
// costs and of the penalties of the orders left out is least. With a private stand-in for each order, whose
// cost is its penalty, this is the linear assignment problem on a sparse graph.
//
// # The algorithm
//
// Shortest augmenting paths: R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense
// and sparse linear assignment problems", Computing 38 (1987) 325-340. Trying all assignments is exponential, and
// taking the nearest driver in turn can be arbitrarily far from the best: the first order may take the only driver
// of the second.
//
// Orders enter one after another. Each driver j has a price v[j] <= 0, the discount at which the orders so
// far compete for it. A new order may push another off its driver, which may push a third, and so on, until
// one takes a free driver or is left out for its penalty; Dijkstra's algorithm over the reduced costs
// finds the cheapest such chain, and the chain is then carried out (search.go, queue.go). Before that, a few rounds of bidding
// place most orders for less (auction.go). Three things hold between two steps, and make the result optimal
// (complementary slackness, with u the least an order could pay):
//
//	u[i] + v[j] <= cost(i, j)   for all edges, with equality where i has j
//	u[i] <= penalty(i)          with equality where i is left out
//	v[j] = 0                    where j is free
//
// As prices are at most 0 and rows ascend by cost, a row need not be read on from the first edge that costs
// more than the best end found: with k edges a row, few are looked at.
//
// Where drivers are scarce a few searches would wander far, paying k edges a step. So the problem is solved on the 2
// nearest drivers of each order first, then on 4, 8, 16, 24 and all: short rows make far searches cheap and bring scarcity
// into the prices early. Each time the orders for whom a new edge is better are taken out and placed anew; a driver who
// thereby stays free with a price below 0 is mended by the same search turned around (reverse.go). A warm start, from the
// prices of an earlier result, is one such step.
//
// # The proof
//
// The prices bound the cost of every assignment from below (Bound, certify.go); each Result carries that bound, which
// equals its cost unless the solver was stopped. All numbers are integers. Of several assignments of least cost the
// keys of orders and drivers choose one (ties.go, exchange.go).
//
// It may import dispatch and geo, and needs neither.
package match
