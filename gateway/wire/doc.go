// Package wire is the public protocol: every message of the socket and every body of the REST calls as a
// struct, how their bytes are read (strictly) and written, and how they are made from the domain's values.
// Domain structs carry no json tags, so that either side can change without the other.
//
// It does not know who may say what (gateway/auth) nor what a message does (gateway). It owns no state; it
// may import dispatch and geo. The Go SDK uses the same structs.
//
// # Reading
//
// [Decode] takes exactly one JSON object in valid UTF-8. Unknown, duplicate and case-variant members, numbers
// out of range and values outside of the contract are refused with bad_request, whose field is the JSON
// pointer (RFC 6901) of the member at fault and whose detail names the limit. A null member is one left out.
// A message that has a Validate method is checked by it.
//
// # Writing
//
// [Encode] writes members in the order of the struct, instants in UTC with exactly milliseconds. Members that
// the contract calls nullable are always there. The bytes are pinned by the goldens in testdata.
package wire
