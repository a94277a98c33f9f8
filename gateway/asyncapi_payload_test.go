package gateway

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// shape is a JSON schema, as far as it tells what a Go type tells too.
type shape struct {
	Ref        string           `json:"$ref"`
	Type       any              `json:"type"` // a string, or a list of strings
	Const      string           `json:"const"`
	Enum       []any            `json:"enum"`
	AnyOf      []shape          `json:"anyOf"`
	AllOf      []shape          `json:"allOf"`
	Items      *shape           `json:"items"`
	MaxItems   int              `json:"maxItems"`
	MaxLength  int              `json:"maxLength"`
	Maximum    float64          `json:"maximum"`
	Properties map[string]shape `json:"properties"`
	Required   []string         `json:"required"`
	More       *bool            `json:"additionalProperties"`
}

// TestAsyncAPI_payloads: members, which of them are required and which may be null are as in the structs.
func TestAsyncAPI_payloads(t *testing.T) {
	doc := readAsyncAPI(t)
	clients, server := socketMessages()
	for name, message := range clients {
		payload := doc.Components.Messages[name].Payload
		doc.compare(t, name, payload, reflect.TypeOf(message), true)
		if payload.More == nil || *payload.More {
			t.Errorf("%s: unknown members are described as taken", name)
		}
	}
	for name, message := range server {
		doc.compare(t, name, doc.Components.Messages[name].Payload, reflect.TypeOf(message), false)
	}
	seen := map[string]bool{}
	for rest := string(asyncAPI); ; {
		_, after, found := strings.Cut(rest, `"#/components/schemas/`)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, `"`)
		rest, seen[name] = tail, true
	}
	if got, want := slices.Sorted(maps.Keys(doc.Components.Schemas)), slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("schemas %v are described, %v are referred to", got, want)
	}
}

// compare holds a schema against a Go type. sent: by a client, so null is left out, and what REST tells
// elsewhere, type and most often id, is required although the struct can do without.
func (doc *socketDocument) compare(t *testing.T, at string, s shape, typ reflect.Type, sent bool) {
	t.Helper()
	s, _ = doc.resolve(s)
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := ""
	switch kind := typ.Kind(); {
	case typ == reflect.TypeFor[jsontext.Value]():
	case typ == reflect.TypeFor[wire.Time](), kind == reflect.String:
		want = "string"
	case kind == reflect.Int, kind == reflect.Int64:
		want = "integer"
	case kind == reflect.Float64:
		want = "number"
	case kind == reflect.Slice:
		want = "array"
		items, null := doc.resolve(*s.Items)
		if null != (typ.Elem().Kind() == reflect.Pointer) {
			t.Errorf("%s/items: null %v, the struct has %v", at, null, typ)
		}
		doc.compare(t, at+"/items", items, typ.Elem(), sent)
	default:
		want = "object"
		doc.compareMembers(t, at, s, typ, sent)
	}
	if got, _ := s.Type.(string); got != want {
		t.Errorf("%s is of type %q, the struct's of %q", at, got, want)
	}
}

func (doc *socketDocument) compareMembers(t *testing.T, at string, s shape, typ reflect.Type, sent bool) {
	t.Helper()
	got, want := slices.Sorted(maps.Keys(s.Properties)), members(typ)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%s has members %v, the struct %v", at, got, want)
		return
	}
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		may := strings.Contains(options, "omit")
		property := s.Properties[name]
		resolved, null := doc.resolve(property)
		required := slices.Contains(s.Required, name)
		wantNull := may && sent || !may && !sent && field.Type.Kind() == reflect.Pointer
		if sent && may && (name == "type" || name == "id") {
			may, wantNull = !required, !required // TestAsyncAPI_examples and _ids judge by what is taken
		}
		if required == may {
			t.Errorf("%s/%s: required %v, the struct has %s", at, name, required, field.Tag)
		}
		if null != wantNull {
			t.Errorf("%s/%s: null %v, want %v", at, name, null, wantNull)
		}
		doc.compare(t, at+"/"+name, resolved, field.Type, sent)
	}
}

// resolve gives what a schema is beside null, and whether it may be null.
func (doc *socketDocument) resolve(s shape) (beside shape, null bool) {
	switch {
	case s.Ref != "":
		return doc.resolve(doc.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")])
	case len(s.AllOf) == 1:
		return doc.resolve(s.AllOf[0])
	case len(s.AnyOf) == 2 && s.AnyOf[1].Type == "null":
		beside, _ = doc.resolve(s.AnyOf[0])
		return beside, true
	}
	if types, ok := s.Type.([]any); ok && len(types) == 2 && types[1] == "null" {
		s.Type = types[0]
		return s, true
	}
	return s, s.Type == nil // anything may be null too
}

// TestAsyncAPI_examples: the examples show every member. The server's are written as it would write them; a
// client's are taken, without each optional member too and with it null, but not without a required one.
func TestAsyncAPI_examples(t *testing.T) {
	doc := readAsyncAPI(t)
	clients, server := socketMessages()
	for name, m := range doc.Components.Messages {
		shown := map[string]bool{}
		for _, example := range m.Examples {
			for member := range example.Payload {
				shown[member] = true
			}
			if message, ok := server[name]; ok {
				again(t, name, example.Payload, message)
				continue
			}
			if refused := taken(example.Payload, clients[name]); refused != nil {
				t.Errorf("%s: the example is refused: %v", name, refused)
			}
			for member := range example.Payload {
				required := slices.Contains(m.Payload.Required, member)
				for how, changed := range map[string]map[string]any{"without": {}, "null": {member: nil}} {
					without := maps.Clone(example.Payload)
					delete(without, member)
					maps.Copy(without, changed)
					if refused := taken(without, clients[name]); member != "id" && (refused != nil) != required {
						t.Errorf("%s %s %s: %v, required %v", name, how, member, refused, required)
					}
				}
			}
		}
		if got, want := slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(m.Payload.Properties)); !slices.Equal(got, want) {
			t.Errorf("%s: the examples show %v of %v", name, got, want)
		}
	}
}

// taken decodes a message as a session would; message is of the struct's type.
func taken(example map[string]any, message any) *dispatch.Error {
	data, err := json.Marshal(example)
	if err != nil {
		return refusal(err)
	}
	if _, _, refused := wire.Kind(data); refused != nil {
		return refused
	}
	return wire.Decode(data, reflect.New(reflect.TypeOf(message)).Interface())
}

// again reads a message of the server and writes it, which has to give the same.
func again(t *testing.T, name string, example map[string]any, message any) {
	t.Helper()
	data, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	into := reflect.New(reflect.TypeOf(message)).Interface()
	if refused := wire.Decode(data, into); refused != nil {
		t.Errorf("%s: %v", name, refused)
		return
	}
	written, err := wire.Encode(into)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(written, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, example) {
		t.Errorf("%s: written again\n got %v\nwant %v", name, got, example)
	}
}
