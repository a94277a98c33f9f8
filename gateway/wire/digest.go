package wire

import (
	"crypto/sha256"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Digest is the content of a request for its idempotency key: SHA-256 over the operation and the canonical
// JSON (RFC 8785) of the decoded message less type and id. A REST call decodes into the struct of its socket
// twin, so the two have one digest; so have null and left out, and any order of members. body has been
// decoded: what could not be encoded again is a defect.
func Digest(op dispatch.Op, body any) [32]byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic("digest of " + string(op) + ": " + err.Error())
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(data, &members); err != nil {
		panic("digest of " + string(op) + ": " + err.Error())
	}
	delete(members, "type")
	delete(members, "id")
	content, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		panic("digest of " + string(op) + ": " + err.Error())
	}
	canonical := jsontext.Value(content)
	if err := canonical.Canonicalize(); err != nil {
		panic("digest of " + string(op) + ": " + err.Error())
	}
	return sha256.Sum256(append([]byte(string(op)+"\n"), canonical...))
}
