// Package replay records what a market's core is given, and runs a core again on the record.
//
// A Recorder writes a log: one market, one term of its leadership, from the state that the core started from, each
// input with its instant, and a digest of what came of it. Run gives a fresh core the same and compares every
// effect, field by field. Watch tells what happened in the same way, and a Day does for all the terms of a market in a
// folder. The package does not judge whether what the core decided was right, and needs neither the store
// nor a clock: what a core reads is in its inputs, and the replay shows that.
//
// A log is losable: it is never synced, and a Recorder that cannot keep up ends it rather than hold up the market.
// It holds places of orders and ids of riders and drivers (docs/privacy.md).
//
// The format, 1. Integers are big-endian, checksums CRC-32C:
//
//	8 bytes  "hexflog1"
//	then records, numbered from 0, each
//	4 bytes  length of its payload
//	4 bytes  checksum of the record's number (8 bytes) and the length
//	4 bytes  checksum of the payload
//	n bytes  payload: one entry, encoded by one encoding/gob encoder for the whole log
//
// Record 0 tells whose log it is. Each core begins with a record of the state it starts from; what follows are its
// steps, up to the next such record or to the end, which a log that was ended tells as its last record. gob matches
// the members of its structs by name: a later program reads the log of an earlier one, members that were added
// since as zero. A length that does not reach the end of the file is how a killed process leaves its log; any
// checksum that does not fit is damage.
//
// A Recorder is owned by the loop that calls it until Close; its file by its goroutine. The package may import
// dispatch, match, market, geo and geo/eta.
package replay
