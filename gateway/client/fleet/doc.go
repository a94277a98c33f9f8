// Package fleet runs the drivers and riders of dispatch/sim/actor over real sockets against a running
// server, on the market clock that the server tells, and checks every promise that clients can see.
//
//	Plan ──▶ Fleet ── Next(now, event) ◀──▶ actor (pure)
//	           │  ▲
//	 commands  ▼  │ events
//	        client.Client ◀── socket ──▶ server
//	           └── everything heard ──▶ Checker ──▶ broken promises
//
// A Fleet plays a plan to its end; an Endless one plays until it is stopped, with riders that come as time goes.
// It decides nothing itself: what an actor does is the actor's, what a connection does is the client's, and
// what is true is the server's. It may import gateway/wire, gateway/client, geo, gorilla/websocket and
// dispatch/sim/actor; no server code.
package fleet
