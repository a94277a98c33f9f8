// Package client is the Go SDK of the socket protocol (docs/contract.md): one object that keeps a rider's,
// driver's, service's or dispatcher's connection alive, sends requests and hears what the server tells.
//
//	     requests ──▶ pending ──▶ socket ──▶ server
//	(kept until answered)            │
//	        Handle ◀── reader ◀──────┘   lost? back off, dial, auth + resume, repeat what is pending
//
// It reconnects by itself with exponential backoff and full jitter, resumes the orders it follows at the
// last version it has seen, and repeats unanswered requests under the same id, which the server keeps for
// 24 hours: a request takes effect once however often the socket breaks. Close codes 4500 to 4999 end it.
//
// Not promised: that telemetry sent while there is no connection arrives, and any order between what is
// heard on two clients.
//
// A Client owns its connection and one goroutine. The package may import gateway/wire, geo and
// gorilla/websocket.
package client
