package gateway

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// socketDocument is what the tests read of asyncapi.json.
type socketDocument struct {
	Channels map[string]struct {
		Address    string               `json:"address"`
		Messages   map[string]parameter `json:"messages"`
		Limits     map[string]limit     `json:"x-limits"`
		CloseCodes []closeCode          `json:"x-close-codes"`
	} `json:"channels"`
	Operations map[string]exchange `json:"operations"`
	Components struct {
		Messages map[string]described `json:"messages"`
		Schemas  map[string]shape     `json:"schemas"`
	} `json:"components"`
}

type limit struct {
	Value int `json:"value"`
}

type closeCode struct {
	Code      int  `json:"code"`
	Reconnect bool `json:"reconnect"`
}

// exchange is one operation, from the server's side.
type exchange struct {
	Action   string      `json:"action"`
	Messages []parameter `json:"messages"`
	Reply    struct {
		Messages []parameter `json:"messages"`
	} `json:"reply"`
	Roles    []string `json:"x-roles"`
	Unserved bool     `json:"x-unserved"`
}

type described struct {
	Name     string `json:"name"`
	Payload  shape  `json:"payload"`
	Examples []struct {
		Payload map[string]any `json:"payload"`
	} `json:"examples"`
}

// socketMessages are the structs of the messages; those a client sends are decoded strictly.
func socketMessages() (clients, server map[string]any) {
	return map[string]any{
			wire.TypeAuth: wire.Auth{}, wire.TypeResume: wire.Resume{}, wire.TypeTelemetry: wire.Telemetry{},
			wire.TypeDuty: wire.Duty{}, wire.TypeOfferAccept: wire.OfferAccept{}, wire.TypeOfferDecline: wire.OfferDecline{},
			wire.TypeTripAdvance: wire.TripAdvance{}, wire.TypeOrderCreate: wire.OrderCreate{},
			wire.TypeOrderCancel: wire.OrderCancel{}, wire.TypeOrderWatch: wire.OrderWatch{},
			wire.TypeOrderUnwatch: wire.OrderUnwatch{}, wire.TypeBoardWatch: wire.BoardWatch{},
		}, map[string]any{
			wire.TypeWelcome: wire.Welcome{}, wire.TypeAck: wire.Ack{}, wire.TypeError: wire.Error{},
			wire.TypeOffer: wire.Offer{}, wire.TypeOfferWithdrawn: wire.OfferWithdrawn{}, wire.TypeOrder: wire.OrderUpdate{},
			wire.TypeDriverPosition: wire.DriverPosition{}, wire.TypeDegraded: wire.Degraded{}, wire.TypeDrain: wire.Drain{},
			wire.TypeBoardSnapshot: wire.Board{}, wire.TypeBoardDelta: wire.Board{},
		}
}

