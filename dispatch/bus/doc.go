// Package bus carries what markets publish: committed events, from the history to JetStream and to every
// listener, and the losable notices, nudges and positions beside them. It holds the NATS server that runs inside
// the process, the connection, the subjects, the envelopes and the relay.
//
//	history ─Relay─▶ hexfleet.v1.event.<market>.<order|driver>.<id> ─▶ stream HEXFLEET_EVENTS
//	                                                               └▶ Subscribe ─▶ dispatch.Listener
//	leader ─Conn.Notice, Nudge, Position─▶ core NATS ───────────────▶ Subscribe ─▶ dispatch.Listener
//
// The bus decides nothing and acknowledges nothing to a client: JetStream acknowledges before it syncs, so
// the history in the store is the truth and the bus only distributes. Not promised: that a listener is
// told of every event (it is told of the published seq and reads a hole from the history), that it is
// told only once, or that a notice or position arrives at all.
//
// Each type names the owner of its state. The package may import dispatch and the NATS libraries, never a
// store or a market: the relay declares the three methods that it reads the history by.
package bus
