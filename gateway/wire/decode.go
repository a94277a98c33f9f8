package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// MaxBytes is the largest frame or body that a client may send.
const MaxBytes = 64 << 10

// ErrNotObject marks the refusal of what is no single JSON object in valid UTF-8 (errors.Is); a socket that
// sends many of them is cut.
var ErrNotObject = errors.New("not one JSON object in valid UTF-8")

// validator is a message that knows its own limits.
type validator interface {
	Validate() *dispatch.Error
}

// Decode reads one message into the struct that into points at, strictly, and validates it. The error is
// bad_request, nil when all is well.
func Decode(data []byte, into any) *dispatch.Error {
	if refused := read(data, into); refused != nil {
		return refused
	}
	if v, ok := into.(validator); ok {
		return v.Validate()
	}
	return nil
}

// DecodeBody reads the body of a REST call into the struct of its socket twin. The members type and id, and
// those that the path tells, are unknown in a body. fill sets what the path tells before the whole is
// validated; it may be nil.
func DecodeBody(data []byte, into any, fill func(), path ...string) *dispatch.Error {
	if refused := read(data, into); refused != nil {
		return refused
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(data, &members); err != nil {
		return refusal(err)
	}
	for _, name := range append([]string{"type", "id"}, path...) {
		if _, there := members[name]; there {
			return bad("/"+name, "unknown member")
		}
	}
	if fill != nil {
		fill()
	}
	if v, ok := into.(validator); ok {
		return v.Validate()
	}
	return nil
}

func read(data []byte, into any) *dispatch.Error {
	if !object(data) {
		return notObject("it does not begin with {")
	}
	if err := json.Unmarshal(data, into, json.RejectUnknownMembers(true)); err != nil {
		return refusal(err)
	}
	return nil
}

// Encode writes a message. It fails only for what cannot be told in JSON (a number that is not finite, a
// string that is not UTF-8), which is a defect of the caller.
func Encode(message any) ([]byte, error) {
	data, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", message, err)
	}
	return data, nil
}

// Kind takes a first look at a socket frame: is it one JSON object in valid UTF-8, which type does it name,
// and which id. The frame is not otherwise judged. The error is bad_request: ErrNotObject inside when the
// frame is no such object (the answer's id is then null), field /type or /id when that member is missing or
// malformed. What could be read is given even then; id is nil when there is none or it is malformed.
func Kind(data []byte) (kind string, id *ID, refused *dispatch.Error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return "", nil, notObject("it does not begin with {")
	}
	var kinds, ids []jsontext.Value
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return "", nil, notObject("a member's name is malformed")
		}
		which := name.String() // before the next read, which takes the token's bytes
		value, err := dec.ReadValue()
		if err != nil {
			return "", nil, notObject("a member's value is malformed")
		}
		switch which {
		case "type":
			kinds = append(kinds, value.Clone())
		case "id":
			ids = append(ids, value.Clone())
		}
	}
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '}' {
		return "", nil, notObject("it has no end")
	}
	if len(bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n")) > 0 {
		return "", nil, notObject("something follows it")
	}
	id, refused = head[ID](ids, "/id")
	name, wrong := head[string](kinds, "/type")
	switch {
	case refused != nil:
	case wrong != nil:
		refused = wrong
	case name == nil || *name == "":
		refused = bad("/type", "required")
	}
	if name != nil {
		kind = *name
	}
	return kind, id, refused
}

// head reads a member of which there is one at most; nil when it is null or left out.
func head[T any](values []jsontext.Value, field string) (*T, *dispatch.Error) {
	if len(values) > 1 {
		return nil, bad(field, "duplicate member")
	}
	if len(values) == 0 || values[0].Kind() == 'n' {
		return nil, nil
	}
	v := new(T)
	if err := json.Unmarshal(values[0], v); err != nil {
		e := refusal(err)
		e.Field = field
		return nil, e
	}
	return v, nil
}

func object(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}

func notObject(why string) *dispatch.Error {
	return &dispatch.Error{
		Code: dispatch.CodeBadRequest, Detail: "want one JSON object in valid UTF-8: " + why, Err: ErrNotObject,
	}
}

// bad is bad_request for one member.
func bad(field, format string, args ...any) *dispatch.Error {
	return dispatch.Errorf(dispatch.CodeBadRequest, field, format, args...)
}

// refusal tells a user what the decoder found.
func refusal(err error) *dispatch.Error {
	if syn, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(syn.Err, jsontext.ErrDuplicateName) {
			return bad(string(syn.JSONPointer), "duplicate member")
		}
		e := notObject("malformed at byte " + strconv.FormatInt(syn.ByteOffset, 10))
		e.Field = string(syn.JSONPointer)
		return e
	}
	sem, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return notObject("it has no end")
	}
	field := string(sem.JSONPointer)
	if own, ok := errors.AsType[*dispatch.Error](sem.Err); ok {
		return bad(field+own.Field, "%s", own.Detail)
	}
	if errors.Is(sem.Err, json.ErrUnknownName) {
		return bad(field, "unknown member")
	}
	if errors.Is(sem.Err, strconv.ErrRange) {
		return bad(field, "number out of range")
	}
	return bad(field, "must be %s", wanted(sem.GoType))
}

// wanted names what a member of Go type t looks like in JSON.
func wanted(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch k := t.Kind(); {
	case k == reflect.String:
		return "a string"
	case k == reflect.Bool:
		return "true or false"
	case k == reflect.Slice:
		return "a list"
	case k == reflect.Float64:
		return "a number"
	case k >= reflect.Int && k <= reflect.Uint64:
		return "a whole number"
	}
	return "an object"
}