func readAsyncAPI(t *testing.T) socketDocument {
	t.Helper()
	var doc socketDocument
	if err := json.Unmarshal(asyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// constants gives the values of the constants in files, a pattern, whose names begin with prefix.
func constants(t *testing.T, files, prefix string) []string {
	t.Helper()
	paths, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, path := range paths {
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) == 0 {
				return true
			}
			switch v := spec.Values[0].(type) {
			case *ast.BasicLit:
				values = append(values, strings.Trim(v.Value, `"`))
			case *ast.SelectorExpr:
				values = append(values, v.Sel.Name)
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s…", files, prefix)
	}
	slices.Sort(values)
	return values
}

// TestAsyncAPI_messages: every type of the wire is described, sent by the side that sends it, and nothing else.
func TestAsyncAPI_messages(t *testing.T) {
	doc := readAsyncAPI(t)
	clients, server := socketMessages()
	if got, want := slices.Sorted(maps.Keys(doc.Components.Messages)), constants(t, "wire/*.go", "Type"); !slices.Equal(got, want) {
		t.Errorf("messages %v are described, the wire has %v", got, want)
	}
	channel := doc.Channels["socket"]
	if channel.Address != "/v1/ws" {
		t.Errorf("the socket is at %s", channel.Address)
	}
	sent := map[string]map[string]bool{"receive": {}, "send": {}}
	for name, op := range doc.Operations {
		sides := sent[op.Action]
		for _, m := range op.Messages {
			sides[strings.TrimPrefix(m.Ref, "#/channels/socket/messages/")] = true
		}
		for _, m := range op.Reply.Messages {
			sent["send"][strings.TrimPrefix(m.Ref, "#/channels/socket/messages/")] = true
		}
		if len(op.Messages) == 0 {
			t.Errorf("operation %s has no messages", name)
		}
	}
	for side, want := range map[string]map[string]any{"receive": clients, "send": server} {
		if got, want := slices.Sorted(maps.Keys(sent[side])), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Errorf("the server is to %s %v, want %v", side, got, want)
		}
	}
	for name, m := range doc.Components.Messages {
		if m.Name != name || m.Payload.Properties["type"].Const != name {
			t.Errorf("message %s is named %s, of type %s", name, m.Name, m.Payload.Properties["type"].Const)
		}
		if channel.Messages[name].Ref != "#/components/messages/"+name {
			t.Errorf("the socket does not have message %s", name)
		}
	}
}

// TestAsyncAPI_ids: the server wants an id where one is described as required, and takes the message with it
// from the first of the roles that may send it.
func TestAsyncAPI_ids(t *testing.T) {
	doc := readAsyncAPI(t)
	st := newStage(t, nil)
	for name, m := range doc.Components.Messages {
		if doc.Operations[name].Action != "receive" {
			continue
		}
		required := slices.Contains(m.Payload.Required, "id")
		if slices.Contains([]string{wire.TypeAuth, wire.TypeResume, wire.TypeTelemetry}, name) {
			if required {
				t.Errorf("%s is described as wanting an id", name)
			}
			continue
		}
		if !required {
			t.Errorf("%s is described as taken without id", name)
		}
		st.run(t, name, func(t *testing.T) {
			p := st.enter(dispatch.Role(doc.Operations[name].Roles[0]), "sub-"+name)
			example := maps.Clone(m.Examples[0].Payload)
			id := example["id"].(string)
			for member, value := range map[string]any{"market": "west", "rider_id": nil} { // those of the stage
				if _, there := example[member]; there {
					example[member] = value
				}
			}
			if name == wire.TypeOrderCreate {
				example["stops"] = []frame{{"type": "pickup", "lat": 1, "lng": 1}, {"type": "dropoff", "lat": 2, "lng": 2}}
			}
			if doc.Operations[name].Unserved {
				if e := p.ask(example); e.str("code") != "unsupported" {
					t.Errorf("described as unserved, answered %v: let the document tell how", e)
				}
				return
			}
			delete(example, "id")
			p.send(example)
			if e := p.read(); e.str("code") != "bad_request" || e.str("field") != "/id" || e["id"] != nil {
				t.Errorf("without id: %v", e)
			}
			example["id"] = id
			if e := p.ask(example); slices.Contains([]string{"bad_request", "forbidden", "unsupported"}, e.str("code")) {
				t.Errorf("with id: %v", e)
			}
		})
	}
}

// TestAsyncAPI_roles: who may send and be sent a message is what the policy says.
func TestAsyncAPI_roles(t *testing.T) {
	actions := map[string]auth.Action{
		wire.TypeTelemetry: auth.Telemetry, wire.TypeDuty: auth.Duty, wire.TypeOfferAccept: auth.Accept,
		wire.TypeOfferDecline: auth.Decline, wire.TypeTripAdvance: auth.Advance, wire.TypeOrderCreate: auth.Create,
		wire.TypeOrderCancel: auth.Cancel, wire.TypeOrderWatch: auth.ReadOrder, wire.TypeOrderUnwatch: auth.ReadOrder,
		wire.TypeOffer: auth.ReadOffer, wire.TypeOfferWithdrawn: auth.ReadOffer, wire.TypeOrder: auth.ReadOrder,
		wire.TypeDriverPosition: auth.ReadPosition, wire.TypeBoardWatch: auth.WatchBoard,
		wire.TypeBoardSnapshot: auth.WatchBoard, wire.TypeBoardDelta: auth.WatchBoard,
	}
	everyone := []string{wire.TypeAuth, wire.TypeResume, wire.TypeWelcome, wire.TypeError, wire.TypeDegraded, wire.TypeDrain}
	for name, op := range readAsyncAPI(t).Operations {
		action, policed := actions[name]
		if !policed && !slices.Contains(everyone, name) {
			t.Errorf("operation %s: nothing tells who may do that", name)
		}
		for _, role := range []dispatch.Role{
			dispatch.RoleRider, dispatch.RoleDriver, dispatch.RoleService, dispatch.RoleDispatcher, dispatch.RoleAdmin,
		} {
			p := auth.Principal{Actor: dispatch.Actor{Role: role, Sub: "x"}}
			want := !policed || auth.Allow(p, action, auth.Target{}) == nil
			if got := slices.Contains(op.Roles, string(role)); got != want {
				t.Errorf("operation %s: role %s described as allowed: %v, is: %v", name, role, got, want)
			}
		}
	}
}

// TestAsyncAPI_limits: the limits told are those kept.
func TestAsyncAPI_limits(t *testing.T) {
	doc := readAsyncAPI(t)
	want := map[string]int{
		"frame_bytes": wire.MaxBytes, "board_frame_bytes": boardBytes, "points": wire.MaxPoints, "resume": wire.MaxResume, "reason_characters": wire.MaxReason,
		"tags": wire.MaxTags, "capacity": wire.MaxCapacity, "requests_in_flight": inFlight, "orders": maxTracks,
		"garbage_frames": garbageLimit, "queued_frames": outboxLimit, "auth_s": int(authWait.Seconds()),
		"resume_s": int(resumeWait.Seconds()), "request_s": int(requestWait.Seconds()),
	}
	got := map[string]int{}
	for name, l := range doc.Channels["socket"].Limits {
		got[name] = l.Value
	}
	if !maps.Equal(got, want) {
		t.Errorf("limits\n got %v\nwant %v", got, want)
	}
	member := func(message, name string) shape {
		s, _ := doc.resolve(doc.Components.Messages[message].Payload.Properties[name])
		return s
	}
	for message, m := range doc.Components.Messages {
		if _, there := m.Payload.Properties["reason"]; there && doc.Operations[message].Action == "receive" &&
			member(message, "reason").MaxLength != wire.MaxReason {
			t.Errorf("%s: reason has another limit than %d", message, wire.MaxReason)
		}
	}
	stops, duty := member(wire.TypeOrderCreate, "stops"), member(wire.TypeDuty, "capacity")
	if stops.MaxItems != dispatch.MaxStops || duty.Maximum != wire.MaxCapacity ||
		member(wire.TypeDuty, "tags").MaxItems != wire.MaxTags || member(wire.TypeTelemetry, "points").MaxItems != wire.MaxPoints ||
		member(wire.TypeBoardWatch, "zoom").Maximum != wire.MaxZoom || member(wire.TypeAuth, "resume").MaxItems != wire.MaxResume || member(wire.TypeResume, "resume").MaxItems != wire.MaxResume {
		t.Error("a list or number has another limit than the wire")
	}
}

// TestAsyncAPI_codes: close codes and error codes are those there are.
func TestAsyncAPI_codes(t *testing.T) {
	doc := readAsyncAPI(t)
	standard := map[string]int{"CloseNormalClosure": websocket.CloseNormalClosure, "CloseMessageTooBig": websocket.CloseMessageTooBig}
	var closes, described []int
	for _, value := range constants(t, "outbox.go", "close") {
		code, known := standard[value]
		if !known {
			code, _ = strconv.Atoi(value)
		}
		closes = append(closes, code)
	}
	for _, c := range doc.Channels["socket"].CloseCodes {
		described = append(described, c.Code)
		if c.Reconnect != (c.Code >= 4000 && c.Code < 4500) {
			t.Errorf("close code %d: reconnect %v", c.Code, c.Reconnect)
		}
	}
	if slices.Sort(closes); !slices.Equal(described, closes) {
		t.Errorf("close codes %v are described, there are %v", described, closes)
	}
	var codes []string
	for _, code := range doc.Components.Messages[wire.TypeError].Payload.Properties["code"].Enum {
		codes = append(codes, code.(string))
	}
	slices.Sort(codes)
	if want := constants(t, "../dispatch/errors.go", "Code"); !slices.Equal(codes, want) {
		t.Errorf("error codes %v are described, there are %v", codes, want)
	}
}

// TestAsyncAPI_openapi: a schema that both documents have is one schema.
func TestAsyncAPI_openapi(t *testing.T) {
	type document struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	var rest, socket document
	for data, doc := range map[*[]byte]*document{&openAPI: &rest, &asyncAPI: &socket} {
		if err := json.Unmarshal(*data, doc); err != nil {
			t.Fatal(err)
		}
	}
	shared := 0
	for name, s := range socket.Components.Schemas {
		other, both := rest.Components.Schemas[name]
		if !both {
			continue
		}
		if shared++; !reflect.DeepEqual(s, other) {
			t.Errorf("schema %s is another one in openapi.json", name)
		}
	}
	if shared == 0 {
		t.Error("the documents share no schema")
	}
}
