// Package gateway is THE EDGE: sockets and HTTP in, events out. It decodes strictly, knows who asks and what
// they may do, carries commands to the leader of their market through Orders, and tells each socket what the
// markets publish, without a hole and never twice:
//
//	frame or body ─▶ wire.Decode ─▶ auth.Allow ─▶ edge ─▶ Orders.Do ─▶ answer
//	Feed ─▶ hub (a lane a market, in order of seq) ─▶ session (versions of an order) ─▶ outbox ─▶ socket
//
// It decides nothing about orders: the market's core does. What it owns: the open sockets (sockets), the seq
// heard of each market (lane), the version told of each order on each socket (delivery), and a cache of who
// is on duty where (duties). It may import wire, auth, dispatch, geo and gorilla/websocket; what it needs of
// the rest of the house it declares in ports.go.
package gateway
